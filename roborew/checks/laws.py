"""Laws: what every part of a kind promises, each a function that can be run on anybody's part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from roborew.errors import ContractError, first_line
from roborew.types import RewardSpec, Scores

LawFunction = Callable[[Any], str | None]
TOLERANCE = 1e-5
"""Largest difference of equal scores: batches of other sizes add up in another order."""


@dataclass(frozen=True, slots=True)
class Law:
    """One promise.

    Attributes:
        sentence: what holds, as a sentence.
        check: takes the subject; raises AssertionError where the law is broken, and returns why it
            says nothing of this subject, or None where it holds.
    """

    sentence: str
    check: LawFunction

    def __str__(self) -> str:
        return self.check.__name__


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a law fared.

    Attributes:
        law: its sentence.
        verdict: ``"kept"``, ``"broken"`` or, where the law says nothing of this part, ``"skipped"``.
        detail: what was found, or why it was skipped; empty where it was kept.
    """

    law: str
    verdict: Literal["kept", "broken", "skipped"]
    detail: str = ""


class LawBook:
    """The laws of one kind of part, in the order in which they are run.

    >>> book = LawBook("number")
    >>> @book.law("it is positive")
    ... def is_positive(number):
    ...     assert number > 0, f"expected more than 0; got {number}"
    >>> [outcome.verdict for outcome in book.run(3)]
    ['kept']
    >>> book.require(-1)
    Traceback (most recent call last):
        ...
    roborew.errors.ContractError: number: 1 of 1 laws broken.
    - it is positive: expected more than 0; got -1
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.laws: list[Law] = []

    def law(self, sentence: str) -> Callable[[LawFunction], LawFunction]:
        """Enter a function as a law."""

        def enter(check: LawFunction) -> LawFunction:
            self.laws.append(Law(sentence, check))
            return check

        return enter

    def run(self, subject: Any) -> list[Outcome]:
        """Try every law; one that is broken does not keep the others from being tried."""
        return [_outcome(law, subject) for law in self.laws]

    def require(self, subject: Any) -> list[Outcome]:
        """Try every law.

        Raises:
            ContractError: at least one is broken; the message lists them.
        """
        outcomes = self.run(subject)
        raise_broken(self.kind, outcomes)
        return outcomes


def raise_broken(kind: str, outcomes: Sequence[Outcome]) -> None:
    """Raise a ContractError that lists the broken laws, if any."""
    broken = [outcome for outcome in outcomes if outcome.verdict == "broken"]
    if broken:
        lines = [f"- {outcome.law}: {outcome.detail}" for outcome in broken]
        count = f"{kind}: {len(broken)} of {len(outcomes)} laws broken."
        raise ContractError("\n".join([count, *lines]))


def _outcome(law: Law, subject: Any) -> Outcome:
    try:
        reason = law.check(subject)
    except AssertionError as error:
        # A bare assert has no message.
        return Outcome(law.sentence, "broken", first_line(error) or "does not hold")
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; it is reported
        return Outcome(law.sentence, "broken", f"{type(error).__name__}: {first_line(error)}")
    return Outcome(law.sentence, "kept" if reason is None else "skipped", reason or "")


def assert_scores_keep(spec: RewardSpec, scores: Scores, length: int) -> None:
    """Raise AssertionError unless there are so many scores, as `RewardSpec` promises them."""
    assert len(scores) == length, f"expected {length} scores; got {len(scores)}"
    assert scores.value.dtype == np.float32, f"expected float32; got {scores.value.dtype}"
    # What the model abstained from is no score, so its number promises nothing.
    valid = scores.value[scores.valid]
    inside = (valid >= spec.low) & (valid <= spec.high)
    assert inside.all(), f"expected [{spec.low}, {spec.high}]; got {valid[~inside].tolist()}"
    filled = scores.success is not None
    assert filled == spec.predicts_success, (
        f"spec.predicts_success is {spec.predicts_success}; success is filled: {filled}"
    )


def assert_close(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    """Raise AssertionError, which says where, unless two arrays are equal but for rounding."""
    assert actual.shape == expected.shape, f"expected shape {expected.shape}; got {actual.shape}"
    close = np.isclose(actual, expected, rtol=1e-7, atol=TOLERANCE, equal_nan=True)
    differing = np.flatnonzero(~close).tolist()
    assert not differing, (
        f"entries {differing[:8]} are {actual[~close][:8].tolist()}, "
        f"expected {expected[~close][:8].tolist()}"
    )
