"""A reward that nobody has taught yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from roborew.critics.objectives.bradley_terry import BradleyTerry
from roborew.short_repr import reward_repr
from roborew.types import Clip, Scores


class Untaught:
    """Promises what the critics will that a judge teaches, and says nothing of any frame: what a run is
    prepared with, and never paid by."""

    __repr__ = reward_repr
    spec = replace(BradleyTerry.spec, name="preference")

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Abstain."""
        lengths = [len(clip.frames) for clip in clips]
        return [
            Scores(np.zeros(length, np.float32), np.zeros(length, np.bool_), None)
            for length in lengths
        ]
