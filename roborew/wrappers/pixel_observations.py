"""What a camera shows in place of what the simulator knows: observations for agents without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Dict, Space
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.storage.checkpoints import select_prefix, with_prefix
from roborew.types import BoolArray, Video, check_video, frame_renderer, renderable
from roborew.wrappers.reset_mask import split_reset_mask

LARGEST_SIDE = 64
"""Pictures are shrunk until no side is longer [pixels], if nothing else is asked for."""


class PixelObservations(VectorWrapper[Any, Any, Any, Any, Any]):
    """Observes a vector environment by its last frames and, where asked for, a part of its state.

    Observations are a Dict of ``pixels``, shape (K, C, H, W), uint8, channels of all cameras together,
    the newest frame last, and ``vector``, shape (D,), where there is one. At the start of an episode
    its first frame stands in all places. Every state is drawn once: a reward model around this
    wrapper reads the very frames, in full size, from `render_frames`.

    Args:
        env: with autoreset ``DISABLED``, ``render_mode="rgb_array"`` and flat observations.
        num_views: cameras whose pictures lie side by side in a frame, those of the reward.
        num_own_views: cameras to the right of them that the agent alone sees.
        frame_stack: K.
        shrink: whole number by which frames are shrunk for the agent, each pixel the mean of a square;
            by default the least with which no side of a view is longer than 64.
        vector: entries of the environment's own observation that are kept; None for none.
        joint_stack: give ``pixels`` as one picture, shape (K * C, H, W), as Stable-Baselines3 takes it.
        frame_shape: height and width of a frame, all views together; if not given, one is drawn.

    Raises:
        InvalidInputError: another autoreset mode, an environment that draws nothing, or views that
            cannot be told apart in its frames.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        *,
        num_views: int = 1,
        num_own_views: int = 0,
        frame_stack: int = 2,
        shrink: int | None = None,
        vector: slice | None = None,
        joint_stack: bool = False,
        frame_shape: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(env)
        _check_mode(env)
        self._render = frame_renderer(env)
        self._inner = renderable(env)
        self._num_views = num_views + num_own_views
        self._vector = vector
        self._joint_stack = joint_stack
        self._drawing_seconds = 0.0
        shape = self._draw_one().shape[1:3] if frame_shape is None else frame_shape
        width = _view_width(shape, self._num_views)
        self._reward_width = width * num_views
        self._shrink = shrink or -(-max(shape[0], width) // LARGEST_SIDE)
        picture = (3 * self._num_views, shape[0] // self._shrink, width // self._shrink)
        _check_picture(picture, self._shrink, shape)
        self._frames = np.zeros((env.num_envs, *shape, 3), np.uint8)
        self._stack = np.zeros((env.num_envs, frame_stack, *picture), np.uint8)
        self._state = np.zeros((env.num_envs, 0), np.float32)
        self.single_observation_space = self._space(env)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all environments, or those in ``options["reset_mask"]``, and draw these."""
        begun, options = split_reset_mask(options, self.num_envs)
        self._state, infos = self.env.reset(seed=cast(Any, seed), options=options)
        self._draw(begun)
        first = self._pictures(self._frames[begun])
        self._stack[begun] = first[:, None]
        return self._observations(), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all environments and draw them."""
        self._state, rewards, terminated, truncated, infos = self.env.step(actions)
        self._draw(np.ones(self.num_envs, np.bool_))
        newest = self._pictures(self._frames)[:, None]
        self._stack = np.concatenate([self._stack[:, 1:], newest], axis=1)
        return self._observations(), rewards, terminated, truncated, infos

    def take_drawing_seconds(self) -> float:
        """Return the wall-clock time of drawing since the last call [s]."""
        seconds, self._drawing_seconds = self._drawing_seconds, 0.0
        return seconds

    def render_frames(self, indices: NDArray[np.int64] | None = None) -> Video:
        """Return frames (n, H, W, 3) of the present states, as they were drawn for the agent, without
        the views of the agent alone."""
        frames = self._frames[:, :, : self._reward_width]
        return frames if indices is None else frames[indices]

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """Return one frame for every environment, drawn before."""
        return tuple(self.render_frames())

    @property
    def cameras(self) -> tuple[str, ...]:
        """As of `roborew.types.RenderableVectorEnv`; empty where the environment has no names."""
        return () if self._inner is None else self._inner.cameras

    @property
    def resizable(self) -> bool:
        """As of `roborew.types.RenderableVectorEnv`."""
        return self._inner is not None and self._inner.resizable

    @property
    def expert(self) -> Callable[[Any], NDArray[np.float32]] | None:
        """The environment's own expert, which reads its state whatever the agent sees."""
        policy = None if self._inner is None else self._inner.expert
        return None if policy is None else lambda observations: policy(self._state)

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the environment and of what is seen of it.

        Raises:
            InvalidInputError: the environment cannot give its state.
        """
        if self._inner is None:
            raise InvalidInputError(f"get_state: {self.env.unwrapped} cannot give its state.")
        own = {"stack": self._stack.copy(), "frames": self._frames.copy()}
        own["state"] = np.array(self._state)
        return with_prefix(self._inner.get_state(), "env/") | with_prefix(own, "pixels/")

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned, of an environment made the same way."""
        assert self._inner is not None
        self._inner.set_state(select_prefix(snapshot, "env/"))
        own = select_prefix(snapshot, "pixels/")
        self._stack, self._frames = own["stack"].copy(), own["frames"].copy()
        self._state = own["state"].copy()

    def _space(self, env: VectorEnv[Any, Any, Any]) -> Dict:
        shape = self._shown_stack().shape[1:]
        spaces: dict[str, Space[Any]] = {"pixels": Box(0, 255, shape, np.uint8)}
        if self._vector is not None:
            state = cast(Any, env).single_observation_space
            low, high = state.low[self._vector], state.high[self._vector]
            spaces["vector"] = Box(low, high, dtype=np.float32)
        return Dict(spaces)

    def _observations(self) -> dict[str, NDArray[Any]]:
        # A copy: an agent may keep what it was given, and the next reset writes into the stack.
        observations: dict[str, NDArray[Any]] = {"pixels": self._shown_stack().copy()}
        if self._vector is not None:
            part = self._state[:, self._vector]
            observations["vector"] = np.ascontiguousarray(part, dtype=np.float32)
        return observations

    def _shown_stack(self) -> NDArray[np.uint8]:
        if not self._joint_stack:
            return self._stack
        return self._stack.reshape(self.num_envs, -1, *self._stack.shape[3:])

    def _draw_one(self) -> Video:
        self.env.reset(seed=cast(Any, 0))
        frames: Any = self._render(np.array([0]))
        if np.asarray(frames).dtype == object:  # None, joined by numpy
            raise InvalidInputError(_draws_none(self.env))
        return check_video(frames, "observations: frame of environment 0")

    def _draw(self, where: BoolArray) -> None:
        start = perf_counter()
        envs = np.flatnonzero(where)
        if len(envs):
            frames = check_video(self._render(envs), f"frames of environments {envs.tolist()}")
            _check_shape(frames, self._frames.shape)
            self._frames = self._frames.copy()  # the frames given out before stay as they were
            self._frames[envs] = frames
        self._drawing_seconds += perf_counter() - start

    def _pictures(self, frames: Video) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3) as the agent sees them, (n, C, height, width)."""
        views = np.split(frames, self._num_views, axis=2)
        small = [shrink_frames(view, self._shrink) for view in views]
        joint = np.concatenate(small, axis=3)
        return np.ascontiguousarray(joint.transpose(0, 3, 1, 2))


def shrink_frames(frames: Video, factor: int) -> Video:
    """Return frames (n, H, W, 3) shrunk by a whole number, each pixel the rounded mean of a square; a
    rest at the right and lower edge that fills no square is left out."""
    if factor == 1:
        return frames
    num_frames = len(frames)
    height, width = (side // factor for side in frames.shape[1:3])
    whole = frames[:, : height * factor, : width * factor]
    squares = whole.reshape(num_frames, height, factor, width, factor, 3)
    # Slices added one by one: a sum over two axes of bytes takes several times as long.
    total = np.full((num_frames, height, width, 3), factor * factor // 2, np.uint32)
    for row in range(factor):
        for column in range(factor):
            total += squares[:, :, row, :, column]
    return (total // (factor * factor)).astype(np.uint8)


def _check_mode(env: VectorEnv[Any, Any, Any]) -> None:
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.DISABLED:
        raise InvalidInputError(
            f"observations: expected AutoresetMode.DISABLED, got {mode}: a picture must show the end "
            "of its own episode."
        )
    if env.render_mode != "rgb_array":
        raise InvalidInputError(_draws_none(env))


def _draws_none(env: VectorEnv[Any, Any, Any]) -> str:
    return (
        f"observations: the agent is to see pictures, and {env.unwrapped} draws none (its render_mode "
        f"is {env.render_mode!r}); make it with render_mode='rgb_array' if it can draw, or choose "
        "--observations state."
    )


def _view_width(shape: tuple[int, int], num_views: int) -> int:
    if shape[1] % num_views:
        raise InvalidInputError(
            f"observations: frames are {shape[1]} pixels wide, which {num_views} cameras cannot "
            "share evenly."
        )
    return shape[1] // num_views


def _check_picture(
    picture: tuple[int, int, int], shrink: int, frame_shape: tuple[int, int]
) -> None:
    if 0 in picture:
        raise InvalidInputError(
            f"observations: frames of {frame_shape[1]} x {frame_shape[0]} pixels shrunk by {shrink} "
            "leave nothing; lower --observations.shrink."
        )


def _check_shape(frames: Video, expected: tuple[int, ...]) -> None:
    if frames.shape[1:] != expected[1:]:
        raise InvalidInputError(
            f"observations: frames are {frames.shape[2]} x {frames.shape[1]} pixels; expected "
            f"{expected[2]} x {expected[1]}, as of the first frame."
        )
