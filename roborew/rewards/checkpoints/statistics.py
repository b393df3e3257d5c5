"""Statistics by which LeRobot normalizes what a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from roborew.errors import CorruptFileError
from roborew.rewards.checkpoints.files import STATISTICS, check_choice
from roborew.weights.files import check_finite, read_tensors

EPSILON = 1e-8
"""Added to a standard deviation, as LeRobot does."""
BUFFERS = ("normalize_inputs.", "normalize_targets.", "unnormalize_outputs.")
"""Names of statistics among the weights, as earlier releases of LeRobot wrote them."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of an input, of shapes that broadcast against it."""

    mean: Tensor
    std: Tensor

    def normalize(self, values: Tensor) -> Tensor:
        """Return ``(x - mean) / (std + 1e-8)``, on the device of the values."""
        mean, std = self.mean.to(values.device), self.std.to(values.device)
        return (values - mean) / (std + EPSILON)


def read_statistics(folder: Path, tensors: Mapping[str, Tensor], key: str) -> Statistics | None:
    """Return the statistics of an input, None where neither the folder nor the weights have any.

    Args:
        folder: of the model, in which LeRobot's processors lie.
        tensors: weights of the model; earlier releases kept the statistics there.
        key: of the input, such as ``observation.images.front``.

    Raises:
        CorruptFileError: a file is damaged, or they are no numbers.
    """
    buffer = f"normalize_inputs.buffer_{key.replace('.', '_')}"
    pairs = [(tensors, buffer)]
    pairs += [(read_tensors(file), key) for file in sorted(folder.glob(STATISTICS))]
    for source, name in pairs:
        if f"{name}.mean" in source and f"{name}.std" in source:
            pair = {"mean": source[f"{name}.mean"].float(), "std": source[f"{name}.std"].float()}
            check_finite(f"{folder}: statistics of {key}", pair)
            if bool((pair["std"] < 0).any()):
                raise CorruptFileError(f"{folder}: a standard deviation of {key} is below 0.")
            return Statistics(**pair)
    return None


def without_buffers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights alone."""
    return {name: value for name, value in tensors.items() if not name.startswith(BUFFERS)}


def reads_statistics(place: object, mapping: Mapping[str, Any], kind: str) -> bool:
    """Whether inputs of a kind, such as VISUAL, are normalized.

    Raises:
        InvalidInputError: in another way than by mean and standard deviation.
    """
    mode = mapping.get(kind, "IDENTITY")
    if mode == "IDENTITY":
        return False
    check_choice(place, f"normalization of {kind}", mode, "MEAN_STD")
    return True
