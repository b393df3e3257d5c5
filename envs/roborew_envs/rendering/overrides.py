"""Values of model fields written before a frame, and states kept to be rendered later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FieldValues = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Per-frame values of model fields and shapes of their own: what a state paints, and appearance
    shifts.

    Attributes:
        fields: name of an `mujoco.MjModel` array -> (indices (K,), values (N, K, ...)), written
            before frame n.
        shapes: shape (N, K, 11), rendered in frame n beside the model's own and known to no
            physics: MuJoCo's geom type, half sizes [m] (3), place in the world [m] (3), RGBA in
            [0, 1] (4). None: no shapes.
    """

    fields: Mapping[str, FieldValues] = field(default_factory=dict[str, FieldValues])
    shapes: NDArray[np.float64] | None = None

    def merge(self, newer: Overrides) -> Overrides:
        """Both sets of overrides; where a field stands in both, ``newer`` is written last; the
        shapes of both."""
        fields = dict(self.fields)
        for name, values in newer.fields.items():
            fields[name] = _merge_field(fields[name], values) if name in fields else values
        return Overrides(fields, _join_shapes([self, newer], axis=1))

    def __getitem__(self, frames: NDArray[Any] | slice | int) -> Overrides:
        """The overrides of some of the frames; of one, without their first axis, for an integer."""
        fields: dict[str, FieldValues] = {}
        for name, (indices, values) in self.fields.items():
            fields[name] = (indices, values[frames])
        shapes = None if self.shapes is None else self.shapes[frames]
        return Overrides(fields, shapes)

    @staticmethod
    def concatenate(parts: Sequence[Overrides]) -> Overrides:
        """The frames of all parts, one after the other; all parts override the same fields."""
        fields: dict[str, FieldValues] = {}
        for name, (indices, _) in parts[0].fields.items():
            values_of_parts = [part.fields[name][1] for part in parts]
            values = np.concatenate(values_of_parts)
            fields[name] = (indices, values)
        return Overrides(fields, _join_shapes(parts, axis=0))


def _merge_field(first: FieldValues, last: FieldValues) -> FieldValues:
    first_indices, first_values = first
    last_indices, last_values = last
    # An index twice in one write would leave to numpy which value wins.
    remaining = ~np.isin(first_indices, last_indices)
    indices = np.concatenate([first_indices[remaining], last_indices])
    values = np.concatenate([first_values[:, remaining], last_values], axis=1)
    return indices, values


def _join_shapes(parts: Sequence[Overrides], axis: int) -> NDArray[np.float64] | None:
    shapes = [part.shapes for part in parts if part.shapes is not None]
    return np.concatenate(shapes, axis=axis) if shapes else None


@dataclass(frozen=True, slots=True)
class StoredStates:
    """All that frames depend on, to be rendered when they are wanted: some hundred bytes a state.

    Attributes:
        qpos: shape (N, nq).
        overrides: what these states paint, and their appearance.
    """

    qpos: NDArray[np.float64]
    overrides: Overrides = field(default_factory=Overrides)

    def __len__(self) -> int:
        return len(self.qpos)

    def __getitem__(self, states: NDArray[Any] | slice | int) -> StoredStates:
        """Some of the states: a slice, a mask (N,) or indices; one, without its first axis, for an
        integer."""
        return StoredStates(self.qpos[states], self.overrides[states])

    @staticmethod
    def concatenate(parts: Sequence[StoredStates]) -> StoredStates:
        """The states of all parts, one after the other; the parts come from one model and override
        the same fields."""
        overrides = Overrides.concatenate([part.overrides for part in parts])
        return StoredStates(np.concatenate([part.qpos for part in parts]), overrides)
