"""Random moves of a model's fields: which of its lights, cameras, geoms and materials, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.rendering.overrides import FieldValues

FloatArray = NDArray[np.float64]
_RGBA_OF_MATERIAL = (0.5, 0.5, 0.5, 1.0)
"""The RGBA with which MuJoCo takes a geom's color from its material."""


def shift_fields(
    model: Any, entry: Mapping[str, Any], amount: float, rng: np.random.Generator, n: int
) -> dict[str, FieldValues]:
    """Move the fields of one entry of the table, all by the same random numbers.

    Args:
        model: the world, which is not written.
        entry: see `roborew_envs.rendering.shift_table`.
        amount: how far; its unit depends on the entry's change.
        rng: where chance comes from.
        n: number of looks, the first axis of the values.
    """
    ids = SELECTORS[entry["of"]](model)
    change = CHANGES[entry["change"]]
    # Drawn even where there is nothing to move: what follows must not depend on the world.
    chance = rng.uniform(-1, 1, (n, len(ids), 4))
    shifted: dict[str, FieldValues] = {}
    if len(ids) == 0:
        return shifted
    for name in entry["fields"]:
        original = _field_values(model, name, ids)
        flat = original.reshape(1, len(ids), -1)
        values = change(np.tile(flat, (n, 1, 1)), amount, chance)
        if "range" in entry:
            values = np.clip(values, *entry["range"])
        if name.endswith("rgba"):
            values[..., 3] = original[:, 3]  # what is hidden stays hidden, what is seen is not
        shifted[name] = (ids, values.reshape(n, *original.shape))
    return shifted


def _field_values(model: Any, name: str, ids: NDArray[np.int64]) -> FloatArray:
    """What stands in the model; for geoms that leave their color to their material, that."""
    values = getattr(model, name)[ids].astype(np.float64)
    if name == "geom_rgba":
        has_material = model.geom_matid[ids] >= 0
        from_material = has_material & ~_has_own_color(model)[ids]
        values[from_material] = model.mat_rgba[model.geom_matid[ids[from_material]]]
    return values


def _add(values: FloatArray, amount: float, chance: FloatArray) -> FloatArray:
    return values + amount * chance[..., : values.shape[-1]]


def _scale(values: FloatArray, amount: float, chance: FloatArray) -> FloatArray:
    return values * (1 + amount * chance[..., :1])


def _stretch(values: FloatArray, amount: float, chance: FloatArray) -> FloatArray:
    return values * amount ** chance[..., :1]


def _dim(values: FloatArray, amount: float, chance: FloatArray) -> FloatArray:
    return values * (1 - amount * (chance[..., : values.shape[-1]] + 1) / 2)


def _swap(values: FloatArray, amount: float, chance: FloatArray) -> FloatArray:
    """With probability ``amount``, the values of the next one."""
    probability = (chance[..., :1] + 1) / 2
    return np.where(probability < amount, np.roll(values, 1, axis=1), values)


def _turn(values: FloatArray, amount: float, chance: FloatArray) -> FloatArray:
    """Quaternions (..., 4) or matrices (..., 9), turned about their own axes by up to ``amount``
    degrees each."""
    turned = np.empty(values.shape)
    quaternion = np.empty(4)
    matrix = np.empty(9)
    for place in np.ndindex(values.shape[:-1]):
        angles = np.deg2rad(amount * chance[place][:3])
        mujoco.mju_euler2Quat(quaternion, angles, "xyz")
        if values.shape[-1] == 4:
            mujoco.mju_mulQuat(turned[place], values[place], quaternion)
        else:
            mujoco.mju_quat2Mat(matrix, quaternion)
            product = values[place].reshape(3, 3) @ matrix.reshape(3, 3)
            turned[place] = product.ravel()
    return turned


