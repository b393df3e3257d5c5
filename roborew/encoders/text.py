"""Sentences as vectors without a network: enough to tell a handful of instructions apart, and the
same everywhere."""

from __future__ import annotations

from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from roborew.types import check_instruction

WIDTH = 64
"""E: entries of a sentence's vector."""


def embed_text(sentence: str) -> NDArray[np.float32]:
    """Hash words and pairs of words into a vector of length one, shape (E,), float32 (feature
    hashing, Weinberger et al. 2009, arXiv:0902.2206).

    >>> a, b, c = map(embed_text, ("open the drawer", "Open the drawer!", "close the drawer"))
    >>> bool((a == b).all()), bool(a @ c < 0.9)
    (True, True)
    """
    letters = [c if c.isalnum() else " " for c in check_instruction(sentence).lower()]
    words = "".join(letters).split()
    bigrams = [f"{first} {second}" for first, second in pairwise(words)]
    vector = np.zeros(WIDTH, np.float32)
    for token in (*words, *bigrams):
        # Not `hash`, which Python salts: vectors must be the same in every process.
        digest = crc32(token.encode())
        # Tokens that fall on one entry cancel out on average: their signs are independent.
        sign = 1.0 if digest >> 16 & 1 else -1.0
        vector[digest % WIDTH] += sign
    norm = float(np.linalg.norm(vector))
    # The signs may cancel every token out: then 0, not NaN.
    return vector / max(norm, 1e-6)
