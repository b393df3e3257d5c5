"""A task as a Gymnasium vector environment: many simulations, stepped and rendered together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import Error, ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew_envs.core.simulation import Arrays, TaskSimulations
from roborew_envs.core.task import Task, Truth
from roborew_envs.core.validation import check_num_envs, expand_seeds, parse_reset_mask
from roborew_envs.rendering.renderer import (
    Overrides,
    Quality,
    Renderer,
    StoredStates,
    check_frame,
    default_num_threads,
)


class TaskVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many simulations of one task, stepped and rendered together on threads.

    Reward: progress gained in the step (truth). An episode never ends on success: it is terminated
    where the task has `Task.failed`, and truncated at the horizon. Infos hold the truth of every
    simulation: ``progress`` (N,) float32 in [0, 1], ``success`` (N,) bool, ``stage`` (N,) int64.
    Frames show the state after the action and before any reset. Autoreset is ``NEXT_STEP`` or
    ``DISABLED``; ``SAME_STEP`` is refused, because a wrapper that renders would see the next
    episode's first frame at an episode's end.

    ``appearance`` shifts what is seen, never what happens: ``kind:strength`` pairs as in
    ``"light:strong,camera:mild"`` (see `roborew_envs.rendering.appearance`); every episode has a
    look of its own, given by its seed and ``appearance_seed``.

    ``camera`` names one of the task's cameras, the first if not given, or several as in
    ``"front,wrist"``: their pictures, each ``width`` x ``height`` pixels, then lie side by side in
    every frame, (H, 2 * W, 3).

    ``horizon`` is the number of steps of an episode, the task's own if not given. With
    ``action_repeat`` K one call of `step` repeats its action for K of them, or fewer at an episode's
    end: reward, truth and frame are those of the state after the last one.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        task: Task,
        num_envs: int = 1,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
        appearance: str = "",
        appearance_seed: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        horizon: int | None = None,
        action_repeat: int = 1,
    ) -> None:
        _check_render_mode(render_mode)
        mode = _parse_autoreset_mode(autoreset_mode)
        check_num_envs(num_envs)
        self._cameras = _parse_cameras(task, camera)
        check_frame(width, height, quality)
        self._frame_format = (width, height, quality)
        self._renderer: Renderer | None = None  # opened by the first frame: training may need none
        self.core = TaskSimulations(
            task, num_envs, appearance, appearance_seed, horizon, action_repeat
        )
        self.task = task
        self.num_envs = num_envs
        self.render_mode = render_mode
        fps = task.fps / action_repeat
        self.metadata = {**self.metadata, "render_fps": fps, "autoreset_mode": mode}
        observation_shape = self.core.observe().shape[1:]
        self.single_observation_space = Box(-np.inf, np.inf, observation_shape, np.float32)
        self.single_action_space = Box(-1.0, 1.0, (task.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._restarts_at_next_step = mode == AutoresetMode.NEXT_STEP
        self._ended = np.zeros(num_envs, np.bool_)
        self._running = np.zeros(num_envs, np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes: all, or where ``options["reset_mask"]`` (N,) is True. Seed s gives
        simulation i s + i."""
        mask = parse_reset_mask(options, self.num_envs)
        truth = self.core.reset(mask, expand_seeds(seed, self.num_envs))
        self._ended[mask] = False
        self._running[mask] = True
        return self.core.observe(), self._infos(truth)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every simulation by one step, or as many as actions are repeated for."""
        if not self._running.all():
            raise ResetNeeded(f"{self.task.id}: call reset() before step().")
        restarting = self._ended if self._ended.any() else None
        if restarting is not None and not self._restarts_at_next_step:
            raise ResetNeeded(
                f"{self.task.id}: simulations {np.flatnonzero(restarting)} have ended and "
                "autoreset is DISABLED: "
                'call reset(options={"reset_mask": terminated | truncated}).'
            )
        rewards, terminated, truncated, truth = self.core.step(actions, restarting)
        self._ended = terminated | truncated
        return self.core.observe(), rewards, terminated, truncated, self._infos(truth)

    def _infos(self, truth: Truth) -> dict[str, Any]:
        # Gymnasium's form: beside each array, under "_name", where it holds.
        return {
            "progress": truth.progress,
            "success": truth.success,
            "stage": truth.stage,
            "_progress": np.ones(self.num_envs, np.bool_),
            "_success": np.ones(self.num_envs, np.bool_),
            "_stage": np.ones(self.num_envs, np.bool_),
        }

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names that ``camera`` can take, first the one that is used if none is given."""
        return self.task.cameras

    @property
    def resizable(self) -> bool:
        """Whether ``camera``, ``width`` and ``height`` are for the taking: they always are."""
        return True

    @property
    def max_episode_steps(self) -> int:
        """Calls of `step` after which an episode is truncated."""
        return math.ceil(self.core.horizon / self.core.action_repeat)

    @property
    def expert(self) -> None:
        """None: the experts of tasks read the simulator (`roborew_envs.experts`), not
        observations."""
        return None

    def render_frames(
        self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None
    ) -> NDArray[np.uint8]:
        """Frames of the current states, shape (n, H, W, 3), uint8 RGB; only the chosen simulations
        are rendered."""
        return self.render_stored(self.store_states(indices, overrides))

    def store_states(
        self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None
    ) -> StoredStates:
        """The current states of the chosen simulations (default: all), to be rendered later: some
        hundred bytes each."""
        chosen = np.arange(self.num_envs) if indices is None else indices
        qpos = self.core.simulation.qpos[chosen]
        # A lamp that lights says something of the state, so it is written last, over any look.
        combined = self.task.visual_overrides(qpos)
        if overrides is not None:
            combined = overrides.merge(combined)
        if self.core.appearance is not None:
            combined = self.core.appearance[chosen].merge(combined)
        return StoredStates(qpos, combined)

    def render_stored(self, states: StoredStates) -> NDArray[np.uint8]:
        """Frames of stored states, shape (n, H, W, 3), uint8 RGB; those equal to the last bit are
        rendered once. Pictures of several cameras lie side by side."""
        if self.render_mode != "rgb_array":
            raise Error(
                f"{self.task.id}: made without render_mode='rgb_array', so it draws nothing: pass "
                "it to make."
            )
        if self._renderer is None:
            num_threads = min(default_num_threads(), self.num_envs)
            self._renderer = Renderer(self.task.model, *self._frame_format, num_threads)
        views: list[NDArray[np.uint8]] = []
        for camera in self._cameras:
            views.append(self._renderer.render(states.qpos, camera, states.overrides))
        return np.concatenate(views, axis=2)

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One frame for every environment."""
        return tuple(self.render_frames())

    def get_state(self) -> Arrays:
        """All that decides the future: states, counters, generators."""
        snapshot = self.core.get_state()
        snapshot["ended"] = self._ended.copy()
        snapshot["running"] = self._running.copy()
        return snapshot

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Go on exactly where `get_state` was taken."""
        self.core.set_state(snapshot)
        self._ended = snapshot["ended"].copy()
        self._running = snapshot["running"].copy()

    def close_extras(self, **kwargs: Any) -> None:
        self.core.close()
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _check_render_mode(render_mode: str | None) -> None:
    if render_mode not in (None, "rgb_array"):
        raise Error(f"render_mode: got {render_mode!r}, expected None or 'rgb_array'.")


def _parse_autoreset_mode(autoreset_mode: AutoresetMode | str) -> AutoresetMode:
    mode = AutoresetMode(autoreset_mode)
    if mode == AutoresetMode.SAME_STEP:
        raise Error(
            "autoreset_mode: got SAME_STEP, expected NEXT_STEP or DISABLED (see the class "
            "docstring)."
        )
    return mode


def _parse_cameras(task: Task, camera: str | None) -> tuple[str, ...]:
    if camera is None:
        return task.cameras[:1]
    names = tuple(name.strip() for name in camera.split(","))
    for name in names:
        if name not in task.cameras:
            raise Error(
                f"{task.id}: unknown camera {name!r}. Available: {', '.join(task.cameras)}."
            )
    return names
