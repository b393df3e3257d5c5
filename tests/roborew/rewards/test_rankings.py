"""Pictures put in order: every pair of a list has the label that a question about it would have, and a
damaged order is none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from roborew.judges.parsing import Abstention
from roborew.judges.types import Question
from roborew.rewards.preferences import FramePair, PreferenceLabel
from roborew.rewards.rankings import RankingLabeler, read_ranking
from tests.roborew.rewards.vlm.scripted_judge import (
    GOAL,
    ScriptedJudge,
    levels,
    tagged_reply,
    video,
)

LEVELS = [0.3, 0.9, 0.1, 0.9, 0.5]


def group_of(worth: list[float]) -> list[FramePair]:
    """All pairs of different pictures."""
    frames = video(worth)
    # Alike to the judge, and yet two pictures.
    for number, frame in enumerate(frames):
        frame[0, 0, 0] ^= number
    pairs = combinations(frames, 2)
    return [FramePair(first=a, second=b, instruction=GOAL) for a, b in pairs]


def order_of(shown: list[float]) -> str:
    signs: list[str] = []
    ranked = sorted(range(len(shown)), key=lambda row: -shown[row])
    for row, following in zip(ranked, [*ranked[1:], None], strict=True):
        signs.append(str(row + 1))
        if following is not None:
            signs.append("=" if shown[row] == shown[following] else ">")
    return " ".join(signs)


def seeing(question: Question) -> str:
    return tagged_reply(question, order_of([round(level, 1) for level in levels(question)]))


def compare(
    rule: Callable[[Question], str], *groups: list[FramePair]
) -> tuple[list[PreferenceLabel], ScriptedJudge]:
    judge = ScriptedJudge(rule, raw=True)
    return RankingLabeler(judge=judge).compare_groups(groups), judge


def test_every_pair_of_an_order_has_its_label() -> None:
    labels, judge = compare(seeing, group_of(LEVELS), group_of(LEVELS[:3]))
    pairs = [*combinations(LEVELS, 2), *combinations(LEVELS[:3], 2)]
    assert [label.label for label in labels] == [None if a == b else int(b > a) for a, b in pairs]
    assert [label.is_tie for label in labels] == [a == b for a, b in pairs]
    assert len(judge.asked) == 4 and judge.calls == 1
    assert [len(levels(question)) for question in judge.asked] == [5, 3, 5, 3]


def test_a_judge_that_prefers_early_pictures_labels_nothing() -> None:
    def early(question: Question) -> str:
        numbers = range(1, len(levels(question)) + 1)
        return tagged_reply(question, " > ".join(map(str, numbers)))

    labels, _ = compare(early, group_of(LEVELS))
    assert all(label.label is None and not label.is_tie for label in labels)


def test_what_cannot_be_told_of_a_picture_is_left_open_in_its_pairs() -> None:
    def half(question: Question) -> str:
        shown = [round(level, 1) for level in levels(question)]
        unknown = shown.index(0.1) + 1
        first, second, third, fourth = np.argsort(np.negative(shown), kind="stable")[:4] + 1
        return tagged_reply(question, f"{first} = {second} > {third} > {fourth} ? {unknown}")

    labels, _ = compare(half, group_of(LEVELS))
    for label, pair in zip(labels, combinations(LEVELS, 2), strict=True):
        assert (label.reason == "the judge abstained") == (0.1 in pair)


@pytest.mark.parametrize(
    "reply",
    ["1 > 2", "1 > 2 > 3 > 4", "1 > 2 > 2", "1 2 3", "1, 2, 3", "1 > 2 > x", "", "> 1 > 2 > 3", "1 < 2 < 3",
     "1 > 2 > 3 ?", "1 >> 2 > 3", "0 > 1 > 2", "１ > 2 > 3", "1 > 2 > 3 > " + "9" * 5000, "3 > 2 ? 1 2"],
)  # fmt: skip
def test_an_order_without_exactly_all_pictures_is_none(reply: str) -> None:
    assert isinstance(read_ranking(reply, 3), Abstention)


def test_a_damaged_order_never_becomes_another_label() -> None:
    """Every cut, and letters exchanged at random: what is no order of all pictures says nothing."""
    rng = np.random.default_rng(11)
    whole = order_of(LEVELS)
    for size in range(len(whole)):
        assert isinstance(read_ranking(whole[:size], len(LEVELS)), Abstention)
    for _ in range(500):
        letters = list(whole)
        letters[int(rng.integers(len(letters)))] = "0123456789>=? x"[int(rng.integers(15))]
        places = read_ranking("".join(letters), len(LEVELS))
        assert isinstance(places, Abstention) or len(places) == len(LEVELS)
