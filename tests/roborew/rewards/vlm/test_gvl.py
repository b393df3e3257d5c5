"""Shuffled frames: matched by their number, never by the order in which the answers come."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.judges.parsing import Abstention
from roborew.judges.types import Question
from roborew.rewards.vlm.gvl import GVL, parse_numbered_percentages
from roborew.wrappers import LearnedReward
from tests.roborew.rewards.vlm.scripted_judge import ScriptedJudge, clip, levels, prompt
from tests.roborew.wrappers.clock_environment import NativeClocks

CURVE = [0.0, 0.3, 0.1, 0.9, 0.55, 1.0]


def lines(question: Question) -> list[str]:
    """The true percentage of each frame but the start, as ``number: percentage``."""
    numbers = re.findall(r"Frame (\d+):", prompt(question))
    return [
        f"{number}: {100 * level:.1f}%"
        for number, level in zip(numbers, levels(question)[1:], strict=True)
    ]


def gvl(rule: object = lambda q: "\n".join(lines(q)), **options: int) -> tuple[GVL, ScriptedJudge]:
    judge = ScriptedJudge(rule)  # type: ignore[arg-type]
    return GVL(judge=judge, **options), judge


@given(st.lists(st.integers(0, 200), min_size=1, max_size=29), st.integers(0, 1000), st.randoms())
def test_whatever_the_shuffle_and_the_order_of_the_answers_the_curve_comes_back(
    numbers: list[int], seed: int, random: object
) -> None:
    def rule(question: Question) -> str:
        said = lines(question)
        random.shuffle(said)  # type: ignore[attr-defined]
        return "\n".join(said)

    curve = np.array([0, *numbers]) / 200
    scores = gvl(rule, seed=seed)[0].score([clip(curve)])[0]
    assert scores.valid.all()
    np.testing.assert_allclose(scores.value, curve, atol=1e-5)


def test_the_frames_are_shuffled_reproducibly_and_the_start_is_not_asked_about() -> None:
    orders = []
    for seed in (0, 0, 1):
        model, judge = gvl(seed=seed)
        model.score([clip(np.linspace(0, 1, 21))])
        orders.append(levels(judge.asked[0]))
    assert orders[0] == orders[1] != orders[2]
    assert (
        orders[0][0] == 0 and orders[0][1:] != sorted(orders[0][1:]) and len(set(orders[0])) == 21
    )


def test_a_fractional_percentage_rescales_nothing() -> None:
    scores = gvl(lambda q: "1: 12.5%\n2: 50%\n3: 100%")[0].score([clip([0.0] * 4)])[0]
    assert sorted(scores.value.tolist()) == [0.0, 0.125, 0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1: 10%\n1: 20%\n2: 30%", "a frame is answered twice"),
        ("1: 10%\n3: 20%", "out of range"),
        ("0: 10%\n1: 20%", "out of range"),
        ("10%\n20%", "not a line of frame and percentage"),
        ("Frame 1: 10%\nFrame 2: 20%", "not a line of frame and percentage"),
        ("1: 10%, 2: 20%\nwell done", "not a line of frame and percentage"),
    ],
)
def test_a_reply_whose_frames_cannot_be_told_is_no_curve(text: str, reason: str) -> None:
    said = parse_numbered_percentages(text, 2)
    assert isinstance(said, Abstention) and said.reason == reason
    scores = gvl(lambda question: text)[0].score([clip([0.0, 0.1, 0.2])])[0]
    assert scores.valid.tolist() == [True, False, False], "the start is 0 by definition"


@pytest.mark.parametrize("bad", ["nan%", "150%", "-5%", "50", "half"])
def test_a_frame_without_a_percentage_is_missing_alone(bad: str) -> None:
    model, _ = gvl(
        lambda q: "\n".join(
            line if " 30.0%" not in line else line.replace("30.0%", bad) for line in lines(q)
        )
    )
    scores = model.score([clip(CURVE)])[0]
    assert scores.valid.tolist() == [True, False, True, True, True, True]
    assert sum(model.abstentions.values()) == 1


def test_a_frame_that_is_left_out_is_missing_alone() -> None:
    model, _ = gvl(lambda q: "\n".join(line for line in lines(q) if " 90.0%" not in line))
    assert model.score([clip(CURVE)])[0].valid.tolist() == [True, True, True, False, True, True]
    assert model.abstentions == {"frame not answered": 1}


def test_between_frames_that_are_shown_of_a_long_clip_values_are_interpolated_where_both_were_answered() -> (
    None
):
    curve = np.linspace(0, 1, 41)
    model, judge = gvl(max_frames=5)
    np.testing.assert_allclose(model.score([clip(curve)])[0].value, curve, atol=0.003)
    assert len(levels(judge.asked[0])) == 5 == model.estimate_cost(41).pictures
    model, _ = gvl(
        lambda q: "\n".join(line for line in lines(q) if " 50.0%" not in line), max_frames=5
    )
    scores = model.score([clip(curve)])[0]
    assert scores.valid.tolist() == [True] * 11 + [False] * 19 + [True] * 11


def test_clips_are_asked_together_and_a_lone_frame_not_at_all() -> None:
    model, judge = gvl()
    one, lone, other = model.score([clip(CURVE), clip([0.7]), clip(CURVE[:4])])
    np.testing.assert_allclose(one.value, CURVE, atol=1e-5)
    np.testing.assert_allclose(other.value, CURVE[:4], atol=1e-5)
    assert lone.value.tolist() == [0] and judge.calls == 1 and len(judge.asked) == 2


def test_a_judge_without_an_answer_gives_no_curve() -> None:
    assert (
        gvl(lambda question: None)[0].score([clip(CURVE)])[0].valid.tolist() == [True] + [False] * 5
    )


def test_it_can_pay_no_step() -> None:
    with pytest.raises(InvalidInputError, match="'gvl' is not causal"):
        LearnedReward(NativeClocks([4]), gvl()[0], "read the clock", success_detector=None)


@pytest.mark.parametrize("wrong", [{"max_frames": 1}, {"max_frames": 2000}, {"seed": -1}])
def test_what_cannot_be_shown_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match="expected 2 to 1000 max_frames"):
        gvl(**wrong)
