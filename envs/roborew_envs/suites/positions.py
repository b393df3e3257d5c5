"""Positions of a suite's MuJoCo world: those that an episode went through, and pictures of any."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.suites.mujoco_world import MujocoWorld, find_world
from roborew_envs.suites.suite_renderer import Capture
from roborew_envs.suites.vector import SuiteVectorEnv

ROBOT_JOINTS = ("right_j", "r_close", "l_close", "robot0:")
"""How the names of a robot's joints begin in Meta-World and Gymnasium-Robotics."""
Positions = NDArray[np.float64]
"""Where everything is, shape (T, P): the joints, then what is led by hand, as a robot is (MuJoCo's
mocap bodies)."""


def robot_positions(env: SuiteVectorEnv) -> NDArray[np.bool_] | None:
    """Which of a world's positions are its robot's, shape (P,); None where there is no robot that
    is known by its `ROBOT_JOINTS`, or nothing beside it."""
    world = find_world(env.envs[0])
    if world is None:
        return None
    # What leads the robot is the robot's, too.
    is_robot = np.ones(len(_read(world)), np.bool_)
    is_robot[: world.model.nq] = False
    for i in range(world.model.njnt):
        joint = world.model.joint(i)
        if joint.name.startswith(ROBOT_JOINTS):
            first = int(joint.qposadr[0])
            is_robot[first : first + len(joint.qpos0)] = True
    joints = is_robot[: world.model.nq]
    return is_robot if joints.any() and not joints.all() else None


def replay_positions(
    env: SuiteVectorEnv, seed: int, actions: NDArray[Any]
) -> tuple[Positions, NDArray[Any]]:
    """Play an episode again, from its seed.

    Args:
        env: of one environment.
        seed: of its start.
        actions: shape (T, A).

    Returns:
        positions, start first, shape (T + 1, P), and observations, shape (T + 1, D); fewer where
        it ends before.
    """
    observation, _ = env.reset(seed=[seed])
    world = _world(env)
    positions = [_read(world)]
    observations = [observation[0]]
    for action in actions:
        observation, _, terminated, truncated, _ = env.step(action[None])
        positions.append(_read(world))
        observations.append(observation[0])
        if terminated[0] or truncated[0]:
            break
    return np.stack(positions), np.stack(observations)


def render_positions(
    env: SuiteVectorEnv, positions: Positions, camera: str | None = None
) -> NDArray[np.uint8]:
    """Frames of the first environment's world with everything moved to the positions (T, P), shape
    (T, H, W, 3); the simulation goes on where it was."""
    captures: list[Capture] = []
    with _movable(_world(env)) as world:
        for row in positions:
            _write(world, row)
            captures.append(env.capture(0, camera))
    return env.render_captures(captures)


@contextmanager
def _movable(world: MujocoWorld) -> Generator[MujocoWorld]:
    """A world whose positions may be written; they are put back."""
    before = _read(world)
    try:
        yield world
    finally:
        _write(world, before)


def _read(world: MujocoWorld) -> Positions:
    """Where everything is now, shape (P,)."""
    data = world.data
    return np.concatenate([data.qpos, data.mocap_pos.ravel(), data.mocap_quat.ravel()])


def _write(world: MujocoWorld, row: Positions) -> None:
    """Put everything there."""
    model, data = world.model, world.data
    joints, places, turns = np.split(row, [model.nq, model.nq + 3 * model.nmocap])
    data.qpos[:] = joints
    data.mocap_pos[:] = places.reshape(-1, 3)
    data.mocap_quat[:] = turns.reshape(-1, 4)
    # What a picture shows of it; a whole mj_forward would write what the next step starts from.
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    mujoco.mj_tendon(model, data)


def _world(env: SuiteVectorEnv) -> MujocoWorld:
    world = find_world(env.envs[0])
    assert world is not None  # `robot_positions` has said so
    return world
