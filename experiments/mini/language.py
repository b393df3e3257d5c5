"""Sentences for `mini` with their labels: a task's key, or None for everything that must score 0.

Every draw is a pure function of the generator that is passed in (and, for arbitrary English, of the Python version).
``held_out`` sentences never belong to the train language: each uses a template or a word that training never sees.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np

from experiments.mini.english import invent, is_held_out, sentences, word_pool
from experiments.mini.grammar import Grammar, halves, load, options, spaced
from experiments.mini.surface import dress, misspell
from experiments.mini.task_text import TASK_TEXT
from roborew.rewards.tokens import split_words

Split = Literal["train", "held_out"]
Form = tuple[str, ...]
Draw = Callable[[random.Random], str | None]

TASKS: tuple[str, ...] = tuple(TASK_TEXT)
POSITIVE_FORMS: tuple[Form, ...] = (
    *[("do_before", "do", "do_after")] * 5,
    ("ing_before", "ing", "ing_after"),
    ("be_before", "be", "be_after"),
)
_POSITIVE_RULES = [(task, name) for task in TASKS for form in dict.fromkeys(POSITIVE_FORMS) for name in form]
FORMS: dict[str, tuple[Form, ...]] = {
    "opposite": (*[("do_before", "opposite", "do_after")] * 4, ("be_before", "opposite_be", "be_after")),
    "negation": (
        *[("not_do_before", "clear", "do_after")] * 4,
        *[("not_do_before", "do", "do_after")] * 2,
        *[("not_ing_before", "ing", "not_ing_after")] * 2,
        ("not_be_before", "be", "be_after"),
        *[("negation",)] * 3,
    ),
    "wrong_object": (*[("do_before", "wrong", "do_after")] * 5, ("be_before", "wrong_be", "be_after")),
    "other_verb": (("do_before", "verb", "do_after"),),
    "unknown_task": (("other",),),
    "nonsense": (("nonsense",),),
    "foreign": (("foreign",),),
}
_NEGATIVE_RULES = [
    (task, name)
    for task in TASKS
    for kind in ("opposite", "negation", "wrong_object", "other_verb")
    for form in (*dict.fromkeys(FORMS[kind]), ("pair", "pair_be"))
    for name in form
]
KINDS = ("other_task", *FORMS, "salad", "fragment", "english")
"""What `negatives` knows. All but ``other_task`` are labelled None: nothing that mini knows is asked for."""
_NOT_RANDOM = ("negation_word", "ambiguous_word", "greeting")
_BATCH_KINDS = (
    *["opposite", "negation", "wrong_object", "pair"] * 4,
    *["other_verb", "unknown_task", "salad", "english"] * 2,
    *["fragment", "nonsense", "foreign"],
)
_NOUNS = {"press": ("button", "lamp"), "push": ("red", "pad"), "drawer": ("drawer",)}


def paraphrases(task: str, split: Split, rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` sentences that ask for the task, dressed in capitals and punctuation.

    Raises:
        KeyError: a task that is not in `TASKS`.
    """
    fast = _fast(rng)
    listed = known_paraphrases(task, split)
    return [
        dress(fast.choice(listed) if fast.random() < 0.08 else _positive(fast, task, split), fast) for _ in range(n)
    ]


def known_paraphrases(task: str, split: Split) -> tuple[str, ...]:
    """Return the environments' own sentences: instruction and first half in train, second half held out."""
    instruction, listed, _ = TASK_TEXT[task]
    half = len(listed) // 2
    return (instruction, *listed[:half]) if split == "train" else listed[half:]


