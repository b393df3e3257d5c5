"""What holds for environments of every suite; those whose package is absent are skipped here and
run by .ci/suites."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, NameNotFound
from gymnasium.spaces import Box, flatten

from roborew.evaluation import evaluate
from roborew.shaping import ProgressDelta
from roborew.types import Clip, RewardSpec, Scores
from roborew.wrappers import LearnedReward
from roborew_envs.suites import SuiteVectorEnv, find_env_spec

SUITES = {
    "gymnasium": ("HalfCheetah-v5", "Reacher-v5"),
    "metaworld": ("Meta-World/drawer-open-v3", "Meta-World/window-close-v3"),
    "robotics": ("FetchReach-v4", "FetchPickAndPlace-v4", "AdroitHandDoor-v1"),
    "dm_control": ("dm_control/cheetah-run-v0", "dm_control/reacher-easy-v0"),
}
TELLS_SUCCESS = ("Meta-World", "Fetch", "Adroit")
STEPS = 12

Make = Callable[..., SuiteVectorEnv]


@pytest.fixture(params=[env_id for ids in SUITES.values() for env_id in ids])
def env_id(request: pytest.FixtureRequest) -> str:
    """An id whose suite is installed."""
    name = request.param
    suite = next(suite for suite, ids in SUITES.items() if name in ids)
    try:
        find_env_spec(name)
    except (DependencyNotInstalled, NameNotFound):
        if os.environ.get("SUITES") == suite:  # .ci/suites has just installed it
            raise
        pytest.skip(f"{suite} is not installed here; .ci/suites {suite} runs this")
    return name


@pytest.fixture
def make(env_id: str) -> Iterator[Make]:
    """Makes environments of the id and closes them."""
    made: list[SuiteVectorEnv] = []

    def build(num_envs: int = 2, **options: Any) -> SuiteVectorEnv:
        made.append(SuiteVectorEnv(env_id, num_envs, "rgb_array", **options))
        return made[-1]

    yield build
    for env in made:
        env.close()


def actions(env: SuiteVectorEnv, steps: int = STEPS) -> np.ndarray:
    space: Box = env.single_action_space
    rng = np.random.default_rng(0)
    return rng.uniform(space.low, space.high, (steps, env.num_envs, *space.shape)).astype(
        space.dtype
    )


def test_an_episode_is_that_of_the_bare_environment_with_the_same_seed(
    env_id: str, make: Make
) -> None:
    env = make(2)
    observations, _ = env.reset(seed=3)
    with closing(gymnasium.make(env_id)) as bare:
        first, _ = bare.reset(seed=4)
        np.testing.assert_array_equal(observations[1], flatten(bare.observation_space, first))
        for action in actions(env):
            observations, rewards, terminated, truncated, _ = env.step(action)
            seen, reward, end, limit, _ = bare.step(action[1])
            np.testing.assert_array_equal(observations[1], flatten(bare.observation_space, seen))
            assert (rewards[1], terminated[1], truncated[1]) == (reward, end, limit)


def test_a_seed_decides_the_start_whatever_came_before(make: Make) -> None:
    env, fresh = make(2), make(2)
    first, _ = env.reset(seed=[5, 6])
    for action in actions(env):
        env.step(action)
    again, _ = env.reset(seed=[5, 6])
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(fresh.reset(seed=[5, 6])[0], first)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("seed", [7, 10_000_000_000])
def test_a_restored_environment_goes_on_exactly_and_drawing_changes_nothing(
    make: Make, seed: int
) -> None:
    env, other = make(2), make(2)
    env.reset(seed=seed)
    plan = actions(env)
    for action in plan[:4]:
        env.step(action)
        env.render_frames()
    env.reset(options={"reset_mask": np.array([True, False])})  # an episode whose seed nobody gave
    env.step(plan[4])
    other.set_state(env.get_state())
    for action in plan[5:]:
        env.render_frames(np.array([0]))
        left, right = env.step(action), other.step(action)
        for a, b in zip(left[:4], right[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(env.render_frames(), other.render_frames())
    np.testing.assert_array_equal(
        env.reset(options={"reset_mask": np.array([False, True])})[0],
        other.reset(options={"reset_mask": np.array([False, True])})[0],
    )


def test_a_reset_leaves_the_others_where_they_are(make: Make) -> None:
    env = make(2)
    env.reset(seed=1)
    before = [env.step(action)[0] for action in actions(env)][-1]
    after, _ = env.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(after[1], before[1])
    assert not np.array_equal(after[0], before[0])


def test_frames_show_the_chosen_environments_as_they_are_now(make: Make) -> None:
    env = make(3)
    env.reset(seed=2)
    first = env.render_frames()
    for action in actions(env, 25):
        env.step(action)
    frames = env.render_frames()
    assert frames.shape == (3, 72, 96, 3) and frames.dtype == np.uint8
    np.testing.assert_array_equal(env.render_frames(np.array([2, 0])), frames[[2, 0]])
    assert (frames != first).any(axis=(1, 2, 3)).all()


def test_simplified_meshes_are_hardly_seen_and_move_nothing(make: Make) -> None:
    simplified, exact = make(2, quality="fast"), make(2, quality="medium")
    seen = [env.reset(seed=4)[0] for env in (simplified, exact)]
    for action in actions(exact):
        error = simplified.render_frames().astype(int) - exact.render_frames()
        assert (np.abs(error).max(axis=-1) > 8).mean() < 0.02
        np.testing.assert_array_equal(*seen)
        seen = [env.step(action)[0] for env in (simplified, exact)]


def test_what_was_captured_is_drawn_later_as_it_was(make: Make) -> None:
    env = make(1)
    env.reset(seed=2)
    for _ in range(2):  # the second time in scenes that were drawn before
        at_once, captures = [], []
        for action in actions(env, 3):
            at_once.append(env.render_frames()[0])
            captures.append(env.capture(0))
            env.step(action)
        np.testing.assert_array_equal(env.render_captures(captures), at_once)


def test_only_truth_that_the_suite_tells_stands_in_the_infos(env_id: str, make: Make) -> None:
    env = make(2)
    told = {"success", "_success"} if env_id.startswith(TELLS_SUCCESS) else set()
    if env_id.startswith("Meta-World/"):
        told |= {"measured_progress"}
    _, infos = env.reset(seed=0)
    assert set(infos) <= told
    for action in actions(env):
        *_, infos = env.step(action)
        assert set(infos) == told
    assert not told or (infos["success"].dtype == np.bool_ and infos["_success"].all())


class Brightness:
    """A reward that needs no network: how bright the picture is."""

    spec = RewardSpec(
        name="brightness",
        low=0,
        high=1,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="none",
    )

    def score(self, clips: list[Clip]) -> list[Scores]:
        values = [clip.frames.mean(axis=(1, 2, 3), dtype=np.float32) / 255 for clip in clips]
        return [Scores(value=value, valid=np.ones(len(value), np.bool_)) for value in values]


def test_a_learned_reward_can_be_put_on_it_and_judged(env_id: str, make: Make) -> None:
    paid = LearnedReward(
        make(2, max_episode_steps=6),
        Brightness(),
        "be bright",
        success_detector=None,
        shaping=ProgressDelta(),
    )
    space: Box = paid.single_action_space
    evaluation = evaluate(
        paid, lambda seen: np.tile(space.low / 2, (len(seen), 1)), seeds=[11, 12, 13]
    )
    assert [episode.length for episode in evaluation.episodes] == [6, 6, 6]
    assert all(np.isfinite(episode.learned_return) for episode in evaluation.episodes)
    assert np.isfinite(evaluation.true_return)
    if env_id.startswith(TELLS_SUCCESS):
        assert 0 <= evaluation.true_success <= 1
    else:
        assert evaluation.successes is None and evaluation.summary()["true_success"] is None
