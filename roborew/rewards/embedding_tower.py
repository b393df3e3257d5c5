"""What every picture tower is: a network, how its pictures are made, and who it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from roborew.errors import InvalidInputError
from roborew.rewards.preprocess import Preprocessing
from roborew.types import FloatArray


@dataclass(frozen=True, slots=True)
class Tower:
    """A network from pictures to embeddings.

    Attributes:
        network: (B, 3, S, S) prepared pictures -> (B, D), in evaluation mode.
        preprocessing: makes its pictures.
        identity: architecture and SHA-256 of the weights; equal identities give equal embeddings.
        text: a sentence -> (D,), float32, by the text tower of the same model; None where it has none.
    """

    network: nn.Module
    preprocessing: Preprocessing
    identity: str
    text: Callable[[str], FloatArray] | None = None


def too_long(sentence: str, context: int) -> InvalidInputError:
    """What to raise where a text tower would read only the beginning of a sentence, its first ``context`` tokens."""
    return InvalidInputError(f"goal: the model reads {context} tokens and {sentence[:60]!r}... has more; shorten it.")
