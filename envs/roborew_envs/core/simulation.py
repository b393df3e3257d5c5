"""Many simulations of one model, stepped together on threads by `mujoco.rollout`; and of one task,
with its starts and its truth.

A state is (time, qpos, qvel, act) and nothing else: no warm start is carried over, so a state that
was saved, moved to another slot or stepped among other simulations goes on bit for bit the same.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium.error import Error, InvalidAction
from gymnasium.utils import seeding
from mujoco import rollout
from numpy.typing import NDArray

from roborew_envs.core.mjcf import check_world
from roborew_envs.core.task import BoolArray, FloatArray, Task, Truth
from roborew_envs.core.validation import (
    check_num_envs,
    check_snapshot,
    check_steps,
    tag_snapshot,
)
from roborew_envs.rendering.appearance import AppearanceSampler

logger = logging.getLogger(__name__)
Arrays = dict[str, NDArray[Any]]
_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS
_MAX_SIMULATIONS_PER_CHUNK = 16
"""Simulations that a thread takes at a time: fewer cost more hand-overs, more leave a thread idle
at the end."""


class Simulation:
    """``num_envs`` states of one model.

    Attributes:
        model: shared by all simulations, never written.
        state: shape (num_envs, nstate), float64: time [s], qpos, qvel, act.
        qpos: positions, shape (num_envs, nq): a view of `state`.
        qvel: velocities, shape (num_envs, nv): a view of `state`.
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
        self.model = model
        self.num_envs = num_envs
        num_threads = min(threads or _available_cores(), num_envs)
        self._data = [mujoco.MjData(model) for _ in range(num_threads)]
        # A pool of one thread would only hand over what the caller can do itself: 0 asks for none.
        self._rollout = rollout.Rollout(nthread=num_threads if num_threads > 1 else 0)
        self._chunk_size = min(math.ceil(num_envs / num_threads), _MAX_SIMULATIONS_PER_CHUNK)
        state_size = mujoco.mj_stateSize(model, _PHYSICS)
        reference = np.empty(state_size)
        mujoco.mj_getState(model, self._data[0], reference, _PHYSICS)
        self.state = np.tile(reference, (num_envs, 1))
        first_velocity = 1 + model.nq
        self.qpos = self.state[:, 1:first_velocity]
        self.qvel = self.state[:, first_velocity : first_velocity + model.nv]
        self._outputs: dict[int, tuple[FloatArray, FloatArray]] = {}

    def place(self, index: int, qpos: FloatArray, qvel: FloatArray) -> None:
        """Put simulation ``index`` into a state at time 0 with its actuators at rest."""
        self.state[index] = 0.0
        self.qpos[index] = qpos
        self.qvel[index] = qvel

    def step(self, controls: FloatArray, substeps: int) -> BoolArray:
        """Advance every simulation by ``substeps`` time steps under constant controls.

        Args:
            controls: shape (num_envs, nu).
            substeps: time steps of the model, at least 1.

        Returns:
            shape (num_envs,): True where a simulation diverged; its state stays the one before this
            step.
        """
        # One pair of buffers a number of substeps: allocating them costs more than small models do.
        if substeps not in self._outputs:
            shape = (self.num_envs, substeps)
            states = np.empty((*shape, self.state.shape[1]))
            sensors = np.empty((*shape, self.model.nsensordata))
            self._outputs[substeps] = (states, sensors)
        states, sensors = self._outputs[substeps]
        self._rollout.rollout(
            self.model,
            self._data,
            self.state,
            controls[:, None],  # (N, 1, nu): one control, which rollout repeats
            nstep=substeps,
            chunk_size=self._chunk_size,
            state=states,
            sensordata=sensors,
        )
        final = states[:, -1]
        # MuJoCo resets a simulation that diverges, so its clock falls behind.
        expected_time = self.state[:, 0] + (substeps - 0.5) * self.model.opt.timestep
        is_finite = np.isfinite(final).all(axis=1)
        diverged = ~is_finite | (final[:, 0] < expected_time)
        self.state[~diverged] = final[~diverged]
        return diverged

    def close(self) -> None:
        """Stop the threads; closing twice is harmless."""
        self._rollout.close()


