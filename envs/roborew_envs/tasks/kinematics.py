"""Where the parts of many bodies are, by MuJoCo's own forward kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BodyPoses:
    """Places of N states in the world frame.

    Attributes:
        bodies: origins, shape (N, nbody, 3) [m].
        axes: shape (N, nbody, 3, 3); column k is the body's k-th axis.
        geoms: centres, shape (N, ngeom, 3) [m].
        geom_axes: shape (N, ngeom, 3), unit vector along each capsule.
    """

    body_positions: FloatArray
    body_rotations: FloatArray
    geom_positions: FloatArray
    capsule_axes: FloatArray


class Kinematics:
    """Forward kinematics of one model. The last batch is remembered, since progress, success and
    stage all ask."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._qpos: FloatArray | None = None
        self._poses = self._allocate(0)

    def _allocate(self, num_states: int) -> BodyPoses:
        nbody = self._model.nbody
        ngeom = self._model.ngeom
        return BodyPoses(
            body_positions=np.empty((num_states, nbody, 3)),
            body_rotations=np.empty((num_states, nbody, 3, 3)),
            geom_positions=np.empty((num_states, ngeom, 3)),
            capsule_axes=np.empty((num_states, ngeom, 3)),
        )

    def forward(self, qpos: FloatArray) -> BodyPoses:
        """Where everything is in each state of ``qpos``, shape (N, nq)."""
        if self._qpos is None or not np.array_equal(self._qpos, qpos):
            self._poses = self._compute(qpos)
            # A copy: the caller's array may be a view of a simulation that goes on.
            self._qpos = qpos.copy()
        return self._poses

    def _compute(self, qpos: FloatArray) -> BodyPoses:
        poses = self._allocate(len(qpos))
        data = self._data
        for i, state in enumerate(qpos):
            data.qpos[:] = state
            mujoco.mj_kinematics(self._model, data)
            poses.body_positions[i] = data.xpos
            poses.body_rotations[i] = data.xmat.reshape(-1, 3, 3)
            poses.geom_positions[i] = data.geom_xpos
            # The third column of a row-major 3 x 3 matrix: a capsule lies along its z axis.
            poses.capsule_axes[i] = data.geom_xmat[:, 2::3]
        return poses

    def lowest_height(self, qpos: FloatArray) -> FloatArray:
        """Height of the lowest point of the spheres and capsules of each state, shape (N,) [m]."""
        types = self._model.geom_type
        is_capsule = types == int(mujoco.mjtGeom.mjGEOM_CAPSULE)
        is_sphere = types == int(mujoco.mjtGeom.mjGEOM_SPHERE)
        is_round = is_sphere | is_capsule
        radius, half_length, _ = self._model.geom_size[is_round].T
        # The second size of a sphere means nothing.
        half_length = np.where(is_capsule[is_round], half_length, 0.0)
        poses = self.forward(qpos)
        heights = poses.geom_positions[:, is_round, 2]
        steepness = np.abs(poses.capsule_axes[:, is_round, 2])
        lowest_points = heights - half_length * steepness - radius
        return lowest_points.min(axis=1)


def euler_to_quaternion(angles: FloatArray) -> FloatArray:
    """Unit quaternion (w, x, y, z) of rotations about x, then y, then z of the world.

    Args:
        angles: shape (3,) [rad].
    """
    quaternion = np.empty(4)
    mujoco.mju_euler2Quat(quaternion, angles, "XYZ")
    return quaternion
