"""Many pairs in one question: the same labels as one by one, in half as many questions as orders."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from roborew.judges.types import Question
from roborew.rewards.pair_lists import PairListLabeler
from roborew.rewards.preferences import FramePair, PreferenceLabel
from tests.roborew.rewards.vlm.scripted_judge import (
    GOAL,
    ScriptedJudge,
    levels,
    prompt,
    tagged_reply,
    video,
)

PAIR = re.compile(r"Pair \d+: pictures (\d+) and (\d+)\.")


def pairs_of(*levels_of_pairs: tuple[float, float]) -> list[FramePair]:
    pairs: list[FramePair] = []
    for pair in levels_of_pairs:
        first, second = video(list(pair))
        pairs.append(FramePair(first=first, second=second, instruction=GOAL))
    return pairs


def seeing(question: Question) -> str:
    shown = levels(question)
    digits: list[str] = []
    for numbers in PAIR.findall(prompt(question)):
        first, second = (shown[int(number) - 1] for number in numbers)
        digits.append("1" if first > second else "2" if second > first else "0")
    return tagged_reply(question, " ".join(digits))


def compare(
    rule: Callable[[Question], str], pairs: list[FramePair], per_question: int
) -> tuple[list[PreferenceLabel], ScriptedJudge]:
    judge = ScriptedJudge(rule, raw=True)
    return PairListLabeler(judge=judge, pairs_per_question=per_question).compare(pairs), judge


def saying(answer: str) -> Callable[[Question], str]:
    return lambda question: tagged_reply(question, answer)


def cut_after(size: int) -> Callable[[Question], str]:
    return lambda question: seeing(question)[:size]


PAIRS = [(0.1, 0.9), (0.9, 0.1), (0.5, 0.5), (0.1, 0.5), (0.9, 0.5), (0.2, 0.3), (0.3, 0.2)]


@pytest.mark.parametrize("per_question", [1, 2, 3, 7, 16])
def test_however_many_are_in_a_question_the_labels_are_the_same(per_question: int) -> None:
    said, judge = compare(seeing, pairs_of(*PAIRS), per_question)
    assert [label.label for label in said] == [1, 0, None, 1, 0, 1, 0]
    assert [label.is_tie for label in said] == [a == b for a, b in PAIRS]
    assert len(judge.asked) == 2 * -(-len(PAIRS) // per_question) and judge.calls == 1


def test_a_picture_is_shown_once_in_a_question() -> None:
    _, judge = compare(seeing, pairs_of(*PAIRS), 7)
    different = {level for pair in PAIRS for level in pair}
    assert [len(levels(question)) for question in judge.asked] == [len(different)] * 2


def test_a_judge_that_prefers_a_place_labels_nothing() -> None:
    for digit in "12":
        said, _ = compare(saying(f"{digit} {digit}"), pairs_of(*PAIRS[:2]), 2)
        assert [label.label for label in said] == [None, None]
        assert not any(label.is_tie for label in said)


def test_a_judge_that_prefers_early_pictures_labels_nothing() -> None:
    def rule(question: Question) -> str:
        numbers = [tuple(map(int, pair)) for pair in PAIR.findall(prompt(question))]
        return tagged_reply(question, " ".join("1" if a < b else "2" for a, b in numbers))

    said, _ = compare(rule, pairs_of((0.1, 0.9), (0.8, 0.2)), 2)
    assert [label.label for label in said] == [None, None]


def test_what_cannot_be_told_is_no_tie() -> None:
    said, _ = compare(saying("x 0"), pairs_of((0.1, 0.9), (0.4, 0.6)), 2)
    assert [label.is_tie for label in said] == [False, True]
    assert said[0].reason == "the judge abstained"


@pytest.mark.parametrize("reply", ["1", "1 2 1", "1 3", "1, 2", "", "12", "１ ２"])
def test_a_list_that_is_not_one_letter_a_pair_is_no_label(reply: str) -> None:
    """Nobody can say which label was left out."""
    said, _ = compare(saying(reply), pairs_of(*PAIRS[:2]), 2)
    assert [label.label for label in said] == [None, None]
    assert not any(label.is_tie for label in said)


def test_no_pairs_are_no_question() -> None:
    said, judge = compare(seeing, [], 4)
    assert said == [] and not judge.asked


def test_a_list_cut_by_probability_of_damage_never_becomes_another_label() -> None:
    """Every prefix of a right reply."""
    pairs = pairs_of(*PAIRS)
    rng = np.random.default_rng(5)
    for size in rng.integers(0, 60, 40).tolist():
        said, _ = compare(cut_after(size), pairs, 7)
        expected = [1, 0, None, 1, 0, 1, 0]
        assert all(s.label in (None, e) for s, e in zip(said, expected, strict=True))