class TaskSimulations:
    """Simulations of one task, each with its generator, step count, look and progress.

    Each owns its generator, so that a seed gives the same episode alone or among others. One that
    diverges keeps the state it had, ends (truncated) and is named in the log; the others go on.

    Attributes:
        simulation: the states.
        generators: one a simulation, from which its episodes' starts are drawn.
        steps: of the running episodes, shape (num_envs,), int64.
        progress: truth of the present states, shape (num_envs,), float64.
        horizon: steps of an episode.
        action_repeat: steps that an action is repeated for.
        appearance: the episodes' looks; None for the task's own look.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int,
        appearance: str = "",
        appearance_seed: int = 0,
        horizon: int | None = None,
        action_repeat: int = 1,
    ) -> None:
        """Allocate the simulations; episodes begin with `reset`.

        Raises:
            gymnasium.error.Error: no positive number of simulations or steps, or a damaged world.
            UnknownAppearance: a kind or strength that does not exist.
        """
        check_num_envs(num_envs)
        check_steps(horizon, action_repeat)
        check_world(task)
        self.horizon = task.horizon if horizon is None else horizon
        self.action_repeat = action_repeat
        self.task = task
        # Most tasks cannot be lost, and a step of these should not pay for asking.
        self._can_fail = type(task).failed is not Task.failed
        self.num_envs = num_envs
        self.simulation = Simulation(task.model, num_envs)
        self.appearance: AppearanceSampler | None = None
        if appearance:
            self.appearance = AppearanceSampler(task.model, appearance, appearance_seed, num_envs)
        self.generators = [np.random.default_rng() for _ in range(num_envs)]
        self.steps = np.zeros(num_envs, np.int64)
        self.progress = np.zeros(num_envs)

    def reset(self, mask: BoolArray, seeds: Sequence[int | None]) -> Truth:
        """Begin episodes where ``mask`` (N,) is True; None goes on with the simulation's generator.

        Returns:
            the truth of every state, also of those that were not reset.
        """
        self._start_episodes(mask, seeds)
        truth = self.task.evaluate(self.simulation.qpos, self.simulation.qvel)
        self.progress[mask] = truth.progress[mask]
        return truth

    def _start_episodes(self, mask: BoolArray, seeds: Sequence[int | None]) -> None:
        for i in np.flatnonzero(mask).tolist():
            if seeds[i] is not None:
                self.generators[i] = seeding.np_random(seeds[i])[0]
            generator = self.generators[i]
            # Before the start is drawn, and without advancing the generator: the same seed gives
            # the same start under any appearance.
            if self.appearance is not None:
                self.appearance.sample(i, generator)
            qpos, qvel = self.task.sample_initial_state(generator)
            self.simulation.place(i, qpos, qvel)
        self.steps[mask] = 0

    def step(
        self, actions: NDArray[Any], restarting: BoolArray | None = None
    ) -> tuple[FloatArray, BoolArray, BoolArray, Truth]:
        """Repeat an action in all, and evaluate the truth once, after the last step; where an
        episode ends before that, its state stays as it was then.

        Args:
            actions: shape (N, action_size), clipped to [-1, 1].
            restarting: shape (N,), simulations that begin a new episode in this step instead; they
                gain nothing and are not ended.

        Returns:
            rewards (N,), which are the progress gained; terminated (N,), where the task has failed;
            truncated (N,); the truth.

        Raises:
            gymnasium.error.InvalidAction: another shape, no numbers, NaN or infinity.
        """
        valid = validate_actions(self.task.id, actions, (self.num_envs, self.task.action_size))
        bounded = np.clip(valid.astype(np.float64), -1.0, 1.0)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        for _ in range(self.action_repeat):
            failed, cut = self._advance(bounded, terminated | truncated)
            terminated |= failed
            truncated |= cut
        if restarting is not None:
            self._start_episodes(restarting, [None] * self.num_envs)
            terminated[restarting] = False
            truncated[restarting] = False
        truth = self.task.evaluate(self.simulation.qpos, self.simulation.qvel)
        progress = truth.progress.astype(np.float64)
        # Of the float32 that the infos tell, so that an episode's rewards add up to what they gain.
        rewards = progress - self.progress
        if restarting is not None:
            rewards[restarting] = 0.0
        self.progress = progress
        return rewards, terminated, truncated, truth

    def _advance(self, actions: FloatArray, ended: BoolArray) -> tuple[BoolArray, BoolArray]:
        """One step of all that have not ended, shape (N,): which of them fail, and which are cut."""
        final = self.simulation.state[ended].copy()
        controls = self.task.action_to_ctrl(self.simulation.qpos, actions)
        diverged = self.simulation.step(controls, self.task.substeps) & ~ended
        if diverged.any():
            names = np.flatnonzero(diverged)
            logger.warning("%s: simulations %s diverged; they end here.", self.task.id, names)
        self.simulation.state[ended] = final
        self.steps += ~ended
        failed = np.zeros_like(ended)
        if self._can_fail:
            failed = self.task.failed(self.simulation.qpos, self.simulation.qvel)
        is_over = self.steps >= self.horizon
        return failed & ~ended, (is_over | diverged) & ~ended

    def observe(self) -> NDArray[np.float32]:
        """What the agent sees of the present states, shape (N, D)."""
        return self.task.observe(self.simulation.qpos, self.simulation.qvel)

    def get_state(self) -> Arrays:
        """All that decides the future: states, step counts, generators, looks."""
        # As text: a generator's state is integers of 128 bits, which no array holds.
        states = json.dumps([generator.bit_generator.state for generator in self.generators])
        arrays: Arrays = {
            "state": self.simulation.state.copy(),
            "steps": self.steps.copy(),
            "progress": self.progress.copy(),
            "generators": np.frombuffer(states.encode(), np.uint8).copy(),
        }
        if self.appearance is not None:
            arrays["looks"] = self.appearance.keys.copy()
        return tag_snapshot(self.task.id, arrays)

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Go on exactly where `get_state` was taken.

        Raises:
            gymnasium.error.Error: the snapshot of another task, or of another number of simulations.
        """
        check_snapshot(self.task.id, snapshot)
        got, expected = snapshot["state"].shape, self.simulation.state.shape
        if got != expected:
            raise Error(
                f"{self.task.id}: the snapshot has states of shape {got}, expected {expected}."
            )
        self.simulation.state[:] = snapshot["state"]
        self.steps = snapshot["steps"].copy()
        self.progress = snapshot["progress"].copy()
        states = json.loads(snapshot["generators"].tobytes())
        for generator, state in zip(self.generators, states, strict=True):
            generator.bit_generator.state = state
        if self.appearance is not None:
            for i, key in enumerate(snapshot["looks"]):
                self.appearance.sample_from_key(i, key)

    def close(self) -> None:
        """Stop the threads; closing twice is harmless."""
        self.simulation.close()


