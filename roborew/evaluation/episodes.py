"""Evaluated episodes, the figures computed from them, and their way to JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.evaluation.measure import Measure, average
from roborew.evaluation.ordering import spearman
from roborew.evaluation.statistics import Interval, mean_interval, wilson
from roborew.short_repr import fields_repr
from roborew.storage.json_files import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One evaluated episode; entry t of a curve belongs to the state after t steps.

    Attributes:
        seed: the seed of its start.
        true_return: sum of the environment's own reward.
        learned_return: sum of the learned reward; of a `RewardMonitor`, its last valid score minus
            its first; None where nothing was scored.
        progress: the truth in [0, 1], length + 1 entries; NaN where the environment has none.
        success: the truth, length + 1 entries; None where the environment has none.
        score_steps: the steps that were scored, rising.
        scores: the model's values there, None where it abstained.
        predicted_success: whether it predicted success there.
    """

    __repr__ = fields_repr

    RENAMED: ClassVar[Mapping[str, str]] = {"claims": "predicted_success"}

    seed: int
    true_return: float
    learned_return: float | None
    progress: tuple[float, ...]
    success: tuple[bool, ...] | None
    score_steps: tuple[int, ...]
    scores: tuple[float | None, ...]
    predicted_success: tuple[bool, ...]

    def __post_init__(self) -> None:
        # An unknown success has no length of its own to check.
        success = self.progress if self.success is None else self.success
        if not len(self.progress) == len(success) >= 1:
            raise InvalidInputError(
                f"episode: expected progress and success of one length; got {len(self.progress)}, "
                f"{len(success)}."
            )
        if not len(self.score_steps) == len(self.scores) == len(self.predicted_success):
            raise InvalidInputError(
                "episode: expected score_steps, scores and predicted_success of one length."
            )

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.progress) - 1

    @property
    def final_progress(self) -> float:
        """True progress at the end, in [0, 1]."""
        return self.progress[-1]

    @property
    def success_at_end(self) -> bool | None:
        """Whether the task is truly done at the end: the figure that counts; None if unknown."""
        return None if self.success is None else self.success[-1]

    @property
    def success_at_any_time(self) -> bool | None:
        """Whether the task was truly done at some time; never to be reported as success."""
        return None if self.success is None else any(self.success)

    @property
    def predicted_success_step(self) -> int | None:
        """The step of the model's first predicted success, None without one."""
        if True not in self.predicted_success:
            return None
        return self.score_steps[self.predicted_success.index(True)]

    @property
    def success_when_predicted(self) -> bool | None:
        """The truth at the first predicted success, None without one or if unknown."""
        step = self.predicted_success_step
        if step is None or self.success is None:
            return None
        return self.success[step]

    @property
    def score_curve(self) -> NDArray[np.float64]:
        """Shape (len(score_steps),), NaN where the model abstained."""
        return np.array([np.nan if score is None else score for score in self.scores], np.float64)

    @property
    def scored_progress(self) -> NDArray[np.float64]:
        """The true progress at the scored steps, shape (len(score_steps),)."""
        return np.array([self.progress[step] for step in self.score_steps], np.float64)

    @property
    def false_success(self) -> bool:
        """Whether the first predicted success was none in truth."""
        return self.success_when_predicted is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Evaluated episodes, one per seed, in the order of the seeds.

    >>> episode = Episode(seed=3, true_return=1.5, learned_return=None, progress=(0.0, 1.0), success=(False, True),
    ...               score_steps=(), scores=(), predicted_success=())
    >>> evaluation = Evaluation(episodes=(episode,))
    >>> evaluation.true_success, Evaluation.from_json(evaluation.to_json()) == evaluation
    (1.0, True)
    """

    __repr__ = fields_repr

    episodes: tuple[Episode, ...]

    def __post_init__(self) -> None:
        if not self.episodes:
            raise InvalidInputError("evaluation: expected at least one episode; got none.")

    @property
    def successes(self) -> int | None:
        """Number of episodes that truly succeed at their end; None where success is unknown."""
        # One unknown end makes the share unknown: a mean over the rest would be of other episodes.
        ends = [episode.success_at_end for episode in self.episodes]
        return None if None in ends else ends.count(True)

    @property
    def true_success(self) -> float:
        """Share of episodes that truly succeed at their end, in [0, 1]; NaN if unknown."""
        return math.nan if self.successes is None else self.successes / len(self.episodes)

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of `true_success`; NaN if unknown."""
        if self.successes is None:
            return Interval(math.nan, math.nan)
        return wilson(self.successes, len(self.episodes))

    @property
    def success_at_any_time(self) -> float:
        """Share of episodes that truly succeeded at some time, in [0, 1]; the first hit, an upper
        bound."""
        hits = [episode.success_at_any_time for episode in self.episodes]
        return math.nan if None in hits else hits.count(True) / len(hits)

    @property
    def predicted_successes(self) -> int:
        """Number of episodes in which success was predicted."""
        return sum(episode.predicted_success_step is not None for episode in self.episodes)

    @property
    def false_successes(self) -> int:
        """Number of episodes whose first predicted success was none in truth."""
        return sum(episode.false_success for episode in self.episodes)

    @property
    def false_success_rate(self) -> float:
        """`false_successes` over all episodes, in [0, 1]; NaN if success is unknown."""
        return math.nan if self.successes is None else self.false_successes / len(self.episodes)

    @property
    def false_success_interval(self) -> Interval:
        """Wilson's 95 % interval of `false_success_rate`; NaN if success is unknown."""
        if self.successes is None:
            return Interval(math.nan, math.nan)
        return wilson(self.false_successes, len(self.episodes))

    @property
    def false_success_state_rate(self) -> Measure:
        """Share of the scored states whose predicted success is none in truth, in [0, 1]."""
        false: list[bool] = []
        for episode in self.episodes:
            if episode.success is None:
                continue
            predictions = zip(episode.score_steps, episode.predicted_success, strict=True)
            false += [predicted and not episode.success[step] for step, predicted in predictions]
        return average(Measure(float(entry)) for entry in false)

    @property
    def true_return(self) -> float:
        """Mean sum of the environment's own reward."""
        return float(np.mean([episode.true_return for episode in self.episodes]))

    @property
    def true_return_interval(self) -> Interval:
        """95 % interval of `true_return`; NaN if unknown, without bounds of a single episode."""
        if not math.isfinite(self.true_return):
            return Interval(math.nan, math.nan)
        return mean_interval([episode.true_return for episode in self.episodes])

    @property
    def learned_return(self) -> float | None:
        """Mean learned return of the episodes that have one."""
        return average(Measure(episode.learned_return) for episode in self.episodes).value

    @property
    def final_progress(self) -> float:
        """Mean true progress at the end, in [0, 1]."""
        return float(np.mean([episode.final_progress for episode in self.episodes]))

    @property
    def spearman_per_episode(self) -> Measure:
        """Mean over episodes of Spearman(score, true progress) at the scored steps."""
        return average(
            spearman(episode.score_curve, episode.scored_progress) for episode in self.episodes
        )

    def summary(self) -> dict[str, float | int | None]:
        """The figures for a summary file, under the names that every run uses; None if unknown."""
        figures = {
            "episodes": len(self.episodes),
            "true_success": self.true_success,
            "true_success_ci_low": self.interval.low,
            "true_success_ci_high": self.interval.high,
            "success_at_any_time": self.success_at_any_time,
            "predicted_successes": self.predicted_successes,
            "false_success_rate": self.false_success_rate,
            "false_success_state_rate": self.false_success_state_rate.value,
            "true_return": self.true_return,
            "true_return_ci_low": self.true_return_interval.low,
            "true_return_ci_high": self.true_return_interval.high,
            "learned_return": self.learned_return,
            "final_progress": self.final_progress,
            "spearman_per_episode": self.spearman_per_episode.value,
        }
        # JSON has no NaN, and no infinity.
        return {
            name: value if value is not None and math.isfinite(value) else None
            for name, value in figures.items()
        }

    def to_json(self) -> str:
        """The summary, for readers, and every episode, for `from_json`."""
        episodes = [to_json(asdict(episode)) for episode in self.episodes]
        return json.dumps({"summary": self.summary(), "episodes": episodes}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read what `to_json` wrote; the summary is computed anew.

        Raises:
            CorruptFileError: other content.
        """
        try:
            entries = parse_json(text, "what Evaluation.to_json writes")["episodes"]
            return cls(episodes=tuple(map(_episode, entries)))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"evaluation: expected what Evaluation.to_json writes; got {error!r}."
            ) from error


def _episode(content: dict[str, Any]) -> Episode:
    entry = {Episode.RENAMED.get(name, name): value for name, value in content.items()}
    return Episode(
        seed=entry["seed"],
        true_return=entry["true_return"],
        learned_return=entry["learned_return"],
        progress=tuple(math.nan if value is None else value for value in entry["progress"]),
        success=None if entry["success"] is None else tuple(entry["success"]),
        score_steps=tuple(entry["score_steps"]),
        scores=tuple(entry["scores"]),
        predicted_success=tuple(entry["predicted_success"]),
    )
