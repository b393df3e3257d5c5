"""The surface of a sentence: capitals, punctuation, slips of the finger. None of it changes the
meaning."""

from __future__ import annotations

import random


def dress(sentence: str, rng: random.Random) -> str:
    """Vary capitals and punctuation, which mean nothing."""
    share = rng.random()
    if share < 0.4:
        sentence = sentence[:1].upper() + sentence[1:]
    elif share < 0.44:
        sentence = sentence.upper()
    elif share < 0.47:
        sentence = sentence.title()
    elif share < 0.75:
        sentence = sentence.lower()
    share = rng.random()
    return sentence.rstrip(".!?") + (
        "." if share < 0.3 else "!" if share < 0.36 else "?" if share < 0.38 else ""
    )


def misspell(sentence: str, rng: random.Random) -> str:
    """Drop or swap letters inside one long word; short words are left, since a letter there can
    change the meaning."""
    words = sentence.split()
    long = [place for place, word in enumerate(words) if len(word) > 5 and word.isalpha()]
    if not long:
        return sentence
    place = rng.choice(long)
    word, cut = words[place], rng.randint(1, len(words[place]) - 3)
    swapped = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    words[place] = swapped if rng.random() < 0.5 else word[:cut] + word[cut + 1 :]
    return " ".join(words)
