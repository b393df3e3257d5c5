"""Frames of a suite's environments: MuJoCo worlds on roborew's own threads, others by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import Error
from numpy.typing import NDArray

from roborew_envs.rendering.render_context import RenderContext, SceneSnapshot, make_scene
from roborew_envs.rendering.renderer import Quality, Renderer, check_frame
from roborew_envs.suites.mujoco_world import (
    DEFAULT_CAMERA,
    MujocoWorld,
    camera_names,
    find_world,
    renderable_world,
    resolve_camera,
)

Capture = list[SceneSnapshot] | NDArray[np.uint8]
"""What one environment showed at a moment: a scene for each camera, or the frame that it drew."""
DEFAULT_WIDTH = 96
"""Width of a frame where none is asked for [pixels]."""
DEFAULT_HEIGHT = 72
"""Height of a frame where none is asked for [pixels]."""


class SuiteRenderer:
    """Renders environments of one id, which stay where they are.

    Attributes:
        resizable: whether ``camera``, ``width`` and ``height`` are for the taking: it is a MuJoCo
            world, which is rendered here.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        env_id: str,
        camera: str | None,
        width: int | None,
        height: int | None,
        quality: Quality,
    ) -> None:
        """Check what is asked for; contexts are opened by the first frame.

        Args:
            env: any of the environments.
            env_id: for messages.
            camera: one, or several as in ``"front,wrist"``; None for the environment's own.
            width: of a camera's picture [pixels].
            height: of a camera's picture [pixels].
            quality: see `roborew_envs.rendering.renderer`.

        Raises:
            RenderError: impossible size or quality.
            gymnasium.error.Error: no such camera, or an environment that renders itself.
        """
        self._env = env
        self._camera = camera
        self._width = DEFAULT_WIDTH if width is None else width
        self._height = DEFAULT_HEIGHT if height is None else height
        self._quality: Quality = quality
        self._renderer: Renderer | None = None
        self._scenes: list[Any] = []
        check_frame(self._width, self._height, quality)
        self.resizable = find_world(env) is not None
        if self.resizable:
            for name in split_cameras(camera):
                resolve_camera(env, name)
        elif (camera, width, height) != (None, None, None):
            raise Error(
                f"{env_id} draws itself: give it no camera, width or height but its own options."
            )

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras, first the one that is used if none is given."""
        if not self.resizable:
            return (DEFAULT_CAMERA,)
        first_camera = split_cameras(self._camera)[0]
        return camera_names(self._env, first_camera)

    def resize(self, width: int, height: int) -> None:
        """Render frames of another size [pixels] from now on; only where it is `resizable`."""
        check_frame(width, height, self._quality)
        self.close()
        self._width = width
        self._height = height

    def render(
        self, envs: Sequence[gymnasium.Env[Any, Any]], camera: str | None = None
    ) -> NDArray[np.uint8]:
        """Frames of the present states, shape (n, H, W, 3), uint8 RGB; pictures of several cameras
        lie side by side."""
        worlds: list[MujocoWorld] = []
        for env in envs:
            world = renderable_world(env)
            if world is None:
                return np.stack([cast("NDArray[np.uint8]", env.render()) for env in envs])
            worlds.append(world)
        renderer = self._open_renderer(worlds[0])
        views = [_render_worlds(renderer, worlds, view) for view in self._views(camera)]
        return np.concatenate(views, axis=2)

    def capture(self, env: gymnasium.Env[Any, Any], camera: str | None = None) -> Capture:
        """What is seen of an environment now, to be drawn later by `render_captures`; one that draws
        itself is drawn at once."""
        world = renderable_world(env)
        if world is None:
            return cast("NDArray[np.uint8]", env.render())
        snapshots: list[SceneSnapshot] = []
        for view in self._views(camera):
            # A scene takes 1 ms to make: those that have been drawn are used again.
            scene = self._scenes.pop() if self._scenes else make_scene(world.model, self._quality)
            snapshot = SceneSnapshot(world.model, scene)
            snapshot.update(world.data, view)
            snapshots.append(snapshot)
        return snapshots

    def render_captures(self, captures: Sequence[Capture]) -> NDArray[np.uint8]:
        """Draw what `capture` gave, once, all of the same cameras, side by side as in `render`."""
        rows: list[list[SceneSnapshot]] = []
        for capture in captures:
            if not isinstance(capture, list):
                return np.stack(cast("Sequence[NDArray[np.uint8]]", captures))
            rows.append(capture)
        first = rows[0][0]
        renderer = self._open_renderer(first)
        views = [_render_snapshots(renderer, view) for view in zip(*rows, strict=True)]
        for row in rows:
            self._scenes += [snapshot.scene for snapshot in row]
        return np.concatenate(views, axis=2)

    def _views(self, camera: str | None) -> list[mujoco.MjvCamera]:
        names = split_cameras(camera or self._camera)
        return [resolve_camera(self._env, name) for name in names]

    def _open_renderer(self, world: MujocoWorld | SceneSnapshot) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(world.model, self._width, self._height, self._quality)
        return self._renderer

    def close(self) -> None:
        """Free the contexts; closing twice is harmless."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def split_cameras(cameras: str | None) -> list[str | None]:
    """Names of cameras as in ``"front,wrist"``; one None, the environment's own, if not given."""
    if cameras is None:
        return [None]
    return [name.strip() for name in cameras.split(",")]


def _render_snapshots(renderer: Renderer, snapshots: Sequence[SceneSnapshot]) -> NDArray[np.uint8]:
    def render_snapshot(context: RenderContext, i: int, frame: NDArray[np.uint8]) -> None:
        context.render_snapshot(snapshots[i], frame)

    return renderer.render_each(range(len(snapshots)), render_snapshot)


def _render_worlds(
    renderer: Renderer, worlds: Sequence[MujocoWorld], camera: mujoco.MjvCamera
) -> NDArray[np.uint8]:
    def render_world(context: RenderContext, i: int, frame: NDArray[np.uint8]) -> None:
        context.render_data(worlds[i].model, worlds[i].data, camera, frame)

    return renderer.render_each(range(len(worlds)), render_world)
