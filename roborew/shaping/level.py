"""The score itself, paid again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roborew.shaping.state import Rewards, ShapingState, check_scale, check_scores
from roborew.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class RawScore:
    """``r = scale * p_t`` at every valid step, 0 at an invalid one. It can be farmed: prefer
    `ProgressDelta`.

    An agent earns for as long as the episode lasts, so hovering at a middling score for a whole
    episode can beat reaching the goal and ending it. It is here because published systems pay so
    (ReWiND, arXiv:2505.10911; Robometer, arXiv:2603.02115) and to be compared with.

    >>> import numpy as np
    >>> yes, no = np.array([True]), np.array([False])
    >>> state = ShapingState.start(np.array([0.5], np.float32), yes)
    >>> reward, state = RawScore(scale=2.0).step(state, np.array([0.5], np.float32), yes, terminated=no)
    >>> float(reward[0])
    1.0

    Attributes:
        scale: reward a step for a score of one, above 0.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one step of N episodes; see `Shaping.step`."""
        check_scores(score, valid, state.seen.shape)
        return self.scale * np.where(valid, score, 0.0).astype(np.float64), state.advance(
            score, valid
        )
