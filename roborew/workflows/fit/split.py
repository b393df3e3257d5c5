"""Which episode is for what: whole episodes are dealt, never frames of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from roborew.data.demonstration import Demonstration
from roborew.errors import InvalidInputError

ENOUGH = 5
"""Episodes of one kind of which some can be spared for validation and test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Names of episodes, by what they are for."""

    fit: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldOutInstructions:
    """Sentences that a critic is judged by and not fitted to: some that mean the same as an
    instruction, some that its success does not fulfil."""

    paraphrases: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def hold_out_instructions(
    demonstrations: Sequence[Demonstration], held_out: float, rng: np.random.Generator
) -> dict[str, HeldOutInstructions]:
    """Instruction -> what of its other sentences is held out, at least one of three; none that are
    also fitted.

    Args:
        demonstrations: with what their sets say of sentences.
        held_out: share.
        rng: decides which.
    """
    asked = {one.instruction for one in demonstrations}
    meant = asked | {sentence for one in demonstrations for sentence in one.paraphrases}

    def dealt(known: Iterable[str], taken: set[str]) -> tuple[str, ...]:
        free = sorted({*known} - taken)
        rng.shuffle(free)
        count = max(round(held_out * len(free)), 1) if held_out > 0 and len(free) >= 3 else 0
        return tuple(free[:count])

    unseen: dict[str, HeldOutInstructions] = {}
    for instruction in sorted(asked):
        own = [one for one in demonstrations if one.instruction == instruction]
        same = dealt((sentence for one in own for sentence in one.paraphrases), asked)
        unseen[instruction] = HeldOutInstructions(
            same, dealt((s for one in own for s in one.wrong_instructions), meant)
        )
    return unseen


def strata_of(demonstrations: Sequence[Demonstration]) -> dict[str, str]:
    """Name -> sentence and grade.

    Raises:
        InvalidInputError: no demonstration, or two of one name.
    """
    kinds: dict[str, str] = {}
    for one in demonstrations:
        if one.name in kinds:
            raise InvalidInputError(
                f"fit: expected demonstrations of different names; got two named {one.name!r}."
            )
        kinds[one.name] = f"{one.instruction}/{one.quality or one.succeeded}"
    if not kinds:
        raise InvalidInputError("fit: expected at least one demonstration; got none.")
    return kinds


def split_episodes(labels: dict[str, str], held_out: float, rng: np.random.Generator) -> Split:
    """Deal episodes to fitting, validation and test, grade by grade, so that each part has every
    kind.

    Args:
        labels: name of an episode -> its grade or kind.
        held_out: share for validation and, again, for test; at least one each of a kind of which
            there are `ENOUGH`,
            none of the others: from a handful of videos all are learned from.
        rng: decides who goes where.
    """
    parts: dict[str, list[str]] = {"fit": [], "validation": [], "test": []}
    for grade in sorted(set(labels.values())):
        names = [name for name, label in labels.items() if label == grade]
        rng.shuffle(names)
        kept = max(round(held_out * len(names)), 1) if held_out > 0 and len(names) >= ENOUGH else 0
        kept = min(kept, (len(names) - 1) // 2)
        parts["test"] += names[:kept]
        parts["validation"] += names[kept : 2 * kept]
        parts["fit"] += names[2 * kept :]
    return Split(**{name: tuple(sorted(part)) for name, part in parts.items()})
