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
        self._model, self._data = model, mujoco.MjData(model)
        self._qpos: FloatArray | None = None
        self._places = self._empty(0)

    def _empty(self, count: int) -> BodyPoses:
        bodies, geoms = self._model.nbody, self._model.ngeom
        shapes = (bodies, 3), (bodies, 3, 3), (geoms, 3), (geoms, 3)
        return BodyPoses(*(np.empty((count, *shape)) for shape in shapes))

    def forward(self, qpos: FloatArray) -> BodyPoses:
        """Where everything is in each state of ``qpos``, shape (N, nq)."""
        if self._qpos is None or not np.array_equal(self._qpos, qpos):
            self._places, self._qpos = self._compute(qpos), qpos.copy()
        return self._places

    def _compute(self, qpos: FloatArray) -> BodyPoses:
        places, data = self._empty(len(qpos)), self._data
        for i, state in enumerate(qpos):
            data.qpos[:] = state
            mujoco.mj_kinematics(self._model, data)
            places.body_positions[i], places.body_rotations[i] = (
                data.xpos,
                data.xmat.reshape(-1, 3, 3),
            )
            places.geom_positions[i], places.capsule_axes[i] = (
                data.geom_xpos,
                data.geom_xmat[:, 2::3],
            )
        return places

    def lowest_height(self, qpos: FloatArray) -> FloatArray:
        """Height of the lowest point of the spheres and capsules of each state, shape (N,) [m]."""
        round_types = (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CAPSULE)
        kept = np.isin(self._model.geom_type, [int(kind) for kind in round_types])
        places, size = self.forward(qpos), self._model.geom_size[kept]
        half = np.where(self._model.geom_type[kept] == int(round_types[1]), size[:, 1], 0.0)
        bottoms = (
            places.geom_positions[:, kept, 2]
            - half * np.abs(places.capsule_axes[:, kept, 2])
            - size[:, 0]
        )
        return bottoms.min(axis=1)


def euler_to_quaternion(turns: FloatArray) -> FloatArray:
    """Unit quaternion (w, x, y, z), shape (4,), of turns (3,) [rad] about x, then y, then z of the
    world."""
    quaternion = np.empty(4)
    mujoco.mju_euler2Quat(quaternion, turns, "XYZ")
    return quaternion
