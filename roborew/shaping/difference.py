"""The gain in score, paid as it happens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roborew.shaping.state import Rewards, ShapingState, check_scale, check_scores
from roborew.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class ProgressDelta:
    """``r = scale * (p_t - p_last)``: the gain since the last valid score.

    The undiscounted return of an episode is ``scale * (last valid score - first valid score)``
    whatever the path and
    however many steps were invalid: it telescopes. An invalid step pays 0 and the next valid one
    pays the whole gain. Unlike `Potential` it takes nothing back at a termination, and leaves the
    optimal policy unchanged only for an undiscounted agent (the form of VIP, arXiv:2210.00030, and
    VLAC, arXiv:2509.15937).

    >>> import numpy as np
    >>> yes, no = np.array([True]), np.array([False])
    >>> state = ShapingState.start(np.array([0.25], np.float32), yes)
    >>> reward, state = ProgressDelta(scale=2.0).step(state, np.array([0.75], np.float32), yes, terminated=no)
    >>> float(reward[0])
    1.0

    Attributes:
        scale: reward for a gain of one, above 0.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one step of N episodes; see `Shaping.step`."""
        check_scores(score, valid, state.seen.shape)
        following = state.advance(score, valid)
        gain = np.where(state.seen, following.score - state.score, 0.0)
        return self.scale * gain, following
