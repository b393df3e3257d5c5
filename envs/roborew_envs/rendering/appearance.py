"""Shifts of appearance, as data: named kinds at named strengths, read from
``assets/appearance.json``.

A look is what a world looks like in one episode: model fields moved by random amounts, and shapes
that stand about. It
touches no physics: the same states, other pictures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, cast

import mujoco
import numpy as np
from gymnasium.error import Error
from numpy.typing import NDArray

from roborew_envs.rendering.overrides import FieldValues, Overrides

FILE: Traversable = resources.files("roborew_envs") / "assets" / "appearance.json"
PLACE = "place"
"""The change that moves nothing but puts things there."""


def read_shift_table(choices: Collection[str], changes: Collection[str]) -> Mapping[str, Any]:
    """What ``assets/appearance.json`` says.

    Args:
        choices: what its entries may move.
        changes: how, beside `PLACE`.

    Raises:
        gymnasium.error.Error: the file is absent or damaged, or says what cannot be.
    """
    try:
        book = cast("dict[str, Any]", json.loads(FILE.read_text("utf-8")))
        _check(book, choices, {PLACE, *changes})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise Error(
            f"assets/appearance.json is damaged ({fault}): install roborew again."
        ) from error
    return MappingProxyType(book)


def _check(book: Mapping[str, Any], choices: Collection[str], changes: Collection[str]) -> None:
    strengths = [str.strip(name) for name in book["strengths"]]
    _expect(bool(strengths) and bool(book["kinds"]), "a strength and a kind", book)
    for entries in book["kinds"].values():
        _expect(bool(entries), "an entry of each kind", entries)
        for entry in entries:
            _numbers(entry["amounts"], len(strengths))
            _expect(entry["change"] in changes, f"one of {sorted(changes)}", entry["change"])
            if entry["change"] != PLACE:
                _expect(entry["of"] in choices, f"one of {sorted(choices)}", entry["of"])
                _expect(
                    all(hasattr(mujoco.MjModel, name) for name in entry["fields"]),
                    "fields of a model",
                    entry,
                )
                _numbers(entry.get("range", [0, 1]), 2)
    _expect(
        any(place["beside"] == "" for place in book["places"]),
        "a place beside anything",
        book["places"],
    )
    for place in book["places"]:
        _numbers(place["size"], 2)
        _expect(bool(place["zones"]), "a zone", place)
        for zone in place["zones"]:
            _numbers(zone, 4)


def _expect(holds: bool, what: str, found: Any) -> None:
    if not holds:
        raise ValueError(f"expected {what}; got {found!r:.80}")


def _numbers(values: Any, count: int) -> None:
    _expect(
        len(values) == count and all(math.isfinite(value) for value in values),
        f"{count} numbers",
        values,
    )


Array = NDArray[np.float64]
_LEFT_TO_MATERIAL = (0.5, 0.5, 0.5, 1.0)
"""The RGBA with which MuJoCo takes a geom's colour from its material."""


class UnknownAppearance(ValueError):
    """A kind or strength of appearance that does not exist."""


@cache
def _shift_table() -> Mapping[str, Any]:
    return read_shift_table(_SELECTORS, _CHANGES)


def kinds() -> tuple[str, ...]:
    """Names of the shifts: camera, light, ..."""
    return tuple(_shift_table()["kinds"])


def strengths() -> tuple[str, ...]:
    """Names of the strengths, the weakest first."""
    return tuple(_shift_table()["strengths"])


def parse_appearance(text: str) -> dict[str, str]:
    """Read ``kind:strength`` pairs.

    >>> parse_appearance("light:strong, camera:mild")
    {'light': 'strong', 'camera': 'mild'}

    Raises:
        UnknownAppearance: a name that does not exist, or a kind given twice.
    """
    look: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        kind, _, strength = pair.partition(":")
        if kind not in kinds() or strength not in strengths() or kind in look:
            raise UnknownAppearance(
                f"appearance: got {pair!r}, expected kind:strength, each kind once. "
                f"Kinds: {', '.join(kinds())}. Strengths: {', '.join(strengths())}."
            )
        look[kind] = strength
    return look


def sample_shift(
    model: mujoco.MjModel, kind: str, strength: str, rng: np.random.Generator, n: int = 1
) -> Overrides:
    """Draw n looks of one kind; from the same generator state a stronger one is the same look,
    moved further.

    Args:
        model: the world, which is not written.
        kind: one of `kinds`.
        strength: one of `strengths`.
        rng: where chance comes from.
        n: number of looks, the first axis of the overrides.

    Raises:
        UnknownAppearance: no such kind or strength.
    """
    parse_appearance(f"{kind}:{strength}")
    level, look = strengths().index(strength), Overrides()
    for entry in _shift_table()["kinds"][kind]:
        amount = float(entry["amounts"][level])
        if entry["change"] == PLACE:
            look = look.merge(Overrides(shapes=_distractors(model, int(amount), rng, n)))
        else:
            look = look.merge(Overrides(_moved(model, entry, amount, rng, n)))
    return look


