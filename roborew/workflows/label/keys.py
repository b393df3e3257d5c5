"""What a person is shown and may press, whatever is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from roborew.data.label_file import PERSON, LabelFile
from roborew.errors import InvalidInputError
from roborew.types import Video

UNDO = "undo"
"""Takes the last label back."""


class Question(NamedTuple):
    """What is to be labeled next.

    Attributes:
        kind: what is asked: which of a pair is better, or whether an episode ends in success.
        instruction: what was asked for there.
        fps: frames per second.
        films: one of an episode, two of a pair, each (T, H, W, 3).
    """

    kind: Literal["pair", "episode"]
    instruction: str
    fps: float
    films: Sequence[Video]


class Session(Protocol):
    """Questions to a person, one after the other, and what was said."""

    @property
    def done(self) -> int:
        """Questions that were answered."""
        ...

    @property
    def total(self) -> int:
        """All questions."""
        ...

    @property
    def keys(self) -> Collection[str]:
        """What a person may press."""
        ...

    @property
    def question(self) -> Question | None:
        """The first question without an answer; None where all have one."""
        ...

    def press(self, key: str) -> None:
        """Take a key; when this returns, what it says is safe on the disk.

        Raises:
            InvalidInputError: no such key, nothing left to ask, or nothing of a person's to take
                back.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """What was said, in numbers."""
        ...

    def summary(self) -> str:
        """The counts in words."""
        ...


def check_key(key: str, keys: Collection[str]) -> None:
    """Raise unless it is one that may be pressed."""
    if key not in keys:
        raise InvalidInputError(f"key: expected one of {', '.join(keys)}; got {key!r:.40}.")


def take_back(labels: LabelFile[Any]) -> None:
    """Take back the last label.

    Raises:
        InvalidInputError: there is none, or it is not of a person.
    """
    if not labels.labels or labels.labels[-1].by != PERSON:
        raise InvalidInputError("undo: there is no label of a person to take back.")
    labels.undo()


def read_keys(path: Path, keys: Collection[str]) -> list[str]:
    """The keys in a file, separated by blanks or lines.

    Raises:
        InvalidInputError: no such file, or a word that is no key.
    """
    if not path.is_file():
        raise InvalidInputError(f"keys: {path} is no file.")
    words = path.read_text(encoding="utf-8").split()
    unknown = [word for word in words if word not in keys]
    if unknown:
        raise InvalidInputError(
            f"keys: expected {', '.join(keys)}; {path} holds {unknown[0]!r:.40}."
        )
    return words
