"""The expected grade over twenty letters and several criteria."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.judges.types import Question
from roborew.rewards.vlm.verifier import CRITERIA, GRADES, LETTERS, Verifier
from tests.roborew.rewards.vlm.scripted_judge import Said, ScriptedJudge, clip, prompt


@given(st.lists(st.floats(0.001, 1.0), min_size=40, max_size=40))
def test_the_score_is_that_of_the_formula(masses: list[float]) -> None:
    """``(1 / C) sum_c sum_g p(v_g) (g - 1) / (G - 1)`` with grades 0 to 1, A the best."""
    p = np.array(masses).reshape(2, 20)
    p /= p.sum(axis=1, keepdims=True)

    def rule(question: Question) -> Said:
        return dict(zip(LETTERS, p[int(CRITERIA[1] in prompt(question))], strict=True))

    score = Verifier(judge=ScriptedJudge(rule, probabilities=True)).score([clip([0.1])])[0].value[0]
    assert score == pytest.approx(
        np.mean([sum(p[c, i] * (19 - i) / 19 for i in range(20)) for c in range(2)]), abs=1e-5
    )


def test_a_written_letter_is_worth_its_place() -> None:
    def said(letter: str) -> float:
        return float(
            Verifier(judge=ScriptedJudge(lambda question: letter)).score([clip([0.1])])[0].value[0]
        )

    assert [said(letter) for letter in "AKT"] == pytest.approx([1.0, 9 / 19, 0.0])
    assert said("k") == pytest.approx(9 / 19)


@pytest.mark.parametrize("said", ["U", "AB", "A+", "", "10", "Α"])
def test_what_is_no_grade_is_no_half_either(said: str) -> None:
    """The authors' code falls back to 0.5."""
    assert (
        not Verifier(judge=ScriptedJudge(lambda question: said)).score([clip([0.1])])[0].valid.any()
    )


def test_one_criterion_without_an_answer_leaves_no_score() -> None:
    def rule(question: Question) -> Said:
        return None if CRITERIA[1] in prompt(question) else "A"

    assert not Verifier(judge=ScriptedJudge(rule)).score([clip([0.1, 0.2])])[0].valid.any()


def test_the_criteria_are_the_users() -> None:
    judge = ScriptedJudge(lambda question: "B")
    model = Verifier(judge=judge, criteria=("whether the handle is held",))
    model.score([clip([0.1])])
    assert len(judge.asked) == model.estimate_cost(
        1
    ).questions == 1 and "whether the handle is held" in prompt(judge.asked[0])
    with pytest.raises(InvalidInputError, match="at least one thing to grade"):
        Verifier(judge=judge, criteria=())


def test_the_letters_fit_into_the_twenty_probabilities_that_servers_list() -> None:
    assert (
        len(GRADES.values) == 20
        and min(GRADES.values.values()) == Verifier(judge=ScriptedJudge(lambda q: "A")).spec.low
    )


def test_letters_that_are_not_listed_are_left_out_of_the_mean() -> None:
    """Servers list the most probable tokens alone."""
    judge = ScriptedJudge(lambda question: {"A": 0.6, "K": 0.2}, probabilities=True)
    scores = Verifier(judge=judge).score([clip([0.1])])[0]
    assert scores.value[0] == pytest.approx((0.6 + 0.2 * 9 / 19) / 0.8, abs=1e-6)
    assert judge.asked[0].any_choices
    nothing = ScriptedJudge(lambda question: {"K": 0.02}, probabilities=True)
    assert not Verifier(judge=nothing).score([clip([0.1])])[0].valid.any()
