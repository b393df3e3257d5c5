"""A small context-free grammar that can be drawn from and be turned into the exact regular expression of its language.

Drawing gives sentences; the expression decides, without sampling, whether a sentence belongs to what may be trained.
The rules lie beside this file in ``grammar/*.txt``; ``shared.txt`` explains how they are written.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from roborew.rewards.tokens import split_words

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


@dataclass(frozen=True)
class Grammar:
    """Rules by name; a name is looked up as ``namespace.name`` first, then as ``name``."""

    rules: Mapping[str, Rule]

    @cached_property
    def _train(self) -> dict[str, Rule]:
        return {name: tuple(option for option in rule if not option.held_out) for name, rule in self.rules.items()}

    def resolve(self, namespace: str, name: str) -> str:
        """Return the full name of a rule seen from a namespace; KeyError if there is none."""
        full = f"{namespace}.{name}"
        if full in self.rules:
            return full
        if name in self.rules:
            return name
        raise KeyError(f"grammar: no rule {full!r} or {name!r}")

    def draw(self, rng: random.Random, namespace: str, names: Iterable[str], held_out: bool) -> str | None:
        """Draw one option of each rule and join them.

        With ``held_out``, None unless at least one held-out option was used; without, no such option is ever used.
        """
        words: list[str] = []
        rules = self.rules if held_out else self._train
        used = [self._write(rng, rules, namespace, name, words) for name in names]
        return " ".join(words).replace(" ,", ",") if any(used) or not held_out else None

    def _write(
        self, rng: random.Random, rules: Mapping[str, Rule], namespace: str, name: str, words: list[str]
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

    def pattern(self, namespace: str, names: Iterable[str], held_out: bool) -> str:
        """Return the regular expression of ``names`` in a row, over `spaced` sentences.

        With ``held_out`` of the whole language, without of what may be trained.
        """
        return "".join(self._pattern(namespace, name, self.rules if held_out else self._train) for name in names)

    def _pattern(self, namespace: str, name: str, rules: Mapping[str, Rule]) -> str:
        forms: dict[str, None] = {}
        for option in rules[self.resolve(namespace, name)]:
            pieces = (
                self._pattern(namespace, part, rules) if place % 2 else re.escape(spaced(part))
                for place, part in enumerate(option.parts)
            )
            forms["".join(pieces)] = None
        return f"(?:{'|'.join(forms)})"

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
                stack.extend((namespace, self.resolve(namespace, part)) for part in option.parts[1::2])
        return found


def spaced(text: str) -> str:
    """Return the words of a text in lower case, each followed by one blank: what patterns are matched against."""
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
