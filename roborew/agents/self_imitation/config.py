"""Settings of self-imitation."""

from __future__ import annotations

from dataclasses import dataclass

from roborew.bounds import check_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfImitationConfig:
    """Settings of `SelfImitation`."""

    clone_steps: int = 5_000
    """Gradient steps of the clone before the first episode, at least 1."""
    chunk_size: int = 4
    """Actions that the clone predicts at once."""
    hidden_dim: int = 256
    """Units of each of its two hidden layers."""
    noise: float = 0.3
    """Largest standard deviation of the noise on its actions, which span [-1, 1]; each episode has one
    of its own, evenly drawn on a logarithmic scale from a thirtieth of it: what a task bears and what
    it needs differ, and the best episodes show it."""
    min_return_share: float = 0.5
    """Least return of an episode that is imitated: how far it lies on the way from the mean of all
    episodes of its round (0) to that of the demonstrations (1)."""
    buffer_episodes: int = 3_000
    """The newest such episodes are kept."""
    round_steps: int = 20_000
    """Environment steps between two rounds of imitation, over all environments."""
    refine_steps: int = 2_500
    """Gradient steps of a round."""
    report_every: int = 32
    """Steps of every environment between two reports."""

    def __post_init__(self) -> None:
        for name in (
            "clone_steps",
            "chunk_size",
            "hidden_dim",
            "buffer_episodes",
            "round_steps",
            "refine_steps",
            "report_every",
        ):
            check_setting(self, name, getattr(self, name) >= 1, "a whole number of at least 1")
        check_setting(self, "noise", self.noise >= 0, "a number from 0 up")
        share = self.min_return_share
        check_setting(self, "min_return_share", 0 <= share <= 1, "a number in [0, 1]")
