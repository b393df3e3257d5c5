"""Meta-World: seeds that count, pictures the right way up, experts, truth of the first state."""

from __future__ import annotations

from contextlib import closing
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
import pytest

pytest.importorskip(
    "metaworld", reason="metaworld is not installed here; .ci/suites metaworld runs this"
)

from roborew.workflows.environments import robot_state
from roborew_envs.experts.behaviors import Behavior
from roborew_envs.suites import SuiteVectorEnv
from roborew_envs.suites.demonstrations import (
    SuiteEpisode,
    collect_episode,
    replay_frames,
    suite_behaviors,
)
from roborew_envs.suites.instructions import INSTRUCTIONS
from roborew_envs.suites.metaworld import TASK_NAMES, _classes


def test_there_are_fifty_tasks_and_each_has_words_of_its_own() -> None:
    assert len(TASK_NAMES) == 50
    assert set(INSTRUCTIONS) == {f"Meta-World/{name}" for name in TASK_NAMES}
    assert len(set(INSTRUCTIONS.values())) == 50
    assert all(f"Meta-World/{name}" in gymnasium.registry for name in TASK_NAMES)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_seed_gives_one_start_and_the_expert_truly_succeeds_from_some(name: str) -> None:
    with closing(SuiteVectorEnv(f"Meta-World/{name}", 2)) as env:
        observations, infos = env.reset(seed=0)
        space = env.single_observation_space
        assert not infos["success"].any()
        np.testing.assert_array_equal(env.reset(seed=0)[0], observations)
        assert not np.array_equal(observations[0], observations[1])
        done = infos["success"]
        for _ in range(300):
            observations, _, terminated, _, infos = env.step(env.expert(observations))
            assert all(space.contains(row) for row in observations) and not terminated.any()
            done |= infos["success"]
            if done.any():
                return
    pytest.fail("neither of two episodes of the expert succeeded")


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_stall_of_the_expert_truly_never_succeeds(name: str) -> None:
    with closing(SuiteVectorEnv(f"Meta-World/{name}", 1)) as env:
        stall = collect_episode(env, "stall", 1)
        observations, infos = env.reset(seed=[1])
        for action, after in zip(stall.actions, stall.observations[1:], strict=True):
            assert not infos["success"].any()
            observations, *_, infos = env.step(action[None])
            np.testing.assert_array_equal(observations[0], after)
    assert not infos["success"].any() and stall.success is not None and not stall.success.any()
    assert (stall.actions[-1, :3] == 0).all()


@pytest.mark.parametrize(
    "camera", ["corner", "corner2", "corner3", "corner4", "topview", "behindGripper"]
)
def test_a_camera_sees_the_world_the_right_way_up(camera: str) -> None:
    with closing(
        gymnasium.make("Meta-World/reach-v3", render_mode="rgb_array", camera_name=camera)
    ) as env:
        env.reset(seed=0)
        bare: Any = env.unwrapped
        up = bare.data.camera(camera).xmat.reshape(3, 3)[:, 1]
        assert up[2] >= 0


def test_a_corner_picture_is_that_of_the_camera_as_it_hangs_turned_by_half_a_turn() -> None:
    hanging = _classes["drawer-open-v3"]().model.cam_quat
    with closing(
        SuiteVectorEnv("Meta-World/drawer-open-v3", 1, "rgb_array", quality="full")
    ) as env:
        env.reset(seed=0)
        ours = env.render_frames()[0].astype(int)
        model: Any = env.envs[0].unwrapped.model
        model.cam_quat[:] = hanging
        mujoco.mj_forward(model, env.envs[0].unwrapped.data)
        upstream = env.render_frames()[0].astype(int)
    assert np.abs(ours - np.rot90(upstream, 2)).mean() < 1
    assert np.abs(ours - upstream).mean() > 20


