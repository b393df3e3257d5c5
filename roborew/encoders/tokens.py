"""Sentences as small integers: known words by name, every word also by its letter trigrams.

Pure and stable: the same sentence gives the same ids in every process and on every machine (CRC-32,
never ``hash``). A word outside the vocabulary keeps its trigrams, so that ``buton`` stays near
``button`` and is still marked unknown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

MAX_WORDS = 32
"""Words that are read; what follows is cut, and the cut is marked in the last row."""
ROWS = MAX_WORDS + 1
"""L: one row a word and one for the mark of a cut sentence."""
SUB_IDS = 12
"""K: the word's own id and at most K - 1 trigrams, unused places 0."""
BUCKETS = 2048
"""Trigrams share this many ids."""
PADDING, UNKNOWN, CUT = 0, 1, 2
_FIRST_WORD = 3
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def split_words(sentence: str) -> list[str]:
    """Return the lower-case words, in order; punctuation, hyphens and underscores only separate.

    >>> split_words("Please DON’T touch the push-button!")
    ['please', "don't", 'touch', 'the', 'push', 'button']
    """
    # NFKC leaves the curly apostrophe as it is.
    return _WORD.findall(unicodedata.normalize("NFKC", sentence).lower().replace("\u2019", "'"))


def table_size(vocabulary: Sequence[str]) -> int:
    """Return how many different ids `encode` may give: the rows of an embedding table, id 0 the
    padding."""
    return _FIRST_WORD + len(vocabulary) + BUCKETS


def encode(sentence: str, vocabulary: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Encode one sentence.

    A sentence of more than `MAX_WORDS` words is not refused: its first `MAX_WORDS` are kept and the
    last row, else empty, holds the id `CUT`, so that a model can learn to give it 0.

    Args:
        sentence: any text; without a single word every row is padding.
        vocabulary: the known words, lower-case, each once; the order sets the ids and belongs to a
            model's weights.

    Returns:
        ids of shape (ROWS, SUB_IDS), int64, in ``[0, table_size(vocabulary))``, and mask of shape
        (ROWS,), bool, True where a row is used.
    """
    # A tuple can be hashed, so one vocabulary is numbered once.
    word_ids = _positions(tuple(vocabulary))
    words = split_words(sentence)
    ids = np.zeros((ROWS, SUB_IDS), dtype=np.int64)
    for row, word in enumerate(words[:MAX_WORDS]):
        ids[row, 0] = word_ids.get(word, UNKNOWN)
        buckets = _trigrams(word)
        ids[row, 1 : 1 + len(buckets)] = [
            _FIRST_WORD + len(vocabulary) + bucket for bucket in buckets
        ]
    if len(words) > MAX_WORDS:
        ids[MAX_WORDS, 0] = CUT
    return ids, ids[:, 0] != PADDING


@lru_cache(maxsize=8)
def _positions(vocabulary: tuple[str, ...]) -> Mapping[str, int]:
    return MappingProxyType({word: _FIRST_WORD + place for place, word in enumerate(vocabulary)})


@lru_cache(maxsize=65_536)
def _trigrams(word: str) -> tuple[int, ...]:
    """Buckets of the first K - 1 trigrams of ``<word>``; the angle brackets mark where it begins
    and ends."""
    marked = f"<{word}>"
    count = min(len(marked) - 2, SUB_IDS - 1)
    buckets = list[int]()
    for start in range(count):
        trigram = marked[start : start + 3]
        # Not `hash`: Python salts it, and the table would not fit in the next process.
        buckets.append(crc32(trigram.encode()) % BUCKETS)
    return tuple(buckets)
