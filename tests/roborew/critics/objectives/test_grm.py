"""`hop`: labels without a division by zero, three curves and their fusion, and what one
demonstration is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roborew.checks.synthetic import OPEN, PUSH, embedded_episode, embedded_episodes, query
from roborew.critics.objectives.grm import Grm, hop_labels
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.evaluation import spearman
from roborew.rewards.relative_progress import apply_hop

SMALL = {"steps": 120, "batch_size": 96, "hidden_dim": 32}


def quiet(what: str, value: float) -> None:
    pass


@pytest.fixture(scope="module")
def critic() -> Grm:
    critic = Grm(**SMALL)
    critic.fit(embedded_episodes(4), [], quiet)
    return critic


def test_every_hop_is_taken_back_and_neither_end_divides_by_zero() -> None:
    p, q = (
        each.ravel().astype(np.float32)
        for each in np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21))
    )
    hops = hop_labels(p, q)
    assert np.isfinite(hops).all() and (np.abs(hops) <= 1).all()
    assert [
        apply_hop(a, h) for a, h in zip(p.tolist(), hops.tolist(), strict=True)
    ] == pytest.approx(q, abs=1e-5)


def test_a_hop_from_or_to_what_nobody_knows_is_unknown() -> None:
    ends = np.array([0, 1, np.nan], np.float32)
    assert np.isnan(hop_labels(ends, np.full(3, np.nan, np.float32))).all()
    assert np.isnan(hop_labels(np.full(3, np.nan, np.float32), ends)).all()


@pytest.mark.parametrize("curve", ["fused", "consistent", "incremental", "forward", "backward"])
def test_every_curve_rises_with_the_task_and_falls_when_it_is_undone(
    critic: Grm, curve: str
) -> None:
    other = Grm(**SMALL, curve=curve)
    other.load_state_dict(critic.state_dict())
    for kind in ("success", "undo"):
        example = embedded_episode(kind, 77)
        assert (
            spearman(other.score_step([query(example)])[0][0].value, example.progress).value > 0.7
        )


def test_fused_is_the_mean_of_the_three_curves(critic: Grm) -> None:
    values = {}
    for curve in ("fused", "incremental", "forward", "backward"):
        other = Grm(**SMALL, curve=curve)
        other.load_state_dict(critic.state_dict())
        values[curve] = other.score_step([query(embedded_episode("undo", 5))])[0][0].value
    mean = (values["incremental"] + values["forward"] + values["backward"]) / 3
    np.testing.assert_allclose(values["fused"], mean, atol=1e-6)


def test_the_users_goal_picture_counts_and_the_episodes_own_last_frame_does_not(
    critic: Grm,
) -> None:
    example = embedded_episode("success", 77)
    without = critic.score_step([query(example)])[0][0].value
    own = critic.score_step([query(replace(example, goal_embedding=example.features[-1]))])[0][
        0
    ].value
    np.testing.assert_array_equal(without, own)
    elsewhere = critic.score_step(
        [query(example, goal_image=embedded_episode("failure", 4).features[0])]
    )[0][0].value
    assert not np.allclose(without, elsewhere)


def test_without_any_success_there_is_no_goal_and_progress_is_told_from_the_start() -> None:
    critic = Grm(**SMALL)
    critic.fit(
        [embedded_episode(kind, seed) for seed in range(3) for kind in ("failure", "undo")],
        [],
        quiet,
    )
    example = embedded_episode("undo", 50)
    assert spearman(critic.score_step([query(example)])[0][0].value, example.progress).value > 0.7


def test_one_demonstration_is_enough_for_experts() -> None:
    critic = Grm(**SMALL)
    critic.fit([embedded_episode("success", 1, labeled=False)], [], quiet)
    orders = [
        spearman(critic.score_step([query(e)])[0][0].value, e.progress).value
        for e in (embedded_episode("success", 60 + i) for i in range(4))
    ]
    assert np.mean(orders) > 0.85


def test_a_new_task_is_adapted_to_from_one_demonstration_and_brings_its_goal(critic: Grm) -> None:
    adapted = Grm(**SMALL)
    adapted.load_state_dict(critic.state_dict())
    held_out = embedded_episode("success", 61, instruction=OPEN)
    before = spearman(adapted.score_step([query(held_out)])[0][0].value, held_out.progress).value
    adapted.adapt([embedded_episode("success", 1, instruction=OPEN)], 150, quiet)
    after = spearman(adapted.score_step([query(held_out)])[0][0].value, held_out.progress).value
    assert after > max(0.85, before)
    assert len(adapted.state_dict()["goals"]) == len(critic.state_dict()["goals"]) + 1


def test_settings_that_make_no_sense_and_damaged_goals_are_refused(critic: Grm) -> None:
    for setting in ({"num_bins": 4}, {"alpha": -1.0}, {"hidden_dim": 2}):
        with pytest.raises(InvalidInputError, match="expected"):
            Grm(**setting)
    arrays = dict(critic.state_dict())
    for damaged in (
        {**arrays, "goals": arrays["goals"][:, :3]},
        {k: v for k, v in arrays.items() if k != "texts"},
    ):
        with pytest.raises(CorruptFileError):
            Grm(**SMALL).load_state_dict(damaged)
    with pytest.raises(InvalidInputError, match="nothing is learned yet"):
        Grm(**SMALL).adapt([embedded_episode("success", 1)], 3, quiet)


def test_the_sentence_of_a_task_picks_its_goal() -> None:
    critic = Grm(**SMALL)
    critic.fit(embedded_episodes(2, instructions=(PUSH, OPEN)), [], quiet)
    assert len(critic.state_dict()["goals"]) == 2
