"""What a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from roborew.evaluation.baselines import SanityBaseline
from roborew.evaluation.episodes import Evaluation
from roborew.evaluation.measure import Measure
from roborew.evaluation.report.figures import TrainingPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """One evaluated policy: the agent, or a baseline that stands beside it."""

    name: str
    episodes: int
    successes: int | None
    """None where the environment reports no success."""
    true_return: float
    learned_return: float | None = None
    false_successes: int | None = None

    @classmethod
    def from_evaluation(cls, name: str, evaluation: Evaluation) -> PolicyResult:
        """The row of an evaluation; false successes only where success could be predicted."""
        has_scores = any(episode.scores for episode in evaluation.episodes)
        successes = evaluation.successes
        # Without scores nothing was predicted: 0 false successes would read as a good figure.
        has_false_successes = has_scores and successes is not None
        return cls(
            name=name,
            episodes=len(evaluation.episodes),
            successes=successes,
            true_return=evaluation.true_return,
            learned_return=evaluation.learned_return,
            false_successes=evaluation.false_successes if has_false_successes else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVideo:
    """An mp4 to put into the report and the line below it."""

    path: Path
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """All that a report shows; an empty part is left out."""

    title: str
    instruction: str
    command: str
    """What to type to have it again."""
    policies: Sequence[PolicyResult]
    """The agent first, then random and expert."""
    videos: Sequence[ReportVideo] = ()
    training: Sequence[TrainingPoint] = ()
    evaluation: Evaluation | None = None
    """The agent's episodes, for score against truth."""
    reward_metrics: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """The learned reward against the truth, by the metrics' names."""
    sanity_baselines: Sequence[SanityBaseline] = ()
    """The model's own row first."""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Where the time of training went: physics, rendering, scoring, acting, updating."""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment, reward, agent, seed, steps, minutes, ..."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])
    files: Sequence[str] = ()
    notes: Sequence[str] = ()