class AppearanceSampler:
    """The looks of N simulations: each its own, drawn anew at every reset, the same for the same
    episode."""

    def __init__(self, model: mujoco.MjModel, appearance: str, seed: int, num_envs: int) -> None:
        """Choose the shifts.

        Args:
            model: the world.
            appearance: see `parse_appearance`; empty for the world's own look.
            seed: another one gives other looks to the same episodes.
            num_envs: number of simulations.

        Raises:
            UnknownAppearance: a name that does not exist.
        """
        self._model, self._kinds, self._seed = model, parse_appearance(appearance), seed
        self.keys = np.zeros((num_envs, 2), np.uint64)
        self._rows: list[Overrides] = [Overrides()] * num_envs

    def sample(self, i: int, generator: np.random.Generator) -> None:
        """Draw the look of simulation i for the episode that the generator is about to begin; it is
        not advanced."""
        child = np.random.default_rng(
            [self._seed, *generator.bit_generator.state["state"].values()]
        )
        self.sample_from_key(i, child.integers(2**63, size=2, dtype=np.uint64))

    def sample_from_key(self, i: int, key: NDArray[np.uint64]) -> None:
        """Draw the look that has this key, shape (2,), again."""
        self.keys[i], look = key, Overrides()
        for (
            kind,
            strength,
        ) in self._kinds.items():  # a generator each, so that no kind changes another's look
            rng = np.random.default_rng([*key.tolist(), *kind.encode()])
            look = look.merge(sample_shift(self._model, kind, strength, rng))
        self._rows[i] = look

    def __getitem__(self, indices: NDArray[np.int64]) -> Overrides:
        """The looks of some of the simulations."""
        rows = [self._rows[int(i)] for i in indices]
        return Overrides.concatenate(rows) if rows else Overrides()


def _moved(
    model: Any, entry: Mapping[str, Any], amount: float, rng: np.random.Generator, n: int
) -> dict[str, FieldValues]:
    """The fields of one entry of the book, all moved by the same random numbers."""
    ids, moved = _SELECTORS[entry["of"]](model), dict[str, FieldValues]()
    chance = rng.uniform(-1, 1, (n, len(ids), 4))
    for name in entry["fields"] if len(ids) else ():
        own = _own(model, name, ids)
        values = _CHANGES[entry["change"]](
            np.tile(own.reshape(1, len(ids), -1), (n, 1, 1)), amount, chance
        )
        if "range" in entry:
            values = np.clip(values, *entry["range"])
        if name.endswith("rgba"):
            values[..., 3] = own[:, 3]
        moved[name] = (ids, values.reshape(n, *own.shape))
    return moved


def _own(model: Any, name: str, ids: NDArray[np.int64]) -> Array:
    """What stands in the model; for geoms that leave their colour to their material, that."""
    values = getattr(model, name)[ids].astype(np.float64)
    if name == "geom_rgba":
        left = (model.geom_matid[ids] >= 0) & ~_coloured(model)[ids]
        values[left] = model.mat_rgba[model.geom_matid[ids[left]]]
    return values


def _add(values: Array, amount: float, chance: Array) -> Array:
    return values + amount * chance[..., : values.shape[-1]]


def _scale(values: Array, amount: float, chance: Array) -> Array:
    return values * (1 + amount * chance[..., :1])


def _stretch(values: Array, amount: float, chance: Array) -> Array:
    return values * amount ** chance[..., :1]


def _dim(values: Array, amount: float, chance: Array) -> Array:
    return values * (1 - amount * (chance[..., : values.shape[-1]] + 1) / 2)


def _swap(values: Array, amount: float, chance: Array) -> Array:
    """With probability ``amount``, the values of the next one."""
    return np.where((chance[..., :1] + 1) / 2 < amount, np.roll(values, 1, axis=1), values)


def _turn(values: Array, amount: float, chance: Array) -> Array:
    """Quaternions (..., 4) or matrices (..., 9), turned about their own axes by up to ``amount``
    degrees each."""
    turned = np.empty(values.shape)
    for place in np.ndindex(values.shape[:-1]):
        turn, matrix = np.empty(4), np.empty(9)
        mujoco.mju_euler2Quat(turn, np.deg2rad(amount * chance[place][:3]), "xyz")
        mujoco.mju_quat2Mat(matrix, turn)
        if values.shape[-1] == 4:
            mujoco.mju_mulQuat(turned[place], values[place], turn)
        else:
            turned[place] = (values[place].reshape(3, 3) @ matrix.reshape(3, 3)).ravel()
    return turned


