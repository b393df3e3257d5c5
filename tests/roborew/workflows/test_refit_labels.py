"""Progress that a suite measures is for evaluation: no figure lacks it, and no refit learns it."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.evaluation import Recording
from roborew.evaluation.running_episode import RunningEpisode
from roborew.workflows.preference.episodes import true_columns
from roborew.workflows.refit import frame_labels

OURS, SUITES = "roborew/Push-v0", "Meta-World/push-v3"


def recording(**progress: float) -> Recording:
    """Three states of which an environment's infos say so."""
    running = RunningEpisode(seed=0)
    for step in range(3):
        infos = {name: np.array([step * value]) for name, value in progress.items()}
        running.add_state(0, {**infos, "success": np.array([step == 2])})
    running.true_rewards = [0.0, 0.0]
    return Recording(episode=running.finish(), frames=np.zeros((3, 4, 4, 3), np.uint8))


def test_measured_progress_is_the_truth_where_nothing_better_is_told() -> None:
    assert recording(measured_progress=0.5).episode.progress == (0.0, 0.5, 1.0)
    assert recording(measured_progress=0.5, progress=0.25).episode.progress == (0.0, 0.25, 0.5)
    assert np.isnan(recording().episode.progress).all()


@pytest.mark.parametrize(
    ("env_id", "labels"), [(OURS, {"progress", "success"}), (SUITES, {"success"})]
)
def test_a_refit_learns_what_an_environment_tells_and_not_what_it_measures(
    env_id: str, labels: set[str]
) -> None:
    one = recording(measured_progress=0.5)
    assert set(frame_labels(one, env_id)) == labels
    assert set(true_columns(one, env_id)) == {f"true_{label}" for label in labels}
    np.testing.assert_array_equal(frame_labels(one, env_id)["success"], [False, False, True])
