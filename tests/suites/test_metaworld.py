"""Meta-World: seeds that count, pictures the right way up, experts, truth of the first state."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

pytest.importorskip(
    "metaworld", reason="metaworld is not installed here; .ci/suites metaworld runs this"
)

from roborew.workflows.environments import robot_state
from roborew_envs.suites import SuiteVectorEnv
from roborew_envs.suites.demonstrations import collect_episode
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
