"""What stands in a question to a judge: a pair, several pairs, or pictures to put in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from roborew.bounds import check_whole_number
from roborew.data.preferences import Pair, Segment
from roborew.errors import InvalidInputError

QUESTIONS_PER_PAIR = 4
"""A description and a label in each order."""
COMPARING_JUDGES = ("robometer",)
"""Judges that compare two pictures and say nothing."""
MAX_PAIRS = 64
"""In one question: a longer list is more likely to lose its count."""
MAX_PICTURES = 16
"""In one order: of more the middle is a guess."""

Group = Sequence[Pair]
"""Pairs of one sentence that are asked about in one question."""


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """What stands in one question.

    Args:
        pairs: pairs in a question; one is asked about in four questions.
        pictures: pictures that are put in order; 2 asks about pairs.
        judge: name of the judge, which may be one that compares without words.

    Raises:
        InvalidInputError: none, too many, or both.
    """

    pairs: int = 1
    pictures: int = 2
    judge: str = ""

    @property
    def without_words(self) -> bool:
        """Whether a pair is asked about in two questions, one in each order, that have no text."""
        return self.judge in COMPARING_JUDGES

    def __post_init__(self) -> None:
        if self.without_words and self.labels != 1:
            raise InvalidInputError(
                f"pairs-per-question: {self.judge} compares one pair at a time; got {self.labels}."
            )
        check_whole_number("pairs-per-question", self.pairs)
        check_whole_number("pictures-per-question", self.pictures, smallest=2)
        if self.pairs > MAX_PAIRS:
            raise InvalidInputError(
                f"pairs-per-question: expected at most {MAX_PAIRS}; got {self.pairs}."
            )
        if self.pictures > MAX_PICTURES:
            raise InvalidInputError(
                f"pictures-per-question: expected at most {MAX_PICTURES}; got {self.pictures}."
            )
        if self.is_ranking and self.pairs > 1:
            raise InvalidInputError(
                f"pairs-per-question {self.pairs}, pictures-per-question {self.pictures}: a question "
                "holds pairs, or pictures to put in order; leave one of them out."
            )

    @property
    def is_ranking(self) -> bool:
        """Whether pictures are put in order."""
        return self.pictures > 2

    @property
    def labels(self) -> int:
        """Labels that one group gives at most: of a ranking one for any two of its pictures."""
        return math.comb(self.pictures, 2) if self.is_ranking else self.pairs

    def check_labels(self, name: str, labels: int) -> None:
        """Raise where so few labels do not fill one order.

        Args:
            name: of the setting.
            labels: its value.

        Raises:
            InvalidInputError: they do not.
        """
        if self.is_ranking and labels < self.labels:
            raise InvalidInputError(
                f"{name}: expected at least {self.labels}, the labels of one order of {self.pictures} "
                f"pictures; got {labels}."
            )

    def count_drawn(self, labels: int) -> int:
        """Pairs to draw for so many labels, at most; of a ranking its pictures come from them."""
        if not self.is_ranking:
            return labels
        return math.ceil(labels // self.labels * self.pictures / 2)

    def groups(self, pairs: Sequence[Pair]) -> list[Group]:
        """Drawn pairs of one sentence as they are asked about, in their order."""
        if self.is_ranking:
            return _rankings(pairs, self.pictures)
        size = self.pairs
        return [pairs[first : first + size] for first in range(0, len(pairs), size)]

    def groups_by_sentence(
        self, pairs: Sequence[Pair], sentences: Mapping[str, str]
    ) -> list[Group]:
        """The same of pairs of several sentences; ``sentences`` are those of the episodes."""
        if self.labels == 1:
            return self.groups(pairs)
        by_sentence: dict[str, list[Pair]] = {}
        for pair in pairs:
            by_sentence.setdefault(sentences[pair[0][0]], []).append(pair)
        return [group for own_pairs in by_sentence.values() for group in self.groups(own_pairs)]

    def describe(self, labels: int) -> str:
        """What so many labels ask, in words."""
        groups = self.count_groups(labels)
        questions = f"in up to {self.count_questions(groups):,} questions"
        if not self.is_ranking:
            return f"{labels:,} pairs, {questions}"
        return (
            f"the order of {self.pictures} pictures, {groups:,} times over and so of "
            f"{groups * self.labels:,} pairs, {questions}"
        )

    def count_questions(self, groups: int) -> int:
        """Questions about so many groups."""
        has_descriptions = self.labels == 1 and not self.without_words
        return groups * (QUESTIONS_PER_PAIR if has_descriptions else 2)

    def count_groups(self, labels: int) -> int:
        """Groups that so many labels need; of rankings those that are full."""
        return labels // self.labels if self.is_ranking else math.ceil(labels / self.labels)

    def count_pictures(self, group: Group) -> int:
        """Pictures in all questions about a group."""
        # Of a lone pair that is described the descriptions alone show it, once in each order.
        return 4 if self.labels == 1 else 2 * len({segment for pair in group for segment in pair})


def _rankings(pairs: Sequence[Pair], pictures: int) -> list[Group]:
    """The pictures of pairs in lists of so many different ones, and of each list all pairs."""
    lists: list[dict[Segment, None]] = [{}]
    for segment in (segment for pair in pairs for segment in pair):
        if len(lists[-1]) == pictures:
            lists.append({})
        lists[-1][segment] = None
    return [list(combinations(segments, 2)) for segments in lists if len(segments) > 1]
