"""The bench's closed forms agree with MuJoCo, and with the compiled model's addresses; what shows
success shows it."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.core.task import Task
from roborew_envs.tasks.arm_task import ARM_JOINTS, FINGER_JOINTS
from roborew_envs.tasks.bench import scene as bench
from roborew_envs.tasks.bench.scene import BenchTask


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task("roborew/Sweep-v0")


def start(task: Task, seed: int = 0) -> np.ndarray:
    return task.sample_initial_state(np.random.default_rng(seed))[0]


def test_the_addresses_are_the_compiled_models(task: Task) -> None:
    model = task.model
    address = {model.joint(i).name: int(model.jnt_qposadr[i]) for i in range(model.njnt)}
    arm = ("yaw", "shoulder", "elbow", "wrist", "roll")
    expected = {name: ARM_JOINTS.start + i for i, name in enumerate(arm)} | {
        "left_finger": FINGER_JOINTS.start,
        "right_finger": FINGER_JOINTS.start + 1,
        "blue_peg": bench.BLUE_PEG.start,
        "orange_peg": bench.ORANGE_PEG.start,
        "yellow_block": bench.YELLOW_BLOCK.start,
        "red_block": bench.RED_BLOCK.start,
        "socket_x": bench.SOCKET.start,
        "socket_y": bench.SOCKET.start + 1,
        "board_x": bench.HOLE.start,
        "board_y": bench.HOLE.start + 1,
        "tap_x": bench.TAP.start,
        "tap_y": bench.TAP.start + 1,
        "lever": bench.LEVER,
        "cabinet_x": bench.HINGE.start,
        "cabinet_y": bench.HINGE.start + 1,
        "door": bench.DOOR,
    }
    assert address == expected


def test_handle_knob_and_pegs_are_where_the_model_puts_them(task: Task) -> None:
    qpos, data = start(task), mujoco.MjData(task.model)
    qpos[[bench.DOOR, bench.LEVER]] = 0.7, 0.9
    qpos[bench.BLUE_PEG.stop : bench.BLUE_PEG.stop + 4] = np.array([0.8, 0.2, -0.3, 0.4]) / np.sqrt(
        0.93
    )
    data.qpos[:] = qpos
    mujoco.mj_kinematics(task.model, data)
    np.testing.assert_allclose(
        bench.door_handle_position(qpos[None])[0], data.geom("door_handle").xpos, atol=1e-12
    )
    np.testing.assert_allclose(
        bench.lever_tip_position(qpos[None])[0], data.geom("lever_knob").xpos, atol=1e-12
    )
    upright = bench.peg_uprightness(qpos[None], bench.BLUE_PEG)[0]
    np.testing.assert_allclose(upright, data.body("blue_peg").xmat[8], atol=1e-12)


def test_the_travels_and_sizes_are_the_models(task: Task) -> None:
    model = task.model
    assert (
        model.joint("door").range.tolist() == [0, bench.DOOR_TRAVEL]
        and bench.OPEN_ANGLE < bench.DOOR_TRAVEL
    )
    assert (
        model.joint("lever").range.tolist() == [0, bench.LEVER_TRAVEL]
        and bench.RUNNING_ANGLE < bench.LEVER_TRAVEL
    )
    assert model.geom("blue_peg").size[2] == bench.PEG_HEIGHT
    assert model.geom("yellow_block").size[2] == bench.BLOCK_HEIGHT
    assert model.geom("hole_lit").size[:2].tolist() == bench.HOLE_HALF_SIZE.tolist()


def test_nothing_moves_by_itself(task: Task) -> None:
    """A start in which things overlap would push them apart."""
    model, data = task.model, mujoco.MjData(task.model)
    things = slice(bench.BLUE_PEG.start, None)
    for seed in range(6):
        data.qpos[:] = qpos = start(task, seed)
        data.qvel[:] = 0
        hold = np.zeros((1, 4))
        hold[:, 3] = 2 * qpos[FINGER_JOINTS.start] / 0.033 - 1
        data.ctrl[:] = task.action_to_ctrl(qpos[None], hold)[0]
        mujoco.mj_step(model, data, nstep=100)
        np.testing.assert_allclose(data.qpos[things], qpos[things], atol=2e-3)


@pytest.mark.parametrize("lit", ["jet", "pool", "socket_lit", "hole_lit"])
def test_what_shows_success_is_seen_exactly_then(task: Task, lit: str) -> None:
    qpos = np.tile(start(task), (2, 1))
    qpos[1, bench.LEVER] = bench.RUNNING_ANGLE
    qpos[1, bench.BLUE_PEG] = *qpos[1, bench.SOCKET], bench.PEG_HEIGHT
    qpos[1, bench.YELLOW_BLOCK] = *qpos[1, bench.HOLE], bench.BLOCK_HEIGHT
    ids, rgba = task.visual_overrides(qpos).fields["geom_rgba"]
    assert rgba[:, ids.tolist().index(task.model.geom(lit).id), 3].tolist() == [0, 1]


def test_every_task_of_the_bench_starts_alike() -> None:
    ids = ("DoorOpen", "TapTurn", "Sweep", "PegInsert")
    tasks = [make_task(f"roborew/{name}-v0") for name in ids]
    assert all(isinstance(task, BenchTask) for task in tasks)
    for task in tasks[1:]:
        np.testing.assert_array_equal(start(task), start(tasks[0]))
