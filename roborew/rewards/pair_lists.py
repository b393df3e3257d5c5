"""Many pairs in one question: every picture is shown once, and the labels come as a list.

RL-VLM-F (arXiv:2402.03681) asks four questions about each pair; of 16 pairs this asks two, one for
each order, and a label stands only where both agree.
"""

from __future__ import annotations

import numpy as np

from roborew.judges.parsing import Abstention
from roborew.rewards.picture_lists import Listing, PictureListLabeler
from roborew.rewards.vlm.scales import Values

TOKENS_PER_PAIR = 4
REQUEST = """In each of these {count} pairs, which picture is nearer to completing the task?
{pairs}
End your reply with {placeholder}, in place of the dots {count} digits in the order of the pairs, with
blanks between them: 1 if the first picture of the pair is nearer, 2 if the second is, 0 if both are as
near as each other, x if it cannot be told."""
LETTERS = {"1": 0.0, "2": 1.0, "0": 0.5, "x": np.nan}
"""Answer about a pair -> how much speaks for its second picture."""


class PairListLabeler(PictureListLabeler):
    """Labels pairs of pictures, many in one question, by one digit for each."""

    def request(self, listing: Listing, placeholder: str) -> str:
        """Ask for a digit for each pair."""
        lines = [
            f"Pair {row}: pictures {first} and {second}."
            for row, (first, second) in enumerate(listing.numbers, start=1)
        ]
        return REQUEST.format(count=len(lines), pairs="\n".join(lines), placeholder=placeholder)

    def read(self, reading: str | Abstention, listing: Listing) -> Values | Abstention:
        """See `read_digits`."""
        return read_digits(reading, len(listing.numbers))

    def answer_tokens(self, listing: Listing) -> int:
        """Of a digit and a blank for each pair."""
        return TOKENS_PER_PAIR * len(listing.numbers)


def read_digits(reading: str | Abstention, count: int) -> Values | Abstention:
    """How much speaks for the second picture of each pair, (count,), from one digit for each.

    >>> read_digits("1 2 0 x", 4).tolist()
    [0.0, 1.0, 0.5, nan]
    >>> read_digits("1 2", 3).reason
    'another number of labels than pairs'
    """
    if isinstance(reading, Abstention):
        return reading
    digits = reading.lower().split()
    if not all(digit in LETTERS for digit in digits):
        return Abstention("not an allowed answer", ascii(reading[:60]))
    # Nobody can tell which one was left out.
    if len(digits) != count:
        return Abstention("another number of labels than pairs", f"{len(digits)} of {count}")
    return np.array([LETTERS[digit] for digit in digits])
