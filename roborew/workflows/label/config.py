"""What a person is shown."""

from __future__ import annotations

from dataclasses import dataclass

from roborew.bounds import check_whole_number


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """What a person is shown."""

    pairs: int = 200
    """Pairs in all, those that are labeled already among them; where a run waits for some, these are
    shown and no others."""
    frames: int = 16
    """Length of each film [frames]; 1 shows pictures. Labels of one set are of one length."""
    seed: int = 0
    """Random seed of the pairs: the same seed and set give the same ones."""

    def __post_init__(self) -> None:
        check_whole_number("pairs", self.pairs)
        check_whole_number("frames", self.frames)
        check_whole_number("seed", self.seed, smallest=0)
