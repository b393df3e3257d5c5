"""Elo's ratings: what was called better than what is good itself stands high, and one wrong answer moves
little."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

START = 1000.0
"""Rating of what nobody compared yet."""
SPREAD = 400.0
"""A difference of so much is odds of ten to one."""
STEP = 32.0
"""Most that one answer moves a rating."""

T = TypeVar("T", bound=Hashable)


def elo_ratings(answers: Iterable[tuple[T, T, float]]) -> dict[T, float]:
    """Ratings of all that was compared, in the order in which it appeared.

    Args:
        answers: one after the other, the first and the second of a pair and how much speaks for the second,
            in [0, 1].

    >>> elo_ratings([("cup", "jug", 1.0)])
    {'cup': 984.0, 'jug': 1016.0}
    """
    ratings: dict[T, float] = {}
    for first, second, label in answers:
        first_rating = ratings.setdefault(first, START)
        gap = ratings.setdefault(second, START) - first_rating
        expected = 1 / (1 + 10 ** (-gap / SPREAD))
        step = STEP * (label - expected)
        ratings[first] -= step
        ratings[second] += step
    return ratings
