"""Laws of subtasks that are found, and of the critic that learns them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from roborew.checks.synthetic import embedded_episode, embedded_episodes, query
from roborew.critics.dataset.stage_labels import label_by_stages
from roborew.critics.objectives.sarm import Sarm, SarmNetwork
from roborew.errors import CorruptFileError, InvalidInputError


def silent(what: str, value: float) -> None:
    del what, value


def test_pseudo_progress_of_an_unlabelled_success_rises_from_0_to_1_and_failures_stay_unknown() -> (
    None
):
    labelled, ends = label_by_stages(embedded_episodes(labeled=False), 4)
    assert ends[0] == 0 and ends[-1] == 1 and (np.diff(ends) > 0).all()
    for example in labelled:
        assert (example.progress is None) == (example.success is False)
        if example.progress is not None:
            assert (
                example.progress[0] == 0
                and example.progress[-1] == 1
                and (np.diff(example.progress) >= 0).all()
            )


def test_a_subtask_that_takes_longer_counts_for_more() -> None:
    steps = np.repeat(np.eye(12, dtype=np.float32)[:2], [6, 18], axis=0)
    examples = [
        replace(embedded_episode("success", seed, labeled=False), features=steps)
        for seed in range(3)
    ]
    assert label_by_stages(examples, 2)[1][1] == pytest.approx(6 / 23, abs=0.02)


def test_labels_that_are_there_are_kept_unless_time_is_asked_for() -> None:
    examples = embedded_episodes(2)
    for kept, example in zip(label_by_stages(examples, 4)[0], examples, strict=True):
        assert kept.progress is example.progress
    assert all(example.success for example in label_by_stages(examples, 4, "time")[0])


def test_marked_spans_are_taken_as_they_are() -> None:
    spans = (("reach", 0, 6), ("push", 6, 24))
    examples = [
        replace(embedded_episode("success", seed, labeled=False), stages=spans) for seed in range(2)
    ]
    assert label_by_stages(examples, 2)[1][1] == pytest.approx(6 / 23, abs=0.02)


def test_where_truth_falls_the_score_falls() -> None:
    objective = Sarm(steps=120, batch_size=16, hidden_dim=32, num_layers=1)
    objective.fit(embedded_episodes(), [], silent)
    for kind in ("success", "undo"):
        example = embedded_episode(kind, 77)
        assert example.progress is not None
        value = objective.score_step([query(example)])[0][0].value
        assert np.corrcoef(value, example.progress)[0, 1] > 0.8


def test_progress_is_the_mean_over_subtasks_of_where_they_begin_and_how_far_they_are() -> None:
    ends = np.array([0, 0.2, 1], np.float32)
    network, vectors = SarmNetwork(4, 3, 16, 1, ends), torch.randn(5, 16)
    with torch.inference_mode():
        chance = network.stage(vectors).softmax(-1)
        far = [network.share_within(vectors, torch.eye(2)[[stage] * 5]) for stage in (0, 1)]
        expected = chance[:, 0] * 0.2 * far[0] + chance[:, 1] * (0.2 + 0.8 * far[1])
        torch.testing.assert_close(network.progress(vectors), expected)


def test_frames_of_unknown_progress_do_not_count() -> None:
    network = SarmNetwork(4, 3, 16, 1, np.array([0, 0.5, 1], np.float32))
    vectors, told = torch.randn(2, 3, 16), torch.ones(2, 3, dtype=torch.bool)
    progress = torch.tensor([[0.1, 0.6, 0.9], [0.2, 0.3, 0.4]])
    alone = network.loss(vectors[:1], progress[:1], told[:1])
    progress[1] = torch.nan
    torch.testing.assert_close(network.loss(vectors, progress, told), alone)


def test_how_many_subtasks_there_are_is_saved() -> None:
    objective, other = (Sarm(steps=2, num_stages=count) for count in (3, 5))
    objective.fit(embedded_episodes(2), [], silent)
    other.load_state_dict(objective.state_dict())
    for one, two in zip(
        objective.score_step([query(embedded_episodes(1)[0])])[0],
        other.score_step([query(embedded_episodes(1)[0])])[0],
        strict=True,
    ):
        np.testing.assert_array_equal(one.value, two.value)
    with pytest.raises(CorruptFileError):
        other.load_state_dict(
            {key: array for key, array in objective.state_dict().items() if key != "ends"}
        )


def test_without_a_success_there_is_nothing_to_cut() -> None:
    with pytest.raises(InvalidInputError, match="at least one success"):
        Sarm(steps=1).fit(
            [example for example in embedded_episodes(2) if not example.success], [], silent
        )


@pytest.mark.parametrize(
    "setting", [{"num_stages": 1}, {"num_frames": 2}, {"labels": "guess"}, {"hidden_dim": 10}]
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        Sarm(**setting)  # pyright: ignore[reportArgumentType]
