"""`pair`: labels that its integrator takes back, and a sum that neither drifts nor divides by
zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from roborew.checks.synthetic import OPEN, PUSH, embedded_episode, embedded_episodes, query
from roborew.critics.dataset.frame_pairs import STATIC_RATIO, FramePairBatch, FramePairSampler
from roborew.critics.networks.pair_network import PairNetwork, expected_change
from roborew.critics.objectives.vlac_pairs import VlacPairs, change_labels
from roborew.errors import InvalidInputError
from roborew.evaluation import spearman
from roborew.rewards.relative_progress import apply_change
from roborew.workflows.fit.examples import static_since


def compared(p: np.ndarray, q: np.ndarray, matched: bool = True) -> FramePairBatch:
    rows = np.arange(len(p))
    known = np.full(len(p), matched)
    return FramePairBatch(
        rows, rows, rows, p.astype(np.float32), q.astype(np.float32), p, rows, rows, known
    )


@pytest.fixture(scope="module")
def critic() -> VlacPairs:
    critic = VlacPairs(steps=120, batch_size=96, hidden_dim=32)
    critic.fit(embedded_episodes(4), [], lambda what, value: None)
    return critic


def test_the_integrator_takes_every_label_back_and_none_divides_by_zero() -> None:
    p, q = (each.ravel() for each in np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21)))
    change = change_labels(compared(p, q))
    assert np.isfinite(change).all() and (np.abs(change) <= 1).all()
    assert [apply_change(a, c) for a, c in zip(p, change.tolist(), strict=True)] == pytest.approx(
        q.tolist(), abs=1e-4
    )


def test_turning_a_pair_round_turns_its_sign_round_and_standing_still_is_no_change() -> None:
    p, q = np.random.default_rng(0).uniform(0, 0.98, (2, 50))
    np.testing.assert_allclose(
        change_labels(compared(p, q)), -change_labels(compared(q, p)), atol=1e-5
    )
    np.testing.assert_array_equal(
        change_labels(compared(np.linspace(0, 1, 9), np.linspace(0, 1, 9))), 0
    )


def test_under_another_tasks_sentence_nothing_moves_and_what_nobody_knows_stays_unknown() -> None:
    unknown = np.array([np.nan, 0.5])
    assert np.isnan(change_labels(compared(unknown, unknown[::-1]))).all()
    np.testing.assert_array_equal(
        change_labels(compared(np.array([0.1]), np.array([0.9]), matched=False)), 0
    )


def test_pairs_are_near_and_far_forwards_and_backwards_still_and_of_other_tasks() -> None:
    examples = embedded_episodes(3, instructions=(PUSH, OPEN))
    drawn = FramePairSampler(examples).sample(np.random.default_rng(0), 2000)
    owner = np.repeat(np.arange(len(examples)), [len(example.features) for example in examples])
    np.testing.assert_array_equal(owner[drawn.before], owner[drawn.after])
    np.testing.assert_array_equal(owner[drawn.before], owner[drawn.first])
    gap = drawn.after - drawn.before
    assert 0.4 < (gap > 0).mean() < 0.6 and (gap == 0).any() and (np.abs(gap) > 8).any()
    foreign = [
        examples[o].instruction != examples[s].instruction
        for o, s in zip(owner[drawn.before], drawn.instruction, strict=True)
    ]
    np.testing.assert_array_equal(drawn.matches, ~np.array(foreign))
    assert 0.05 < np.mean(foreign) < 0.15 and not drawn.success[foreign].any()


def test_frames_between_which_next_to_nothing_changes_are_no_progress_whatever_their_labels() -> (
    None
):
    """The reference's stagnation pairs: two frames, not one frame twice."""
    example = replace(
        embedded_episode("success", 0), static_since=np.repeat(np.arange(0, 24, 4), 4)
    )
    drawn = FramePairSampler([example]).sample(np.random.default_rng(0), 4000)
    truth = example.progress
    assert truth is not None
    same = (drawn.before // 4 == drawn.after // 4) & (drawn.before != drawn.after)
    stands = (
        same
        & (drawn.progress_before == drawn.progress_after)
        & (truth[drawn.before] != truth[drawn.after])
    )
    assert 0.01 < stands.mean() < STATIC_RATIO and not change_labels(drawn)[stands].any()
    np.testing.assert_array_equal(drawn.progress_after[~same], truth[drawn.after[~same]])


def test_a_frame_looks_like_those_before_it_that_differ_in_less_than_a_hundredth_of_their_pixels() -> (
    None
):
    frames = np.zeros((6, 20, 20, 3), np.uint8)
    frames[2:, :1, :3] = 200  # 3 of 400 pixels
    frames[4:, 5:7] = 200
    frames[5] += 5  # noise
    np.testing.assert_array_equal(static_since(frames), [0, 0, 0, 0, 4, 4])
    slow = np.zeros((12, 20, 20, 3), np.uint8)
    for at in range(12):
        slow[at, 0, :at] = 200
    np.testing.assert_array_equal(static_since(slow), np.maximum(np.arange(12) - 3, 0))


def test_progress_rises_with_the_task_and_falls_when_it_is_undone(critic: VlacPairs) -> None:
    for kind in ("success", "undo"):
        example = embedded_episode(kind, 77)
        scores = critic.score_step([query(example)])[0][0]
        assert scores.value[0] == 0
        assert spearman(scores.value, example.progress).value > 0.8


def test_a_still_video_stays_where_it_is(critic: VlacPairs) -> None:
    example = embedded_episode("success", 7)
    still = critic.score_step([query(embedded_episode("success", 7))])[0][0]
    frozen = np.repeat(example.features[:1], 60, axis=0)
    drift = critic.score_step(
        [
            type(query(example))(
                features=frozen, instruction=PUSH, text_embedding=example.text_embedding
            )
        ]
    )[0][0]
    assert drift.value.max() < 0.3 < still.value.max()


def test_it_says_done_at_the_end_of_a_success_only(critic: VlacPairs) -> None:
    success, failure = (
        critic.score_step([query(embedded_episode(kind, 3))])[0][0].success
        for kind in ("success", "failure")
    )
    assert success is not None and failure is not None
    assert success[-1] > 0.3 + max(success[0], failure[-1])


def test_every_weight_learns_and_decoded_changes_stay_in_their_range() -> None:
    network = PairNetwork(12, 8, 3, 16, 11)
    rng = np.random.default_rng(0)
    pictures, text = torch.as_tensor(rng.standard_normal((9, 3, 12), np.float32)), torch.ones(9, 8)
    network.loss(
        pictures, text, rng.uniform(-1, 1, 9).astype(np.float32), np.ones(9, np.float32)
    ).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
    extremes = expected_change(torch.tensor([[99.0, 0, 0], [0, 99.0, 0], [0, 0, 99.0]]))
    torch.testing.assert_close(extremes, torch.tensor([-1.0, 0.0, 1.0]))


def test_settings_that_make_no_sense_are_refused() -> None:
    for setting in ({"num_bins": 4}, {"num_references": 0}, {"hidden_dim": 2}):
        with pytest.raises(InvalidInputError, match="expected"):
            VlacPairs(**setting)
