"""Shifts of appearance, as data: named kinds at named strengths, read from
``assets/appearance.json``.

A look is what a world looks like in one episode: model fields moved by random amounts, and shapes
that stand about. It touches no physics: the same states, other pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.rendering.distractors import sample_distractors
from roborew_envs.rendering.field_shifts import CHANGES, SELECTORS, shift_fields
from roborew_envs.rendering.overrides import Overrides
from roborew_envs.rendering.shift_table import PLACE, read_shift_table


class UnknownAppearance(ValueError):
    """A kind or strength of appearance that does not exist."""


@cache
def _shift_table() -> Mapping[str, Any]:
    return read_shift_table(SELECTORS, CHANGES)


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
    shifts: dict[str, str] = {}
    pairs = [part.strip() for part in text.split(",")]
    for pair in filter(None, pairs):
        kind, _, strength = pair.partition(":")
        if kind not in kinds() or strength not in strengths() or kind in shifts:
            raise UnknownAppearance(
                f"appearance: got {pair!r}, expected kind:strength, each kind once. "
                f"Kinds: {', '.join(kinds())}. Strengths: {', '.join(strengths())}."
            )
        shifts[kind] = strength
    return shifts


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
    level = strengths().index(strength)
    look = Overrides()
    for entry in _shift_table()["kinds"][kind]:
        amount = float(entry["amounts"][level])
        if entry["change"] == PLACE:
            places = _shift_table()["places"]
            shapes = sample_distractors(model, places, int(amount), _max_distractors(), rng, n)
            look = look.merge(Overrides(shapes=shapes))
        else:
            look = look.merge(Overrides(shift_fields(model, entry, amount, rng, n)))
    return look


def _max_distractors() -> int:
    return max(entry["amounts"][-1] for entry in _shift_table()["kinds"]["distractors"])


class AppearanceSampler:
    """The looks of N simulations: each its own, drawn anew at every reset, the same for the same
    episode.

    Attributes:
        keys: what the present looks are drawn from, shape (N, 2), uint64.
    """

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
        self._model = model
        self._shifts = parse_appearance(appearance)
        self._seed = seed
        self.keys = np.zeros((num_envs, 2), np.uint64)
        self._looks: list[Overrides] = [Overrides()] * num_envs

    def sample(self, i: int, generator: np.random.Generator) -> None:
        """Draw the look of simulation i for the episode that the generator is about to begin; it is
        not advanced."""
        episode = generator.bit_generator.state["state"].values()
        child = np.random.default_rng([self._seed, *episode])
        self.sample_from_key(i, child.integers(2**63, size=2, dtype=np.uint64))

    def sample_from_key(self, i: int, key: NDArray[np.uint64]) -> None:
        """Draw the look that has this key, shape (2,), again."""
        look = Overrides()
        for kind, strength in self._shifts.items():
            # A generator each, from its name: no kind changes another's look.
            rng = np.random.default_rng([*key.tolist(), *kind.encode()])
            look = look.merge(sample_shift(self._model, kind, strength, rng))
        self.keys[i] = key
        self._looks[i] = look

    def __getitem__(self, indices: NDArray[np.int64]) -> Overrides:
        """The looks of some of the simulations."""
        looks = [self._looks[int(i)] for i in indices]
        return Overrides.concatenate(looks) if looks else Overrides()
