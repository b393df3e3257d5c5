"""What an agent did, logged: whole episodes with their pictures, and nothing that did not happen."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from roborew.shaping import RawScore
from roborew.wrappers.experience_log import ExperienceLog, LoggedEpisode
from roborew.wrappers.learned_reward import LearnedReward
from tests.roborew.wrappers.clock_environment import ClockModel, NativeClocks

HORIZONS = [3, 5]


def paid(folder: Path, phase: int = 0, every: int = 1, is_last: bool = False) -> LearnedReward:
    log = ExperienceLog(NativeClocks(HORIZONS), folder, phase, is_last)
    shaping = RawScore(scale=1.0)
    return LearnedReward(
        log, ClockModel(), "wait", shaping=shaping, score_every=every, success_detector=None
    )


def log_of(env: LearnedReward) -> ExperienceLog:
    assert isinstance(env.env, ExperienceLog)
    return env.env


def play(env: LearnedReward, steps: int, begins: bool = True) -> list[NDArray[Any]]:
    """Rewards of every step; actions tell which step they are of."""
    if begins:
        env.reset(seed=0)
    history: list[NDArray[Any]] = []
    for number in range(steps):
        actions = np.full((2, 1), number / 100, np.float32)
        _, rewards, terminated, truncated, _ = env.step(actions)
        history.append(rewards)
        if (done := terminated | truncated).any():
            env.reset(options={"reset_mask": done})
    return history


def shown(episode: LoggedEpisode) -> list[list[int]]:
    """Step and episode that the picture of each moment shows."""
    return [[int(picture[0, 0, 0]), int(picture[0, 1, 0])] for picture in episode.pictures]


def contents(episodes: list[LoggedEpisode]) -> list[Any]:
    return [
        (one.name, one.observations.tolist(), one.actions.tolist(), shown(one)) for one in episodes
    ]


@pytest.mark.parametrize("every", [1, 2])
def test_episodes_come_back_whole_with_the_pictures_that_were_scored(
    every: int, tmp_path: Path
) -> None:
    with closing(paid(tmp_path, every=every)) as env:
        play(env, 7)
        episodes = log_of(env).episodes(before_phase=1)
    lengths = {0: [3, 3, 1], 1: [5, 2]}
    for row, expected in lengths.items():
        own = [one for one in episodes if one.name.endswith(f"environment {row}")]
        # A beginning of which nothing more is known counts, too.
        assert [len(one.actions) for one in own] == expected
        for one in own:
            times = one.observations[:, 0]
            np.testing.assert_array_equal(times, np.arange(len(times)))
            assert len(set(one.observations[:, 1])) == 1
            is_last = np.arange(len(times)) == HORIZONS[row]
            drawn = np.where(is_last, times, times - times % every)
            np.testing.assert_array_equal(shown(one), np.stack([drawn, one.observations[:, 1]], 1))
            np.testing.assert_array_equal(one.success, times >= HORIZONS[row])
            assert not one.terminated
    first = next(one for one in episodes if one.name.endswith("environment 1"))
    np.testing.assert_allclose(first.actions[:, 0], np.arange(5) / 100)


def test_an_environment_is_the_same_with_a_log(tmp_path: Path) -> None:
    # The log draws one picture, for which it resets.
    bare = NativeClocks(HORIZONS)
    bare.reset()
    shaping = RawScore(scale=1.0)
    plain = LearnedReward(
        bare, ClockModel(), "wait", shaping=shaping, score_every=2, success_detector=None
    )
    with closing(paid(tmp_path, every=2)) as env:
        np.testing.assert_array_equal(play(env, 9), play(plain, 9))
        states = env.get_state()
    for name, array in plain.get_state().items():
        np.testing.assert_array_equal(states[name], array)


def test_what_a_killed_process_did_after_it_was_saved_has_not_happened(tmp_path: Path) -> None:
    with closing(paid(tmp_path / "whole")) as env:
        play(env, 4)
        state = env.get_state()
        play(env, 5, begins=False)
        expected = contents(log_of(env).episodes(before_phase=1))
    with closing(paid(tmp_path / "parts")) as env:
        play(env, 4)
        env.get_state()
        play(env, 2, begins=False)
    with (tmp_path / "parts" / "steps.bin").open("ab") as file:
        file.write(b"torn")
    with closing(paid(tmp_path / "parts")) as env:
        env.set_state(state)
        play(env, 5, begins=False)
        assert contents(log_of(env).episodes(before_phase=1)) == expected


def test_a_phase_that_begins_anew_forgets_its_own_steps_alone(tmp_path: Path) -> None:
    with closing(paid(tmp_path)) as env:
        play(env, 4)
        before = contents(log_of(env).episodes(before_phase=1))
    for _ in range(2):
        with closing(paid(tmp_path, phase=1)) as env:
            play(env, 3)
            assert contents(log_of(env).episodes(before_phase=1)) == before
            assert len(log_of(env).episodes(before_phase=2)) == len(before) + 3


def test_an_episode_that_goes_on_under_the_same_critic_is_one_episode(tmp_path: Path) -> None:
    with closing(paid(tmp_path)) as env:
        play(env, 4)
        state = env.get_state()
    with closing(paid(tmp_path, phase=1)) as env:
        env.set_state(state)
        play(env, 3, begins=False)
        episodes = log_of(env).episodes(before_phase=2)
    lengths = [len(one.actions) for one in episodes if one.name.endswith("environment 1")]
    assert lengths == [5, 2]


def test_after_the_last_change_nothing_is_logged(tmp_path: Path) -> None:
    with closing(paid(tmp_path)) as env:
        play(env, 4)
        before = contents(log_of(env).episodes(before_phase=1))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    with closing(paid(tmp_path, phase=1, is_last=True)) as env:
        play(env, 4)
        assert contents(log_of(env).episodes(before_phase=2)) == before
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == sizes
