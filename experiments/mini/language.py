"""Sentences for `mini` with their labels: a task's key, or None for everything that must score 0.

Every draw is a pure function of the generator that is passed in (and, for arbitrary English, of the
Python version). ``held_out`` sentences never belong to the train language. Those that ask for a
task were written by somebody who had not seen the grammar (``held_out.txt``, and the second half of
the environments' own paraphrases); the others use a template or a word that training never sees.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.mini.english import invent, is_held_out, sentences, word_pool
from experiments.mini.grammar import Grammar, halves, load, options, spaced
from experiments.mini.surface import dress, misspell
from experiments.mini.task_text import TASK_TEXT
from roborew.encoders.tokens import split_words

Split = Literal["train", "held_out"]
Form = tuple[str, ...]
Draw = Callable[[random.Random], str | None]

TASKS: tuple[str, ...] = tuple(TASK_TEXT)
POSITIVE_FORMS: tuple[Form, ...] = (
    *[("do_before", "do", "do_after")] * 5,
    ("ing_before", "ing", "ing_after"),
    ("be_before", "be", "be_after"),
)
_FORM_SET = tuple(dict.fromkeys(POSITIVE_FORMS))
_POSITIVE_RULES = [(task, name) for task in TASKS for form in _FORM_SET for name in form]
FORMS: dict[str, tuple[Form, ...]] = {
    "opposite": (
        *[("do_before", "opposite", "do_after")] * 4,
        ("be_before", "opposite_be", "be_after"),
    ),
    "negation": (
        *[("not_do_before", "clear", "do_after")] * 4,
        *[("not_do_before", "do", "do_after")] * 2,
        *[("not_ing_before", "ing", "not_ing_after")] * 2,
        ("not_be_before", "be", "be_after"),
        *[("negation",)] * 3,
    ),
    "wrong_object": (
        *[("do_before", "wrong", "do_after")] * 5,
        ("be_before", "wrong_be", "be_after"),
    ),
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
KINDS = ("other_task", *FORMS, "one_part", "salad", "fragment", "english")
"""What `negatives` knows. All but ``other_task`` are labelled None: nothing that mini knows is
asked for."""
_NOT_RANDOM = ("negation_word", "ambiguous_word", "greeting")
_BATCH_KINDS = (
    *["one_part"] * 8,
    *["opposite", "negation", "wrong_object", "pair"] * 4,
    *["other_verb"] * 4,
    *["salad"] * 4,
    *["unknown_task", "english"] * 2,
    *["fragment", "nonsense", "foreign"],
)
_NOUNS = {"press": ("button", "lamp"), "push": ("red", "pad"), "drawer": ("drawer",)}


def paraphrases(task: str, split: Split, rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` sentences that ask for the task, dressed in capitals and punctuation.

    Raises:
        KeyError: a task that is not in `TASKS`.
    """
    fast = _fast(rng)
    if split == "held_out":
        return [dress(fast.choice(held_out_paraphrases(task)), fast) for _ in range(n)]
    listed = known_paraphrases(task, split)
    return [
        dress(fast.choice(listed) if fast.random() < 0.08 else _positive(fast, task), fast)
        for _ in range(n)
    ]


@cache
def held_out_paraphrases(task: str) -> tuple[str, ...]:
    """Return the sentences that ask for the task and that training may not draw, each once."""
    listed = dict.fromkeys((*known_paraphrases(task, "held_out"), *_written()[task]))
    return tuple(text for text in listed if not recognise(text, "train"))


