"""A person's keys on their way to labels of pairs; on the disk as soon as they are pressed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from roborew.data.demonstration import Demonstration, resolve_cameras
from roborew.data.label_file import PERSON, SKIPPED
from roborew.data.preferences import (
    PAIRS,
    PREFERENCES,
    Pair,
    Preference,
    PreferenceFile,
    Segment,
    read_pairs,
)
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.types import Video, stack_frames
from roborew.workflows.label.config import FRAMES, LabelConfig
from roborew.workflows.label.keys import UNDO, Question, check_key, take_back
from roborew.workflows.label.questions import Group

LABELS = {"left": 0.0, "right": 1.0, "tie": 0.5, "skip": None}


class LabelSession:
    """Pairs of a set, one after the other, and what was said of them.

    Args:
        folder: of the set.
        config: what is shown.
        instruction: what the films show, where they do not say so themselves.

    Raises:
        InvalidInputError: no set, no two episodes of one sentence, or labels of another length.
    """

    def __init__(self, folder: Path, config: LabelConfig, instruction: str | None = None) -> None:
        if not folder.is_dir():
            raise InvalidInputError(f"label: expected the folder of a set; got {folder}.")
        self._episodes = {one.name: one for one in read_demonstrations(folder, instruction)}
        self.cameras = resolve_cameras(self.episodes, ",".join(config.cameras) or None)
        self.labels = PreferenceFile(folder / PREFERENCES)
        awaited = read_pairs(folder / PAIRS) if (folder / PAIRS).is_file() else None
        self.frames = (config.frames or FRAMES) if awaited is None else 1
        _check_same_length(self.labels.labels, self.frames, folder)
        self.groups = self._groups(config, awaited)
        self.pairs = [pair for group in self.groups for pair in group]

    def _groups(self, config: LabelConfig, awaited: Sequence[Pair] | None) -> list[Group]:
        """The pairs as they are asked about."""
        form = config.form
        sentences = {name: episode.instruction for name, episode in self._episodes.items()}
        if awaited is None:
            pairs = draw_pairs(self.episodes, config, self.frames)
            return form.groups_by_sentence(pairs, sentences)
        if form.is_ranking:
            raise InvalidInputError(
                "pictures-per-question: pairs wait here for labels; leave it out, or label a copy of "
                f"the set without {PAIRS}."
            )
        return form.groups_by_sentence(awaited, sentences)

    @property
    def episodes(self) -> list[Demonstration]:
        """Those of the set."""
        return [*self._episodes.values()]

    @property
    def current(self) -> Pair | None:
        """The first pair without a label; None where all have one."""
        labeled = {label.pair for label in self.labels.labels}
        return next((pair for pair in self.pairs if pair not in labeled), None)

    @property
    def done(self) -> int:
        """Pairs that have a label."""
        labeled = {label.pair for label in self.labels.labels}
        return sum(pair in labeled for pair in self.pairs)

    @property
    def total(self) -> int:
        """All pairs."""
        return len(self.pairs)

    @property
    def keys(self) -> Collection[str]:
        """What a person may press."""
        return (*LABELS, UNDO)

    @property
    def question(self) -> Question | None:
        """The films of the first pair without a label, the left one first; None where all have one."""
        pair = self.current
        if pair is None:
            return None
        first, second = pair
        episode = self._episodes[first[0]]
        films = (self.film(first), self.film(second))
        return Question("pair", episode.instruction, episode.fps, films)

    def counts(self) -> dict[str, int]:
        """How many pairs there are, have a label, are called alike, and were left open."""
        pairs = set(self.pairs)
        answers = [label.label for label in self.labels.labels if label.pair in pairs]
        return {
            "done": self.done,
            "pairs": self.total,
            "ties": answers.count(0.5),
            "silent": answers.count(None),
        }

    def summary(self) -> str:
        """The counts in words."""
        words = (
            "{done:,} of {pairs:,} pairs have a label: {ties:,} ties, {silent:,} that say nothing"
        )
        return words.format(**self.counts())

    def press(self, key: str) -> None:
        """Take a key; when this returns, what it says is safe on the disk.

        Raises:
            InvalidInputError: no such key, nothing left to label, or nothing of a person's to take
                back.
        """
        check_key(key, self.keys)
        if key == UNDO:
            take_back(self.labels)
            return
        pair = self.current
        if pair is None:
            raise InvalidInputError(f"{key}: all {self.total} pairs have a label.")
        first, second = pair
        label = LABELS[key]
        reason = SKIPPED if label is None else ""
        self.labels.add(
            [
                Preference(
                    first=first,
                    second=second,
                    frames=self.frames,
                    label=label,
                    by=PERSON,
                    reason=reason,
                )
            ]
        )

    def film(self, segment: Segment) -> Video:
        """The frames of a piece, shape (T, H, W, 3)."""
        name, first = segment
        piece = range(first, first + self.frames)
        return stack_frames(self._episodes[name].moments(self.cameras, piece), self.frames)


def draw_pairs(episodes: Sequence[Demonstration], config: LabelConfig, frames: int) -> list[Pair]:
    """Draw pairs of pieces of so many frames, of different episodes of one sentence, each pair once;
    with a critic those that its members dispute most.

    Raises:
        InvalidInputError: no two episodes have one sentence, or the critic is no ensemble.
    """
    count = config.form.count_drawn(config.pairs)
    if config.critic is None:
        return _any_pairs(episodes, count, frames, config.seed)
    # torch is slow to import, and a person need not wait for it.
    from roborew.workflows.label.disagreement import (
        CANDIDATES,
        load_ensemble,
        member_values,
        most_disputed,
    )

    critic = load_ensemble(config.critic)
    candidates = _any_pairs(episodes, CANDIDATES * count, frames, config.seed)
    return most_disputed(candidates, count, member_values(critic, episodes), frames)


def _any_pairs(episodes: Sequence[Demonstration], count: int, frames: int, seed: int) -> list[Pair]:
    rng = np.random.default_rng(seed)
    peers: dict[str, list[Demonstration]] = {}
    for episode in episodes:
        peers.setdefault(episode.instruction, []).append(episode)
    paired = [one for one in episodes if len(peers[one.instruction]) > 1]
    if not paired:
        raise InvalidInputError(
            f"label: expected two episodes of one sentence; got {len(episodes)} episodes of "
            f"{len(peers)} sentences."
        )
    pairs: dict[Pair, None] = {}
    # Small sets may not hold as many different pairs as were asked for.
    for _ in range(4 * count):
        if len(pairs) == count:
            break
        first = paired[int(rng.integers(len(paired)))]
        candidates = [peer for peer in peers[first.instruction] if peer is not first]
        second = candidates[int(rng.integers(len(candidates)))]
        pairs[_piece(rng, first, frames), _piece(rng, second, frames)] = None
    return list(pairs)


def _piece(rng: np.random.Generator, episode: Demonstration, frames: int) -> Segment:
    starts = max(episode.length - frames, 0) + 1
    return episode.name, int(rng.integers(starts))


def _check_same_length(labels: Sequence[Preference], frames: int, folder: Path) -> None:
    lengths = {label.frames for label in labels} - {frames}
    if lengths:
        raise InvalidInputError(
            f"{folder / PREFERENCES}: holds labels of pieces of {min(lengths)} frames; give --frames "
            f"{min(lengths)}, or label a copy of the set."
        )
