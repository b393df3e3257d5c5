"""The prompt of a released judge: a text with places for the task and for pictures."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.judges.parsing import sanitize_instruction
from roborew.judges.types import Part
from roborew.types import Frame, Video

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
Medium = Literal["<image>", "<video>"]
AUTO, RELEASED, GENERAL = "auto", "released", "general"
LARGEST = 100_000
"""Of a prompt file [bytes]."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text in which ``{task}`` stands for the task and each ``medium`` for pictures.

    Attributes:
        text: with its places.
        medium: what stands for one picture, or for one video.
    """

    text: str
    medium: Medium = "<image>"

    def parts(self, instruction: str, media: Sequence[Frame | Video]) -> tuple[Part, ...]:
        """Return text and pictures in their order.

        Args:
            instruction: the task; it can neither close nor forge a tag, see
                `roborew.judges.parsing.sanitize_instruction`.
            media: as many as the text has places.
        """
        pieces = self.text.split(self.medium)
        goal = sanitize_instruction(instruction)
        parts: list[Part] = []
        for piece, medium in zip(pieces, [*media, None], strict=True):
            if piece:
                parts.append(piece.replace("{task}", goal))
            if medium is not None:
                parts.append(medium)
        return tuple(parts)


def read_template(file: Path, count: int, medium: Medium = "<image>") -> Template:
    """Read a prompt.

    Args:
        file: of UTF-8 text.
        count: pictures or videos that it has to show.
        medium: what stands for one.

    Raises:
        InvalidInputError: there is no such file, or it has not these places.
        CorruptFileError: it is no text.
    """
    if not file.is_file() or file.stat().st_size > LARGEST:
        raise InvalidInputError(
            f"prompt: expected 'auto', 'released', 'general', or a text file of at most "
            f"{LARGEST:,} bytes; got {str(file)!r}."
        )
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{file}: expected UTF-8 text; {error}.") from error
    num_places = text.count(medium)
    if num_places != count or "{task}" not in text:
        raise InvalidInputError(
            f"{file}: expected {{task}} and {count} times {medium}; got "
            f"{text.count('{task}')} and {num_places}."
        )
    return Template(text, medium)


@dataclass(frozen=True, slots=True)
class Released:
    """A prompt of released checkpoints.

    Attributes:
        file: in this folder.
        count: pictures or videos that it shows.
        names: of the checkpoints.
        medium: what stands for a picture or video.
    """

    file: str
    count: int
    names: re.Pattern[str]
    medium: Medium = "<image>"

    def recognises(self, identity: str) -> bool:
        """Whether a judge is one of these checkpoints, by the name that it is loaded under."""
        return self.names.search(identity.rpartition("@")[0] or identity) is not None

    def choose(self, prompt: str, identity: str) -> Template | None:
        """Return the prompt to ask with; None for roborew's own.

        Args:
            prompt: "auto" takes the released one where the judge is recognised; "released";
                "general", roborew's own, for any model; or a file in place of the released one.
            identity: of the judge.

        Raises:
            InvalidInputError: as `read_template`.
        """
        if prompt == GENERAL or (prompt == AUTO and not self.recognises(identity)):
            return None
        if prompt == AUTO:
            logger.info("%s is asked in its authors' own words (prompt=general: in ours)", identity)
        place = FOLDER / self.file if prompt in (AUTO, RELEASED) else Path(prompt)
        return read_template(place, self.count, self.medium)


GRM = Released("grm.txt", 8, re.compile(r"robo-?dopamine|(^|[-_/])grm([-_.]|$)", re.IGNORECASE))
ROBOREWARD = Released("roboreward.txt", 1, re.compile("roboreward", re.IGNORECASE), "<video>")
VLAC = Released("vlac_compare.txt", 2, re.compile(r"(^|[-_/])vlac([-_.]|$)", re.IGNORECASE))
TOPREWARD = Released("topreward.txt", 1, re.compile("topreward", re.IGNORECASE), "<video>")
