"""What a demonstration set holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """What a demonstration set holds; the same configuration gives the same set."""

    behaviors: tuple[str, ...] = ("expert",)
    """Policies that play, each from the same starts; an environment without one of them says which it
    has."""
    expert: Path | None = None
    """Run whose agent plays the expert, and on which noisy, stall and the like build, in an environment
    of another suite that brings none; or package.module:function, from observations (N, D) to actions
    (N, A)."""
    instruction: Annotated[str | None, tyro.conf.arg(aliases=("--goal",))] = None
    """What the episodes are to show, as a sentence; the environment's own instruction if not
    given."""
    horizon: int | None = None
    """Steps of an episode in an environment of another suite, its own if not given."""
    to_horizon: bool = False
    """Whether episodes go on in their success to the horizon, in an environment of another suite, and
    show whether the goal is held; else they end soon after it."""
    expert_successes: bool = False
    """Whether an expert that does not end in success plays again from another start, in an environment
    of another suite: whoever demonstrates shows what went well."""
    success_reward: float | None = None
    """Reward of a step from which on it is a success, in an environment of another suite that tells
    none, as dm_control's."""
    options: tuple[str, ...] = ()
    """Further settings of an environment of another suite as key=value, each value a number, true,
    false, null or else text, such as goal_marker=false."""
    episodes: int = 40
    """Episodes of each behavior."""
    format: Literal["lerobot", "folder"] = "lerobot"
    """LeRobotDataset v3.0, whose frames per second are rounded to a whole number, or mp4 files with
    a manifest."""
    cameras: tuple[str, ...] = ()
    """Cameras to record; the environment's first if none is given."""
    width: int = 96
    """Width of a frame [pixels]; an environment that draws itself, without MuJoCo, keeps its own."""
    height: int = 72
    """Height of a frame [pixels]."""
    quality: Literal["fast", "medium", "full"] = "fast"
    """How frames are drawn; stated in every file that holds them."""
    codec: Literal["h264", "av1", "lossless"] = "h264"
    """Codec of the videos; av1 is LeRobot's own choice, and takes three times as long; lossless: every
    frame exact."""
    seed: int = 0
    """Random seed of the starts."""
