"""Many simulations of one model, stepped together on threads by `mujoco.rollout`.

A state is (time, qpos, qvel, act) and nothing else: no warm start is carried over, so a state that
was saved, moved to another slot or stepped among other simulations goes on bit for bit the same.
"""

from __future__ import annotations

import math
import os

import mujoco
import numpy as np
from mujoco import rollout
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS
_LARGEST_SHARE = 16
"""Simulations that a thread takes at a time: fewer cost more hand-overs, more leave a thread idle
at the end."""


class Simulation:
    """``num_envs`` states of one model.

    Attributes:
        model: shared by all simulations, never written.
        state: shape (num_envs, nstate), float64: time [s], qpos, qvel, act.
    """

    def __init__(self, model: mujoco.MjModel, num_envs: int, threads: int | None = None) -> None:
        """Allocate the states, all at the model's reference position.

        Args:
            model: the body and its world.
            num_envs: number of simulations, at least 1.
            threads: default: the cores this process may use.

        Raises:
            ValueError: no simulation asked for.
        """
        if num_envs < 1:
            raise ValueError(f"num_envs: got {num_envs}, expected at least 1 simulation.")
        self.model, self.num_envs = model, num_envs
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else (os.cpu_count() or 1)
        )
        count = min(threads or cores, num_envs)
        self._data = [mujoco.MjData(model) for _ in range(count)]
        self._rollout = rollout.Rollout(nthread=count if count > 1 else 0)
        self._share = min(math.ceil(num_envs / count), _LARGEST_SHARE)
        reference = np.empty(mujoco.mj_stateSize(model, _PHYSICS))
        mujoco.mj_getState(model, self._data[0], reference, _PHYSICS)
        self.state = np.tile(reference, (num_envs, 1))
        self._outputs: dict[int, tuple[FloatArray, FloatArray]] = {}

    @property
    def qpos(self) -> FloatArray:
        """Positions, shape (num_envs, nq): a view of `state`."""
        return self.state[:, 1 : 1 + self.model.nq]

    @property
    def qvel(self) -> FloatArray:
        """Velocities, shape (num_envs, nv): a view of `state`."""
        return self.state[:, 1 + self.model.nq : 1 + self.model.nq + self.model.nv]

    def place(self, index: int, qpos: FloatArray, qvel: FloatArray) -> None:
        """Put simulation ``index`` into a state at time 0 with its actuators at rest."""
        self.state[index] = 0.0
        self.qpos[index], self.qvel[index] = qpos, qvel

    def step(self, controls: FloatArray, substeps: int) -> NDArray[np.bool_]:
        """Advance every simulation by ``substeps`` time steps under constant controls.

        Args:
            controls: shape (num_envs, nu).
            substeps: time steps of the model, at least 1.

        Returns:
            shape (num_envs,): True where a simulation diverged; its state stays the one before this
            step.
        """
        if substeps not in self._outputs:
            shape = (self.num_envs, substeps)
            self._outputs[substeps] = (
                np.empty((*shape, self.state.shape[1])),
                np.empty((*shape, self.model.nsensordata)),
            )
        states, sensors = self._outputs[substeps]
        # rollout wants one control a time step, or one that it repeats: (N, 1, nu) is repeated.
        self._rollout.rollout(
            self.model,
            self._data,
            self.state,
            controls[:, None],
            nstep=substeps,
            chunk_size=self._share,
            state=states,
            sensordata=sensors,
        )
        final = states[:, -1]
        expected_time = self.state[:, 0] + (substeps - 0.5) * self.model.opt.timestep
        diverged = ~np.isfinite(final).all(axis=1) | (final[:, 0] < expected_time)
        self.state[~diverged] = final[~diverged]
        return diverged

    def close(self) -> None:
        """Stop the threads; closing twice is harmless."""
        self._rollout.close()
