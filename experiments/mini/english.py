"""Arbitrary English, read at run time from the documentation that Python itself carries; nothing is
copied here."""

from __future__ import annotations

import importlib
import inspect
import random
import re
from collections.abc import Iterator
from functools import cache
from pydoc_data.topics import topics
from zlib import crc32

from roborew.encoders.tokens import split_words

MODULES = (
    "argparse", "calendar", "decimal", "difflib", "email.message", "fractions", "functools", "heapq", "inspect",
    "json", "logging", "os", "random", "shutil", "socket", "statistics", "string", "tempfile", "textwrap", "threading",
    "unittest.case", "urllib.parse", "zipfile",
)  # fmt: skip
_PLAIN = re.compile(r"(?<![^ (])[A-Za-z]\w*(?:[,;:]? \(?[\w'-]+\)?){2,24}(?=[.!?])")


def is_held_out(text: str, share: int = 4) -> bool:
    """Return True for one in ``share`` texts, always the same ones: a split that no sampling can
    leak across."""
    return crc32(" ".join(split_words(text)).encode()) % share == 0


@cache
def sentences() -> tuple[str, ...]:
    """Return sentences of 3 to 25 plain words, each once, sorted. Another Python version writes
    other ones."""
    return tuple(
        sorted(
            {
                match.group()
                for text in _documents()
                for match in _PLAIN.finditer(" ".join(text.split()))
            }
        )
    )


@cache
def word_pool() -> tuple[str, ...]:
    """Return lower-case English words and as many invented ones, sorted: nouns, verbs and names of
    no task."""
    real = {
        word
        for sentence in sentences()
        for word in split_words(sentence)
        if word.isalpha() and len(word) > 2
    }
    rng = random.Random("invented words")
    invented = {invent(rng) for _ in range(len(real) // 2)}
    return tuple(sorted(real | invented))


def invent(rng: random.Random) -> str:
    """Return a word that nobody knows: two or three syllables, or keys struck at random."""
    if rng.random() < 0.6:
        return "".join(
            rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3))
        )
    return "".join(rng.choice("qwertyuiopasdfghjklzxcvbnm") for _ in range(rng.randint(3, 8)))


def _documents() -> Iterator[str]:
    yield from topics.values()
    for name in MODULES:
        module = importlib.import_module(name)
        public = [
            getattr(module, entry) for entry in sorted(vars(module)) if not entry.startswith("_")
        ]
        for item in (module, *public):
            if inspect.ismodule(item) and item is not module:
                continue
            yield inspect.getdoc(item) or ""
