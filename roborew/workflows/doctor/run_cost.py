"""What a whole run would ask, reckoned from a few questions."""

from __future__ import annotations

from dataclasses import dataclass

from roborew.rewards.vlm.base import JudgeReward
from roborew.workflows.doctor.check import Check
from roborew.workflows.environments import task_class
from roborew.workflows.train.config import TrainConfig

MINUTE, HOUR = 60.0, 3600.0
"""[s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What was measured.

    Attributes:
        count: questions; pictures of a reward that asks no judge.
        seconds: that they took together [s].
        tokens: in and out, as the server counts them; 0 where nobody does.
    """

    count: int
    seconds: float
    tokens: int = 0


def check_speed(rate: Rate, unit: str) -> Check:
    """How long one of them takes.

    Args:
        rate: measured.
        unit: what was counted, in the singular.
    """
    finding = f"{rate.seconds / rate.count:.2g} s a {unit}, {rate.count} of them together"
    if rate.tokens:
        finding += f"; {rate.tokens / rate.count:,.0f} tokens a {unit}"
    return Check(name="speed", ok=True, needed=False, finding=finding)


def check_cost(rate: Rate, unit: str, total: int, run: str) -> Check:
    """What a run takes at this rate.

    Args:
        rate: measured.
        unit: what was counted, in the singular.
        total: that the run needs.
        run: in words.
    """
    finding = f"{run}: about {total:,} {unit}s, {_duration(total * rate.seconds / rate.count)}"
    if rate.tokens:
        finding += f", {total * rate.tokens / rate.count / 1e6:,.1f} million tokens"
    return Check(name="a run", ok=True, needed=False, finding=f"{finding}, at this rate")


def pictures_of_run(config: TrainConfig) -> tuple[int, int]:
    """Episodes of a run, if none ends early, and the frames that are scored of each."""
    horizon = task_class(config.env.id).horizon
    return config.timesteps // horizon, 1 + horizon // config.score_every


def questions_of_run(model: JudgeReward, config: TrainConfig) -> int:
    """What the reward of a run asks while it trains."""
    episodes, frames = pictures_of_run(config)
    return episodes * model.estimate_cost(frames).questions


def _duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:,.0f} h"
