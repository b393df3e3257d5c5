"""`time_rewarder`: distances in time that have a sign, pairs near more often than far, and a sum
that nobody earns by going in circles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from roborew.checks.synthetic import OPEN, PUSH, embedded_episode, embedded_episodes, query
from roborew.critics.dataset.time_pairs import TimePairSampler, time_levels
from roborew.critics.objectives.time_rewarder import CURVES, Curve, TimeRewarder
from roborew.errors import InvalidInputError
from roborew.evaluation import spearman
from roborew.learning.examples import Example
from roborew.learning.labels import hold_success, progress_from_success


def silent(what: str, value: float) -> None:
    del what, value


@pytest.fixture(scope="module")
def critic() -> TimeRewarder:
    critic = TimeRewarder(steps=120, batch_size=64, hidden_dim=32)
    successes_and_failures = embedded_episodes(4, labeled=False)[:8]
    critic.fit(successes_and_failures, [], silent)
    return critic


def with_success(success: list[bool]) -> Example:
    """An episode of which success is known of each frame, and nothing else."""
    ends_well = success[-1]
    reached = hold_success(np.array(success), ends_well)
    return replace(
        embedded_episode("success", 1, length=len(success)),
        progress=progress_from_success(reached),
        reached=reached,
        success=ends_well,
    )


def test_time_counts_up_to_the_first_success_and_stands_still_after_it() -> None:
    experts = {
        "the last frame": embedded_episode("success", 0, length=5, labeled=False),
        "told of each frame": with_success([False, False, True, False, True]),
        "from the start": with_success([True, True]),
    }
    assert {name: time_levels(expert).tolist() for name, expert in experts.items()} == {
        "the last frame": [0.0, 0.25, 0.5, 0.75, 1.0],
        "told of each frame": [0.0, 0.5, 1.0, 1.0, 1.0],
        "from the start": [1.0, 1.0],
    }


def test_an_experts_progress_labels_say_when_it_is_done_and_not_how_far_it_is() -> None:
    done_early = np.array([0, 0.9, 1, 1, 1], np.float32)
    expert = replace(embedded_episode("success", 0, length=5), progress=done_early)
    assert time_levels(expert).tolist() == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_a_failure_stays_at_the_start_unless_its_own_labels_say_more() -> None:
    unlabeled = embedded_episode("failure", 0, labeled=False)
    assert not time_levels(unlabeled).any()
    undone = embedded_episode("undo", 0)
    np.testing.assert_array_equal(time_levels(undone), undone.progress)
    assert not time_levels(with_success([False, False, False])).any()


def test_pairs_are_drawn_in_inverse_proportion_to_their_distance_in_either_order() -> None:
    example = embedded_episode("success", 0, length=6, labeled=False)
    batch = TimePairSampler([example], 0.25).sample(np.random.default_rng(0), 20_000)
    gaps = batch.after - batch.before
    np.testing.assert_allclose(batch.distance, gaps / 5, atol=1e-6)
    counts = np.bincount(np.abs(gaps), minlength=6)
    inverse = 1 / np.arange(1, 6)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:] / counts.sum(), inverse / inverse.sum(), atol=0.015)
    assert 0.48 < (gaps > 0).mean() < 0.52


def test_failures_are_pairs_of_their_own_and_beside_experts_of_their_sentence() -> None:
    examples = embedded_episodes(2, instructions=(PUSH, OPEN), labeled=False)
    batch = TimePairSampler(examples, 0.25).sample(np.random.default_rng(0), 4000)
    owners = np.repeat(np.arange(len(examples)), [len(example.features) for example in examples])
    first, second = owners[batch.before], owners[batch.after]
    is_failure = np.array([example.success is False for example in examples])
    within = is_failure[first] & is_failure[second]
    between = is_failure[first] != is_failure[second]
    assert (first == second)[~between].all() and not batch.distance[within].any()
    assert 0.1 < within.mean() < 0.15 and 0.1 < between.mean() < 0.15
    sentences = [example.instruction for example in examples]
    assert all(sentences[a] == sentences[b] for a, b in zip(first, second, strict=True))
    # Whichever stands second, the expert's frame is the later one.
    assert (batch.distance[between & is_failure[first]] >= 0).all()
    assert (batch.distance[between & is_failure[second]] <= 0).all()


def test_without_failures_in_the_pairs_it_is_the_papers() -> None:
    examples = embedded_episodes(1, labeled=False)
    batch = TimePairSampler(examples, 0.0).sample(np.random.default_rng(0), 500)
    assert max(batch.before.max(), batch.after.max()) < len(examples[0].features)


def test_under_another_tasks_sentence_nothing_moves() -> None:
    examples = embedded_episodes(1, instructions=(PUSH, OPEN), labeled=False)
    batch = TimePairSampler(examples, 0.0).sample(np.random.default_rng(0), 2000)
    owners = np.repeat(np.arange(len(examples)), [len(example.features) for example in examples])
    own = [examples[owner].instruction for owner in owners[batch.before]]
    given = [examples[row].instruction for row in batch.instruction]
    is_other = np.array([a != b for a, b in zip(own, given, strict=True)])
    assert 0.07 < is_other.mean() < 0.13 and not batch.distance[is_other].any()
    assert batch.distance[~is_other].all()


def test_a_pair_turned_round_has_the_opposite_distance_and_a_frame_none_from_itself(
    critic: TimeRewarder,
) -> None:
    frames = torch.as_tensor(np.random.default_rng(0).standard_normal((2, 9, 12), np.float32))
    text = torch.ones(9, 8)
    with torch.inference_mode():
        there = critic.network.distance(frames[0], frames[1], text)
        back = critic.network.distance(frames[1], frames[0], text)
        still = critic.network.distance(frames[0], frames[0], text)
    torch.testing.assert_close(there, -back)
    assert there.abs().max() <= 1 and not still.any()


def test_a_still_video_and_one_that_goes_back_to_its_start_earn_nothing(
    critic: TimeRewarder,
) -> None:
    example = embedded_episode("success", 7)
    still = np.repeat(example.features[:1], 60, axis=0)
    there_and_back = np.concatenate([example.features[:2], example.features[:1]])
    for features in (still, there_and_back):
        scores = critic.score_step([replace(query(example), features=features)])[0][0]
        assert abs(scores.value[-1]) < 1e-6


@pytest.mark.parametrize("curve", CURVES)
def test_from_time_alone_the_score_rises_with_the_task_and_falls_when_it_is_undone(
    curve: Curve, critic: TimeRewarder
) -> None:
    scorer = TimeRewarder(hidden_dim=32, curve=curve)
    scorer.load_state_dict(critic.state_dict())
    for kind in ("success", "undo"):
        example = embedded_episode(kind, 77)
        value = scorer.score_step([query(example)])[0][0].value
        assert value[0] == 0
        assert spearman(value, example.progress).value > 0.8


def test_a_failure_ends_far_behind_a_success(critic: TimeRewarder) -> None:
    ends = {
        kind: critic.score_step([query(embedded_episode(kind, 5))])[0][0].value[-1]
        for kind in ("success", "failure")
    }
    assert ends["success"] > 0.4 and ends["failure"] < ends["success"] / 2


def test_settings_that_make_no_sense_and_failures_alone_are_refused() -> None:
    for setting in ({"num_bins": 1}, {"curve": "sideways"}, {"failure_ratio": 1.0}):
        with pytest.raises(InvalidInputError, match="expected"):
            TimeRewarder(**setting)
    failures = [embedded_episode("failure", seed) for seed in range(2)]
    with pytest.raises(InvalidInputError, match="at least one success to learn from; got 2"):
        TimeRewarder(steps=1).fit(failures, [], silent)
