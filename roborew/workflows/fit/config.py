"""How a critic is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from roborew.bounds import check_whole_number
from roborew.errors import InvalidInputError
from roborew.workflows.parts import CriticConfig, EncoderConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How a critic is made. The same configuration and demonstrations give the same critic on the
    same machine."""

    critic: CriticConfig = field(default_factory=CriticConfig)
    ensemble_size: int = 1
    """Critics to fit, of different seed and to samples of the episodes drawn with replacement; where
    they disagree there is no score."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    cache: Path | None = None
    """Folder in which the embeddings of a pretrained encoder are kept for the next fit."""
    cameras: tuple[str, ...] = ()
    """Cameras of the demonstrations, the first if not given; the pictures of several, or of "all", are
    set side by side."""
    fps: float | None = None
    """Learn from about so many frames of each second, and score at the same rate; from every frame
    if not given."""
    seed: int = 0
    """Random seed of the split, the weights and the sampling order."""
    held_out: float = 0.2
    """Share of the episodes kept for evaluation, and as much again for validation."""
    goal_images: Path | None = None
    """Folder with pictures of the goal, drawn, edited or photographed: learned from in place of the
    ends of successes, by critics that learn from pictures of the goal. No success is needed
    then."""
    swap_negatives: int = 0
    """Experts to learn from that are drawn again, each as it was and as a failure in which the hand
    moves on alone, so that the score follows the object; only where their simulator is at hand."""
    calibrate: bool = True
    """Turn scores into calibrated progress on the validation episodes, where they carry labels."""
    threads: int = 2
    """Threads of torch: two are faster on a quiet machine, and a little slower on a busy one."""
    device: str = "cpu"
    """Where the encoder runs, a torch device name."""

    def __post_init__(self) -> None:
        check_whole_number("threads", self.threads)
        check_whole_number("ensemble_size", self.ensemble_size)
        check_whole_number("seed", self.seed, smallest=0)
        check_whole_number("swap_negatives", self.swap_negatives, smallest=0)
        if not (math.isfinite(self.held_out) and 0 <= self.held_out < 0.5):
            raise InvalidInputError(f"held_out: expected a share in [0, 0.5); got {self.held_out}.")