CHANGES: Mapping[str, Callable[[FloatArray, float, FloatArray], FloatArray]] = MappingProxyType(
    {"add": _add, "scale": _scale, "stretch": _stretch, "dim": _dim, "swap": _swap, "turn": _turn}
)
"""(values (n, K, d), amount, chance in [-1, 1] (n, K, 4)) -> values moved."""


def _lights(model: Any) -> NDArray[np.int64]:
    return np.arange(int(model.nlight))


def _is_standing(model: Any) -> NDArray[np.bool_]:
    """Cameras that are not fixed to a moving body, shape (ncam,)."""
    is_tracking = model.cam_mode != mujoco.mjtCamLight.mjCAMLIGHT_FIXED
    is_welded_to_world = model.body_weldid[model.cam_bodyid] == 0
    return is_tracking | is_welded_to_world


def _standing_cameras(model: Any) -> NDArray[np.int64]:
    return np.flatnonzero(_is_standing(model))


def _mounted_cameras(model: Any) -> NDArray[np.int64]:
    return np.flatnonzero(~_is_standing(model))


def _materials_with_texture(model: Any, *texture_types: Any) -> NDArray[np.int64]:
    texture = model.mat_texid[:, mujoco.mjtTextureRole.mjTEXROLE_RGB]
    types = [int(texture_type) for texture_type in texture_types]
    return np.flatnonzero((texture >= 0) & np.isin(model.tex_type[texture], types))


def _textured_materials(model: Any) -> NDArray[np.int64]:
    texture_types = mujoco.mjtTexture.mjTEXTURE_2D, mujoco.mjtTexture.mjTEXTURE_CUBE
    return _materials_with_texture(model, *texture_types)


def _flat_textured_materials(model: Any) -> NDArray[np.int64]:
    return _materials_with_texture(model, mujoco.mjtTexture.mjTEXTURE_2D)


def _cube_textured_materials(model: Any) -> NDArray[np.int64]:
    return _materials_with_texture(model, mujoco.mjtTexture.mjTEXTURE_CUBE)


def _is_robot(model: Any) -> NDArray[np.bool_]:
    """Geoms of the body trees that have a motor, shape (ngeom,)."""
    drives_joint = model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
    joints = model.actuator_trnid[drives_joint, 0]
    driven_roots = model.body_rootid[model.jnt_bodyid[joints]]
    is_robot_body = np.isin(model.body_rootid, driven_roots)
    return is_robot_body[model.geom_bodyid]


def _is_visible(model: Any) -> NDArray[np.bool_]:
    return model.geom_rgba[:, 3] > 0


def _has_own_color(model: Any) -> NDArray[np.bool_]:
    """Geoms with a color of their own over their material's, shape (ngeom,)."""
    return (model.geom_rgba != _RGBA_OF_MATERIAL).any(axis=1)


def _robot_geoms(model: Any) -> NDArray[np.int64]:
    return np.flatnonzero(_is_robot(model) & _is_visible(model))


def _plain_things(model: Any) -> NDArray[np.int64]:
    is_thing = _is_visible(model) & ~_is_robot(model)
    return np.flatnonzero(is_thing & (model.geom_matid < 0))


def _colored_textured_things(model: Any) -> NDArray[np.int64]:
    is_thing = _is_visible(model) & ~_is_robot(model)
    has_texture = np.isin(model.geom_matid, _textured_materials(model))
    return np.flatnonzero(is_thing & _has_own_color(model) & has_texture)


SELECTORS: Mapping[str, Callable[[Any], NDArray[np.int64]]] = MappingProxyType(
    {
        "lights": _lights,
        "standing cameras": _standing_cameras,
        "mounted cameras": _mounted_cameras,
        "textured materials": _textured_materials,
        "materials with a flat texture": _flat_textured_materials,
        "materials with a cube texture": _cube_textured_materials,
        "plain things": _plain_things,
        "coloured things with a texture": _colored_textured_things,
        "robot": _robot_geoms,
    }
)
"""What an entry of the table moves -> its indices in a model."""
