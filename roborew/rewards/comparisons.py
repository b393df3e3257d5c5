"""Labels of pairs by a model that compares two pictures and says nothing else: two questions a pair, one in
each order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roborew.judges.config import DEFAULT_JUDGE, JudgeConfig
from roborew.judges.types import Judge
from roborew.rewards.checkpoints.robometer_judge import FIRST, SECOND, comparison
from roborew.rewards.preferences import FramePair, PreferenceLabel, combine_orders
from roborew.rewards.vlm.base import JudgeClient, MarkedQuestion
from roborew.rewards.vlm.scales import Scale

FURTHER = Scale({FIRST: 0.0, SECOND: 1.0}, "first or second")
"""Worth: how much speaks for the second picture."""


class ComparisonLabeler(JudgeClient):
    """Labels pairs of pictures by the probability that one got further; a label stands only where both
    orders agree."""

    UNREAD_SETTINGS = ("parse_text", "min_prob_mass")

    def __init__(self, *, judge: JudgeConfig | Judge = DEFAULT_JUDGE, device: str = "cpu") -> None:
        """Load the judge.

        Args:
            judge: its configuration, or a judge that answers `comparison`.
            device: torch device of a judge in this process.
        """
        super().__init__("preferences", judge, device)

    def compare(self, pairs: Sequence[FramePair]) -> list[PreferenceLabel]:
        """Label pairs."""
        as_given = [comparison(pair.instruction, pair.first, pair.second) for pair in pairs]
        swapped = [comparison(pair.instruction, pair.second, pair.first) for pair in pairs]
        questions = [MarkedQuestion(question) for question in (*as_given, *swapped)]
        values = np.reshape(self.ask_values(questions, FURTHER)[:, 0], (2, -1))
        return [combine_orders(*both) for both in values.T.tolist()]

    def compare_groups(self, groups: Sequence[Sequence[FramePair]]) -> list[PreferenceLabel]:
        """Label the pairs of groups; the labels come one after the other."""
        return self.compare([pair for group in groups for pair in group])
