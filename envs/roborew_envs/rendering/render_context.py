"""One thread's drawing: a context, a scene and a private copy of the model; and the picture that
proves it works."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.errors import RenderError
from roborew_envs.rendering.opengl import open_context
from roborew_envs.rendering.overrides import StoredStates

Quality = Literal["fast", "medium", "full"]

_EVERYTHING = mujoco.mjtCatBit.mjCAT_ALL
_CANARY_SIDE = 8
"""Width and height of the known scene's picture [pixels]."""
_CANARY = """<mujoco><visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual><worldbody>
<geom type="box" size="9 .1 4" pos="0 0 4" rgba="1 0 0 1"/><geom type="box" size="9 .1 4" pos="0 0 -4" rgba="0 0 1 1"/>
<camera pos="0 -2 0" xyaxes="1 0 0 0 0 1"/></worldbody></mujoco>"""


@cache
def _canary_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(_CANARY)


def canary_fault(picture: NDArray[np.uint8]) -> str | None:
    """What is wrong with a picture (H, W, 3) of red above blue; None if nothing is.

    >>> canary_fault(np.zeros((8, 8, 3), np.uint8))
    'black'
    """
    if picture.max() < 16:
        return "black"
    if np.ptp(picture, axis=(0, 1)).max() < 16:
        return "the same everywhere"
    middle = picture.shape[1] // 2
    top = picture[1, middle].astype(int)
    bottom = picture[-2, middle].astype(int)
    top_redness = top[0] - top[2]
    bottom_redness = bottom[0] - bottom[2]
    if top_redness > 100 and bottom_redness < -100:
        return None
    if top_redness < -100 and bottom_redness > 100:
        return "upside down"
    return "in the wrong colours"


def make_scene(model: mujoco.MjModel, quality: Quality) -> Any:
    """An empty scene of a model, to be drawn at a quality."""
    scene: Any = mujoco.MjvScene(model, maxgeom=1000)
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
        scene.flags[flag] = int(quality == "full")
    return scene


