"""The laws of critics: objectives that are fitted to embedded demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roborew.checks.laws import LawBook, Outcome, assert_close, assert_scores_keep
from roborew.checks.synthetic import OPEN, PUSH, embedded_episodes, query
from roborew.critics.objective import Objective, Query
from roborew.learning.examples import Example
from roborew.types import RecurrentState, Scores

LAWS = LawBook("critic")
LENGTH = 12
"""Frames of an episode to learn from, about: short, as every law fits anew."""


@dataclass(frozen=True)
class CriticSubject:
    """How an objective is made, and what it is fitted to and asked about.

    Attributes:
        make: returns a new objective, always with the same settings and seed.
    """

    make: Callable[[], Objective]

    @cached_property
    def examples(self) -> list[Example]:
        """Successes, failures and undone episodes of two sentences."""
        return embedded_episodes(2, instructions=(PUSH, OPEN), length=LENGTH)

    @cached_property
    def unseen(self) -> list[Example]:
        """Other episodes, to be scored."""
        return embedded_episodes(1, seed=900, length=9)

    @cached_property
    def fitted(self) -> Objective:
        """One objective, fitted once for all laws."""
        return self.fit()

    def fit(self) -> Objective:
        """Fit a new objective to every other example; the others are for validation."""
        objective = self.make()
        # Two of each kind lie side by side, so either half has all kinds of all sentences.
        objective.fit(self.examples[::2], self.examples[1::2], _silent)
        return objective

    def query(self, example: Example) -> Query:
        """A whole episode, with a goal picture where the objective needs one."""
        needed = self.fitted.spec.needs_goal_image
        return query(example, self.examples[0].goal_embedding if needed else None)

    @property
    def queries(self) -> list[Query]:
        """Queries of all unseen episodes."""
        return [self.query(example) for example in self.unseen]

    def score(self, queries: Sequence[Query]) -> list[Scores]:
        """Scores by the fitted objective."""
        return self.fitted.score_step(queries)[0]


def check_critic(make: Callable[[], Objective]) -> list[Outcome]:
    """Hold an objective, fitted to made-up demonstrations, to the laws of critics.

    Args:
        make: returns a new objective, always with the same settings and seed, such as
            ``lambda: MyObjective(seed=0, steps=6)``. Few gradient steps are enough.

    Returns:
        How each law fared.

    Raises:
        ContractError: a law is broken; the message lists all that are.
    """
    return LAWS.require(CriticSubject(make))


@LAWS.law("the same seed and examples give the same scores")
def fits_repeat(subject: CriticSubject) -> None:
    again = subject.fit().score_step(subject.queries)[0]
    for first, second in zip(subject.score(subject.queries), again, strict=True):
        assert np.array_equal(first.value, second.value, equal_nan=True), "the scores differ"


@LAWS.law("scores have the episode's length, float32 and the promised range")
def scores_keep_length_and_range(subject: CriticSubject) -> None:
    for example, scores in zip(subject.unseen, subject.score(subject.queries), strict=True):
        assert_scores_keep(subject.fitted.spec, scores, len(example.features))


@LAWS.law("a batch of two equals two of one")
def a_batch_equals_its_parts(subject: CriticSubject) -> None:
    queries = subject.queries[:2]
    together = subject.score(queries)
    alone = [subject.score([one])[0] for one in queries]
    for batched, single in zip(together, alone, strict=True):
        valid = single.valid
        assert (batched.valid == valid).all(), "an abstention depends on the batch"
        assert_close(batched.value[valid], single.value[valid])
        if batched.success is not None and single.success is not None:
            assert_close(batched.success, single.success)


@LAWS.law("whole equals in parts")
def parts_equal_the_whole(subject: CriticSubject) -> str | None:
    if not subject.fitted.spec.causal:
        return "it is only ever given whole episodes"
    whole = subject.queries[0]
    state: RecurrentState = {}
    values: list[NDArray[np.float32]] = []
    # Single frames and longer parts: both must leave the same state behind.
    for part in np.array_split(whole.features, [1, 2, 6]):
        query_of_part = replace(whole, features=part, state=state)
        (scores,), (state,) = subject.fitted.score_step([query_of_part])
        values.append(scores.value)

    in_parts = np.concatenate(values)
    (at_once,) = subject.score([whole])
    assert_close(in_parts, at_once.value)
    return None


@LAWS.law("the recurrent state does not grow with the episode")
def the_state_stays_small(subject: CriticSubject) -> None:
    whole = subject.queries[0]
    sizes: list[int] = []
    for repeats in (4, 40):
        features = np.tile(whole.features, (repeats, 1))
        longer = replace(whole, features=features)
        _, (state,) = subject.fitted.score_step([longer])
        num_bytes = sum(array.nbytes for array in state.values())
        sizes.append(num_bytes)
    short, long = sizes
    assert short == long, f"{short} bytes after 4 episodes' frames, {long} after 40"


@LAWS.law("the future does not change a causal score")
def the_future_changes_nothing(subject: CriticSubject) -> str | None:
    if not subject.fitted.spec.causal:
        return "it does not promise to be causal"
    whole = subject.queries[0]
    changed = whole.features.copy()
    changed[5:] *= -3
    after = subject.score([replace(whole, features=changed)])[0].value
    assert_close(after[:5], subject.score([whole])[0].value[:5])
    return None


@LAWS.law("nothing beyond the context changes a score")
def the_far_past_changes_nothing(subject: CriticSubject) -> str | None:
    context = subject.fitted.spec.context
    if context is None:
        return "it may look at the whole episode"
    whole = subject.queries[0]
    window = replace(whole, features=whole.features[-context:])
    assert_close(subject.score([window])[0].value[-1:], subject.score([whole])[0].value[-1:])
    return None


@LAWS.law("one frame is scored")
def one_frame_is_scored(subject: CriticSubject) -> None:
    whole = subject.queries[0]
    count = len(subject.score([replace(whole, features=whole.features[:1])])[0])
    assert count == 1, f"expected one score; got {count}"


@LAWS.law("state_dict and load_state_dict give equal scores")
def saved_and_loaded_are_equal(subject: CriticSubject) -> None:
    arrays = {name: np.array(array) for name, array in subject.fitted.state_dict().items()}
    loaded = subject.make()
    loaded.load_state_dict(arrays)
    again = loaded.score_step(subject.queries)[0]
    for first, second in zip(subject.score(subject.queries), again, strict=True):
        assert np.array_equal(first.value, second.value, equal_nan=True), "the scores differ"


@LAWS.law("inputs are never written to")
def inputs_are_left_alone(subject: CriticSubject) -> None:
    whole = subject.queries[0]
    _, (state,) = subject.fitted.score_step([whole])
    before = {name: array.copy() for name, array in state.items()}
    inputs = (whole.features, whole.text_embedding, *state.values())
    for array in inputs:
        array.flags.writeable = False
    subject.fitted.score_step([replace(whole, state=state)])
    for name, array in state.items():
        # A tensor that shares the memory ignores the flag, so the content is compared too.
        assert (array == before[name]).all(), f"the state's {name} was changed"


@LAWS.law("it learns from demonstrations without labels, of one sentence")
def labels_are_not_needed(subject: CriticSubject) -> None:
    objective = subject.make()
    objective.fit(embedded_episodes(3, labeled=False, length=LENGTH), [], _silent)
    for scores in objective.score_step([subject.queries[0]])[0]:
        assert np.isfinite(scores.value[scores.valid]).all(), "a valid score is NaN or infinite"


def _silent(name: str, value: float) -> None:
    del name, value
