"""Several fits of one objective, by seed and to bootstrap samples of the episodes: their mean is
the score, and where they disagree more than they do on known ground it is no score at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.config import parse_options
from roborew.critics.objective import Objective, Query, Refittable
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.sampling import stratified_bootstrap, stratum
from roborew.learning.state import take_array
from roborew.registry import critics
from roborew.storage.checkpoints import under
from roborew.types import RecurrentState, Scores

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
    return cast(
        "Objective",
        (RefittableEnsemble if issubclass(kind, Refittable) else Ensemble)(objectives, seed),
    )


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
        self._settle(validation or examples, report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """The members' mean; an abstention where one of them abstains or they disagree."""
        spread, by_query, memories = self._told(queries)
        scores: list[Scores] = []
        for values, member_scores in zip(spread, by_query, strict=True):
            valid = np.all([one.valid for one in member_scores], axis=0) & (
                values.std(axis=0) <= self._limit
            )
            claims = [one.success for one in member_scores if one.success is not None]
            success = np.mean(claims, axis=0).astype(np.float32) if claims else None
            scores.append(Scores(values.mean(axis=0).astype(np.float32), valid, success))
        return scores, memories

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Everything that the members learned, and how far they may disagree."""
        arrays = {
            f"{row}/{name}": value
            for row, one in enumerate(self._members)
            for name, value in one.state_dict().items()
        }
        return {**arrays, LIMIT: np.array([self._limit])}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved members."""
        limit = take_array(arrays, LIMIT, (1,), np.float64, "ensemble")
        if not limit[0] > 0:
            raise CorruptFileError(
                f"ensemble: expected {LIMIT!r}, one number above 0; got {limit}."
            )
        self._limit = float(limit[0])
        for row, member in enumerate(self._members):
            member.load_state_dict(under(arrays, f"{row}/"))

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

    def _settle(self, known: Sequence[Example], report: Report) -> None:
        """Allow the members a little more disagreement than they have about what is known."""
        queries = [
            Query(
                features=e.features,
                instruction=e.instruction,
                text_embedding=e.text_embedding,
                goal_image=e.goal_embedding,
            )
            for e in known
        ]
        spread, _, _ = self._told(queries)
        usual = float(
            np.quantile(np.concatenate([values.std(axis=0) for values in spread]), USUAL_QUANTILE)
        )
        self._limit = max(USUAL_FACTOR * usual, MIN_LIMIT_RATIO * (self.spec.high - self.spec.low))
        report("largest disagreement", self._limit)

    def _told(
        self, queries: Sequence[Query]
    ) -> tuple[list[NDArray[np.float64]], list[list[Scores]], list[RecurrentState]]:
        """Values of each query, (members, T), the members' scores, and their memories, all in
        one."""
        said: list[list[Scores]] = []
        memories: list[dict[str, NDArray[Any]]] = [{} for _ in queries]
        for row, member in enumerate(self._members):
            scores, kept = member.score_step(
                [replace(query, state=under(query.state, f"{row}/")) for query in queries]
            )
            said.append(scores)
            for memory, one in zip(memories, kept, strict=True):
                memory |= {f"{row}/{name}": array for name, array in one.items()}
        told = [list(scores) for scores in zip(*said, strict=True)]
        values = [
            np.stack([np.where(one.valid, one.value, 0.0).astype(np.float64) for one in scores])
            for scores in told
        ]
        return values, told, list(memories)


class RefittableEnsemble(Ensemble):
    """An ensemble of objectives that are `Refittable`, which is so itself."""

    def refit(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        """Let each member learn anew, and measure on all that they were shown how much they usually
        disagree."""
        for member, sample, member_report in self._resampled(examples, report):
            cast("Refittable", member).refit(sample, visited, member_report)
        self._settle([*examples, *visited], report)