_CHANGES: Mapping[str, Callable[[Array, float, Array], Array]] = MappingProxyType(
    {"add": _add, "scale": _scale, "stretch": _stretch, "dim": _dim, "swap": _swap, "turn": _turn}
)
"""(values (n, K, d), amount, chance in [-1, 1] (n, K, 4)) -> values moved."""


def _robot(model: Any) -> NDArray[np.bool_]:
    """Bodies of the trees that have a motor, shape (nbody,)."""
    driven = model.actuator_trnid[model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT, 0]
    return np.isin(model.body_rootid, model.body_rootid[model.jnt_bodyid[driven]])


def _standing(model: Any) -> NDArray[np.bool_]:
    """Cameras that are not fixed to a moving body, shape (ncam,)."""
    return (model.cam_mode != mujoco.mjtCamLight.mjCAMLIGHT_FIXED) | (
        model.body_weldid[model.cam_bodyid] == 0
    )


def _with_texture(model: Any, *kinds: Any) -> NDArray[np.int64]:
    texture = model.mat_texid[:, mujoco.mjtTextureRole.mjTEXROLE_RGB]
    return np.flatnonzero(
        (texture >= 0) & np.isin(model.tex_type[texture], [int(kind) for kind in kinds])
    )


def _things(model: Any) -> NDArray[np.bool_]:
    """Visible geoms that are no part of a robot, shape (ngeom,)."""
    return (model.geom_rgba[:, 3] > 0) & ~_robot(model)[model.geom_bodyid]


def _coloured(model: Any) -> NDArray[np.bool_]:
    """Geoms with a colour of their own over their material's, shape (ngeom,)."""
    return (model.geom_rgba != _LEFT_TO_MATERIAL).any(axis=1)


_FLAT, _CUBE = mujoco.mjtTexture.mjTEXTURE_2D, mujoco.mjtTexture.mjTEXTURE_CUBE
_SELECTORS: Mapping[str, Callable[[Any], NDArray[np.int64]]] = MappingProxyType(
    {
        "lights": lambda model: np.arange(int(model.nlight)),
        "standing cameras": lambda model: np.flatnonzero(_standing(model)),
        "mounted cameras": lambda model: np.flatnonzero(~_standing(model)),
        "textured materials": lambda model: _with_texture(model, _FLAT, _CUBE),
        "materials with a flat texture": lambda model: _with_texture(model, _FLAT),
        "materials with a cube texture": lambda model: _with_texture(model, _CUBE),
        "plain things": lambda model: np.flatnonzero(_things(model) & (model.geom_matid < 0)),
        "coloured things with a texture": lambda model: np.flatnonzero(
            _things(model)
            & _coloured(model)
            & np.isin(model.geom_matid, _with_texture(model, _FLAT, _CUBE))
        ),
        "robot": lambda model: np.flatnonzero(
            _robot(model)[model.geom_bodyid] & (model.geom_rgba[:, 3] > 0)
        ),
    }
)
"""What an entry of the book moves -> its indices in a model."""


def _distractors(model: mujoco.MjModel, count: int, rng: np.random.Generator, n: int) -> Array:
    """Boxes, balls and drums on the ground beside the work, shape (n, count, 11), see
    `Overrides.shapes`."""
    names = {model.geom(i).name for i in range(model.ngeom)}
    place = next(place for place in _shift_table()["places"] if place["beside"] in names | {""})
    zones, low, high = np.array(place["zones"], np.float64), *place["size"]
    most = max(entry["amounts"][-1] for entry in _shift_table()["kinds"]["distractors"])
    zone = zones[rng.integers(len(zones), size=(n, most))]
    size = rng.uniform(low, high, (n, most, 3))
    spot = rng.uniform(zone[..., [0, 2]], zone[..., [1, 3]])
    colour = rng.uniform(0.05, 0.95, (n, most, 3))
    form = rng.choice([int(each) for each in _FORMS], (n, most, 1))
    size[..., 1:2] = np.where(form == int(_BOX), size[..., 1:2], size[..., :1])
    size[..., 2:] = np.where(form == int(_BALL), size[..., :1], size[..., 2:])
    drawn = np.concatenate(
        [form, size, spot, size[..., 2:], colour, np.ones((n, most, 1))], axis=-1
    )
    return drawn[:, :count]


_BOX, _BALL, _DRUM = (
    mujoco.mjtGeom.mjGEOM_BOX,
    mujoco.mjtGeom.mjGEOM_SPHERE,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
)
_FORMS = (_BOX, _BALL, _DRUM)
