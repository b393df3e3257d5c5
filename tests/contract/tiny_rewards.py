"""How the contract tests build each registered reward: constructor options of a tiny local
instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from roborew.judges.config import JudgeConfig
from tests.roborew.encoders.tiny_towers import tiny_clip, tiny_dinov2
from tests.roborew.rewards.checkpoints.tiny_released import (
    tiny_classifier,
    tiny_rewind,
    tiny_robometer,
    tiny_sarm,
)
from tests.tiny_models import tiny_vlm

Options = Mapping[str, Any]


def tiny_judge(folder: Path) -> Options:
    """A judge with random weights; its allowed answers hold little probability."""
    return {"judge": JudgeConfig(model=str(tiny_vlm(folder)), min_prob_mass=0.0)}


def clip_options(folder: Path) -> Options:
    """A two-layer CLIP; rounding to bfloat16 would move scores by more than these tests allow."""
    return {
        "model": str(tiny_clip(folder)),
        "alpha": 0.5,
        "baseline": "a robot",
        "dtype": "float32",
    }


def goal_image_options(folder: Path) -> Options:
    """A two-layer DINOv2."""
    return {"model": str(tiny_dinov2(folder)), "dtype": "float32", "output": "difference"}


def wordy_judge(folder: Path) -> Options:
    """The same, for a method that reads what it writes."""
    return {"judge": JudgeConfig(model=str(tiny_vlm(folder)))}


def released(build: Callable[[Path], Path]) -> Callable[[Path], Options]:
    """A released model with random weights."""
    return lambda folder: {"weights": str(build(folder))}


def sarm_options(folder: Path) -> Options:
    """A SARM, with a CLIP of its own."""
    return {"weights": str(tiny_sarm(folder)), "clip": str(folder / "clip")}


def rewind_options(folder: Path) -> Options:
    """A ReWiND, with a DINOv2 and a BERT of its own."""
    paths = {"weights": tiny_rewind(folder), "vision": folder / "vision"}
    return {name: str(path) for name, path in (paths | {"language": folder / "language"}).items()}


JUDGED = ("roboreward", "verifier", "topreward", "vlac", "robo_dopamine", "robofume")
TINY: dict[str, Callable[[Path], Options]] = {
    **dict.fromkeys(JUDGED, tiny_judge),
    "gvl": wordy_judge,
    "clip": clip_options,
    "goal_image": goal_image_options,
    "reward_classifier": released(tiny_classifier),
    "robometer": released(tiny_robometer),
    "sarm": sarm_options,
    "rewind": rewind_options,
}
"""By registered name; called with an empty folder in which files may be made. A reward not named
here needs no options but the device."""


def tiny_options(name: str, folder: Path) -> Options:
    """Return constructor options of the reward called ``name``, without ``device``."""
    return TINY[name](folder) if name in TINY else {}
