"""Several fits of one objective, by seed and to bootstrap samples of the episodes: their mean is
the score, and where they disagree more than they do on known ground it is no score at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.config import parse_options
from roborew.critics.objective import Objective, PreferenceObjective, Query, Refittable
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.sampling import stratified_bootstrap, stratum
from roborew.learning.state import take_array
from roborew.registry import critics
from roborew.storage.checkpoints import select_prefix
from roborew.types import RecurrentState, Scores

if TYPE_CHECKING:
    from roborew.critics.dataset.preferences import SegmentComparison

USUAL_QUANTILE = 0.99
"""Share of the validation frames on which the members' usual disagreement is not exceeded."""
USUAL_FACTOR = 2.0
"""An ensemble abstains where its members' standard deviation is more than so many times the usual
one..."""
MIN_LIMIT_RATIO = 0.05
"""... and more than this share of the range of scores."""
LIMIT = "limit"


def make_objective(name: str, words: Sequence[str], members: int = 1) -> Objective:
    """The objective of a name in `roborew.registry.critics`, or an ensemble of it.

    Args:
        name: of the objective.
        words: its settings as key=value, among them the first member's seed.
        members: how many; seeds count upwards from the first.

    Raises:
        InvalidInputError: less than one member.
    """
    if members < 1:
        raise InvalidInputError(f"members: expected at least 1; got {members}.")
    kind = critics.load(name)
    options = parse_options(kind, words)
    seed = int(options.pop("seed", 0))
    objectives = [cast("Objective", kind(**options, seed=seed + row)) for row in range(members)]
    if members == 1:
        return objectives[0]
    return cast("Objective", _ensemble_class(kind)(objectives, seed))


def _ensemble_class(kind: type[Any]) -> type[Ensemble]:
    if issubclass(kind, Refittable):
        return RefittableEnsemble
    return PreferenceEnsemble if issubclass(kind, PreferenceObjective) else Ensemble


class Ensemble:
    """Args:
    members: objectives of one kind, of different seeds.
    seed: of the samples of the examples that they are shown.
    """

    def __init__(self, members: Sequence[Objective], seed: int = 0) -> None:
        self.spec = members[0].spec
        self._members = tuple(members)
        self._seed = seed
        self._limit = np.inf

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Fit each member to a sample of the examples; validation says how much they usually
        disagree."""
        for member, sample, member_report in self._resampled(examples, report):
            member.fit(sample, validation, member_report)
        self._set_limit(validation or examples, report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """The members' mean; an abstention where one of them abstains or they disagree."""
        by_query, states = self._score_members(queries)
        return [self._combine(member_scores) for member_scores in by_query], states

    def _combine(self, member_scores: Sequence[Scores]) -> Scores:
        """One query's mean over the members that give a success, and over all for the value."""
        values = _values(member_scores)
        agree = values.std(axis=0) <= self._limit
        all_valid = np.all([scores.valid for scores in member_scores], axis=0)
        value = values.mean(axis=0).astype(np.float32)
        successes = [scores.success for scores in member_scores if scores.success is not None]
        success = None
        if successes:
            success = np.mean(successes, axis=0).astype(np.float32)
        return Scores(value, all_valid & agree, success)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Everything that the members learned, and how far they may disagree."""
        arrays: dict[str, NDArray[Any]] = {}
        for row, member in enumerate(self._members):
            for name, array in member.state_dict().items():
                arrays[f"{row}/{name}"] = array
        arrays[LIMIT] = np.array([self._limit])
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved members."""
        limit = take_array(arrays, LIMIT, (1,), np.float64, "ensemble")
        if not limit[0] > 0:
            raise CorruptFileError(
                f"ensemble: expected {LIMIT!r}, one number above 0; got {limit}."
            )
        self._limit = float(limit[0])
        for row, member in enumerate(self._members):
            member.load_state_dict(select_prefix(arrays, f"{row}/"))

    def _resampled(
        self, examples: Sequence[Example], report: Report
    ) -> Iterator[tuple[Objective, Sequence[Example], Report]]:
        """Each member with examples drawn with replacement, as many of every kind, and where to
        report what it says."""
        rng = np.random.default_rng(self._seed)
        strata = [stratum(e.instruction, e.quality, e.success) for e in examples]
        for row, member in enumerate(self._members):
            indices = stratified_bootstrap(rng, strata)

            def report_member(name: str, value: float, row: int = row) -> None:
                report(f"member {row + 1}: {name}", value)

            yield member, [examples[int(index)] for index in indices], report_member

    def _set_limit(self, examples: Sequence[Example], report: Report) -> None:
        """Allow the members a little more disagreement than they have about these examples."""
        queries = [_query(example) for example in examples]
        by_query, _ = self._score_members(queries)
        deviations = [_values(member_scores).std(axis=0) for member_scores in by_query]
        all_deviations = np.concatenate(deviations)
        usual = float(np.quantile(all_deviations, USUAL_QUANTILE))
        # Members that agree to the last digit must not abstain at the first difference.
        score_range = self.spec.high - self.spec.low
        floor = MIN_LIMIT_RATIO * score_range
        self._limit = max(USUAL_FACTOR * usual, floor)
        report("largest disagreement", self._limit)

    def _score_members(
        self, queries: Sequence[Query]
    ) -> tuple[list[list[Scores]], list[RecurrentState]]:
        """The members' scores of each query, and their recurrent states, all in one."""
        by_member: list[list[Scores]] = []
        states: list[dict[str, NDArray[Any]]] = [{} for _ in queries]
        for row, member in enumerate(self._members):
            prefix = f"{row}/"
            own_queries: list[Query] = []
            for query in queries:
                own_state = select_prefix(query.state, prefix)
                own_queries.append(replace(query, state=own_state))
            scores, member_states = member.score_step(own_queries)
            by_member.append(scores)
            for state, member_state in zip(states, member_states, strict=True):
                for name, array in member_state.items():
                    state[prefix + name] = array
        by_query = [list(scores) for scores in zip(*by_member, strict=True)]
        return by_query, list(states)