def test_the_goal_is_seen_and_moves_with_the_seed() -> None:
    with closing(gymnasium.make("Meta-World/reach-v3")) as env:
        goals = [env.reset(seed=seed)[0][-3:] for seed in range(3)]
        after = env.step(np.zeros(4, np.float32))[0][-3:]
    assert len({tuple(goal) for goal in goals}) == 3
    np.testing.assert_array_equal(after, goals[-1])


def test_success_has_both_its_names() -> None:
    with closing(gymnasium.make("Meta-World/reach-v3")) as env:
        _, info = env.reset(seed=0)
        assert info["success"] is False and info["is_success"] is False


def test_an_unknown_task_is_refused_with_its_like() -> None:
    with pytest.raises(gymnasium.error.Error, match="reach"):
        gymnasium.make("Meta-World/raech-v3")


def test_what_the_robot_knows_of_itself_says_nothing_of_where_things_are() -> None:
    with closing(SuiteVectorEnv("Meta-World/push-v3", 8)) as env:
        starts, _ = env.reset(seed=0)
        own = robot_state("Meta-World/push-v3")
        assert own is not None
        np.testing.assert_allclose(starts[:, own], starts[:1, own].repeat(8, axis=0), atol=1e-3)
        assert np.ptp(starts[:, 4:7], axis=0).max() > 0.05
        up = np.tile(np.array([0, 0, 1, -1], np.float32), (8, 1))
        lifted = env.step(up)[0]
    assert (lifted[:, own] != starts[:, own]).all(axis=0)[2]


def episode_of(name: str, behavior: Behavior, seed: int = 1) -> tuple[SuiteEpisode, SuiteEpisode]:
    """An episode of this behavior and the expert's from the same start; both can be played again."""
    with closing(SuiteVectorEnv(f"Meta-World/{name}", 1, "rgb_array", width=8, height=6)) as env:
        episode = collect_episode(env, behavior, seed)
        again = collect_episode(env, behavior, seed)
        np.testing.assert_array_equal(episode.actions, again.actions)
        assert len(list(replay_frames(env, episode))) == len(episode.observations)
        return episode, collect_episode(env, "expert", seed)


@pytest.mark.parametrize("name", ["drawer-open-v3", "push-v3"])
def test_a_near_miss_moves_the_hand_as_in_a_success_and_the_object_does_not_follow(
    name: str,
) -> None:
    miss, expert = episode_of(name, "near_miss")
    assert miss.success is not None and not miss.success.any()
    assert len(miss.actions) == len(expert.actions)
    moved = np.linalg.norm(np.ptp(expert.observations[:, 4:7], axis=0))
    assert np.linalg.norm(np.ptp(miss.observations[:, 4:7], axis=0)) < 0.15 * moved
    aside = miss.observations[:, :3] - expert.observations[:, :3]
    assert np.median(np.linalg.norm(aside, axis=1)) < 0.2
    assert not np.array_equal(miss.actions, expert.actions)


@pytest.mark.parametrize("name", ["drawer-open-v3", "drawer-close-v3", "pick-place-v3"])
def test_undo_succeeds_and_loses_it_again(name: str) -> None:
    undo, expert = episode_of(name, "undo")
    assert undo.success is not None and expert.success is not None
    first = int(np.argmax(expert.success))
    assert undo.success[first] and not undo.success[-1]
    np.testing.assert_allclose(undo.observations[first], expert.observations[first], atol=1e-6)


def test_a_noisy_expert_goes_astray_and_takes_twice_the_time_at_most() -> None:
    noisy, expert = episode_of("button-press-v3", "noisy")
    assert len(noisy.actions) <= 2 * len(expert.actions)
    length = min(len(noisy.actions), len(expert.actions))
    assert np.abs(noisy.actions[:length, :3] - expert.actions[:length, :3]).mean() > 0.1
    np.testing.assert_array_equal(noisy.observations[0], expert.observations[0])


def test_what_stays_done_whatever_the_hand_does_is_not_undone() -> None:
    for name in ("window-open-v3", "hammer-v3"):
        with closing(SuiteVectorEnv(f"Meta-World/{name}", 1)) as env:
            assert suite_behaviors(env) == (
                "expert",
                "stall",
                "near_miss",
                "wrong_goal",
                "noisy",
                "random",
            )
            with pytest.raises(ValueError, match="no behavior 'undo'. Available: expert"):
                collect_episode(env, "undo", 0)


