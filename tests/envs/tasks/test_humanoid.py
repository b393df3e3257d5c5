"""Poses are judged by geometry: a body put into the pose succeeds, one put into another does
not."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.rendering.renderer import Renderer
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.humanoid.poses import Pose
from roborew_envs.tasks.kinematics import Kinematics, euler_to_quaternion

NAMES: dict[Pose, str] = {
    "stand": "Stand",
    "kneel": "Kneel",
    "raise_arms": "RaiseArms",
    "hands_on_hips": "HandsOnHips",
    "arms_crossed": "ArmsCrossed",
    "one_leg": "OneLeg",
    "side_splits": "SideSplits",
    "lotus": "Lotus",
}
TASKS: dict[Pose, Humanoid] = {
    pose: make_task(f"roborew/Humanoid{name}-v0") for pose, name in NAMES.items()
}
POSES: tuple[Pose, ...] = (*TASKS, "crouch")
ON_TWO_FEET = ("raise_arms", "hands_on_hips", "arms_crossed")
"""Poses of the arms: such a body stands upright too."""

every_pose = pytest.mark.parametrize("pose", TASKS)


def posed(pose: Pose, amount: float = 1.0, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    task, rng = TASKS["stand"], np.random.default_rng(0)
    qpos = np.stack([task.sample_pose(rng, pose, amount) for _ in range(count)])
    return qpos, np.zeros((count, task.model.nv))


@every_pose
def test_a_body_in_the_pose_succeeds(pose: Pose) -> None:
    task = TASKS[pose]
    assert task.success(*posed(pose)).mean() >= 0.95, "under a noise of two degrees in every joint"
    assert task.progress(*posed(pose)).min() > 0.95


@every_pose
@pytest.mark.parametrize("other", POSES)
def test_a_body_in_another_pose_does_not_succeed(pose: Pose, other: Pose) -> None:
    if pose != other and (pose != "stand" or other not in ON_TWO_FEET):
        assert not TASKS[pose].success(*posed(other, count=20)).any()


@pytest.mark.parametrize("pose", [pose for pose in TASKS if pose != "stand"])
def test_progress_rises_on_the_way_into_the_pose(pose: Pose) -> None:
    means = [
        TASKS[pose].progress(*posed(pose, amount, 20)).mean() for amount in np.linspace(0, 1, 6)
    ]
    assert means[-1] - means[0] > 0.7, means
    assert np.all(np.diff(means) > -0.02), means


def test_standing_progress_rises_out_of_the_crouch() -> None:
    means = [
        TASKS["stand"].progress(*posed("crouch", amount, 20)).mean()
        for amount in np.linspace(1, 0.4, 4)
    ]
    assert np.all(np.diff(means) > 0), means


def test_knees_on_the_floor_with_the_feet_in_the_air_is_not_kneeling() -> None:
    task = TASKS["kneel"]
    qpos, qvel = posed("kneel", count=5)
    qpos[:, [13, 17]] = np.deg2rad(-130)
    qpos[:, 2] -= Kinematics(task.model).lowest_height(qpos)
    assert not task.success(qpos, qvel).any()


def put(task: Humanoid, pitch: float, angles: dict[str, float]) -> np.ndarray:
    """A qpos on the floor, angles [degrees] by joint or by joint of both sides, as in
    `tasks.humanoid.poses`."""
    names = [task.model.joint(i + 1).name for i in range(17)]
    qpos = np.zeros((1, task.model.nq))
    qpos[0, 3:7] = euler_to_quaternion(np.deg2rad([0, pitch, 0]))
    qpos[0, 7:] = np.deg2rad(
        [angles.get(name, angles.get(name.partition("_")[2], 0)) for name in names]
    )
    qpos[:, 2] -= task.kinematics.lowest_height(qpos)
    return qpos


def hands_ahead(shoulder1: float, shoulder2: float, elbow: float) -> dict[str, float]:
    arms = {"left_shoulder1": shoulder1, "right_shoulder1": -shoulder1, "elbow": elbow}
    return arms | {"left_shoulder2": shoulder2, "right_shoulder2": -shoulder2, "knee": -5}


@pytest.mark.parametrize(
    ("pose", "pitch", "angles"),
    [
        (
            "side_splits",
            -14,
            {"abdomen_y": -73, "hip_x": -5, "left_hip_y": -97, "right_hip_y": 10, "knee": -2},
        ),
        ("lotus", 12, {"abdomen_y": 9, "hip_x": -25, "hip_z": -34, "hip_y": -64, "knee": -151}),
        ("arms_crossed", 0, hands_ahead(shoulder1=-25, shoulder2=-58, elbow=-89)),
        ("arms_crossed", 0, hands_ahead(shoulder1=-50, shoulder2=0, elbow=-14)),
    ],
    ids=[
        "one leg up",
        "kneeling, the feet behind the knees",
        "straight arms that touch",
        "hands that just touch",
    ],
)
def test_a_body_that_only_resembles_the_pose_does_not_succeed(
    pose: Pose, pitch: float, angles: dict[str, float]
) -> None:
    task = TASKS[pose]
    qpos = put(task, pitch, angles)
    assert not task.success(qpos, np.zeros((1, task.model.nv)))[0]


@every_pose
def test_a_body_that_lies_has_no_progress(pose: Pose) -> None:
    qpos, qvel = posed(pose, count=5)
    qpos[:, 3:7] = np.sqrt(0.5), 0, np.sqrt(0.5), 0  # a quarter turn about y: face down
    qpos[:, 2] = 0.15
    assert TASKS[pose].progress(qpos, qvel).max() == 0


@pytest.mark.parametrize("pose", POSES)
def test_a_posed_body_touches_the_floor_and_keeps_its_joints_ranges(pose: Pose) -> None:
    qpos, _ = posed(pose)
    task = TASKS["stand"]
    np.testing.assert_allclose(Kinematics(task.model).lowest_height(qpos), 0, atol=1e-9)
    low, high = task.model.jnt_range[1:].T
    assert np.all((qpos[:, 7:] >= low) & (qpos[:, 7:] <= high))


def test_the_pose_is_judged_wherever_it_is_and_wherever_it_faces() -> None:
    qpos, qvel = posed("kneel", count=5)
    turned = qpos.copy()
    turned[:, :2] += 3.0
    half_turn = np.array([0.0, 0.0, 0.0, 1.0])  # about z: (w, x, y, z) -> (-z, -y, x, w)
    w, x, y, z = qpos[:, 3:7].T
    turned[:, 3:7] = np.stack([-z, -y, x, w], axis=1) * half_turn[3]
    np.testing.assert_allclose(
        TASKS["kneel"].progress(turned, qvel), TASKS["kneel"].progress(qpos, qvel), atol=1e-9
    )


def test_an_unknown_pose_is_answered_with_the_list() -> None:
    with pytest.raises(
        ValueError, match=r"'dance', expected one of stand, crouch, kneel, raise_arms, "
    ):
        TASKS["stand"].sample_pose(np.random.default_rng(0), "dance")  # type: ignore[arg-type]


@pytest.mark.parametrize("camera", Humanoid.cameras)
def test_poses_look_different(camera: str) -> None:
    """More pixels differ between poses than between two draws of one pose."""
    model, rng = TASKS["stand"].model, np.random.default_rng(1)
    states = np.stack(
        [TASKS["stand"].sample_pose(rng, pose, noise=0.01) for pose in POSES for _ in range(4)]
    )
    states[:, :2], states[:, 3:7] = 0.0, (1.0, 0.0, 0.0, 0.0)
    with Renderer(model, 48, 36) as renderer:
        frames = renderer.render(states, camera).astype(float)
    apart = np.abs(frames[:, None] - frames[None]).mean(axis=(2, 3, 4)) + np.diag(
        np.full(len(frames), np.inf)
    )
    assert (apart.argmin(axis=1) // 4 == np.arange(len(frames)) // 4).all()
