"""How many pairs a judge is asked about at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from roborew.bounds import check_whole_number
from roborew.data.preferences import Pair
from roborew.errors import InvalidInputError

QUESTIONS_PER_PAIR = 4
"""A description and a label in each order."""
COMPARING_JUDGES = ("robometer",)
"""Judges that compare two pictures and say nothing."""
MAX_PAIRS = 64
"""In one question: a longer list is more likely to lose its count."""

Group = Sequence[Pair]
"""Pairs of one sentence that are asked about in one question."""


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """What stands in one question.

    Args:
        pairs: pairs in a question; one is asked about in four questions.
        judge: name of the judge, which may be one that compares without words.

    Raises:
        InvalidInputError: no pair, or too many.
    """

    pairs: int
    judge: str = ""

    @property
    def without_words(self) -> bool:
        """Whether a pair is asked about in two questions, one in each order, that have no text."""
        return self.judge in COMPARING_JUDGES

    def __post_init__(self) -> None:
        if self.without_words and self.pairs != 1:
            raise InvalidInputError(
                f"pairs-per-question: {self.judge} compares one pair at a time; got {self.pairs}."
            )
        check_whole_number("pairs-per-question", self.pairs)
        if self.pairs > MAX_PAIRS:
            raise InvalidInputError(
                f"pairs-per-question: expected at most {MAX_PAIRS}; got {self.pairs}."
            )

    def count_questions(self, pairs: int) -> int:
        """Questions about so many pairs of one sentence."""
        if self.pairs == 1:
            return (2 if self.without_words else QUESTIONS_PER_PAIR) * pairs
        return 2 * math.ceil(pairs / self.pairs)

    def count_pictures(self, pairs: int, different: int) -> int:
        """Pictures in all questions about so many pairs of so many different pictures."""
        # Labels are given by descriptions: these alone show the two pictures, once in each order.
        return 4 * pairs if self.pairs == 1 else 2 * different


def in_groups(pairs: Sequence[Pair], size: int) -> list[Group]:
    """The pairs in groups of so many, in their order; the last may be smaller."""
    return [pairs[first : first + size] for first in range(0, len(pairs), size)]
