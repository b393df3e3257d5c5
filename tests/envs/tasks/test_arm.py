"""The desk's closed forms agree with MuJoCo, and with the compiled model's addresses."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.tasks import arm_task
from roborew_envs.tasks.arm_task import LINK_LENGTH, TOOL_LENGTH, ee_position, inverse_kinematics
from roborew_envs.tasks.desk import scene as desk


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return make_task("roborew/Push-v0").model


def places(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(*arm_task.WORKSPACE_BOUNDS, (count, 3))


def kinematics(model: mujoco.MjModel, qpos: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    return data


def test_the_joints_for_a_place_put_the_hand_there() -> None:
    hand = places(1000)
    np.testing.assert_allclose(ee_position(inverse_kinematics(hand)), hand, atol=1e-12)


def test_the_whole_workspace_is_within_reach() -> None:
    corners = np.stack(np.meshgrid(*arm_task.WORKSPACE_BOUNDS.T), axis=-1).reshape(-1, 3)
    np.testing.assert_allclose(ee_position(inverse_kinematics(corners)), corners, atol=1e-12)


def test_the_gripper_points_down_and_stays_square_to_the_desk() -> None:
    yaw, shoulder, elbow, wrist, roll = inverse_kinematics(places(100)).T
    np.testing.assert_allclose(shoulder + elbow + wrist, np.pi, atol=1e-12)
    np.testing.assert_allclose(yaw + roll, 0, atol=1e-12)


def test_a_place_out_of_reach_is_stretched_for() -> None:
    far = np.array([[3.0, 1.0, 0.2]])
    joints = inverse_kinematics(far)
    assert np.isfinite(joints).all() and abs(joints[0, 2]) < 1e-6
    assert np.linalg.norm(ee_position(joints)) < 2 * LINK_LENGTH + TOOL_LENGTH + 0.3


def test_the_closed_form_is_mujocos_kinematics(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        qpos = model.qpos0.copy()
        qpos[arm_task.ARM_JOINTS] = rng.uniform(-1.5, 1.5, 5)
        wrist = kinematics(model, qpos).body("wrist")
        tips = wrist.xpos + TOOL_LENGTH * wrist.xmat.reshape(3, 3)[:, 2]
        np.testing.assert_allclose(
            tips, ee_position(qpos[None, arm_task.ARM_JOINTS])[0], atol=1e-12
        )


def test_the_addresses_are_the_compiled_models(model: mujoco.MjModel) -> None:
    address = {model.joint(i).name: int(model.jnt_qposadr[i]) for i in range(model.njnt)}
    expected = {
        "yaw": arm_task.ARM_JOINTS.start,
        "shoulder": arm_task.ARM_JOINTS.start + 1,
        "elbow": arm_task.ARM_JOINTS.start + 2,
        "wrist": arm_task.ARM_JOINTS.start + 3,
        "roll": arm_task.ARM_JOINTS.start + 4,
        "left_finger": arm_task.FINGER_JOINTS.start,
        "right_finger": arm_task.FINGER_JOINTS.start + 1,
        "red_cube": desk.RED_CUBE.start,
        "blue_cube": desk.BLUE_CUBE.start,
        "pad_x": desk.PAD.start,
        "pad_y": desk.PAD.start + 1,
        "button_x": desk.BUTTON_BOX.start,
        "button_y": desk.BUTTON_BOX.start + 1,
        "button": desk.BUTTON,
        "cabinet_x": desk.CABINET,
        "drawer": desk.DRAWER,
    }
    assert address == expected


def test_the_button_and_the_handle_are_where_the_model_puts_them(model: mujoco.MjModel) -> None:
    qpos, _ = make_task("roborew/Press-v0").sample_initial_state(np.random.default_rng(2))
    qpos[[desk.BUTTON, desk.DRAWER]] = 0.01, 0.08
    data = kinematics(model, qpos)
    top = data.geom("button").xpos + [0, 0, model.geom("button").size[1]]
    np.testing.assert_allclose(desk.button_position(qpos[None])[0], top, atol=1e-12)
    np.testing.assert_allclose(
        desk.drawer_handle_position(qpos[None])[0], data.geom("handle").xpos, atol=1e-12
    )


def test_the_travels_are_the_joints_ranges(model: mujoco.MjModel) -> None:
    assert model.joint("button").range.tolist() == [0, desk.BUTTON_TRAVEL]
    assert model.joint("drawer").range.tolist() == [0, desk.DRAWER_TRAVEL]
    assert desk.PRESSED_TRAVEL < desk.BUTTON_TRAVEL and desk.OPEN_TRAVEL < desk.DRAWER_TRAVEL
    assert model.joint("left_finger").range[1] >= arm_task.FINGER_TRAVEL
