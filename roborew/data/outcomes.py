"""Which episodes brought success, as somebody said who watched them: a file of lines beside a set of
demonstrations, see `roborew.data.label_file`.

<set>/outcomes.jsonl   {"episode": "episode-1", "success": true, "by": "person", "reason": ""}
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roborew.data.label_file import LabelFile, read_labels

OUTCOMES = "outcomes.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What somebody said of an episode.

    Attributes:
        episode: its name.
        success: whether it ends in success; None where nobody could tell.
        by: who said so: a judge's identity, or ``person``.
        reason: why there is no answer; "" where there is one.
    """

    episode: str
    success: bool | None
    by: str
    reason: str = ""


class OutcomeFile(LabelFile[Outcome]):
    """What is said of the episodes of a set.

    Args:
        path: the file; made with the first answer.

    Raises:
        CorruptFileError: a line that is no answer.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _from_row, asdict)


def set_outcomes(folder: Path) -> dict[str, bool | None]:
    """What was said of the episodes of a set, by name; empty where nobody was asked.

    Raises:
        CorruptFileError: a line that is no answer.
    """
    path = folder / OUTCOMES
    answers = read_labels(path, _from_row) if path.is_file() else []
    return {one.episode: one.success for one in answers}


def _from_row(row: dict[str, Any]) -> Outcome:
    success = row["success"]
    if not (success is None or isinstance(success, bool)):
        raise ValueError(f"expected true, false or null; got {success!r}")
    return Outcome(
        episode=str(row["episode"]), success=success, by=str(row["by"]), reason=str(row["reason"])
    )
