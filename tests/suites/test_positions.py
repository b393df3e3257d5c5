"""A suite's world is put into positions of its past, for pictures alone; experts of Meta-World are
swapped."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

from roborew.data.demonstration import Demonstration
from roborew.data.reading import read_demonstrations
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.fit.replay import can_be_replayed, replay_expert
from roborew.workflows.fit.swap_films import draw_swap
from roborew_envs.suites import SuiteVectorEnv, find_env_spec
from roborew_envs.suites.positions import render_positions, replay_positions, robot_positions

DRAWER = "Meta-World/drawer-open-v3"
CAMERAS = ("corner4", "corner")


def make(env_id: str) -> SuiteVectorEnv:
    try:
        find_env_spec(env_id)
    except DependencyNotInstalled:
        pytest.skip(f"the package of {env_id} is not installed here; .ci/suites runs this")
    return SuiteVectorEnv(env_id, 1, "rgb_array", width=48, height=36)


@pytest.mark.parametrize(
    ("env_id", "robot", "others"),
    [(DRAWER, 9 + 7, 1), ("Meta-World/push-v3", 9 + 7, 7), ("FetchPush-v4", 15 + 7, 7)],
)
def test_the_robots_positions_are_told_from_those_of_things(
    env_id: str, robot: int, others: int
) -> None:
    with closing(make(env_id)) as env:
        mask = robot_positions(env)
    assert mask is not None and (mask.sum(), (~mask).sum()) == (robot, others)


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "dm_control/reacher-easy-v0"])
def test_where_there_is_a_robot_alone_or_none_nothing_is_told(env_id: str) -> None:
    with closing(make(env_id)) as env:
        assert robot_positions(env) is None


@pytest.mark.parametrize("env_id", [DRAWER, "FetchPush-v4"])
def test_positions_are_drawn_as_they_were_and_the_world_goes_on(env_id: str) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (12, 4)).astype(np.float32)
    with closing(make(env_id)) as env:
        positions, observations = replay_positions(env, 3, actions)
        last = env.render_frames()[0]
        env.reset(seed=[3])
        frames = [env.render_frames()[0]]
        for action in actions[:6]:
            env.step(action[None])
            frames.append(env.render_frames()[0])
        drawn = render_positions(env, positions)
        np.testing.assert_array_equal(drawn[:7], frames)
        np.testing.assert_array_equal(drawn[-1], last)
        for action, expected in zip(actions[6:], observations[7:], strict=True):
            np.testing.assert_array_equal(env.step(action[None])[0][0], expected)


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    make(DRAWER).close()
    config = CollectConfig(episodes=1, cameras=CAMERAS, width=48, height=36, codec="lossless")
    folder = tmp_path_factory.mktemp("demos") / "drawer"
    return read_demonstrations(collect_demonstrations(DRAWER, config, folder))[0]


def test_an_expert_is_drawn_whole_and_with_hand_or_drawer_alone(expert: Demonstration) -> None:
    picture = next(expert.moments(CAMERAS))
    films = draw_swap(expert, picture, CAMERAS, None)
    assert films is not None
    recorded = np.stack(list(expert.moments(CAMERAS)))
    np.testing.assert_array_equal(films.whole, recorded)
    for film, other in ((films.hand, films.thing), (films.thing, films.hand)):
        np.testing.assert_array_equal(film[0], picture)
        assert (film[-1] != recorded[-1]).any() and (film[-1] != other[-1]).any()


def test_what_cannot_be_played_again_is_not(expert: Demonstration) -> None:
    assert can_be_replayed(expert) and replay_expert(expert) is not None
    notes = {**expert.notes, "seed": expert.notes["seed"] + 1}
    assert replay_expert(replace(expert, notes=notes)) is None
    assert not can_be_replayed(replace(expert, actions=None))
    assert not can_be_replayed(replace(expert, notes={**expert.notes, "behavior": "stall"}))