@pytest.mark.parametrize("name", TASK_NAMES[::5])
def test_a_start_is_that_of_upstream_to_the_last_bit_episode_after_episode(name: str) -> None:
    with closing(SuiteVectorEnv(f"Meta-World/{name}", 2)) as env:
        ours, theirs = env.envs
        left, right = cast(Any, ours.unwrapped), cast(Any, theirs.unwrapped)
        for seed in (3, 4):
            ours.reset(seed=seed)
            right.seed(seed)
            right.reset()
            mujoco.mj_forward(right.model, right.data)
            for field in ("qpos", "qvel", "mocap_pos", "qacc_warmstart"):
                np.testing.assert_array_equal(getattr(left.data, field), getattr(right.data, field))
            np.testing.assert_array_equal(left.model.body_pos, right.model.body_pos)
            for _ in range(5):
                left.step(np.array([0.3, -0.7, -1, 1], np.float32))
                right.step(np.array([0.3, -0.7, -1, 1], np.float32))


def test_an_episode_may_last_longer_than_upstreams() -> None:
    with closing(SuiteVectorEnv("Meta-World/reach-v3", 1, horizon=502)) as env:
        env.reset(seed=0)
        ends = [env.step(np.zeros((1, 4), np.float32))[3][0] for _ in range(502)]
        assert env.max_episode_steps == 502
    assert ends.index(True) == 501
    with closing(SuiteVectorEnv("Meta-World/reach-v3", 1)) as env:
        assert env.max_episode_steps == 500


def test_the_published_near_view_is_corner4() -> None:
    with closing(gymnasium.make("Meta-World/reach-v3")) as env:
        model: Any = cast(Any, env.unwrapped).model
        near, far = model.camera("corner4"), model.camera("corner2")
        np.testing.assert_allclose(near.pos, [0.75, 0.075, 0.7])
        np.testing.assert_array_equal(near.quat, far.quat)
        np.testing.assert_array_equal(near.fovy, far.fovy)


def test_the_marker_of_the_goal_can_be_hidden_and_nothing_else_changes() -> None:
    def frame(goal_marker: bool) -> tuple[np.ndarray, np.ndarray]:
        with closing(
            SuiteVectorEnv(
                "Meta-World/reach-v3", 1, "rgb_array", camera="corner4", goal_marker=goal_marker
            )
        ) as env:
            observations, _ = env.reset(seed=0)
            return observations, env.render_frames()[0].astype(int)

    (with_marker, shown), (without, hidden) = frame(True), frame(False)
    np.testing.assert_array_equal(with_marker, without)
    changed = (shown != hidden).any(axis=-1)
    assert 0 < changed.sum() < 40


@pytest.mark.parametrize("name", ["drawer-open-v3", "push-v3", "window-open-v3", "reach-v3"])
def test_progress_is_how_much_of_the_first_distance_is_gone(name: str) -> None:
    env = SuiteVectorEnv(f"Meta-World/{name}", 1)
    observations, infos = env.reset(seed=4)
    assert infos["measured_progress"].tolist() == [0.0]
    curve, success = [0.0], [False]
    while not success[-1] and len(curve) < 200:
        observations, _, _, _, infos = env.step(env.expert(observations))
        curve.append(float(infos["measured_progress"][0]))
        success.append(bool(infos["success"][0]))
    assert success[-1] and curve[-1] == 1.0
    assert min(curve) >= 0 and 0.5 < max(curve[:-1]) < 1
    assert np.diff(curve).min() > -0.2


def test_a_task_that_measures_no_distance_tells_no_progress() -> None:
    env = SuiteVectorEnv("Meta-World/door-open-v3", 1)
    env.reset(seed=0)
    assert "measured_progress" not in env.step(np.zeros((1, 4)))[4]
