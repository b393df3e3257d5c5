"""`progress`: what it learns, what it must not learn, and the defects that others had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from roborew.checks.synthetic import (
    OPEN,
    PUSH,
    TEXT_EMBEDDINGS,
    embedded_episode,
    embedded_episodes,
    query,
)
from roborew.critics.causal_windows import window_indices
from roborew.critics.dataset.window_pairs import (
    WindowBatch,
    WindowPairSampler,
    truncated_progress_labels,
)
from roborew.critics.networks.transformer import CausalLayers
from roborew.critics.objectives.robometer import Robometer, RobometerNetwork
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.evaluation import auroc, spearman


@pytest.fixture(scope="module")
def critic() -> Robometer:
    critic = Robometer(steps=160, batch_size=32, num_frames=5, hidden_dim=64)
    critic.fit(embedded_episodes(4, instructions=(PUSH, OPEN)), [], lambda what, value: None)
    return critic


def test_scores_fall_when_the_task_is_undone_and_rise_when_it_is_done(critic: Robometer) -> None:
    for kind in ("success", "undo"):
        example = embedded_episode(kind, 77)
        assert (
            spearman(critic.score_step([query(example)])[0][0].value, example.progress).value > 0.85
        )


def test_it_claims_success_of_successes_only(critic: Robometer) -> None:
    claims = {
        kind: [
            critic.score_step([query(embedded_episode(kind, seed))])[0][0].success[-1]
            for seed in range(70, 74)
        ]
        for kind in ("success", "failure", "undo")
    }
    assert auroc(claims["success"], claims["failure"] + claims["undo"]).value == 1.0


def test_another_tasks_sentence_scores_lower(critic: Robometer) -> None:
    right = query(embedded_episode("success", 5))
    wrong = replace(right, instruction=OPEN, text_embedding=TEXT_EMBEDDINGS[OPEN])
    ends = [scores.value[-1] for scores in critic.score_step([right, wrong])[0]]
    assert ends[0] > ends[1] + 0.3


def test_a_video_that_got_further_is_preferred_whichever_is_named_first(critic: Robometer) -> None:
    better, worse = query(embedded_episode("success", 8)), query(embedded_episode("failure", 9))
    assert critic.prefer(worse, better) > 0.5 > critic.prefer(better, worse)
    assert critic.prefer(better, worse) + critic.prefer(worse, better) == pytest.approx(1, abs=1e-6)


def test_every_weight_learns() -> None:
    network = RobometerNetwork(12, 8, 16, 2, 10)
    examples = embedded_episodes(2, instructions=(PUSH, OPEN))
    first, second = WindowPairSampler(examples, 4).sample(np.random.default_rng(0), 16)
    frames = torch.as_tensor(np.concatenate([example.features for example in examples]))
    text = torch.as_tensor(np.stack([examples[row].text_embedding for row in first.instruction]))
    vectors, preference = network.compare(frames[first.frames], frames[second.frames], text)
    network.loss(vectors, preference, first, second).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_labels_that_nobody_knows_change_neither_the_loss_nor_its_gradient() -> None:
    network = RobometerNetwork(12, 8, 16, 1, 10)
    rng = np.random.default_rng(0)
    vectors = torch.randn(4, 3, 16, generator=torch.Generator().manual_seed(0))
    progress = rng.random((4, 3), np.float32)
    success = (progress > 0.5).astype(np.float32)

    def loss(extra: int) -> torch.Tensor:
        def padded(labels: np.ndarray) -> np.ndarray:
            return np.concatenate([labels, np.full((extra, 3), np.nan, np.float32)])

        shown = WindowBatch(
            np.zeros((4 + extra, 3), np.int64),
            padded(progress),
            padded(success),
            np.zeros(4 + extra),
        )
        more = torch.cat([vectors, 100 * torch.ones(extra, 3, 16)])
        return network.loss(more, torch.zeros(4 + extra), shown, shown)

    torch.testing.assert_close(loss(0), loss(9))
    loss(9).backward()
    assert all(torch.isfinite(w.grad).all() for w in network.parameters() if w.grad is not None)


def test_attention_reads_only_what_came_before() -> None:
    layers = CausalLayers(16, 2, 4).eval()
    tokens = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[:, 4:] = changed[:, 4:].flip(
        -1
    )  # a sum would not do: normalisation of a layer takes a constant out again
    torch.testing.assert_close(layers(tokens)[:, :4], layers(changed)[:, :4])
    assert not torch.allclose(layers(tokens)[:, 4:], layers(changed)[:, 4:])


@pytest.mark.parametrize(("known", "size"), [(0, 3), (1, 4), (3, 4), (2, 8)])
def test_a_window_starts_with_the_first_frame_and_its_place_is_the_frame_itself(
    known: int, size: int
) -> None:
    positions, places = window_indices(6, known, size)
    np.testing.assert_array_equal(positions[:, 0], 0)
    np.testing.assert_array_equal(positions[np.arange(6), places], np.arange(known, known + 6))
    for row, place, frame in zip(positions, places, range(known, known + 6), strict=True):
        assert row.max() <= frame, "no window reads the future"
        assert len(set(row[: place + 1].tolist())) == place + 1, (
            "what fills up stands behind the frame"
        )


def test_batches_show_both_orders_failures_and_other_tasks_in_labels_that_follow_the_frames() -> (
    None
):
    examples = embedded_episodes(3, instructions=(PUSH, OPEN))
    truth = np.concatenate(
        [example.progress for example in examples if example.progress is not None]
    )
    owner = np.repeat(np.arange(len(examples)), [len(example.features) for example in examples])
    first, second = WindowPairSampler(examples, 5).sample(np.random.default_rng(0), 400)
    for shown in (first, second):
        foreign = np.array(
            [
                examples[o].instruction != examples[s].instruction
                for o, s in zip(owner[shown.frames[:, 0]], shown.instruction, strict=True)
            ]
        )
        np.testing.assert_array_equal(shown.progress[~foreign], truth[shown.frames[~foreign]])
        assert (
            0.05 < foreign.mean() < 0.5
            and not shown.progress[foreign].any()
            and not shown.success[foreign].any()
        )
        steps = np.diff(shown.frames[:, 1:], axis=1)
        assert (steps > 0).all(axis=1).any() and (steps < 0).all(axis=1).any()
        assert ((steps > 0).any(axis=1) & (steps < 0).any(axis=1)).any(), "some are rewound"
    further = first.preference(second)
    known = further[np.isfinite(further)]
    assert 0.4 < known.mean() < 0.6 and len(known) > 200
    np.testing.assert_array_equal(second.preference(first)[np.isfinite(further)], 1 - known)


@pytest.mark.parametrize("is_told", [True, False])
def test_just_short_of_a_goal_is_no_success_where_success_is_told(is_told: bool) -> None:
    curve = np.linspace(0, 1, 41, dtype=np.float32)
    reached = curve == 1 if is_told else None
    example = replace(embedded_episode("success", 0, 41), progress=curve, reached=reached)
    first, _ = WindowPairSampler([example], 5).sample(np.random.default_rng(0), 400)
    threshold = 1.0 if is_told else 0.95
    np.testing.assert_array_equal(first.success, curve[first.frames] >= threshold)
    # Films that stop short do so at any frame before it.
    last_but_one = int(np.argmax(curve >= threshold)) - 1
    assert (first.frames[:, -1] == last_but_one).any()


def test_a_success_got_further_than_a_failure_of_which_nothing_else_is_known() -> None:
    def shown(progress: float, success: float) -> WindowBatch:
        return WindowBatch(
            *(np.full((1, 1), value, np.float32) for value in (0, progress, success)), np.zeros(1)
        )

    failed, done, half = shown(np.nan, 0), shown(1, 1), shown(0.5, np.nan)
    assert failed.preference(done) == 1 and done.preference(failed) == 0
    assert (
        np.isnan(failed.preference(half))
        and np.isnan(failed.preference(failed))
        and np.isnan(done.preference(done))
    )


def test_an_unlabelled_success_is_done_from_its_cut_off_on() -> None:
    example = embedded_episode("success", 0, 11, labeled=False)
    labels = truncated_progress_labels(example, 0.5)
    np.testing.assert_allclose(labels[:6], np.linspace(0, 1, 6), atol=1e-6)
    np.testing.assert_array_equal(labels[5:], 1)
    np.testing.assert_array_equal(
        truncated_progress_labels(embedded_episode("undo", 0), 0.5),
        embedded_episode("undo", 0).progress,
    )


def test_settings_that_make_no_sense_and_damaged_arrays_are_refused(critic: Robometer) -> None:
    for setting in (
        {"num_frames": 2},
        {"hidden_dim": 30},
        {"num_bins": 1},
        {"truncate_ratio": 0.0},
        {"steps": 0},
    ):
        with pytest.raises(InvalidInputError, match="expected"):
            Robometer(**setting)
    arrays = dict(critic.state_dict())
    for damaged in (
        {**arrays, "marks": arrays["marks"][:1]},
        {},
        {**arrays, "shape": np.array([-1, 2])},
    ):
        with pytest.raises(CorruptFileError):
            Robometer(num_frames=5, hidden_dim=64).load_state_dict(damaged)
    with pytest.raises(InvalidInputError, match="nothing is learned yet"):
        Robometer().score_step([query(embedded_episode("success", 0))])
