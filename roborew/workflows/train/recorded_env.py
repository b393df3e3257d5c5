"""Recorded episodes as an environment that heeds no action."""

from __future__ import annotations

from collections.abc import Container, Sequence
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
    """Plays recorded episodes, whatever the actions.

    Args:
        demonstrations: each environment begins the next one of them at each reset; where all have been
            begun, it plays its last one again.
        cameras: whose pictures lie side by side in a frame; the set's first if none are named.
        num_envs: episodes that are played side by side.
        terminations: names of the episodes that an environment ended, and no time limit.

    Raises:
        InvalidInputError: a demonstration lacks one of the cameras.
    """

    def __init__(
        self,
        demonstrations: Sequence[Demonstration],
        cameras: Sequence[str],
        num_envs: int = 1,
        terminations: Container[str] = (),
    ) -> None:
        self.num_envs = num_envs
        self.render_mode = "rgb_array"
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        first = demonstrations[0]
        assert first.observations is not None and first.actions is not None
        observation_space = _space_of(first.observations)
        action_space = _space_of(first.actions)
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        named = [name_of_file(camera, first.cameras) for camera in cameras]
        self._cameras = tuple(named) or first.cameras[:1]
        for demonstration in demonstrations:
            _require_cameras(demonstration, self._cameras)
        self._waiting = iter(demonstrations)
        self._terminations = terminations
        self._players = [_Player(first, self._cameras) for _ in range(num_envs)]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame, all cameras together; of the first demonstration."""
        playing = self._players[0].demonstration
        firsts = [next(iter(playing.frames(camera))) for camera in self._cameras]
        return firsts[0].shape[0], sum(frame.shape[1] for frame in firsts)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Begin the next episodes, in all environments or where ``options["reset_mask"]``."""
        begun = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        for env in np.flatnonzero(begun).tolist():
            last = self._players[env].demonstration
            self._players[env] = _Player(next(self._waiting, last), self._cameras)
        return self._observations(), self._infos()

    def step(self, actions: Any) -> Any:
        """Go on to the next frame."""
        rewards = np.array([player.advance() for player in self._players])
        ended = np.array([player.is_over for player in self._players])
        by_env = [player.demonstration.name in self._terminations for player in self._players]
        terminated = ended & by_env
        return self._observations(), rewards, terminated, ended & ~terminated, self._infos()

    def render(self) -> Any:
        """Return the present frames, each (H, W, 3)."""
        return tuple(player.frame() for player in self._players)

    def _observations(self) -> NDArray[np.float32]:
        return np.stack([player.observation for player in self._players])

    def _infos(self) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for name in ("progress", "success"):
            truth = [player.truth(name) for player in self._players]
            if None not in truth:
                infos[name] = np.array(truth)
        return infos


class _Player:
    """One recorded episode and how far it has been played."""

    def __init__(self, demonstration: Demonstration, cameras: Sequence[str]) -> None:
        self.demonstration = demonstration
        views = [demonstration.frames(camera) for camera in cameras]
        self._frames = zip(*views, strict=True)
        self._frame: Video = np.zeros((1, 1, 3), dtype=np.uint8)
        self._step = 0
        self._step_of_frame = -1

    @property
    def is_over(self) -> bool:
        """Whether its last frame is shown."""
        return self._step == self.demonstration.length - 1

    @property
    def observation(self) -> NDArray[np.float32]:
        """What was observed, shape (D,)."""
        assert self.demonstration.observations is not None
        return self.demonstration.observations[self._step]

    def advance(self) -> float:
        """Go on to the next frame; what the environment paid for it, 0 where nobody says."""
        self._step += 1
        rewards = self.demonstration.rewards
        return 0.0 if rewards is None else float(rewards[self._step - 1])

    def frame(self) -> Video:
        """The frame that is shown, the views side by side."""
        # Decoded on demand: an oracle looks at none of them.
        while self._step_of_frame < self._step:
            self._frame = np.concatenate(next(self._frames), axis=1)
            self._step_of_frame += 1
        return self._frame

    def truth(self, name: str) -> Any:
        """Progress or success of the frame; None where nobody says."""
        curve = getattr(self.demonstration, name)
        return None if curve is None else curve[self._step]


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