@dataclass(frozen=True, slots=True)
class SceneSnapshot:
    """What one camera saw of a world at a moment, to be drawn later, whatever the world does then."""

    model: mujoco.MjModel
    scene: Any

    def update(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> None:
        """Take it; 0.05 ms, where a copy of the state takes ten times as long."""
        option = mujoco.MjvOption()
        mujoco.mjv_updateScene(self.model, data, option, None, camera, _EVERYTHING, self.scene)


class RenderContext:
    """One thread's OpenGL context, scene and private model copy. Every method runs on that
    thread."""

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int,
        height: int,
        quality: Quality,
        number: int,
        alone: bool,
    ):
        """Open the context and draw the canary; ``number`` and ``alone`` as in
        `opengl.open_context`.

        Raises:
            RenderError: no context, or one that draws a known scene wrongly.
        """
        self.model = copy.deepcopy(model)
        # Fields of the model that the last frame overrode: array, indices, the values before.
        self._overridden: list[tuple[NDArray[Any], NDArray[np.int64], NDArray[Any]]] = []
        visual = self.model.vis
        # The offscreen buffer must hold the canary too, which may be larger than a tiny frame.
        visual.global_.offwidth = max(width, _CANARY_SIDE)
        visual.global_.offheight = max(height, _CANARY_SIDE)
        if quality != "full":
            visual.quality.offsamples = 0
            visual.quality.shadowsize = 0
            visual.quality.numslices = min(visual.quality.numslices, 12)
            visual.quality.numstacks = min(visual.quality.numstacks, 8)
        self.gl = open_context(width, height, number, alone)
        try:
            self._prepare(width, height, quality)
        except BaseException:
            self.gl.free()
            raise

    def _prepare(self, width: int, height: int, quality: Quality) -> None:
        self.gl.make_current()
        self.data = mujoco.MjData(self.model)
        self.scene = make_scene(self.model, quality)
        self.context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_150)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.option = mujoco.MjvOption()
        self.camera = mujoco.MjvCamera()
        self.camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self.rect = mujoco.MjrRect(0, 0, width, height)
        self.buffer = np.empty((height, width, 3), np.uint8)
        fault = canary_fault(self._render_canary())
        if fault is not None:
            raise RenderError(
                f"OpenGL draws a known scene {fault}, so its frames would be worthless."
            )

    def _render_canary(self) -> NDArray[np.uint8]:
        """The known scene, through the same context, buffer and turn of rows as every frame; costs
        some 0.2 ms."""
        model = _canary_model()
        data = mujoco.MjData(model)
        scene = mujoco.MjvScene(model, maxgeom=4)
        mujoco.mj_forward(model, data)
        rect = mujoco.MjrRect(0, 0, _CANARY_SIDE, _CANARY_SIDE)
        picture = np.empty((_CANARY_SIDE, _CANARY_SIDE, 3), np.uint8)
        self.camera.fixedcamid = 0
        mujoco.mjv_updateScene(model, data, self.option, None, self.camera, _EVERYTHING, scene)
        self._read_pixels(scene, rect, picture)
        return picture[::-1]

    def _read_pixels(self, scene: Any, rect: Any, buffer: NDArray[np.uint8]) -> None:
        """Draw the scene into ``buffer``, row 0 at the bottom, as OpenGL has it."""
        mujoco.mjr_render(rect, scene, self.context)
        mujoco.mjr_readPixels(buffer, None, rect, self.context)

    def render(
        self, index: int, frame: NDArray[np.uint8], states: StoredStates, camera: int
    ) -> None:
        """Draw the state ``index`` of ``states`` into ``frame`` (H, W, 3)."""
        overrides = states.overrides
        # Of the frame before, here and not behind it: an error while drawing leaves nothing behind.
        while self._overridden:
            array, indices, original = self._overridden.pop()
            array[indices] = original
        for name, (indices, values) in overrides.fields.items():
            array = getattr(self.model, name)
            self._overridden.append((array, indices, array[indices]))
            array[indices] = values[index]
        self.data.qpos[:] = states.qpos[index]
        # The part of mj_forward that a picture shows; contacts and forces cost most and show none.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        mujoco.mj_tendon(self.model, self.data)
        self.camera.fixedcamid = camera
        mujoco.mjv_updateScene(
            self.model, self.data, self.option, None, self.camera, _EVERYTHING, self.scene
        )
        if overrides.shapes is not None:
            for shape in overrides.shapes[index]:
                self._add_shape(shape)
        self._read_pixels(self.scene, self.rect, self.buffer)
        frame[:] = self.buffer[::-1]  # OpenGL's row 0 is at the bottom

    def render_data(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: mujoco.MjvCamera,
        frame: NDArray[np.uint8],
    ) -> None:
        """Draw a world as it stands, of the same meshes and textures as this context's model, into
        ``frame``."""
        mujoco.mjv_updateScene(model, data, self.option, None, camera, _EVERYTHING, self.scene)
        self.render_snapshot(SceneSnapshot(model, self.scene), frame)

    def render_snapshot(self, snapshot: SceneSnapshot, frame: NDArray[np.uint8]) -> None:
        """Draw what was seen of a world of the same meshes and textures into ``frame``."""
        model = snapshot.model
        for i in range(model.nhfield):  # terrain may change with every episode
            mujoco.mjr_uploadHField(model, self.context, i)
        self._read_pixels(snapshot.scene, self.rect, self.buffer)
        frame[:] = self.buffer[::-1]

    def _add_shape(self, shape: NDArray[np.float64]) -> None:
        """Put a shape, see `Overrides.shapes`, into the scene as it stands now."""
        if self.scene.ngeom == self.scene.maxgeom:
            raise RenderError(f"a scene holds at most {self.scene.maxgeom} shapes.")
        geom = self.scene.geoms[self.scene.ngeom]
        geom_type = int(shape[0])
        half_size = shape[1:4]
        position = shape[4:7]
        upright = np.eye(3).ravel()
        rgba = shape[7:].astype(np.float32)
        mujoco.mjv_initGeom(geom, geom_type, half_size, position, upright, rgba)
        geom.category = mujoco.mjtCatBit.mjCAT_STATIC
        self.scene.ngeom += 1

    def close(self) -> None:
        """Free the context."""
        self.gl.make_current()
        self.context.free()
        self.gl.free()
