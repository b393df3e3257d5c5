"""Tasks as Gymnasium environments: many simulations natively, or one. Both are thin skins over the
same core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import Error, ResetNeeded
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from roborew_envs.core.task import Task
from roborew_envs.core.task_simulations import Arrays, TaskSimulations
from roborew_envs.rendering.renderer import Overrides, Quality, StoredStates


def _spaces(core: TaskSimulations) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    observation = gymnasium.spaces.Box(-np.inf, np.inf, core.observe().shape[1:], np.float32)
    return observation, gymnasium.spaces.Box(-1.0, 1.0, (core.task.action_size,), np.float32)


def _check_render_mode(render_mode: str | None) -> None:
    if render_mode not in (None, "rgb_array"):
        raise Error(f"render_mode: got {render_mode!r}, expected None or 'rgb_array'.")


def _check_draws(task: Task, render_mode: str | None) -> None:
    if render_mode != "rgb_array":
        raise Error(
            f"{task.id}: made without render_mode='rgb_array', so it draws nothing: pass it to "
            f"make."
        )


class TaskVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many simulations of one task, stepped and drawn together on threads.

    Reward: progress gained in the step (truth). An episode never ends on success, only at the
        horizon. Infos hold the
    truth of every simulation: ``progress`` (N,) float32 in [0, 1], ``success`` (N,) bool, ``stage``
    (N,) int64. Frames show the state after the action and before any reset. Autoreset is
    ``NEXT_STEP`` or ``DISABLED``; ``SAME_STEP`` is refused, because a wrapper that draws would see
    the next episode's first frame at an episode's end.

    ``appearance`` shifts what is seen, never what happens: ``kind:strength`` pairs as in
    ``"light:strong,camera:mild"`` (see `roborew_envs.rendering.appearance`); every episode has a
            look of its own, given by its seed and ``appearance_seed``.

    ``camera`` names one of the task's cameras, the first if not given, or several as in
    ``"front,wrist"``: their pictures, each ``width`` x ``height`` pixels, then lie side by side in
    every frame, (H, 2 * W, 3).
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
    ) -> None:
        _check_render_mode(render_mode)
        mode = AutoresetMode(autoreset_mode)
        if mode == AutoresetMode.SAME_STEP:
            raise Error(
                "autoreset_mode: got SAME_STEP, expected NEXT_STEP or DISABLED (see the class "
                "docstring)."
            )
        self.core = TaskSimulations(
            task, num_envs, camera, width, height, quality, appearance, appearance_seed
        )
        self.task, self.num_envs, self.render_mode = task, num_envs, render_mode
        self.metadata = {**self.metadata, "render_fps": task.fps, "autoreset_mode": mode}
        self.single_observation_space, self.single_action_space = _spaces(self.core)
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._next_step = mode == AutoresetMode.NEXT_STEP
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
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise Error(
                f"reset_mask: expected bool of shape ({self.num_envs},) with at least one True; "
                f"got {mask}."
            )
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise Error(
                f"seed: got {len(seeds)} seeds, expected one integer or {self.num_envs} of them."
            )
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
                f"{self.task.id}: simulations {np.flatnonzero(restarting)} have ended and "
                f"autoreset is DISABLED: "
                'call reset(options={"reset_mask": terminated | truncated}).'
            )
        rewards, truncated, infos = self.core.step(actions)
        if restarting.any():
            self.core.reset(restarting, [None] * self.num_envs)
            rewards[restarting], truncated[restarting] = 0.0, False
            infos = self.core.truth()
        self._ended = truncated.copy()
        return (
            self.core.observe(),
            rewards,
            np.zeros(self.num_envs, np.bool_),
            truncated,
            self._infos(infos),
        )

    def _infos(self, truth: Arrays) -> dict[str, Any]:
        return truth | {f"_{name}": np.ones(self.num_envs, np.bool_) for name in truth}

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names that ``camera`` can take, first the one that is used if none is given."""
        return self.task.cameras

    def render_frames(
        self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None
    ) -> NDArray[np.uint8]:
        """Frames of the current states, shape (n, H, W, 3), uint8 RGB; only the chosen simulations
        are drawn."""
        return self.render_stored(self.store_states(indices, overrides))

    def store_states(
        self, indices: NDArray[np.int64] | None = None, overrides: Overrides | None = None
    ) -> StoredStates:
        """The current states of the chosen simulations (default: all), to be drawn later: some
        hundred bytes each."""
        return self.core.store_states(indices, overrides)

    def render_stored(self, states: StoredStates) -> NDArray[np.uint8]:
        """Frames of stored states, shape (n, H, W, 3), uint8 RGB; those equal to the last bit are
        drawn once."""
        _check_draws(self.task, self.render_mode)
        return self.core.render_stored(states)

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One frame for every simulation."""
        return tuple(self.render_frames())

    def get_state(self) -> Arrays:
        """All that decides the future: states, counters, generators."""
        return self.core.get_state() | {
            "ended": self._ended.copy(),
            "running": self._running.copy(),
        }

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Go on exactly where `get_state` was taken."""
        self.core.set_state(snapshot)
        self._ended, self._running = snapshot["ended"].copy(), snapshot["running"].copy()

    def close_extras(self, **kwargs: Any) -> None:
        self.core.close()


class TaskEnv(gymnasium.Env[Any, Any]):
    """One simulation of a task; see `TaskVectorEnv` for reward, infos and frames."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        task: Task,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
        appearance: str = "",
        appearance_seed: int = 0,
    ) -> None:
        _check_render_mode(render_mode)
        self.core = TaskSimulations(
            task, 1, camera, width, height, quality, appearance, appearance_seed
        )
        self.task, self.render_mode = task, render_mode
        self.metadata = {**self.metadata, "render_fps": task.fps}
        self.observation_space, self.action_space = _spaces(self.core)
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
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
        return (
            self.core.observe()[0],
            float(rewards[0]),
            False,
            bool(truncated[0]),
            self._infos(infos),
        )

    @staticmethod
    def _infos(truth: Arrays) -> dict[str, Any]:
        return {name: values[0].item() for name, values in truth.items()}

    def render(self) -> Any:
        """The current state's frame, shape (H, W, 3), uint8 RGB."""
        _check_draws(self.task, self.render_mode)
        return self.core.render_frames()[0]

    def close(self) -> None:
        self.core.close()
