"""A small context-free grammar that can be drawn from, and that says exactly which sentences it can
write.

Drawing gives sentences; `Grammar.holds` decides, without sampling, whether a sentence belongs to
what may be trained. The rules lie beside this file in ``grammar/*.txt``; ``shared.txt`` explains
how they are written.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from roborew.encoders.tokens import split_words

FOLDER = Path(__file__).parent / "grammar"
COMMON = ("shared", "meaningless", "foreign", "words")
_PART = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^/\]]*)/([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Option:
    """One right-hand side. ``parts`` alternates plain text and rule names, beginning with text."""

    parts: tuple[str, ...]
    held_out: bool


Rule = tuple[Option, ...]
Tokens = tuple["tuple[str, ...] | str", ...]
"""An option as words in a row and names of rules."""
Memory = dict[tuple[str, int], set[int]]
"""Rule and first word -> places behind its last word, for one sentence."""


@dataclass(frozen=True)
class Grammar:
    """Rules by name; a name is looked up as ``namespace.name`` first, then as ``name``."""

    rules: Mapping[str, Rule]

    @cached_property
    def _train(self) -> dict[str, Rule]:
        return {
            name: tuple(option for option in rule if not option.held_out)
            for name, rule in self.rules.items()
        }

    def resolve(self, namespace: str, name: str) -> str:
        """Return the full name of a rule seen from a namespace; KeyError if there is none."""
        full = f"{namespace}.{name}"
        if full in self.rules:
            return full
        if name in self.rules:
            return name
        raise KeyError(f"grammar: no rule {full!r} or {name!r}")

    def draw(
        self, rng: random.Random, namespace: str, names: Iterable[str], held_out: bool
    ) -> str | None:
        """Draw one option of each rule and join them.

        With ``held_out``, None unless at least one held-out option was used; without, no such
        option is ever used.
        """
        words: list[str] = []
        rules = self.rules if held_out else self._train
        used = [self._write(rng, rules, namespace, name, words) for name in names]
        return " ".join(words).replace(" ,", ",") if any(used) or not held_out else None

    def _write(
        self,
        rng: random.Random,
        rules: Mapping[str, Rule],
        namespace: str,
        name: str,
        words: list[str],
    ) -> bool:
        rule = rules.get(f"{namespace}.{name}") or rules[name]
        option = rule[int(rng.random() * len(rule))]
        used = option.held_out
        for place, part in enumerate(option.parts):
            if place % 2:
                used |= self._write(rng, rules, namespace, part, words)
            elif part:
                words.append(part)
        return used

    def holds(
        self, namespace: str, forms: Iterable[Sequence[str]], sentence: str, held_out: bool
    ) -> bool:
        """Return True if one of the forms, rules in a row, can write the sentence's words.

        With ``held_out`` of the whole language, without of what may be trained.
        """
        words = split_words(sentence)
        memory: Memory = {}
        return any(
            len(words) in self._row(namespace, form, words, {0}, held_out, memory) for form in forms
        )

    def longest(self, namespace: str, names: Iterable[str], sentence: str) -> int:
        """Return how many words in a row of the sentence one of the rules can write, at most,
        held-out ones too."""
        words = split_words(sentence)
        memory: Memory = {}
        spans = [
            end - start
            for name in names
            for start in range(len(words))
            for end in self._ends(namespace, name, words, start, True, memory)
        ]
        return max(spans, default=0)

    def _row(
        self,
        namespace: str,
        parts: Sequence[str],
        words: list[str],
        starts: set[int],
        held_out: bool,
        memory: Memory,
    ) -> set[int]:
        for name in parts:
            starts = {
                end
                for at in starts
                for end in self._ends(namespace, name, words, at, held_out, memory)
            }
        return starts

    def _ends(
        self,
        namespace: str,
        name: str,
        words: list[str],
        start: int,
        held_out: bool,
        memory: Memory,
    ) -> set[int]:
        """Places where the rule can end if it begins at ``start``."""
        full = self.resolve(namespace, name)
        if (known := memory.get((full, start))) is not None:
            return known
        ends: set[int] = set()
        begins, empty = self._first(namespace, full, held_out)
        if not empty and (start == len(words) or words[start] not in begins):
            return ends
        plain, rest = self._indexed[full, held_out]
        for length, texts in plain.items():
            if tuple(words[start : start + length]) in texts:
                ends.add(start + length)
        for option in rest:
            ends |= self._option_ends(namespace, option, words, start, held_out, memory)
        memory[full, start] = ends
        return ends

    def _option_ends(
        self,
        namespace: str,
        option: Tokens,
        words: list[str],
        start: int,
        held_out: bool,
        memory: Memory,
    ) -> set[int]:
        places = {start}
        for part in option:
            if isinstance(part, str):
                places = {
                    e
                    for at in places
                    for e in self._ends(namespace, part, words, at, held_out, memory)
                }
            else:
                places = {
                    at + len(part) for at in places if tuple(words[at : at + len(part)]) == part
                }
            if not places:
                break
        return places

    def _first(self, namespace: str, full: str, held_out: bool) -> tuple[frozenset[str], bool]:
        """The words that a rule can begin with, and whether it can write nothing at all."""
        key = namespace, full, held_out
        if key not in self._beginnings:
            plain, rest = self._indexed[full, held_out]
            begins = {text[0] for length, texts in plain.items() if length for text in texts}
            empty = 0 in plain
            for option in rest:
                for part in option:
                    words, skipped = frozenset(part[:1]), False
                    if isinstance(part, str):
                        words, skipped = self._first(
                            namespace, self.resolve(namespace, part), held_out
                        )
                    begins |= words
                    if not skipped:
                        break
                else:
                    empty = True
            self._beginnings[key] = frozenset(begins), empty
        return self._beginnings[key]

    @cached_property
    def _beginnings(self) -> dict[tuple[str, str, bool], tuple[frozenset[str], bool]]:
        return {}

    @cached_property
    def _indexed(
        self,
    ) -> dict[tuple[str, bool], tuple[dict[int, set[tuple[str, ...]]], list[Tokens]]]:
        """Rule and split -> its plain texts by number of words, and its options that name other
        rules."""
        return {
            (name, held_out): _index(option for option in rule if held_out or not option.held_out)
            for name, rule in self.rules.items()
            for held_out in (False, True)
        }

    def words(self, names: Iterable[tuple[str, str]], held_out: bool) -> set[str]:
        """Return every word that the rules ``(namespace, name)`` can write."""
        rules = self.rules if held_out else self._train
        seen: set[str] = set()
        found: set[str] = set()
        stack = [(namespace, self.resolve(namespace, name)) for namespace, name in names]
        while stack:
            namespace, full = stack.pop()
            if (key := f"{namespace}:{full}") in seen:
                continue
            seen.add(key)
            for option in rules[full]:
                found.update(word for text in option.parts[::2] for word in split_words(text))
                stack.extend(
                    (namespace, self.resolve(namespace, part)) for part in option.parts[1::2]
                )
        return found


def _index(rule: Iterable[Option]) -> tuple[dict[int, set[tuple[str, ...]]], list[Tokens]]:
    plain: dict[int, set[tuple[str, ...]]] = {}
    rest: dict[Tokens, None] = {}
    for option in rule:
        if len(option.parts) == 1:
            words = tuple(split_words(option.parts[0]))
            plain.setdefault(len(words), set()).add(words)
        else:
            tokens = (
                part if i % 2 else tuple(split_words(part)) for i, part in enumerate(option.parts)
            )
            rest[tuple(token for token in tokens if token)] = None
    return plain, list(rest)


def spaced(text: str) -> str:
    """Return the words of a text in lower case, each followed by one blank: the same for every
    dress."""
    return "".join(f"{word} " for word in split_words(text))


def halves(pair: str) -> tuple[str, str]:
    """Resolve every ``[a/b]`` of a pair into its first and its second half.

    >>> halves("[open/close] the drawer")
    ('open the drawer', 'close the drawer')
    """
    first, second = (" ".join(_CHOICE.sub(rf"\{side}", pair).split()) for side in (1, 2))
    return first.replace(" ,", ","), second.replace(" ,", ",")


def load(folder: Path = FOLDER) -> dict[str, Rule]:
    """Read every rule file; a file is a namespace but for those in `COMMON`."""
    rules: dict[str, Rule] = {}
    for path in sorted(folder.glob("*.txt")):
        prefix = "" if path.stem in COMMON else f"{path.stem}."
        for name, text in _paragraphs(path.read_text(encoding="utf-8")):
            if prefix + name in rules:
                raise ValueError(f"{path.name}: rule {prefix + name!r} is written twice")
            rules[prefix + name] = tuple(_options(text))
    return rules


def options(texts: Iterable[str], held_out: bool) -> Rule:
    """Return a rule of plain texts, all of them held out or none."""
    return tuple(Option((text,), held_out) for text in texts)


def _paragraphs(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\n ", " ")
    for line in joined.splitlines():
        name, _, right = line.partition(":")
        yield name.strip(), right


def _options(text: str) -> Iterator[Option]:
    for raw in text.split("|"):
        body, _, weight = raw.strip().partition(" *")
        held_out = body.startswith("~")
        body = "" if body == "_" else body.removeprefix("~").strip()
        parts = tuple(part.strip() for part in _PART.split(body))
        yield from [Option(parts, held_out)] * int(weight or 1)