def negatives(task: str, kind: str, split: Split, rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` sentences that do not ask for ``task``, of one of `KINDS`.

    Raises:
        KeyError: a task that is not in `TASKS` or a kind that is not in `KINDS`.
    """
    if task not in TASK_TEXT or kind not in KINDS:
        raise KeyError(f"got task {task!r}, kind {kind!r}; expected one of {TASKS} and one of {KINDS}")
    fast = _fast(rng)
    return [dress(_negative(fast, task, kind, split), fast) for _ in range(n)]


def minimal_pairs(task: str, split: Split, rng: np.random.Generator, n: int) -> list[tuple[str, str]]:
    """Draw ``n`` pairs (asks for the task, does not) that differ in a word or two; both halves dressed alike."""
    fast = _fast(rng)
    pairs: list[tuple[str, str]] = []
    for _ in range(n):
        positive, negative = _pair(fast, task, split)
        style = fast.getrandbits(64)
        pairs.append((dress(positive, random.Random(style)), dress(negative, random.Random(style))))
    return pairs


def batch(rng: np.random.Generator, n: int, split: Split, positives: float = 0.5) -> list[tuple[str, str | None]]:
    """Draw ``n`` labelled sentences: tasks in equal shares, negatives of all kinds, some words misspelt in train."""
    fast = _fast(rng)
    drawn: list[tuple[str, str | None]] = []
    for _ in range(n):
        task = fast.choice(TASKS)
        positive = fast.random() < positives
        sentence = _any_positive(fast, task, split) if positive else _any_negative(fast, task, split)
        if split == "train" and fast.random() < 0.04:
            sentence = misspell(sentence, fast)
        drawn.append((dress(sentence, fast), task if positive else None))
    return drawn


def recognise(sentence: str, split: Split | None = None) -> tuple[str, ...]:
    """Return every task whose language holds the sentence: the exact law, not a guess, of the rules.

    ``split="train"`` asks for what training may draw; otherwise for the whole language. A misspelt sentence is none.
    """
    text = spaced(sentence)
    listed = {task: known_paraphrases(task, "train") for task in TASKS}
    if split != "train":
        listed = {task: (*listed[task], *known_paraphrases(task, "held_out")) for task in TASKS}
    return tuple(
        task for task in TASKS if _language(task, split != "train").fullmatch(text) or text in map(spaced, listed[task])
    )


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the words that the train rules write, sorted: the tokenizer's known words. Random words are not in it."""
    listed = {word for task in TASKS for text in known_paraphrases(task, "train") for word in split_words(text)}
    plain = Grammar({**load(), "any": options(("robot",), False)})
    return tuple(sorted(plain.words(_POSITIVE_RULES + _NEGATIVE_RULES, held_out=False) | listed))


@cache
def word_set(name: str) -> frozenset[str]:
    """Return a set of single words of ``grammar/words.txt``, such as ``negation_word``."""
    return frozenset(Grammar(load()).words([("", name)], held_out=True))


@cache
def grammar() -> Grammar:
    """Return the rules of ``grammar/*.txt`` with the random words (``any``) and the struck keys (``mash``)."""
    rules = load()
    plain = Grammar({**rules, "any": (), "mash": ()})
    taken = plain.words(_POSITIVE_RULES + _NEGATIVE_RULES, held_out=True) | frozenset[str]().union(
        *map(word_set, _NOT_RANDOM)
    )
    stems = tuple(sorted(word for word in taken if len(word) > 3))
    pool = [word for word in word_pool() if word not in taken and not word.startswith(stems)]
    rng = random.Random("struck keys")
    mash = sorted({invent(rng) for _ in range(2000)} - taken)
    for name, words in (("any", pool), ("mash", mash)):
        rules[name] = options((word for word in words if not is_held_out(word)), False)
        rules[name] += options((word for word in words if is_held_out(word)), True)
    return Grammar(rules)


@cache
def _language(task: str, held_out: bool) -> re.Pattern[str]:
    forms = dict.fromkeys(POSITIVE_FORMS)
    return re.compile("|".join(grammar().pattern(task, form, held_out) for form in forms))


def _trainable(sentence: str, task: str) -> bool:
    """Return True if training may draw it: two templates, one of them held out, can write one sentence."""
    words = split_words(sentence)
    return _reserved().isdisjoint(words) and _language(task, False).fullmatch(spaced(sentence)) is not None


@cache
def _core(task: str) -> re.Pattern[str]:
    return re.compile("|".join(grammar().pattern(task, (name,), held_out=True) for name in ("do", "ing", "be")))


@cache
def _english(split: Split) -> tuple[str, ...]:
    chosen = (text for text in sentences() if is_held_out(text) == (split == "held_out"))
    return tuple(text for text in chosen if _reserved().isdisjoint(split_words(text)))


@cache
def _reserved() -> frozenset[str]:
    """Return the words that only held-out positives write; no train sentence of any label has one."""
    plain = grammar()
    return frozenset(plain.words(_POSITIVE_RULES, held_out=True) - plain.words(_POSITIVE_RULES, held_out=False))


def _fast(rng: np.random.Generator) -> random.Random:
    """Python's generator draws single numbers ten times faster; it is seeded from the one that was passed in."""
    return random.Random(int(rng.integers(2**63)))


def _until(rng: random.Random, draw: Draw) -> str:
    for _ in range(10_000):
        if (sentence := draw(rng)) is not None:
            return sentence
    raise RuntimeError("language: 10,000 draws gave no sentence; the rules leave none for this kind and split")


def _form(rng: random.Random, task: str, forms: tuple[Form, ...], split: Split) -> str:
    return _until(rng, lambda fast: grammar().draw(fast, task, fast.choice(forms), split == "held_out"))


def _positive(rng: random.Random, task: str, split: Split) -> str:
    while True:
        sentence = _form(rng, task, POSITIVE_FORMS, split)
        if split == "train" or not _trainable(sentence, task):
            return sentence


def _negative(rng: random.Random, task: str, kind: str, split: Split) -> str:
    if kind == "other_task":
        return _positive(rng, rng.choice([other for other in TASKS if other != task]), split)
    if kind == "english":
        return _form(rng, task, (("everyday",),), split) if rng.random() < 0.3 else rng.choice(_english(split))
    if kind in ("salad", "fragment"):
        write = _salad if kind == "salad" else _fragment
        return _until(rng, lambda fast: _broken(write(fast, task), split))
    return _form(rng, task, FORMS[kind], split)


def _any_positive(rng: random.Random, task: str, split: Split) -> str:
    share = rng.random()
    if share < 0.05:
        return rng.choice(known_paraphrases(task, split))
    return _pair(rng, task, split)[0] if share < 0.2 else _positive(rng, task, split)


def _any_negative(rng: random.Random, task: str, split: Split) -> str:
    kind = rng.choice(_BATCH_KINDS)
    return _pair(rng, task, split)[1] if kind == "pair" else _negative(rng, task, kind, split)


def _pair(rng: random.Random, task: str, split: Split) -> tuple[str, str]:
    while True:
        pair = _draw_pair(rng, task, split)
        if split == "train" or not _trainable(pair[0], task):
            return pair


def _draw_pair(rng: random.Random, task: str, split: Split) -> tuple[str, str]:
    share = rng.random()
    if share >= 0.3:
        frame = ("be_before", "pair_be", "be_after") if share < 0.4 else ("do_before", "pair", "do_after")
        return halves(_form(rng, task, (frame,), split))
    core = _form(rng, task, (("do",),), split)
    before, negated, after = (
        _form(rng, task, ((name,),), "train") for name in ("do_before", "not_do_before", "do_after")
    )
    return halves(f"[{before}/{negated}] {core} {after}")


def _fragment(rng: random.Random, task: str) -> str:
    words = _form(rng, task, (("do",),), "train").split()
    share = rng.random()
    if share < 0.3:
        return rng.choice(words)
    if share < 0.5:
        return _form(rng, task, tuple((noun,) for noun in _NOUNS.get(task, ("who",))), "train")
    dangling = word_set("dangling_word")
    ends = [end for end in range(2, len(words)) if words[end - 1] in dangling] or [1]
    return " ".join(words[: rng.choice(ends)])


def _salad(rng: random.Random, task: str) -> str:
    other = rng.choice(TASKS)
    words = [word for name in (task, other) for word in _form(rng, name, (("do",),), "train").split()]
    rng.shuffle(words)
    return " ".join(words[: rng.randint(3, 9)])


def _broken(text: str, split: Split) -> str | None:
    """Return the text if it belongs to the split and no two or more of its words in a row ask for any task."""
    if is_held_out(text) != (split == "held_out"):
        return None
    line = spaced(text)
    starts = [match.start() for match in re.finditer(r"\S+", line)] + [len(line)]
    parts = [(a, b) for place, a in enumerate(starts) for b in starts[place + 2 :]] + [(0, len(line))]
    found = any(_core(task).fullmatch(line, a, b) for task in TASKS for a, b in parts)
    return None if found else text
