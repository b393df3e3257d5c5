"""roborew: from a sentence, a goal picture or a few videos to a dense reward, a trained robot, and
whether to trust it.

Every name below is loaded when it is first used, so that ``import roborew`` costs nothing.

>>> import roborew
>>> "load_reward" in dir(roborew)
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from roborew.agents.ppo import PPO, PPOConfig
    from roborew.agents.sb3 import TrueReturn, as_sb3
    from roborew.api import collect, fit, score, train
    from roborew.checks import (
        check_agent,
        check_critic,
        check_encoder,
        check_judge,
        check_reward,
        check_task,
    )
    from roborew.critics.critic import Critic
    from roborew.data import read_picture, read_video, write_video
    from roborew.data.reading import read_demonstrations
    from roborew.errors import RoborewError
    from roborew.evaluation import evaluate, record, spearman, voc
    from roborew.shaping import Potential, ProgressDelta, RawScore
    from roborew.types import Clip, RewardModel, RewardSpec, Scores
    from roborew.workflows.collect import CollectConfig
    from roborew.workflows.evaluate import FinishedRun
    from roborew.workflows.fit import FitConfig
    from roborew.workflows.parts import AgentConfig, CriticConfig, EncoderConfig, RewardConfig
    from roborew.workflows.rewards import load_reward
    from roborew.workflows.train.config import (
        EnvConfig,
        EvaluationConfig,
        ShapingConfig,
        SuccessDetectorConfig,
        TrainConfig,
    )
    from roborew.wrappers import (
        LearnedReward,
        OracleReward,
        SingleLearnedReward,
        SuccessDetector,
    )

_HOMES = {
    "roborew.agents.ppo": ("PPO", "PPOConfig"),
    "roborew.agents.sb3": ("TrueReturn", "as_sb3"),
    "roborew.api": ("collect", "fit", "score", "train"),
    "roborew.checks": (
        "check_agent",
        "check_critic",
        "check_encoder",
        "check_judge",
        "check_reward",
        "check_task",
    ),
    "roborew.critics.critic": ("Critic",),
    "roborew.data": ("read_picture", "read_video", "write_video"),
    "roborew.data.reading": ("read_demonstrations",),
    "roborew.errors": ("RoborewError",),
    "roborew.evaluation": ("evaluate", "record", "spearman", "voc"),
    "roborew.shaping": ("Potential", "ProgressDelta", "RawScore"),
    "roborew.types": ("Clip", "RewardModel", "RewardSpec", "Scores"),
    "roborew.workflows.collect": ("CollectConfig",),
    "roborew.workflows.evaluate": ("FinishedRun",),
    "roborew.workflows.fit": ("FitConfig",),
    "roborew.workflows.parts": ("AgentConfig", "CriticConfig", "EncoderConfig", "RewardConfig"),
    "roborew.workflows.rewards": ("load_reward",),
    "roborew.workflows.train.config": (
        "EnvConfig",
        "EvaluationConfig",
        "ShapingConfig",
        "SuccessDetectorConfig",
        "TrainConfig",
    ),
    "roborew.wrappers": ("LearnedReward", "OracleReward", "SingleLearnedReward", "SuccessDetector"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "PPO",
    "AgentConfig",
    "Clip",
    "CollectConfig",
    "Critic",
    "CriticConfig",
    "EncoderConfig",
    "EnvConfig",
    "EvaluationConfig",
    "FinishedRun",
    "FitConfig",
    "LearnedReward",
    "OracleReward",
    "PPOConfig",
    "Potential",
    "ProgressDelta",
    "RawScore",
    "RewardConfig",
    "RewardModel",
    "RewardSpec",
    "RoborewError",
    "Scores",
    "ShapingConfig",
    "SingleLearnedReward",
    "SuccessDetector",
    "SuccessDetectorConfig",
    "TrainConfig",
    "TrueReturn",
    "as_sb3",
    "check_agent",
    "check_critic",
    "check_encoder",
    "check_judge",
    "check_reward",
    "check_task",
    "collect",
    "evaluate",
    "fit",
    "load_reward",
    "read_demonstrations",
    "read_picture",
    "read_video",
    "record",
    "score",
    "spearman",
    "train",
    "voc",
    "write_video",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'roborew' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
