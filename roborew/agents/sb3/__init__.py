"""Every algorithm of Stable-Baselines3 and sb3-contrib as an agent: ``SB3PPO`` with ``SB3PPOConfig``,
``SB3TD3`` with ``SB3TD3Config``, and so on for each row of `roborew.agents.sb3.algorithms`.

A class is made when it is first asked for: those of sb3-contrib need that package.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from roborew.agents.sb3.agent import SB3Agent
from roborew.agents.sb3.algorithms import ALGORITHMS
from roborew.agents.sb3.bridge import SB3Bridge, as_sb3
from roborew.agents.sb3.settings import settings_class
from roborew.agents.sb3.true_return import TrueReturn

__all__ = ["ALGORITHMS", "SB3Agent", "SB3Bridge", "TrueReturn", "agent_class", "as_sb3"]


@cache
def agent_class(name: str) -> type[SB3Agent]:
    """Return the class of an algorithm of `ALGORITHMS`, such as ``"sb3-td3"``.

    Raises:
        MissingBackendError: the package of the algorithm is not installed.
    """
    algorithm = ALGORITHMS[name]
    content = {
        "__doc__": f"{algorithm.class_name} of Stable-Baselines3; see `SB3Agent`.",
        "__module__": __name__,
        "algorithm": algorithm,
        "Config": settings_class(algorithm),
    }
    return type(f"SB3{algorithm.class_name}", (SB3Agent,), content)


def __getattr__(name: str) -> Any:
    for algorithm in ALGORITHMS.values():
        class_name = f"SB3{algorithm.class_name}"
        if name == class_name:
            return agent_class(algorithm.name)
        if name == f"{class_name}Config":
            return agent_class(algorithm.name).Config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