@cache
def _written() -> dict[str, tuple[str, ...]]:
    """The sections of ``held_out.txt``: a line ``[task]``, then a sentence a line."""
    sections: dict[str, list[str]] = {}
    task = ""
    for line in (Path(__file__).parent / "held_out.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            task = line.strip("[]")
        elif line and not line.startswith("#"):
            sections.setdefault(task, []).append(line)
    return {task: tuple(lines) for task, lines in sections.items()}


def known_paraphrases(task: str, split: Split) -> tuple[str, ...]:
    """Return the environments' own sentences: instruction and first half in train, second half held
    out."""
    instruction, listed, _ = TASK_TEXT[task]
    half = len(listed) // 2
    return (instruction, *listed[:half]) if split == "train" else listed[half:]


def negatives(task: str, kind: str, split: Split, rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` sentences that do not ask for ``task``, of one of `KINDS`.

    Raises:
        KeyError: a task that is not in `TASKS` or a kind that is not in `KINDS`.
    """
    if task not in TASK_TEXT or kind not in KINDS:
        raise KeyError(
            f"got task {task!r}, kind {kind!r}; expected one of {TASKS} and one of {KINDS}"
        )
    fast = _fast(rng)
    return [dress(_negative(fast, task, kind, split), fast) for _ in range(n)]


def minimal_pairs(task: str, rng: np.random.Generator, n: int) -> list[tuple[str, str]]:
    """Draw ``n`` pairs (asks for the task, does not) that differ in a word or two; both halves
    dressed alike."""
    fast = _fast(rng)
    pairs: list[tuple[str, str]] = []
    for _ in range(n):
        positive, negative = _pair(fast, task)
        style = fast.getrandbits(64)
        pairs.append((dress(positive, random.Random(style)), dress(negative, random.Random(style))))
    return pairs


def batch(rng: np.random.Generator, n: int, positives: float = 0.5) -> list[tuple[str, str | None]]:
    """Draw ``n`` labelled train sentences: tasks in equal shares, negatives of all kinds, some
    words misspelt."""
    fast = _fast(rng)
    drawn: list[tuple[str, str | None]] = []
    for _ in range(n):
        task = fast.choice(TASKS)
        positive = fast.random() < positives
        sentence = _any_positive(fast, task) if positive else _any_negative(fast, task)
        if fast.random() < 0.04:
            sentence = misspell(sentence, fast)
        drawn.append((dress(sentence, fast), task if positive else None))
    return drawn


def recognise(sentence: str, split: Split | None = None) -> tuple[str, ...]:
    """Return every task whose language holds the sentence: the exact law, not a guess, of the
    rules.

    ``split="train"`` asks for what training may draw; otherwise for the whole language. A misspelt
    sentence is none.
    """
    text, whole = spaced(sentence), split != "train"
    listed = {task: known_paraphrases(task, "train") for task in TASKS}
    if whole:
        listed = {task: (*listed[task], *known_paraphrases(task, "held_out")) for task in TASKS}
    return tuple(
        task
        for task in TASKS
        if text in map(spaced, listed[task])
        or grammar().holds(task, _FORM_SET, sentence, held_out=whole)
    )


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the words that the train rules write, sorted: the tokenizer's known words. Random
    words are not in it."""
    listed = {
        word
        for task in TASKS
        for text in known_paraphrases(task, "train")
        for word in split_words(text)
    }
    plain = Grammar({**load(), "any": options(("robot",), False)})
    return tuple(sorted(plain.words(_POSITIVE_RULES + _NEGATIVE_RULES, held_out=False) | listed))


@cache
def word_set(name: str) -> frozenset[str]:
    """Return a set of single words of ``grammar/words.txt``, such as ``negation_word``."""
    return frozenset(Grammar(load()).words([("", name)], held_out=True))


@cache
def grammar() -> Grammar:
    """Return the rules of ``grammar/*.txt`` with the random words (``any``) and the struck keys
    (``mash``)."""
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
def _english(split: Split) -> tuple[str, ...]:
    return tuple(text for text in sentences() if is_held_out(text) == (split == "held_out"))


def _fast(rng: np.random.Generator) -> random.Random:
    """Python's generator draws single numbers ten times faster; it is seeded from the one that was
    passed in."""
    return random.Random(int(rng.integers(2**63)))


def _until(rng: random.Random, draw: Draw) -> str:
    for _ in range(10_000):
        if (sentence := draw(rng)) is not None:
            return sentence
    raise RuntimeError(
        "language: 10,000 draws gave no sentence; the rules leave none for this kind and split"
    )


def _form(rng: random.Random, task: str, forms: tuple[Form, ...], split: Split) -> str:
    return _until(
        rng, lambda fast: grammar().draw(fast, task, fast.choice(forms), split == "held_out")
    )


def _positive(rng: random.Random, task: str) -> str:
    return _form(rng, task, POSITIVE_FORMS, "train")


@cache
def _swapped(task: str) -> tuple[Grammar, ...]:
    """The grammar with one part X of the task replaced by what its rule ``not_X`` writes: one
    grammar for each X."""
    rules, prefix = grammar().rules, f"{task}.not_"
    parts = [name.removeprefix(prefix) for name in rules if name.startswith(prefix)]
    return tuple(Grammar({**rules, f"{task}.{part}": rules[prefix + part]}) for part in parts)


def _one_part_wrong(rng: random.Random, task: str, split: Split) -> str | None:
    """A sentence of the task with a wrong thing, place or direction in it."""
    swapped = rng.choice(_swapped(task))
    sentence = swapped.draw(rng, task, rng.choice(POSITIVE_FORMS), split == "held_out")
    return None if sentence is None or recognise(sentence) else sentence


def _negative(rng: random.Random, task: str, kind: str, split: Split) -> str:
    if kind == "other_task":
        other = rng.choice([other for other in TASKS if other != task])
        return (
            _positive(rng, other) if split == "train" else rng.choice(held_out_paraphrases(other))
        )
    if kind == "english":
        return (
            _form(rng, task, (("everyday",),), split)
            if rng.random() < 0.3
            else rng.choice(_english(split))
        )
    if kind == "one_part":
        return _until(rng, lambda fast: _one_part_wrong(fast, task, split))
    if kind in ("salad", "fragment"):
        write = _salad if kind == "salad" else _fragment
        return _until(rng, lambda fast: _broken(write(fast, task), split))
    return _form(rng, task, FORMS[kind], split)


def _any_positive(rng: random.Random, task: str) -> str:
    share = rng.random()
    if share < 0.05:
        return rng.choice(known_paraphrases(task, "train"))
    return _pair(rng, task)[0] if share < 0.2 else _positive(rng, task)


def _any_negative(rng: random.Random, task: str) -> str:
    kind = rng.choice(_BATCH_KINDS)
    return _pair(rng, task)[1] if kind == "pair" else _negative(rng, task, kind, "train")


def _pair(rng: random.Random, task: str) -> tuple[str, str]:
    share = rng.random()
    if share >= 0.3:
        frame = (
            ("be_before", "pair_be", "be_after")
            if share < 0.4
            else ("do_before", "pair", "do_after")
        )
        return halves(_form(rng, task, (frame,), "train"))
    before, negated, core, after = (
        _form(rng, task, ((name,),), "train")
        for name in ("do_before", "not_do_before", "do", "do_after")
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
    other = rng.choice(TASKS) if rng.random() < 0.5 else task
    names = (task,) if other == task else (task, other)
    words = [word for name in names for word in _form(rng, name, (("do",),), "train").split()]
    rng.shuffle(words)
    return " ".join(words if other == task else words[: rng.randint(3, 9)])


def _broken(text: str, split: Split) -> str | None:
    """Return the text if it belongs to the split and no two or more of its words in a row ask for
    any task."""
    if is_held_out(text) != (split == "held_out"):
        return None
    found = any(grammar().longest(task, ("do", "ing", "be"), text) > 1 for task in TASKS)
    return None if found or recognise(text) else text
