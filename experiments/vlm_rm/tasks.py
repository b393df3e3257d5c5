"""The tasks of VLM-RM with frames as large as CLIP reads them; importing registers
``vlm_rm/NAME-v0``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium

from roborew_envs import TaskVectorEnv, make_task

SIZE = 224
"""Height and width of a frame [pixels]."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked of CLIP: the goal as it looks when reached, and what is seen anyway."""

    goal: str
    baseline: str


HUMANOID = "a humanoid robot"
PROMPTS = {
    "HumanoidKneel-v0": Prompt("a humanoid robot kneeling", HUMANOID),
    "HumanoidLotus-v0": Prompt(
        "a humanoid robot sitting down, meditating in the lotus position", HUMANOID
    ),
    "HumanoidStand-v0": Prompt("a humanoid robot standing up", HUMANOID),
    "HumanoidRaiseArms-v0": Prompt("a humanoid robot standing up with both arms raised", HUMANOID),
    "HumanoidSideSplits-v0": Prompt("a humanoid robot doing the side splits", HUMANOID),
    "HumanoidHandsOnHips-v0": Prompt(
        "a humanoid robot standing up with its hands on its hips", HUMANOID
    ),
    "HumanoidArmsCrossed-v0": Prompt(
        "a humanoid robot standing up with its arms crossed", HUMANOID
    ),
    "HumanoidOneLeg-v0": Prompt("a humanoid robot standing on one leg", HUMANOID),
    "CartPole-v0": Prompt("a pole standing upright on top of a cart", "a pole and a cart"),
    "MountainCar-v0": Prompt(
        "a car at the top of the mountain, next to the flag", "a car in the mountains"
    ),
}
"""By the task's name, without ``roborew/``."""


def _make_vector(name: str, **options: Any) -> TaskVectorEnv:
    return TaskVectorEnv(make_task(f"roborew/{name}"), **{"width": SIZE, "height": SIZE, **options})


for _name in PROMPTS:
    gymnasium.register(f"vlm_rm/{_name}", vector_entry_point=partial(_make_vector, _name))
