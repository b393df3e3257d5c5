"""Signed comparisons of successive frames, integrated; and the word that it is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from roborew.data import write_video
from roborew.errors import InvalidInputError
from roborew.judges.types import Question
from roborew.rewards.relative_progress import Integrator, apply_change, relative_change
from roborew.rewards.vlm.vlac import Vlac, reference_parts, reference_pictures
from tests.roborew.rewards.vlm.scripted_judge import (
    Said,
    ScriptedJudge,
    clip,
    levels,
    prompt,
    signed,
    video,
)

INTEGRATORS: tuple[Integrator, ...] = ("remaining", "inverse", "mixed")
PROGRESS = st.floats(0, 0.99)


def by_change(integrator: Integrator = "inverse") -> ScriptedJudge:
    """Labels a pair with the exact change between its levels, and calls done what is above 0.9."""

    def rule(question: Question) -> Said:
        shown = levels(question)
        if "Is the task complete" in prompt(question):
            return str(int(shown[-1] > 0.9))
        return signed(relative_change(shown[-2], shown[-1], integrator))

    return ScriptedJudge(rule)


@given(PROGRESS, PROGRESS)
def test_gains_and_losses_are_undone_exactly(p: float, q: float) -> None:
    for integrator in ("remaining", "inverse"):
        assert apply_change(p, relative_change(p, q, integrator), integrator) == pytest.approx(
            q, abs=1e-9
        )
    assume(not (q < p and p > 0.5 and q < 0.1))
    assert apply_change(p, relative_change(p, q, "mixed"), "mixed") == pytest.approx(q, abs=1e-9)


@given(st.lists(PROGRESS, min_size=1, max_size=30), st.data())
def test_a_known_curve_comes_back_from_its_labels_along_any_of_its_frames(
    curve: list[float], data: object
) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(curve), max_size=len(curve)))  # type: ignore[attr-defined]
    visited = [q for q, kept in zip(curve, keep, strict=True) if kept]
    for integrator in ("remaining", "inverse"):
        p = 0.0
        for before, after in zip([0.0, *visited], visited, strict=False):
            p = apply_change(p, relative_change(before, after, integrator), integrator)
            assert p == pytest.approx(after, abs=1e-6)


@given(PROGRESS, PROGRESS)
def test_changes_are_antisymmetric_where_a_loss_undoes_a_gain(p: float, q: float) -> None:
    assert relative_change(p, q, "inverse") == pytest.approx(
        -relative_change(q, p, "inverse"), abs=1e-9
    )


@given(st.integers(0, 99), st.integers(0, 99))
def test_the_labels_are_those_of_the_paper(i: int, j: int) -> None:
    """``c(i, j) = (j - i) / (T - i)`` for j > i, negative when the order is reversed; T = 100."""
    c = (j - i) / (100 - i) if j >= i else -(i - j) / (100 - j)
    assert relative_change(i / 100, j / 100, "inverse") == pytest.approx(c, abs=1e-9)


@given(st.floats(0, 1), st.floats(-0.999, 1))
def test_the_integrators_are_the_published_formulas_where_these_are_defined(
    p: float, c: float
) -> None:
    v, percent = 100 * p, 100 * c

    def published(integrator: Integrator) -> float:
        if percent > 0 or integrator == "remaining":
            return v + (100 - v) * percent / 100
        if integrator == "mixed" and v <= 50:
            return v + v * percent / 100
        inverse = 100 - 100 * max(100 - v, 1) / (100 + percent)
        return max(10, inverse) if integrator == "mixed" else inverse

    assume(c != 0)
    for integrator in INTEGRATORS:
        expected = np.clip(published(integrator), 0, 100) / 100
        assert apply_change(p, c, integrator) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("integrator", INTEGRATORS)
@given(p=st.floats(0, 1), c=st.floats(-1, 1))
def test_progress_stays_in_its_range_and_goes_where_the_change_says(
    integrator: Integrator, p: float, c: float
) -> None:
    """The published one divides by zero at -100% and leaves its bounds; 0% lowered 99.5 to 99."""
    q = apply_change(p, c, integrator)
    assert 0 <= q <= 1
    rounding = 1e-12
    up, down = q >= p - rounding, q <= p + rounding or integrator == "mixed"
    assert up if c > 0 else down if c < 0 else q == p


def test_everything_can_be_lost_at_once_and_what_was_done_can_be_lost_again() -> None:
    assert [apply_change(0.8, -1.0, integrator) for integrator in INTEGRATORS] == pytest.approx(
        [0.6, 0.0, 0.1]
    )
    assert apply_change(1.0, -0.5, "inverse") == pytest.approx(0.98)
    assert apply_change(1.0, -0.5, "remaining") == 1.0


def test_where_no_change_leads_there_is_none() -> None:
    for p, q, integrator in (
        (1.0, 0.5, "remaining"),
        (1.0, 0.995, "inverse"),
        (0.6, 0.05, "mixed"),
    ):
        with pytest.raises(InvalidInputError, match="never leads"):
            relative_change(p, q, integrator)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"in \[0, 1\]"):
        relative_change(0.5, 1.5)


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_a_judge_that_labels_exactly_gives_the_curve_back(integrator: Integrator) -> None:
    curve = [0.0, 0.2, 0.3, 0.25, 0.6, 0.65, 0.955]
    scores = Vlac(judge=by_change(integrator), integrator=integrator).score([clip(curve)])[0]
    np.testing.assert_allclose(scores.value, curve, atol=1e-5)
    assert scores.success is not None and scores.success.tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_an_unread_answer_breaks_no_chain_and_counts_as_no_change() -> None:
    judge = by_change()
    rule = judge._rule
    judge._rule = lambda q: (
        "?" if levels(q)[-1] == 0.4 and "Is the task" not in prompt(q) else rule(q)
    )
    curve = [0.0, 0.2, 0.4, 0.4, 0.5]
    scores = Vlac(judge=judge).score([clip(curve)])[0]
    assert scores.valid.tolist() == [True, True, False, False, True]
    np.testing.assert_allclose(scores.value[scores.valid], [0.0, 0.2, 0.5], atol=1e-5)


def test_each_step_shows_the_last_two_pictures_only() -> None:
    judge = by_change()
    model = Vlac(judge=judge, ask_success=False)
    model.score([clip([0.0, 0.1, 0.2])])
    assert [levels(question) for question in judge.asked] == [[0.0, 0.1], [0.1, 0.2]]
    assert not model.spec.predicts_success and model.score([clip([0.0])])[0].success is None


def test_a_reference_is_shown_in_order_with_its_percentages_before_start_and_pair() -> None:
    judge = by_change()
    model = Vlac(
        judge=judge, ask_success=False, reference=video(np.linspace(0, 1, 21)), num_references=4
    )
    model.score([clip([0.05, 0.1, 0.2])])
    assert levels(judge.asked[1]) == pytest.approx([0.0, 0.3, 0.65, 1.0, 0.05, 0.1, 0.2])
    said = prompt(judge.asked[1])
    assert all(f"\n{percent}% complete:" in said for percent in (0, 33, 66, 100))
    assert model.estimate_cost(2).pictures == 7


def test_a_reference_may_be_a_video_file(tmp_path: Path) -> None:
    frames = np.repeat(video([0.0, 1.0], (32, 32)), 3, axis=0)
    path = write_video(tmp_path / "success.mp4", frames, fps=5)
    model = Vlac(judge=by_change(), ask_success=False, reference=path)
    assert model.estimate_cost(2).pictures == 9
    assert len(reference_parts(reference_pictures(frames, 2))) == 5
    with pytest.raises(InvalidInputError, match="at least 2 pictures"):
        Vlac(judge=by_change(), reference=frames, num_references=1)


def test_a_goal_picture_is_shown_where_done_is_asked() -> None:
    judge = by_change()
    Vlac(judge=judge).score([clip([0.1], goal=0.9)])
    assert levels(judge.asked[0]) == [0.9, 0.1]
