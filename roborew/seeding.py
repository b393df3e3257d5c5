"""One seed, many independent generators with names. Nothing here touches a global generator."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from roborew.errors import InvalidInputError


class Seeds:
    """A tree of random streams: the same seed and name give the same stream in every process and on
    every platform.

    A stream depends on its own name alone, so adding or reordering others changes nothing.

    >>> seeds = Seeds(7)
    >>> seeds.generator("starts").random() == Seeds(7).generator("starts").random()
    True
    >>> seeds.integer("agent") == seeds.integer("environment")
    False
    """

    def __init__(self, seed: int, path: tuple[str, ...] = ()) -> None:
        """Take the root seed, any integer from 0 up.

        Raises:
            InvalidInputError: a negative seed.
        """
        if seed < 0:
            raise InvalidInputError(f"seed: expected an integer from 0 up; got {seed}.")
        self.seed = seed
        self.path = path

    def child(self, name: str) -> Seeds:
        """Return the subtree called ``name``."""
        return Seeds(self.seed, (*self.path, name))

    def sequence(self, name: str) -> np.random.SeedSequence:
        """Return the seed sequence called ``name``."""
        # SHA-256, because the builtin hash of a string differs from process to process.
        digest = hashlib.sha256(json.dumps([*self.path, name]).encode()).digest()
        return np.random.SeedSequence(
            self.seed, spawn_key=tuple(np.frombuffer(digest, "<u4").tolist())
        )

    def generator(self, name: str) -> np.random.Generator:
        """Return a new generator at the start of the stream called ``name``."""
        return np.random.default_rng(self.sequence(name))

    def integer(self, name: str) -> int:
        """Return one seed in [0, 2**31) for a library that wants an integer."""
        return int(self.sequence(name).generate_state(1)[0] >> 1)
