"""Allowed answers to a question and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.judges.parsing import Abstention, expected_value, parse_choice, parse_percentage

Values = NDArray[np.float64]
"""Numbers read from answers, float64, NaN where the judge abstained."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The allowed answers to a question and what each is worth.

    Attributes:
        values: allowed answer -> its worth, finite; no answer begins another. Letters and digits
            are one token each to most models, and cost one look at the pictures together.
        answer_format: the allowed answers in words, for the prompt.
    """

    values: Mapping[str, float]
    answer_format: str

    @property
    def text_answer_format(self) -> str:
        """What a written reply should hold, in words, for the prompt."""
        return self.answer_format

    def from_probabilities(
        self, log_probs: Mapping[str, float], min_prob_mass: float
    ) -> float | Abstention:
        """Return the expected worth, ``sum_a p(a) value(a) / sum_a p(a)``."""
        return expected_value(log_probs, self.values, min_prob_mass)

    def from_text(self, text: str | Abstention) -> float | Abstention:
        """Return the worth of the answer that ``text`` is."""
        answer = parse_choice(text, tuple(self.values))
        return answer if isinstance(answer, Abstention) else self.values[answer]


class ListedScale(Scale):
    """Many answers, of which a server lists the most probable alone."""

    def from_probabilities(
        self, log_probs: Mapping[str, float], min_prob_mass: float
    ) -> float | Abstention:
        """Return the expected worth over the answers that are listed."""
        listed = {answer: worth for answer, worth in self.values.items() if answer in log_probs}
        if not listed:
            return Abstention("no probability for an allowed answer")
        return expected_value(log_probs, listed, min_prob_mass)


class SignedPercent(Scale):
    """A fraction in [-1, 1]: any signed percentage in a text; a few of them, as letters, where
    probabilities are read."""

    @property
    def text_answer_format(self) -> str:
        """A percentage."""
        return "a percentage from -100% to +100% with its sign, or 0%"

    def from_text(self, text: str | Abstention) -> float | Abstention:
        """Return the fraction that a signed percentage is."""
        return parse_percentage(text)


def _signed_percent() -> SignedPercent:
    fractions: dict[str, float] = {}
    meanings: list[str] = []
    for step, letter in enumerate("ABCDEFGHIJK"):
        percent = 20 * step - 100
        fractions[letter] = percent / 100
        if percent:
            meanings.append(f"{letter} for {percent:+d}%")
    # No change stands last and without a sign: "+0%" reads like a gain.
    meanings.append("F for 0%")
    return SignedPercent(fractions, "one letter: " + ", ".join(meanings))


SIGNED_PERCENT = _signed_percent()
"""A is -100%, B -80%, ... F 0%, ... K +100%."""


def number_or_nan(reading: float | Abstention) -> float:
    """Return a reading as a number, NaN for an abstention."""
    return np.nan if isinstance(reading, Abstention) else reading
