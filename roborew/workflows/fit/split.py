"""Which episode is for what: whole episodes are dealt, never frames of one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from roborew.data.demonstration import MIN_FRAMES, Demonstration
from roborew.errors import InvalidInputError
from roborew.learning.sampling import stratum

logger = logging.getLogger(__name__)
MIN_EPISODES = 5
"""Episodes of one stratum of which some can be spared for validation and test."""

MIN_SENTENCES = 3
"""Sentences of which one can be spared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Names of episodes, by what they are for."""

    fit: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldOutInstructions:
    """Sentences that a critic is evaluated with and not fitted to: some that mean the same as an
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
    instructions = {demonstration.instruction for demonstration in demonstrations}
    paraphrases = set[str]().union(*(e.paraphrases for e in demonstrations))
    held_out_instructions: dict[str, HeldOutInstructions] = {}
    # Sorted, as the random numbers are drawn in this order and a set has another in each process.
    for instruction in sorted(instructions):
        own = [e for e in demonstrations if e.instruction == instruction]
        own_paraphrases = set[str]().union(*(e.paraphrases for e in own))
        own_wrong = set[str]().union(*(e.wrong_instructions for e in own))
        # A sentence that another task is fitted to has been seen: it cannot be held out.
        held_out_instructions[instruction] = HeldOutInstructions(
            _hold_out(own_paraphrases - instructions, held_out, rng),
            _hold_out(own_wrong - (instructions | paraphrases), held_out, rng),
        )
    return held_out_instructions


def _hold_out(sentences: set[str], ratio: float, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw some of the sentences, at least one of three."""
    # Sorted, since a set has another order in every process.
    free = sorted(sentences)
    rng.shuffle(free)
    if ratio <= 0 or len(free) < MIN_SENTENCES:
        return ()
    return tuple(free[: max(round(ratio * len(free)), 1)])


def without_short(
    demonstrations: Sequence[Demonstration], fps: float | None
) -> Sequence[Demonstration]:
    """Demonstrations without those of which too few frames are left at a rate, which a warning
    names; all of them where that leaves none."""
    lengths = [len(demonstration.sample_indices(fps)) for demonstration in demonstrations]
    pairs = zip(demonstrations, lengths, strict=True)
    short = [demonstration for demonstration, length in pairs if length < MIN_FRAMES]
    if len(short) in (0, len(demonstrations)):
        return demonstrations
    logger.warning(
        "fit: %d of %d demonstrations have fewer than %d frames at fps %s and are left out, such as "
        "%s.",
        len(short),
        len(demonstrations),
        MIN_FRAMES,
        fps,
        short[0].name,
    )
    names = {demonstration.name for demonstration in short}
    return [demonstration for demonstration in demonstrations if demonstration.name not in names]


def strata_of(demonstrations: Sequence[Demonstration]) -> dict[str, str]:
    """Name -> sentence and grade.

    Raises:
        InvalidInputError: no demonstration, or two of one name.
    """
    strata: dict[str, str] = {}
    for demonstration in demonstrations:
        name = demonstration.name
        if name in strata:
            raise InvalidInputError(
                f"fit: expected demonstrations of different names; got two named {name!r}."
            )
        strata[name] = stratum(
            demonstration.instruction, demonstration.quality, demonstration.succeeded
        )
    if not strata:
        raise InvalidInputError("fit: expected at least one demonstration; got none.")
    return strata


def split_episodes(strata: dict[str, str], held_out: float, rng: np.random.Generator) -> Split:
    """Deal episodes to fitting, validation and test, grade by grade, so that each part has every
    kind.

    Args:
        strata: name of an episode -> its stratum.
        held_out: share for validation and, again, for test; at least one each of a kind of which
            there are `MIN_EPISODES`, none of the others: from a handful of videos all are learned
            from.
        rng: decides who goes where.
    """
    fit: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    for stratum_name in sorted(set(strata.values())):
        names = [name for name, value in strata.items() if value == stratum_name]
        rng.shuffle(names)
        count = _held_out_count(len(names), held_out)
        test += names[:count]
        validation += names[count : 2 * count]
        fit += names[2 * count :]
    return Split(
        fit=tuple(sorted(fit)),
        validation=tuple(sorted(validation)),
        test=tuple(sorted(test)),
    )


def with_half_visited(names: Sequence[str], visited: Collection[str]) -> tuple[str, ...]:
    """Repeat the names of one kind until there are about as many as of the other.

    Args:
        names: of episodes.
        visited: those among them that an agent visited; the others are demonstrations.

    >>> with_half_visited(("a", "b", "c", "mine"), {"mine"})
    ('a', 'b', 'c', 'mine', 'mine', 'mine')
    """
    num_visited = sum(name in visited for name in names)
    num_demonstrations = len(names) - num_visited
    repeats = {True: 1, False: 1}
    if num_visited and num_demonstrations:
        repeats[True] = max(1, round(num_demonstrations / num_visited))
        repeats[False] = max(1, round(num_visited / num_demonstrations))
    return tuple(name for name in names for _ in range(repeats[name in visited]))


def _held_out_count(available: int, ratio: float) -> int:
    """Episodes of one stratum for validation and, again, for test."""
    if ratio <= 0 or available < MIN_EPISODES:
        return 0
    count = max(round(ratio * available), 1)
    # At least one is left to be fitted.
    return min(count, (available - 1) // 2)