class RefittableEnsemble(Ensemble):
    """An ensemble of objectives that are `Refittable`, which is so itself."""

    def refit(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        """Let each member learn anew, and measure on all that they were shown how much they usually
        disagree."""
        for member, sample, member_report in self._resampled(examples, report):
            cast("Refittable", member).refit(sample, visited, member_report)
        self._set_limit([*examples, *visited], report)


class PreferenceEnsemble(Ensemble):
    """An ensemble of objectives that learn from preferences, which does so itself."""

    def learn(
        self, examples: Sequence[Example], answers: Sequence[SegmentComparison], report: Report
    ) -> None:
        """Let each member learn from answers drawn with replacement, as many as there are.

        It never abstains from then on: an agent has to be paid where it goes next, and there the
        members differ most.
        """
        rng = np.random.default_rng(self._seed)
        for row, member in enumerate(self._members):
            indices = rng.integers(0, len(answers), len(answers))

            def report_member(name: str, value: float, row: int = row) -> None:
                report(f"member {row + 1}: {name}", value)

            sample = [answers[int(index)] for index in indices]
            cast("PreferenceObjective", member).learn(examples, sample, report_member)
        self._limit = self.spec.high - self.spec.low

    def member_values(self, queries: Sequence[Query]) -> list[NDArray[np.float64]]:
        """What each member says of each query's frames, shape (members, T) each."""
        return [_values(scores) for scores in self._score_members(queries)[0]]


def _values(member_scores: Sequence[Scores]) -> NDArray[np.float64]:
    """Members' values of one query, shape (members, T), 0 where a member abstains."""
    # float64: a mean of float32 would depend on the number of members.
    values = [np.where(scores.valid, scores.value, 0.0) for scores in member_scores]
    return np.stack([value.astype(np.float64) for value in values])


def _query(example: Example) -> Query:
    return Query(
        features=example.features,
        instruction=example.instruction,
        text_embedding=example.text_embedding,
        goal_image=example.goal_embedding,
    )
