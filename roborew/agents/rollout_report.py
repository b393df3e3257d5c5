"""What an agent tells its caller after each rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """One rollout and the update after it.

    Attributes:
        steps: environment steps since the agent was made, over all environments.
        seconds: wall-clock seconds of this rollout under "environment", "acting" and "updating".
        episodes: episodes that ended in this rollout.
        mean_return: mean undiscounted reward of these episodes, NaN if there are none.
        mean_true_return: the same of ``infos["true_reward"]``; NaN without that key or episodes.
        mean_length: mean number of actions of these episodes, NaN if there are none.
        final: mean over these episodes of every numeric info at their last step, such as "success"
            and "progress"; NaN, the mark of a score that was not given, is left out.
        predicted_successes: episodes that ended with ``infos["terminated_by_success_detector"]``.
        false_successes: of these, episodes without ``infos["success"]`` at that step.
        losses: diagnostics of the update, such as "policy_loss", "approx_kl".
    """

    steps: int
    seconds: Mapping[str, float]
    episodes: int
    mean_return: float
    mean_true_return: float
    mean_length: float
    final: Mapping[str, float]
    predicted_successes: int
    false_successes: int
    losses: Mapping[str, float]


Callback = Callable[[RolloutReport], bool | None]
"""Called after each rollout; returning False stops the learning."""


def mean_or_nan(values: list[float]) -> float:
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if values else float("nan")


@dataclass(slots=True)
class EpisodeStatistics:
    """Adds up returns over running episodes and remembers those that ended since `clear`."""

    num_envs: int
    totals: NDArray[np.float64] = field(init=False)
    """Shape (3, N): reward, true reward and number of actions of the running episodes."""
    ended: list[NDArray[np.float64]] = field(init=False, default_factory=list[NDArray[np.float64]])
    finals: dict[str, list[float]] = field(init=False, default_factory=dict[str, list[float]])
    predicted_successes: int = field(init=False, default=0)
    false_successes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.totals = np.zeros((3, self.num_envs))

    def add_step(
        self, rewards: NDArray[Any], true_rewards: NDArray[Any], done: NDArray[np.bool_]
    ) -> None:
        """Count one step of every environment; all arguments have shape (N,)."""
        one_action = np.ones(self.num_envs)
        self.totals += np.stack([rewards, true_rewards, one_action])
        if done.any():
            ended = self.totals[:, done].T
            self.ended.extend(ended.copy())
            self.totals[:, done] = 0.0

    def add_finals(self, infos: Mapping[str, Any], done: NDArray[np.bool_]) -> None:
        """Remember the numeric infos of the environments whose episode ends at this step."""
        numeric: dict[str, NDArray[Any]] = {}
        for key, value in infos.items():
            is_mask = key[0] == "_"
            if not is_mask and _is_numeric(value, done.shape):
                numeric[key] = value
        for key, value in numeric.items():
            # Gymnasium's mask: where it is False the entry is only a filler.
            has_value = np.asarray(infos.get(f"_{key}", True))
            present = has_value & done & np.isfinite(value)
            self.finals.setdefault(key, []).extend(value[present].astype(float).tolist())
        if "terminated_by_success_detector" in numeric:
            predicted = numeric["terminated_by_success_detector"].astype(bool) & done
            self.predicted_successes += int(predicted.sum())
            if "success" in numeric:
                false = predicted & ~numeric["success"].astype(bool)
                self.false_successes += int(false.sum())

    def clear(self) -> None:
        """Forget the ended episodes, keep the running ones."""
        self.ended = []
        self.finals = {}
        self.predicted_successes = 0
        self.false_successes = 0

    def report(
        self, steps: int, seconds: Mapping[str, float], losses: Mapping[str, float]
    ) -> RolloutReport:
        """Return the report of everything since `clear`."""
        # The shape is said, as an array of no episodes would have one axis only.
        totals = np.array(self.ended).reshape(-1, 3)
        returns, true_returns, lengths = (mean_or_nan(column) for column in totals.T.tolist())
        return RolloutReport(
            steps=steps,
            seconds=dict(seconds),
            episodes=len(self.ended),
            mean_return=returns,
            mean_true_return=true_returns,
            mean_length=lengths,
            final={key: mean_or_nan(values) for key, values in self.finals.items()},
            predicted_successes=self.predicted_successes,
            false_successes=self.false_successes,
            losses=dict(losses),
        )


def _is_numeric(value: object, shape: tuple[int, ...]) -> bool:
    if not isinstance(value, np.ndarray):
        return False
    array = cast(NDArray[Any], value)
    return array.shape == shape and array.dtype.kind in "bif"