def validate_actions(
    name: str, actions: Any, shape: tuple[int, ...], whole: bool = False
) -> NDArray[Any]:
    """Return the actions as an array of that shape.

    Args:
        name: of the environment, for the message.
        actions: anything that numpy takes for an array.
        shape: one action for each environment, (N, ...).
        whole: whether they must be whole numbers.

    Raises:
        gymnasium.error.InvalidAction: another shape, no numbers, or NaN or infinity.
    """
    try:
        values = np.asarray(actions)
    except ValueError as error:
        raise InvalidAction(
            f"{name}: got actions of different lengths, expected shape {shape}."
        ) from error
    if values.shape != shape:
        raise InvalidAction(f"{name}: got actions of shape {values.shape}, expected {shape}.")
    # numpy's kinds: f float, i and u whole, b bool, which is a number to a switch.
    if values.dtype.kind not in ("iu" if whole else "fiub"):
        expected = "whole numbers" if whole else "numbers"
        raise InvalidAction(f"{name}: got actions of type {values.dtype}, expected {expected}.")
    is_finite = np.isfinite(values)
    if not is_finite.all():
        indices = np.unique(np.argwhere(~is_finite)[:, 0])
        raise InvalidAction(
            f"{name}: got actions that are NaN or infinite, of environments {indices}."
        )
    return values


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may own fewer cores than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
