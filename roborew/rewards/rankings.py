"""Many pictures in one question, which the judge puts in order: of eight that says what would take 28
questions about pairs.

All pairs of a ranked list are learned from, as in LiRE (arXiv:2408.04190), which builds the list by one
comparison after the other; here the judge gives it at once. Asked in both orders, a label stands only where
both agree.
"""

from __future__ import annotations

import re

import numpy as np

from roborew.judges.parsing import Abstention
from roborew.rewards.picture_lists import Listing, PictureListLabeler
from roborew.rewards.vlm.scales import Values

TOKENS_PER_PICTURE = 6
REQUEST = """Put the {count} pictures in order, from the one that is nearest to completing the task to the one
that is farthest from it.
End your reply with {placeholder}, in place of the dots the numbers of all pictures in that order, each once:
between two numbers > if the first is nearer, = if both are as near as each other, and at the end, behind ?,
the numbers of those of which it cannot be told. For pictures with letters in place of numbers it would
look like C > A = D > B ? E F."""
_ORDER = r"[0-9]{1,3}(?:\s*[>=]\s*[0-9]{1,3})*"
_UNKNOWN = r"\?\s*[0-9]{1,3}(?:[\s,]+[0-9]{1,3})*"
RANKING = re.compile(rf"\s*(?P<order>{_ORDER})?\s*(?P<unknown>{_UNKNOWN})?\s*", re.ASCII)


class RankingLabeler(PictureListLabeler):
    """Labels pairs of pictures, all of a list by one order of its pictures."""

    def request(self, listing: Listing, placeholder: str) -> str:
        """Ask for the order of the pictures."""
        return REQUEST.format(count=len(listing.pictures), placeholder=placeholder)

    def read(self, reading: str | Abstention, listing: Listing) -> Values | Abstention:
        """The pairs by the places of their pictures."""
        places = read_ranking(reading, len(listing.pictures))
        if isinstance(places, Abstention):
            return places
        numbers = np.array(listing.numbers) - 1
        # NaN where either picture has no place.
        return (1 - np.sign(places[numbers[:, 1]] - places[numbers[:, 0]])) / 2

    def answer_tokens(self, listing: Listing) -> int:
        """Of a number and a sign for each picture."""
        return TOKENS_PER_PICTURE * len(listing.pictures)


def read_ranking(reading: str | Abstention, count: int) -> Values | Abstention:
    """The place of each picture, (count,), 0 for the nearest and the same for equals; NaN where it
    cannot be told.

    >>> read_ranking("3 > 1 = 4 ? 2", 4).tolist()
    [1.0, nan, 0.0, 1.0]
    >>> read_ranking("3 > 1 > 1", 3).reason
    'other numbers than those of the pictures'
    """
    if isinstance(reading, Abstention):
        return reading
    match = RANKING.fullmatch(reading)
    if match is None:
        return Abstention("not an allowed answer", ascii(reading[:60]))
    levels = [re.findall("[0-9]+", level) for level in (match["order"] or "").split(">")]
    unknown = re.findall("[0-9]+", match["unknown"] or "")
    numbers = [int(number) for level in [*levels, unknown] for number in level]
    # Nobody can tell where a picture stands that was left out, or named twice.
    if sorted(numbers) != [*range(1, count + 1)]:
        return Abstention("other numbers than those of the pictures", ascii(reading[:60]))
    places = np.full(count, np.nan)
    for place, level in enumerate(levels):
        for number in level:
            places[int(number) - 1] = place
    return places
