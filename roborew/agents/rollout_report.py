"""What an agent tells its caller after each rollout.

Episodes are counted in cohorts: the first N that began, the next N, and so on, for N environments. A
cohort is reported once its last episode has ended. To report what ended since the last rollout would
favor short episodes: where success ends an episode, the first to end are all successes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """One rollout and the update after it.

    Attributes:
        steps: environment steps since the agent was made, over all environments.
        seconds: wall-clock seconds of this rollout under "environment", "acting" and "updating".
        episodes: episodes of the cohorts that were completed in this rollout; see the module.
        mean_return: mean undiscounted reward of these episodes, NaN if there are none.
        mean_true_return: the same of ``infos["true_reward"]``; NaN without that key or episodes.
        mean_length: mean number of actions of these episodes, NaN if there are none.
        final: mean over these episodes of every numeric info at their last step, such as "success"
            and "progress"; NaN, the mark of a score that was not given, is left out.
        predicted_successes: of these, episodes that ended with
            ``infos["terminated_by_success_detector"]``.
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


PREDICTED = "terminated_by_success_detector"


@dataclass(frozen=True, slots=True)
class EndedEpisode:
    """An episode that is over.

    Attributes:
        number: how many began before it.
        totals: shape (3,), its reward, true reward and number of actions.
        final: the numeric infos of its last step, without NaN.
    """

    number: int
    totals: NDArray[np.float64]
    final: Mapping[str, float]


class EpisodeStatistics:
    """Adds up returns over running episodes and keeps those that ended until their cohort is reported.

    Attributes:
        totals: shape (3, N): reward, true reward and number of actions of the running episodes.
    """

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.totals = np.zeros((3, num_envs))
        # Of the running episodes: how many began before each.
        self._numbers = np.arange(num_envs)
        self._num_begun = num_envs
        # Ended episodes in two halves of one order: deferred rewards come after the infos.
        self._ended: list[tuple[int, NDArray[np.float64]]] = []
        self._finals: list[dict[str, float]] = []

    def restart(self) -> None:
        """Begin a new episode everywhere, in a cohort of its own; those that were running never
        end."""
        first = -(-self._num_begun // self.num_envs) * self.num_envs
        self.totals[:] = 0.0
        self._numbers = np.arange(first, first + self.num_envs)
        self._num_begun = first + self.num_envs
        complete = self._complete_cohorts()
        self._keep([episode for episode in self._episodes() if self._cohort(episode) in complete])

    def add_step(
        self, rewards: NDArray[Any], true_rewards: NDArray[Any], done: NDArray[np.bool_]
    ) -> None:
        """Count one step of every environment; all arguments have shape (N,)."""
        one_action = np.ones(self.num_envs)
        self.totals += np.stack([rewards, true_rewards, one_action])
        for env in np.flatnonzero(done).tolist():
            self._ended.append((int(self._numbers[env]), self.totals[:, env].copy()))
            self._numbers[env] = self._num_begun
            self._num_begun += 1
        self.totals[:, done] = 0.0

    def add_finals(self, infos: Mapping[str, Any], done: NDArray[np.bool_]) -> None:
        """Remember the numeric infos of the environments whose episode ends at this step."""
        if not done.any():
            return
        numeric: dict[str, NDArray[Any]] = {}
        for key, value in infos.items():
            is_mask = key[0] == "_"
            if not is_mask and _is_numeric(value, done.shape):
                # Gymnasium's mask: where it is False the entry is only a filler.
                has_value = np.asarray(infos.get(f"_{key}", True))
                numeric[key] = np.where(has_value, value.astype(float), np.nan)
        for env in np.flatnonzero(done).tolist():
            entries = {key: float(value[env]) for key, value in numeric.items()}
            self._finals.append({key: x for key, x in entries.items() if np.isfinite(x)})

    def clear(self) -> None:
        """Forget the cohorts that are complete, and so were reported."""
        complete = self._complete_cohorts()
        incomplete = [
            episode for episode in self._episodes() if self._cohort(episode) not in complete
        ]
        self._keep(incomplete)

    def report(
        self, steps: int, seconds: Mapping[str, float], losses: Mapping[str, float]
    ) -> RolloutReport:
        """Return the report of the cohorts that were completed since `clear`."""
        complete = self._complete_cohorts()
        reported = [episode for episode in self._episodes() if self._cohort(episode) in complete]
        # The shape is said, as an array of no episodes would have one axis only.
        totals = np.array([episode.totals for episode in reported]).reshape(-1, 3)
        returns, true_returns, lengths = (mean_or_nan(column) for column in totals.T.tolist())
        predicted = [episode for episode in reported if episode.final.get(PREDICTED)]
        false = [episode for episode in predicted if episode.final.get("success") == 0]
        return RolloutReport(
            steps=steps,
            seconds=dict(seconds),
            episodes=len(reported),
            mean_return=returns,
            mean_true_return=true_returns,
            mean_length=lengths,
            final=_means([episode.final for episode in reported]),
            predicted_successes=len(predicted),
            false_successes=len(false),
            losses=dict(losses),
        )

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return everything `set_state` needs."""
        keys = sorted({key for final in self._finals for key in final})
        finals = {
            f"final/{key}": np.array([final.get(key, np.nan) for final in self._finals])
            for key in keys
        }
        return {
            "totals": self.totals.copy(),
            "numbers": self._numbers.copy(),
            "num_begun": np.array(self._num_begun),
            "ended_numbers": np.array([number for number, _ in self._ended], np.int64),
            "ended_totals": np.array([totals for _, totals in self._ended]).reshape(-1, 3),
            **finals,
        }

    def set_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned, in this release or the one before."""
        self.totals = arrays["totals"].copy()
        if "numbers" not in arrays:
            # The release before kept no cohorts: what is running then is the long rest of some, and
            # a number below 0 is in no cohort.
            self._numbers = np.arange(-self.num_envs, 0)
            self._num_begun = 0
            return
        self._numbers = arrays["numbers"].copy()
        self._num_begun = int(arrays["num_begun"])
        numbers: list[int] = arrays["ended_numbers"].tolist()
        self._ended = list(zip(numbers, arrays["ended_totals"], strict=True))
        self._finals = [{} for _ in numbers]
        for name, values in arrays.items():
            group, _, key = name.partition("/")
            if group == "final":
                for final, value in zip(self._finals, values.tolist(), strict=True):
                    if np.isfinite(value):
                        final[key] = value

    def _keep(self, episodes: list[EndedEpisode]) -> None:
        self._ended = [(episode.number, episode.totals) for episode in episodes]
        self._finals = [dict(episode.final) for episode in episodes]

    def _episodes(self) -> Iterator[EndedEpisode]:
        for (number, totals), final in zip(self._ended, self._finals, strict=True):
            yield EndedEpisode(number, totals, final)

    def _cohort(self, episode: EndedEpisode) -> int:
        return episode.number // self.num_envs

    def _complete_cohorts(self) -> set[int]:
        counts = Counter(self._cohort(episode) for episode in self._episodes())
        return {
            cohort for cohort, count in counts.items() if cohort >= 0 and count == self.num_envs
        }


def _means(finals: list[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each key over the entries that have it."""
    values: dict[str, list[float]] = {}
    for final in finals:
        for key, value in final.items():
            values.setdefault(key, []).append(value)
    return {key: mean_or_nan(entries) for key, entries in values.items()}


def _is_numeric(value: object, shape: tuple[int, ...]) -> bool:
    if not isinstance(value, np.ndarray):
        return False
    array = cast(NDArray[Any], value)
    return array.shape == shape and array.dtype.kind in "bif"
