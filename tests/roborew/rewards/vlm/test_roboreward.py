"""The rubric from 1 to 5: an expectation where there are probabilities, an exact tag where there
are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.rewards.vlm.roboreward import RoboReward
from tests.roborew.rewards.vlm.scripted_judge import (
    ScriptedJudge,
    clip,
    levels,
    prompt,
    tagged_reply,
)

GRADES = "12345"
MASSES = st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5)


@given(MASSES, st.floats(0.3, 1.0))
def test_the_score_is_the_expected_grade_of_the_formula(
    masses: Sequence[float], told: float
) -> None:
    """``sum_n p(n) (n - 1) / 4`` over the grades alone; what the model would say else, 1 - told,
    has no part."""
    p = told * np.array(masses) / np.sum(masses)
    judge = ScriptedJudge(lambda question: dict(zip(GRADES, p, strict=True)), probabilities=True)
    scores = RoboReward(judge=judge).score([clip([0.1])])[0]
    expected = sum(p[n - 1] * (n - 1) / 4 for n in range(1, 6)) / p.sum()
    assert scores.value[0] == pytest.approx(expected, abs=1e-5)
    assert scores.success is not None and scores.success[0] == pytest.approx(
        p[4] / p.sum(), abs=1e-5
    )


@pytest.mark.parametrize("grade", GRADES)
def test_a_written_grade_is_its_share(grade: str) -> None:
    scores = RoboReward(judge=ScriptedJudge(lambda question: grade)).score([clip([0.1])])[0]
    assert scores.value.tolist() == [(int(grade) - 1) / 4]
    assert scores.success is not None and scores.success.tolist() == [float(grade == "5")]


@pytest.mark.parametrize(
    "reply",
    [
        "I see 3 blocks",
        "ANSWER: 4",
        "<answer>5</answer>",
        "5",
        "The grade is 2 of 5.",
        "",
        "<answer-0>5",
    ],
)
def test_a_digit_somewhere_in_a_reply_is_no_grade(reply: str) -> None:
    """Ports fall back to the last digit anywhere, then to 1."""
    model = RoboReward(judge=ScriptedJudge(lambda question: reply, raw=True))
    assert not model.score([clip([0.1])])[0].valid.any()


@pytest.mark.parametrize("said", ["0", "6", "3.5", "-1", "5 of 5", "nan", "٣"])
def test_a_grade_out_of_the_rubric_is_an_abstention(said: str) -> None:
    assert (
        not RoboReward(judge=ScriptedJudge(lambda question: said))
        .score([clip([0.1])])[0]
        .valid.any()
    )


def test_two_answers_are_none() -> None:
    def twice(question: object) -> str:
        return tagged_reply(question, "2") + tagged_reply(question, "4")  # type: ignore[arg-type]

    model = RoboReward(judge=ScriptedJudge(twice, raw=True))
    assert not model.score([clip([0.1])])[0].valid.any()
    assert model.abstentions == {"several tags": 1}


def test_a_lone_frame_is_shown_twice() -> None:
    """Video models read frames in pairs."""
    judge = ScriptedJudge(lambda question: "1")
    RoboReward(judge=judge).score([clip([0.1, 0.2, 0.3])])
    assert [levels(question) for question in judge.asked] == [
        [0.1, 0.1],
        [0.1, 0.2],
        [0.1, 0.2, 0.3],
    ]


def test_long_videos_are_thinned_evenly_and_the_judge_is_told_at_what_rate() -> None:
    """Choosing frames but telling the rate of the whole video collapses its length."""
    judge = ScriptedJudge(lambda question: "1")
    RoboReward(judge=judge, max_frames=4, fps=8.0).score([clip(np.arange(101) / 200)])
    for t, expected in (
        (3, [0, 1, 2, 3]),
        (6, [0, 2, 4, 6]),
        (9, [0, 3, 6, 9]),
        (99, [0, 32, 64, 99]),
    ):
        assert [round(200 * level) for level in levels(judge.asked[t])] == expected
        assert judge.asked[t].fps == pytest.approx(8.0 * 3 / t)


def test_scored_at_the_end_only_the_last_frame_has_a_score() -> None:
    judge = ScriptedJudge(lambda question: "4")
    model = RoboReward(judge=judge, score_at="end")
    one, other = model.score([clip([0.1, 0.2, 0.3]), clip([0.4])])
    assert (
        one.valid.tolist() == [False, False, True]
        and one.value[2] == 0.75
        and other.valid.tolist() == [True]
    )
    assert len(judge.asked) == 2 and levels(judge.asked[0]) == [0.1, 0.2, 0.3]
    assert not model.spec.causal, "its scores may pay no step"


def test_the_rubric_asks_for_the_final_state_alone() -> None:
    judge = ScriptedJudge(lambda question: "1")
    RoboReward(judge=judge).score([clip([0.1])])
    assert "only the state in the last frame" in prompt(judge.asked[0])
    assert all(f"\n{grade}: " in prompt(judge.asked[0]) for grade in GRADES)


@pytest.mark.parametrize(
    "wrong", [{"max_frames": 1}, {"fps": 0.0}, {"fps": np.nan}, {"fps": np.inf}]
)
def test_too_few_frames_or_no_rate_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="expected max_frames of at least 2"):
        RoboReward(judge=ScriptedJudge(lambda question: "1"), **wrong)
