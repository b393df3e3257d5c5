"""Who labels the pairs of a run."""

from __future__ import annotations

from roborew.judges.config import JudgeConfig
from roborew.rewards.pair_lists import PairListLabeler
from roborew.rewards.preferences import PreferenceLabeler
from roborew.workflows.preference.settings import PreferenceSettings

Labeler = PreferenceLabeler | PairListLabeler


def make_labeler(settings: PreferenceSettings, judge: JudgeConfig, device: str) -> Labeler:
    """Return who labels pairs.

    Args:
        settings: of the reward.
        judge: its judge, with what a run adds to it.
        device: torch device of a judge in this process.

    Raises:
        RoborewError: the judge cannot be had.
    """
    if settings.pairs_per_question == 1:
        return PreferenceLabeler(judge=judge, device=device)
    return PairListLabeler(
        judge=judge, pairs_per_question=settings.pairs_per_question, device=device
    )
