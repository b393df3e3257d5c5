"""The seam between embedded demonstrations and what is learned from them. An objective never sees a
picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roborew.learning.episode_layout import split_by_length
from roborew.learning.examples import Example, Features, Report
from roborew.types import RecurrentState, RewardSpec, Scores

if TYPE_CHECKING:
    from roborew.critics.dataset.preferences import SegmentComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a fitted objective is asked about: frames of one episode that follow what it remembers
    of it.

    Attributes:
        features: shape (T, D), float32: frames that are new.
        instruction: the goal as a sentence.
        text_embedding: the sentence embedded, shape (E,).
        goal_image: embedded picture of the goal, shape (D,); None where there is none.
        state: what `Objective.score_step` returned with the frames before; empty at an episode's
            start.
    """

    features: Features
    instruction: str
    text_embedding: NDArray[np.float32]
    goal_image: NDArray[np.float32] | None = None
    state: RecurrentState = field(default_factory=dict[str, NDArray[Any]])


class Objective(Protocol):
    """A method of learning a score from embedded demonstrations.

    The class is registered in `roborew.registry.critics`. Its constructor takes keyword-only
    settings of simple types (see `roborew.config`), always ``seed: int = 0``. Laws held over the
    registry by tests: the same seed and examples give the same scores; a batch of two equals two of
    one; whole equals in parts (`score_step`); a causal score does not change with the future; scores
    lie within the spec; saved and loaded scores are equal.
    """

    spec: ClassVar[RewardSpec]

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from the examples. ``validation`` may stop early or calibrate; no weight is fitted
        to it.

        Raises:
            InvalidInputError: what the method needs is not among the examples (no failures, no
                stages, one frame).
        """
        ...

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the new frames of episodes, all in one batch, and return what to remember of each.

        A method that is not causal is only ever given whole episodes.
        """
        ...

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Everything learned, as named arrays of numbers."""
        ...

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned; names, shapes and dtypes must fit exactly.

        Raises:
            CorruptFileError: they do not.
        """
        ...


@runtime_checkable
class Refittable(Protocol):
    """An objective with a way of its own to learn from what an agent visited, which nobody
    labelled."""

    def refit(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        """Learn anew from the demonstrations and from an agent's episodes.

        Raises:
            InvalidInputError: as `Objective.fit`.
        """
        ...


@runtime_checkable
class PreferenceObjective(Protocol):
    """An objective that learns from which of two pieces of video somebody called the better one."""

    def learn(
        self, examples: Sequence[Example], answers: Sequence[SegmentComparison], report: Report
    ) -> None:
        """Learn from answers about pieces of the examples; no other label is read.

        Raises:
            InvalidInputError: no answer, or one about an episode that there is not.
        """
        ...


def split_scores(
    value: NDArray[np.float32],
    lengths: Sequence[int],
    success: NDArray[np.float32] | None = None,
) -> list[Scores]:
    """Return the values (N,) of all frames, and their chances of success, as scores of each
    query, whose lengths sum to N; none is an abstention."""
    values = split_by_length(value, lengths)
    chances: Sequence[NDArray[np.float32] | None] = [None] * len(values)
    if success is not None:
        chances = split_by_length(success, lengths)
    scores: list[Scores] = []
    for part, chance in zip(values, chances, strict=True):
        valid = np.ones(len(part), np.bool_)
        scores.append(Scores(part, valid, chance))
    return scores
