"""Recorded episodes as an environment that heeds no action."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew.data.demonstration import Demonstration
from roborew.errors import InvalidInputError
from roborew.storage.run import name_of_file
from roborew.types import Video


class RecordedEnv(VectorEnv[Any, Any, Any]):
    """Plays recorded episodes, one after the other, whatever the actions.

    Args:
        demonstrations: the next one begins with each reset.
        cameras: whose pictures lie side by side in a frame; the set's first if none are named.

    Raises:
        InvalidInputError: a demonstration lacks one of the cameras.
    """

    def __init__(self, demonstrations: Sequence[Demonstration], cameras: Sequence[str]) -> None:
        self.num_envs = 1
        self.render_mode = "rgb_array"
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        first = demonstrations[0]
        assert first.observations is not None and first.actions is not None
        observation_space = _space_of(first.observations)
        action_space = _space_of(first.actions)
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, 1)
        self.action_space = batch_space(action_space, 1)
        named = [name_of_file(camera, first.cameras) for camera in cameras]
        self._cameras = tuple(named) or first.cameras[:1]
        for demonstration in demonstrations:
            _require_cameras(demonstration, self._cameras)
        self._waiting = iter(demonstrations)
        self._playing = demonstrations[0]
        self._frames: Iterator[Any] = iter(())
        self._frame: Video = np.zeros((1, 1, 1, 3), dtype=np.uint8)
        self._step = 0
        self._step_of_frame = -1

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame, all cameras together; of the first demonstration."""
        firsts = [next(iter(self._playing.frames(camera))) for camera in self._cameras]
        return firsts[0].shape[0], sum(frame.shape[1] for frame in firsts)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Begin the next episode."""
        self._playing = next(self._waiting)
        views = [self._playing.frames(camera) for camera in self._cameras]
        self._frames = zip(*views, strict=True)
        self._step, self._step_of_frame = 0, -1
        return self._observation(), self._infos()

    def step(self, actions: Any) -> Any:
        """Go on to the next frame."""
        self._step += 1
        ended = np.array([self._step == self._playing.length - 1])
        not_terminated = np.zeros(1, dtype=np.bool_)
        rewards = self._playing.rewards
        reward = np.zeros(1) if rewards is None else rewards[self._step - 1 : self._step]
        return self._observation(), reward, not_terminated, ended, self._infos()

    def render(self) -> Any:
        """Return the present frame, (1, H, W, 3)."""
        # Decoded on demand: an oracle looks at none of them.
        while self._step_of_frame < self._step:
            self._frame = np.concatenate(next(self._frames), axis=1)[None]
            self._step_of_frame += 1
        return tuple(self._frame)

    def _observation(self) -> NDArray[np.float32]:
        assert self._playing.observations is not None
        return self._playing.observations[self._step][None]

    def _infos(self) -> dict[str, Any]:
        curves = {"progress": self._playing.progress, "success": self._playing.success}
        return {
            name: curve[self._step : self._step + 1]
            for name, curve in curves.items()
            if curve is not None
        }


def _require_cameras(demonstration: Demonstration, cameras: Sequence[str]) -> None:
    missing = [camera for camera in cameras if camera not in demonstration.cameras]
    if missing:
        raise InvalidInputError(
            f"demos: the run sees camera {missing[0]!r}, which {demonstration.name} does not "
            f"have. Available: {', '.join(demonstration.cameras)}. Collect with --cameras "
            f"{' '.join(cameras)}."
        )


def _space_of(rows: NDArray[np.float32]) -> Space[Any]:
    return Box(-np.inf, np.inf, rows.shape[1:], np.float32)
