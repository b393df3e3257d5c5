"""Figures of training are of every episode, not of those that happened to end first."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.agents.rollout_report import EpisodeStatistics, RolloutReport

NUM_ENVS, HORIZON, NUM_STEPS = 16, 20, 5
SUCCESS_RATE = 0.3


class ScriptedEpisodes:
    """Episodes that succeed by chance and then end early; the others last until the horizon."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._steps = np.zeros(NUM_ENVS, np.int64)
        self._lengths = np.zeros(NUM_ENVS, np.int64)
        self.successes: list[bool] = []
        """Of every episode in the order that they began."""
        for env in range(NUM_ENVS):
            self._begin(env)

    def _begin(self, env: int) -> None:
        success = bool(self._rng.random() < SUCCESS_RATE)
        self.successes.append(success)
        self._steps[env] = 0
        self._lengths[env] = self._rng.integers(2, 6) if success else HORIZON

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Which episodes end, and which of them with success; both of shape (N,)."""
        self._steps += 1
        done = self._steps >= self._lengths
        success = done & (self._lengths < HORIZON)
        for env in np.flatnonzero(done).tolist():
            self._begin(env)
        return done, success


def feed(episodes: ScriptedEpisodes, statistics: EpisodeStatistics, deferred: bool) -> None:
    """One rollout; each step pays 1 for success."""
    late: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(NUM_STEPS):
        done, success = episodes.step()
        if not deferred:
            statistics.add_step(success.astype(float), np.zeros(NUM_ENVS), done)
        statistics.add_finals({"success": success, "terminated_by_success_detector": done}, done)
        late.append((success, done))
    for success, done in late if deferred else []:
        statistics.add_step(success.astype(float), np.zeros(NUM_ENVS), done)


def reports(seed: int, num_rollouts: int, deferred: bool = False) -> list[RolloutReport]:
    episodes, statistics = ScriptedEpisodes(seed), EpisodeStatistics(NUM_ENVS)
    told: list[RolloutReport] = []
    for _ in range(num_rollouts):
        feed(episodes, statistics, deferred)
        told.append(statistics.report(0, {}, {}))
        statistics.clear()
    # Whatever was told so far is of the first episodes that began, each of them once.
    num_told = sum(report.episodes for report in told)
    successes = sum(report.episodes * report.final.get("success", 0.0) for report in told)
    assert num_told % NUM_ENVS == 0
    assert successes == pytest.approx(sum(episodes.successes[:num_told]))
    return told


def test_nothing_is_told_while_only_the_short_episodes_have_ended() -> None:
    """Where success ends an episode, the first to end are all successes: 100 % would be a lie."""
    before_the_horizon = HORIZON // NUM_STEPS - 1
    for report in reports(0, before_the_horizon):
        assert report.episodes == 0 and report.final == {} and np.isnan(report.mean_return)
    with_the_horizon = reports(0, before_the_horizon + 1)[-1]
    assert with_the_horizon.episodes >= NUM_ENVS


@pytest.mark.parametrize("deferred", [False, True])
def test_the_first_figure_told_is_unbiased(deferred: bool) -> None:
    first: list[float] = []
    for seed in range(200):
        told = [report for report in reports(seed, 4, deferred) if report.episodes]
        first.append(told[0].final["success"])
        assert told[0].mean_return == pytest.approx(told[0].final["success"])
    standard_error = np.sqrt(SUCCESS_RATE * (1 - SUCCESS_RATE) / (200 * NUM_ENVS))
    assert abs(np.mean(first) - SUCCESS_RATE) < 4 * standard_error


def test_predicted_and_false_successes_are_of_the_same_episodes() -> None:
    """Here every episode ends with a predicted success, so those without a true one are false."""
    for report in reports(1, 40):
        assert report.predicted_successes == report.episodes
        false = report.episodes * (1 - report.final.get("success", 0.0))
        assert report.false_successes == pytest.approx(false)


def test_a_saved_state_tells_the_same_afterwards() -> None:
    episodes, statistics = ScriptedEpisodes(2), EpisodeStatistics(NUM_ENVS)
    for _ in range(7):
        feed(episodes, statistics, deferred=False)
        statistics.report(0, {}, {})
        statistics.clear()
    restored = EpisodeStatistics(NUM_ENVS)
    restored.set_state(statistics.get_state())
    for _ in range(8):
        done, success = episodes.step()
        for each in (statistics, restored):
            each.add_step(success.astype(float), np.zeros(NUM_ENVS), done)
            each.add_finals({"success": success}, done)
    expected = statistics.report(0, {}, {})
    assert expected.episodes > 0 and restored.report(0, {}, {}) == expected


def test_what_ran_at_a_checkpoint_of_the_release_before_is_not_told() -> None:
    """It kept returns alone: the episodes that still ran then are the long ones, so the failures."""
    episodes, statistics = ScriptedEpisodes(3), EpisodeStatistics(NUM_ENVS)
    statistics.set_state({"totals": np.zeros((3, NUM_ENVS))})
    num_old = NUM_ENVS
    for _ in range(2 * HORIZON // NUM_STEPS):
        feed(episodes, statistics, deferred=False)
    report = statistics.report(0, {}, {})
    told = episodes.successes[num_old : num_old + report.episodes]
    assert report.episodes and report.final["success"] == pytest.approx(np.mean(told))
