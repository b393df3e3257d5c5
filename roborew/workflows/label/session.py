"""A person's keys on their way to labels; on the disk as soon as they are pressed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from roborew.data import side_by_side
from roborew.data.demonstration import Demonstration, resolve_cameras
from roborew.data.preferences import (
    PAIRS,
    PERSON,
    PREFERENCES,
    Pair,
    Preference,
    PreferenceFile,
    Segment,
    read_pairs,
)
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.types import Video
from roborew.workflows.label.config import FRAMES, LabelConfig
from roborew.workflows.label.questions import Group

Key = Literal["left", "right", "tie", "skip", "undo"]
LABELS = {"left": 0.0, "right": 1.0, "tie": 0.5, "skip": None}
SKIPPED = "skipped"
"""Reason of a label that a person did not give."""


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

    def counts(self) -> dict[str, int]:
        """How many pairs there are, have a label, are called alike, and were left open."""
        pairs = set(self.pairs)
        answers = [label.label for label in self.labels.labels if label.pair in pairs]
        return {
            "done": self.done,
            "pairs": len(self.pairs),
            "ties": answers.count(0.5),
            "silent": answers.count(None),
        }

    def press(self, key: str) -> None:
        """Take a key; when this returns, what it says is safe on the disk.

        Raises:
            InvalidInputError: no such key, nothing left to label, or nothing of a person's to take
                back.
        """
        if key not in get_args(Key):
            raise InvalidInputError(
                f"key: expected one of {', '.join(get_args(Key))}; got {key!r:.40}."
            )
        if key == "undo":
            self._undo()
            return
        pair = self.current
        if pair is None:
            raise InvalidInputError(f"{key}: all {len(self.pairs)} pairs have a label.")
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

    def _undo(self) -> None:
        labels = self.labels.labels
        if not labels or labels[-1].by != PERSON:
            raise InvalidInputError("undo: there is no label of a person to take back.")
        self.labels.undo()

    def film(self, segment: Segment) -> Video:
        """The frames of a piece, shape (T, H, W, 3)."""
        name, first = segment
        moments = zip(*map(self._episodes[name].frames, self.cameras), strict=True)
        piece = [views for step, views in enumerate(moments) if first <= step < first + self.frames]
        return np.stack([side_by_side(views) for views in piece])

    def instruction(self, segment: Segment) -> str:
        """What was asked for there."""
        return self._episodes[segment[0]].instruction

    def fps(self, segment: Segment) -> float:
        """Frames per second there."""
        return self._episodes[segment[0]].fps


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


def read_keys(path: Path) -> list[str]:
    """The keys in a file, separated by blanks or lines.

    Raises:
        InvalidInputError: no such file, or a word that is no key.
    """
    if not path.is_file():
        raise InvalidInputError(f"keys: {path} is no file.")
    keys = path.read_text(encoding="utf-8").split()
    unknown = [key for key in keys if key not in get_args(Key)]
    if unknown:
        raise InvalidInputError(
            f"keys: expected {', '.join(get_args(Key))}; {path} holds {unknown[0]!r:.40}."
        )
    return keys
