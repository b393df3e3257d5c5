"""Who labels pairs."""

from __future__ import annotations

from roborew.judges.config import JudgeConfig
from roborew.rewards.comparisons import ComparisonLabeler
from roborew.rewards.pair_lists import PairListLabeler
from roborew.rewards.picture_lists import PictureListLabeler
from roborew.rewards.preferences import PreferenceLabeler
from roborew.rewards.rankings import RankingLabeler
from roborew.workflows.label.questions import QuestionForm

Labeler = PreferenceLabeler | PictureListLabeler | ComparisonLabeler


def make_labeler(form: QuestionForm, judge: JudgeConfig, device: str) -> Labeler:
    """Return who labels them.

    Args:
        form: what stands in a question.
        judge: who is asked.
        device: torch device of a judge in this process.

    Raises:
        RoborewError: the judge cannot be had.
    """
    if form.without_words:
        return ComparisonLabeler(judge=judge, device=device)
    if form.is_ranking:
        return RankingLabeler(judge=judge, pairs_per_question=1, device=device)
    if form.pairs == 1:
        return PreferenceLabeler(judge=judge, device=device)
    return PairListLabeler(judge=judge, pairs_per_question=form.pairs, device=device)
