"""What a task tells its scripted behaviors: how it is done, undone, missed and mistaken. Data,
read by `experts`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Skill = Callable[[FloatArray, FloatArray], FloatArray]
"""(qpos (N, nq), offset (N, 3) [m]) -> where the hand should go, (N, 3) [m], or with the gripper's
opening from -1 (closed, also where it is not given) to +1 as a fourth column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillSet:
    """The skills behind a task's behaviors.

    Attributes:
        expert: reaches the goal from any state.
        wrong: does the same kind of thing with another object.
        over: qpos -> what `hover` stays above, (N, 3) [m].
        stop: range of true progress at which `stall` stops.
        slow: range of the share of the expert's moves that `slow` makes; the way must still fit
            into the horizon.
        undo: from success back, after which success does not hold; None where nothing can be
            undone.
        miss: qpos of the start -> offset (N, 3) [m] with which the expert just misses.
        give_up: qpos -> (N,) bool where `near_miss` leaves off and lifts the hand; never if not
            given.
    """

    expert: Skill
    wrong_object: Skill
    hover_position: Callable[[FloatArray], FloatArray]
    stall_progress_range: tuple[float, float]
    slow_speed_range: tuple[float, float] = (0.5, 0.57)
    undo: Skill | None = None
    near_miss_offset: Callable[[FloatArray], FloatArray] | None = None
    near_miss_stop: Callable[[FloatArray], NDArray[np.bool_]] | None = None
