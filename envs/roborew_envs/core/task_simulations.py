"""N simulations of one task with their counters, generators, looks and truth: the core of both
environments."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.error import Error
from gymnasium.utils import seeding
from numpy.typing import NDArray

from roborew_envs.core.mjcf import check_world
from roborew_envs.core.simulation import Simulation
from roborew_envs.core.task import Task
from roborew_envs.core.validation import (
    check_num_envs,
    check_snapshot,
    tag_snapshot,
    validate_actions,
)
from roborew_envs.rendering.appearance import AppearanceSampler
from roborew_envs.rendering.renderer import (
    Overrides,
    Quality,
    Renderer,
    StoredStates,
    check_frame,
    default_num_threads,
)

logger = logging.getLogger(__name__)
Arrays = dict[str, NDArray[Any]]


class TaskSimulations:
    """Each simulation owns its generator, so that a seed gives the same episode alone or among
    others.

    A simulation that diverges keeps the state it had, ends (truncated) and is named in the log; the
    others go on.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int,
        camera: str | None = None,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
        appearance: str = "",
        appearance_seed: int = 0,
    ) -> None:
        check_num_envs(num_envs)
        self.cameras = (
            task.cameras[:1]
            if camera is None
            else tuple(name.strip() for name in camera.split(","))
        )
        for name in self.cameras:
            if name not in task.cameras:
                raise Error(
                    f"{task.id}: unknown camera {name!r}. Available: {', '.join(task.cameras)}."
                )
        check_frame(width, height, quality)
        check_world(task)
        self.task, self.num_envs = task, num_envs
        self.simulation = Simulation(task.model, num_envs)
        self._frame = (width, height, quality)
        self._looks = (
            AppearanceSampler(task.model, appearance, appearance_seed, num_envs)
            if appearance
            else None
        )
        self._renderer: Renderer | None = None
        self.generators = [np.random.default_rng() for _ in range(num_envs)]
        self.steps = np.zeros(num_envs, np.int64)
        self.progress = np.zeros(num_envs)

    def reset(self, mask: NDArray[np.bool_], seeds: Sequence[int | None]) -> None:
        for i in np.flatnonzero(mask).tolist():
            if seeds[i] is not None:
                self.generators[i] = seeding.np_random(seeds[i])[0]
            if self._looks is not None:
                self._looks.sample(i, self.generators[i])
            self.simulation.place(i, *self.task.sample_initial_state(self.generators[i]))
        self.steps[mask] = 0
        self.progress[mask] = self.truth()["progress"][mask]

    def step(self, actions: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_], Arrays]:
        """Advance all; returns rewards (progress gained), truncated, infos."""
        checked = validate_actions(self.task.id, actions, (self.num_envs, self.task.action_size))
        bounded = np.clip(checked.astype(np.float64), -1.0, 1.0)
        diverged = self.simulation.step(
            self.task.action_to_ctrl(self.simulation.qpos, bounded), self.task.substeps
        )
        if diverged.any():
            logger.warning(
                "%s: simulations %s diverged; they end here.",
                self.task.id,
                np.flatnonzero(diverged),
            )
        self.steps += 1
        infos = self.truth()
        rewards = infos["progress"].astype(np.float64) - self.progress
        self.progress = infos["progress"].astype(np.float64)
        return rewards, (self.steps >= self.task.horizon) | diverged, infos

    def truth(self) -> Arrays:
        qpos, qvel = self.simulation.qpos, self.simulation.qvel
        return {
            "progress": self.task.progress(qpos, qvel).astype(np.float32),
            "success": self.task.success(qpos, qvel),
            "stage": self.task.stage(qpos, qvel),
        }

    def observe(self) -> NDArray[np.float32]:
        return self.task.observe(self.simulation.qpos, self.simulation.qvel)

    def render_frames(
        self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None
    ) -> NDArray[np.uint8]:
        """Frames of the current states of the chosen simulations (default: all), shape (n, H, W,
        3)."""
        return self.render_stored(self.store_states(indices, overrides))

    def store_states(
        self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None
    ) -> StoredStates:
        """All that frames of the chosen simulations (default: all) depend on: look, then
        ``overrides``, then paint."""
        chosen = np.arange(self.num_envs) if indices is None else indices
        qpos, look = (
            self.simulation.qpos[chosen],
            self._looks[chosen] if self._looks is not None else Overrides(),
        )
        return StoredStates(
            qpos, look.merge(overrides or Overrides()).merge(self.task.visual_overrides(qpos))
        )

    def render_stored(self, states: StoredStates) -> NDArray[np.uint8]:
        """Frames of states kept by `store_states`, shape (n, H, W, 3); those of several cameras lie side
        by side."""
        if self._renderer is None:
            threads = min(default_num_threads(), self.num_envs)
            self._renderer = Renderer(self.task.model, *self._frame, threads)
        views = [
            self._renderer.render(states.qpos, camera, states.overrides) for camera in self.cameras
        ]
        return np.concatenate(views, axis=2)

    def get_state(self) -> Arrays:
        states = json.dumps(
            [generator.bit_generator.state for generator in self.generators]
        ).encode()
        looks = {} if self._looks is None else {"looks": self._looks.keys.copy()}
        arrays = looks | {
            "state": self.simulation.state.copy(),
            "steps": self.steps.copy(),
            "progress": self.progress.copy(),
            "generators": np.frombuffer(states, np.uint8).copy(),
        }
        return tag_snapshot(self.task.id, arrays)

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        check_snapshot(self.task.id, snapshot)
        if snapshot["state"].shape != self.simulation.state.shape:
            got, expected = snapshot["state"].shape, self.simulation.state.shape
            raise Error(
                f"{self.task.id}: the snapshot has states of shape {got}, expected {expected}."
            )
        self.simulation.state[:] = snapshot["state"]
        self.steps, self.progress = snapshot["steps"].copy(), snapshot["progress"].copy()
        for generator, state in zip(
            self.generators, json.loads(snapshot["generators"].tobytes()), strict=True
        ):
            generator.bit_generator.state = state
        if self._looks is not None:
            for i, key in enumerate(snapshot["looks"]):
                self._looks.sample_from_key(i, key)

    def close(self) -> None:
        self.simulation.close()
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
