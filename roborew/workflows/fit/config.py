"""How a critic is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from roborew.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How a critic is made. The same configuration and demonstrations give the same critic on the
    same machine."""

    critic: str = "robometer"
    """A name of `roborew list critics`."""
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting of the critic as key=value; may be given several times."""
    ensemble_size: int = 1
    """So many critics are fitted, of different seed and to samples of the episodes drawn with
    replacement; where they disagree there is no score."""
    encoder: str = "conv"
    """A name of `roborew list encoders`."""
    encoder_option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting of the encoder as key=value; may be given several times."""
    cache: Path | None = None
    """Folder in which the embeddings of a pretrained tower are kept for the next fit."""
    camera: str | None = None
    """Which camera of the demonstrations, the first if not given; or several, separated by commas,
    or "all": their pictures are set side by side."""
    fps: float | None = None
    """Learn from about so many frames of each second, and score at the same rate; from every frame
    if not given."""
    seed: int = 0
    """Of the split, the weights and the order."""
    held_out: float = 0.2
    """Share of the episodes kept for judging, and as much again for validation."""
    goal_images: Path | None = None
    """Folder with pictures of the goal, drawn, edited or photographed: learned from in place of the
    ends of successes, by critics that learn from pictures of the goal. No success is needed
    then."""
    calibrate: bool = True
    """Turn scores into calibrated progress on the validation episodes, where they carry labels."""
    threads: int = 2
    """Threads of torch: two are faster on a quiet machine, and a little slower on a busy one."""
    device: str = "cpu"
    """Where the encoder runs, a torch device name."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InvalidInputError(
                f"threads: expected a whole number of at least 1; got {self.threads}."
            )
        if not (math.isfinite(self.held_out) and 0 <= self.held_out < 0.5):
            raise InvalidInputError(f"held_out: expected a share in [0, 0.5); got {self.held_out}.")
