"""What every picture tower is: a network, how its pictures are made, and who it is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from roborew.rewards.preprocess import Preprocessing


@dataclass(frozen=True, slots=True)
class Tower:
    """A network from pictures to embeddings.

    Attributes:
        network: (B, 3, S, S) prepared pictures -> (B, D), in evaluation mode.
        preprocessing: makes its pictures.
        identity: architecture and SHA-256 of the weights; equal identities give equal embeddings.
    """

    network: nn.Module
    preprocessing: Preprocessing
    identity: str
