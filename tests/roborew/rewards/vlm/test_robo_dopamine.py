"""Hops and the curves rebuilt from them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.judges.types import Question
from roborew.rewards.relative_progress import (
    apply_hop,
    color_difference,
    fuse_consistent,
    progress_from_goal,
    progress_from_start,
    relative_hop,
)
from roborew.rewards.vlm.robo_dopamine import RoboDopamine
from roborew.types import Clip
from tests.roborew.rewards.vlm.scripted_judge import (
    Said,
    ScriptedJudge,
    clip,
    levels,
    pictures,
    prompt,
    signed,
    video,
)

PROGRESS = st.floats(0, 1)
CURVE = [0.0, 0.2, 0.35, 0.3, 0.8, 0.75]


def by_hop(question: Question) -> Said:
    """The exact hop between the last two pictures."""
    return signed(relative_hop(*levels(question)[-2:]))


def dopamine(
    mode: str = "fused", rule: object = by_hop, **options: object
) -> tuple[RoboDopamine, ScriptedJudge]:
    judge = ScriptedJudge(rule)  # type: ignore[arg-type]
    return RoboDopamine(judge=judge, mode=mode, **options), judge  # type: ignore[arg-type]


@given(PROGRESS, PROGRESS)
def test_a_hop_is_undone_exactly_and_stays_in_range(p: float, q: float) -> None:
    """At both ends of progress a denominator is 0."""
    assert -1 <= relative_hop(p, q) <= 1 and relative_hop(p, p) == 0
    if not (q < p < 1e-300 or 1 - p < 1e-12 < abs(q - p)):
        assert apply_hop(p, relative_hop(p, q)) == pytest.approx(q, abs=1e-9)


@given(st.lists(PROGRESS, min_size=1, max_size=30))
def test_exact_hops_along_any_path_end_where_the_path_ends(path: list[float]) -> None:
    p = 0.0
    for before, after in zip([0.0, *path], path, strict=False):
        p = apply_hop(p, relative_hop(before, after))
        assert p == pytest.approx(after, abs=1e-6)


@given(st.integers(0, 20), st.integers(0, 20))
def test_hops_are_the_published_ratios_of_indices(a: int, b: int) -> None:
    """``100 (a - b) / (l - b)`` forward, ``100 (a - b) / (b - f)`` backward, from b to a of states
    f = 0 to l = 20."""
    if a != b:
        expected = (a - b) / (20 - b) if a > b else (a - b) / (b - 0)
        assert relative_hop(b / 20, a / 20) == pytest.approx(expected, abs=1e-9)


@given(PROGRESS, st.floats(-1, 1))
def test_no_hop_leads_out_of_range(p: float, h: float) -> None:
    """The published code bounds what is said, not what it adds up to."""
    assert 0 <= apply_hop(p, h) <= 1
    assert 0 <= progress_from_start(h) <= 1 and 0 <= progress_from_goal(h) <= 1


@pytest.mark.parametrize("mode", ["incremental", "forward", "backward", "fused"])
def test_a_judge_that_hops_exactly_gives_the_curve_back(mode: str) -> None:
    scores = dopamine(mode)[0].score([clip(CURVE, goal=1.0)])[0]
    np.testing.assert_allclose(scores.value, CURVE, atol=1e-5)


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=12
    )
)
def test_fused_and_consistent_are_the_formulas_of_the_paper(
    hops: list[tuple[float, float, float]],
) -> None:
    """Evaluated apart, in float64, on arbitrary hops: incremental, from the start, from the
    goal."""
    said = {}

    def rule(question: Question) -> Said:
        shown = levels(question)
        step = round(shown[-1] * 200) - 1
        anchor = (
            2
            if shown[-2] == 1.0
            else 1
            if step == 0 or (shown[-2] == 0.005 and (step, 1) not in said)
            else 0
        )
        said[step, anchor] = True
        return signed(round(hops[step][anchor], 6))

    levels_of = [0.005 * (step + 1) for step in range(len(hops))]
    if len(hops) > 1:
        levels_of, hops[1] = (
            levels_of,
            (hops[1][0], hops[1][0], hops[1][2]),
        )  # the frame before is the start
    h = np.round(np.array(hops), 6)
    incremental = [0.0]
    for each in h[1:, 0]:
        p = incremental[-1]
        incremental.append(p + (1 - p) * each if each >= 0 else p + p * each)
    starts, goals = np.clip(h[:, 1], 0, 1), np.clip(1 + h[:, 2], 0, 1)
    fused, _ = dopamine("fused", rule)
    value = fused.score([clip(levels_of, goal=1.0)])[0].value
    np.testing.assert_allclose(value, (np.array(incremental) + starts + goals) / 3, atol=1e-5)
    said.clear()
    phi, before, expected = 0.0, 0.0, []
    for i, f, b in zip(incremental, starts, goals, strict=True):
        m = (f + b) / 2
        w = np.exp(-2.0 * (abs(b - f) / (m + 1e-6)) ** 2)
        phi, before = float(np.clip(phi + w / 2 * (m - phi + i - before), 0, 1)), i
        expected.append(phi)
    value = dopamine("consistent", rule, alpha=2.0)[0].score([clip(levels_of, goal=1.0)])[0].value
    np.testing.assert_allclose(value, expected, atol=1e-5)


def test_anchors_that_contradict_each_other_move_nothing() -> None:
    assert fuse_consistent(0.4, 0.1, 0.0, 0.0, alpha=1.0) == pytest.approx(
        0.4 + 0.5 * (0 - 0.4 + 0.1)
    )
    assert fuse_consistent(0.4, 0.1, 0.0, 0.5, alpha=1.0) == pytest.approx(0.4, abs=0.01)
    assert fuse_consistent(0.4, 0.1, 0.0, 1.0, alpha=0.0) == pytest.approx(
        0.4 + 0.5 * (0.5 - 0.4 + 0.1)
    )


def test_an_unread_answer_is_not_complete_progress() -> None:
    """Read as a hop of 0 it is 100% when measured from the goal."""
    for mode in ("backward", "fused", "consistent"):
        model, _ = dopamine(mode, lambda question: "I cannot tell")
        assert not model.score([clip([0.1, 0.2], goal=1.0)])[0].valid.any()


def test_an_unread_answer_is_not_added_up_for_ever() -> None:
    model, _ = dopamine("incremental", lambda q: "?" if levels(q)[-1] == 0.35 else by_hop(q))
    scores = model.score([clip(CURVE)])[0]
    assert scores.valid.tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(scores.value[scores.valid], [0.0, 0.2, 0.3, 0.8, 0.75], atol=1e-5)


def test_a_goal_that_looks_like_the_start_is_scored_by_the_chain_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cycle = clip([0.0, 0.5, 1.0, 0.5, 0.0], goal=0.0)
    for mode in ("forward", "backward", "fused", "consistent"):
        model, judge = dopamine(mode)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            scores = model.score([cycle, cycle])[0]
        np.testing.assert_array_equal(
            scores.value, dopamine("incremental")[0].score([cycle])[0].value
        )
        assert len(judge.asked) == 2 * 4 and [record.message for record in caplog.records] == [
            "robo_dopamine: the goal looks like the start; such episodes are scored by the chain "
            "alone"
        ]


def test_in_one_batch_a_cycle_and_another_episode_do_not_disturb_each_other() -> None:
    cycle, other = clip([0.0, 0.5, 0.0], goal=0.0), clip(CURVE, goal=1.0)
    together = dopamine()[0].score([cycle, other, cycle])
    for scores, alone in zip(together, [cycle, other, cycle], strict=True):
        np.testing.assert_array_equal(scores.value, dopamine()[0].score([alone])[0].value)


def test_a_picture_differs_from_itself_by_nothing_at_any_size() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert color_difference(picture, picture) == 0
    assert color_difference(picture, picture.repeat(2, axis=0).repeat(2, axis=1)) == pytest.approx(
        0, abs=1e-9
    )
    moved = picture.copy()
    moved[10:16, 20:26] = 255 - moved[10:16, 20:26] // 2
    assert color_difference(picture, moved) > 0.1, "a small thing that moved is a difference"
    noisy = np.clip(
        picture.astype(int) + np.random.default_rng(1).integers(-3, 4, picture.shape), 0, 255
    )
    assert color_difference(picture, noisy.astype(np.uint8)) < 0.04


def test_views_are_cut_apart_and_the_goal_stands_in_its_own_views() -> None:
    """Backward, the published code shows the front goal in the places of the wrist cameras."""
    frames = np.zeros((2, 4, 18, 3), np.uint8)
    goal = np.full((4, 18, 3), 90, np.uint8)
    for view in range(3):
        frames[:, 0, 6 * view], goal[0, 6 * view] = 10 * (view + 1), 100 + 10 * (view + 1)
    judge = ScriptedJudge(lambda question: "0%")
    model = RoboDopamine(judge=judge, mode="backward", num_cameras=3)
    model.score([Clip(frames=frames, instruction="tidy up", goal_image=goal)])
    question = judge.asked[-1]
    assert [int(picture[0, 0, 0]) for picture in pictures(question)] == [
        10,
        110,
        110,
        120,
        130,
        10,
        20,
        30,
    ]
    assert (
        all(picture.shape == (4, 6, 3) for picture in pictures(question))
        and model.estimate_cost(1).pictures == 8
    )
    order = [part for part in question.parts if isinstance(part, str)]
    assert [
        word in text
        for word, text in zip(("Compare", "START", "END", "BEFORE", "AFTER"), order, strict=False)
    ]
    with pytest.raises(
        InvalidInputError, match="expected 5 pictures of one width side by side; got a width of 18"
    ):
        RoboDopamine(judge=judge, mode="incremental", num_cameras=5).score(
            [Clip(frames=frames, instruction="tidy up")]
        )


def test_the_task_of_each_question_is_that_of_its_own_clip() -> None:
    """The published code writes the first task of a batch into all of its questions."""
    model, judge = dopamine("incremental")
    model.score([clip([0.1, 0.2], instruction="open it"), clip([0.3, 0.4], instruction="close it")])
    assert ["open it" in prompt(q) for q in judge.asked] == [
        "close it" not in prompt(q) for q in judge.asked
    ]
    assert {levels(q)[-1]: "open it" in prompt(q) for q in judge.asked} == {0.2: True, 0.4: False}


def test_without_a_goal_only_what_needs_none_is_scored() -> None:
    assert (
        not dopamine("incremental")[0].spec.needs_goal_image
        and not dopamine("forward")[0].spec.needs_goal_image
    )
    with pytest.raises(
        InvalidInputError, match="needs a goal image; give one, or use mode=incremental"
    ):
        dopamine("fused")[0].score([clip([0.1])])
    for wrong in ({"mode": "sideways"}, {"num_cameras": 0}, {"alpha": -1.0}, {"alpha": np.nan}):
        with pytest.raises(InvalidInputError, match="expected a mode of incremental"):
            RoboDopamine(judge=ScriptedJudge(by_hop), **wrong)  # type: ignore[arg-type]


def test_frames_of_a_video_have_levels() -> None:
    assert video(CURVE).shape == (6, 4, 6, 3)
