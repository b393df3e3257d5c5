"""Tasks as Gymnasium environments: many simulations natively, or one. Both are thin skins over the same core."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import Error, InvalidAction, ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from roborew_envs.rendering import Overrides, Quality, Renderer, check_frame
from roborew_envs.simulation import Simulation
from roborew_envs.task import Task

logger = logging.getLogger(__name__)
Arrays = dict[str, NDArray[Any]]


class TaskSimulations:
    """N simulations of one task with their step counters, generators and truth: the core of both environments.

    Each simulation owns its generator, so that a seed gives the same episode alone or among others.
    """

    def __init__(
        self, task: Task, num_envs: int, camera: str | None, width: int, height: int, quality: Quality
    ) -> None:
        self.camera = camera or task.cameras[0]
        if self.camera not in task.cameras:
            raise Error(f"{task.id}: unknown camera {self.camera!r}. Available: {', '.join(task.cameras)}.")
        check_frame(width, height, quality)
        self.task, self.num_envs = task, num_envs
        self.simulation = Simulation(task.model, num_envs)
        self._frame = (width, height, quality)
        self._renderer: Renderer | None = None
        self.generators = [np.random.default_rng() for _ in range(num_envs)]
        self.steps = np.zeros(num_envs, np.int64)
        self.progress = np.zeros(num_envs)

    def reset(self, mask: NDArray[np.bool_], seeds: Sequence[int | None]) -> None:
        for i in np.flatnonzero(mask).tolist():
            if seeds[i] is not None:
                self.generators[i] = seeding.np_random(seeds[i])[0]
            self.simulation.place(i, *self.task.sample(self.generators[i]))
        self.steps[mask] = 0
        self.progress[mask] = self.truth()["progress"][mask]

    def step(self, actions: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_], Arrays]:
        """Advance all; returns rewards (progress gained), truncated, infos."""
        expected = (self.num_envs, self.task.action_size)
        if np.shape(actions) != expected:
            raise InvalidAction(f"{self.task.id}: got actions of shape {np.shape(actions)}, expected {expected}.")
        if not np.isfinite(actions).all():
            raise InvalidAction(f"{self.task.id}: got actions that are NaN or infinite, expected numbers in [-1, 1].")
        bounded = np.clip(np.asarray(actions, np.float64), -1.0, 1.0)
        diverged = self.simulation.step(self.task.controls(self.simulation.qpos, bounded), self.task.substeps)
        if diverged.any():
            logger.warning("%s: simulations %s diverged; they end here.", self.task.id, np.flatnonzero(diverged))
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

    def draw(self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None) -> NDArray[np.uint8]:
        """Frames of the current states of the chosen simulations (default: all), shape (n, H, W, 3)."""
        if self._renderer is None:
            width, height, quality = self._frame
            self._renderer = Renderer(self.task.model, width, height, quality)
        qpos = self.simulation.qpos if indices is None else self.simulation.qpos[indices]
        painted = self.task.paint(qpos)
        return self._renderer.draw(qpos, self.camera, overrides.merged(painted) if overrides else painted)

    def snapshot(self) -> Arrays:
        states = json.dumps([generator.bit_generator.state for generator in self.generators]).encode()
        return {
            "state": self.simulation.state.copy(),
            "steps": self.steps.copy(),
            "progress": self.progress.copy(),
            "generators": np.frombuffer(states, np.uint8).copy(),
        }

    def restore(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        if snapshot["state"].shape != self.simulation.state.shape:
            got, expected = snapshot["state"].shape, self.simulation.state.shape
            raise Error(f"{self.task.id}: the snapshot has states of shape {got}, expected {expected}.")
        self.simulation.state[:] = snapshot["state"]
        self.steps, self.progress = snapshot["steps"].copy(), snapshot["progress"].copy()
        for generator, state in zip(self.generators, json.loads(snapshot["generators"].tobytes()), strict=True):
            generator.bit_generator.state = state

    def close(self) -> None:
        self.simulation.close()
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _spaces(core: TaskSimulations) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    observation = gymnasium.spaces.Box(-np.inf, np.inf, core.observe().shape[1:], np.float32)
    return observation, gymnasium.spaces.Box(-1.0, 1.0, (core.task.action_size,), np.float32)


def _check_render_mode(render_mode: str | None) -> None:
    if render_mode not in (None, "rgb_array"):
        raise Error(f"render_mode: got {render_mode!r}, expected None or 'rgb_array'.")


class TaskVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many simulations of one task, stepped and drawn together on threads.

    Reward: progress gained in the step (truth). An episode never ends on success, only at the horizon. Infos hold the
    truth of every simulation: ``progress`` (N,) float32 in [0, 1], ``success`` (N,) bool, ``stage`` (N,) int64. Frames
    show the state after the action and before any reset. Autoreset is ``NEXT_STEP`` or ``DISABLED``; ``SAME_STEP`` is
    refused, because a wrapper that draws would see the next episode's first frame at an episode's end.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        task: Task,
        num_envs: int = 1,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        _check_render_mode(render_mode)
        mode = AutoresetMode(autoreset_mode)
        if mode == AutoresetMode.SAME_STEP:
            raise Error("autoreset_mode: got SAME_STEP, expected NEXT_STEP or DISABLED (see the class docstring).")
        self.core = TaskSimulations(task, num_envs, camera, width, height, quality)
        self.task, self.num_envs, self.render_mode = task, num_envs, render_mode
        self.metadata = {**self.metadata, "autoreset_mode": mode}
        self.single_observation_space, self.single_action_space = _spaces(self.core)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._next_step = mode == AutoresetMode.NEXT_STEP
        self._ended = np.zeros(num_envs, np.bool_)
        self._running = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes: all, or where ``options["reset_mask"]`` (N,) is True. Seed s gives simulation i s + i."""
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise Error(f"reset_mask: expected bool of shape ({self.num_envs},) with at least one True; got {mask}.")
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise Error(f"seed: got {len(seeds)} seeds, expected one integer or {self.num_envs} of them.")
        self.core.reset(mask, seeds)
        self._ended[mask], self._running[mask] = False, True
        return self.core.observe(), self._infos(self.core.truth())

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every simulation by one step."""
        if not self._running.all():
            raise ResetNeeded(f"{self.task.id}: call reset() before step().")
        restarting = self._ended.copy()
        if restarting.any() and not self._next_step:
            raise ResetNeeded(
                f"{self.task.id}: simulations {np.flatnonzero(restarting)} have ended and autoreset is DISABLED: "
                'call reset(options={"reset_mask": terminated | truncated}).'
            )
        rewards, truncated, infos = self.core.step(actions)
        if restarting.any():
            self.core.reset(restarting, [None] * self.num_envs)
            rewards[restarting], truncated[restarting] = 0.0, False
            infos = self.core.truth()
        self._ended = truncated.copy()
        return self.core.observe(), rewards, np.zeros(self.num_envs, np.bool_), truncated, self._infos(infos)

    def _infos(self, truth: Arrays) -> dict[str, Any]:
        return truth | {f"_{name}": np.ones(self.num_envs, np.bool_) for name in truth}

    def draw(self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None) -> NDArray[np.uint8]:
        """Frames of the current states, shape (n, H, W, 3), uint8 RGB; only the chosen simulations are drawn."""
        if self.render_mode != "rgb_array":
            raise Error(f"{self.task.id}: made without render_mode='rgb_array', so it draws nothing: pass it to make.")
        return self.core.draw(indices, overrides)

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One frame for every simulation."""
        return tuple(self.draw())

    def snapshot(self) -> Arrays:
        """All that decides the future: states, counters, generators."""
        return self.core.snapshot() | {"ended": self._ended.copy(), "running": self._running.copy()}

    def restore(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Go on exactly where `snapshot` was taken."""
        self.core.restore(snapshot)
        self._ended, self._running = snapshot["ended"].copy(), snapshot["running"].copy()

    def close_extras(self, **kwargs: Any) -> None:
        self.core.close()


class TaskEnv(gymnasium.Env[Any, Any]):
    """One simulation of a task; see `TaskVectorEnv` for reward, infos and frames."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        task: Task,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
    ) -> None:
        _check_render_mode(render_mode)
        self.core = TaskSimulations(task, 1, camera, width, height, quality)
        self.task, self.render_mode = task, render_mode
        self.observation_space, self.action_space = _spaces(self.core)
        self._running = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        self.core.generators[0] = self.np_random
        self.core.reset(np.ones(1, np.bool_), [None])
        self._running = True
        return self.core.observe()[0], self._infos(self.core.truth())

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance by one step."""
        if not self._running:
            raise ResetNeeded(f"{self.task.id}: call reset() before step().")
        rewards, truncated, infos = self.core.step(np.asarray(action)[None])
        return self.core.observe()[0], float(rewards[0]), False, bool(truncated[0]), self._infos(infos)

    @staticmethod
    def _infos(truth: Arrays) -> dict[str, Any]:
        return {name: values[0].item() for name, values in truth.items()}

    def render(self) -> Any:
        """The current state's frame, shape (H, W, 3), uint8 RGB."""
        if self.render_mode != "rgb_array":
            raise Error(f"{self.task.id}: made without render_mode='rgb_array', so it draws nothing: pass it to make.")
        return self.core.draw()[0]

    def close(self) -> None:
        self.core.close()
