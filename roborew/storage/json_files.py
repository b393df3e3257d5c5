"""JSON files of anybody: plain files, bounded in size and depth, and named in every error."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from roborew.errors import CorruptFileError, InvalidInputError

MAX_JSON_BYTES = 64 * 2**20
MAX_LINE_BYTES = 16 * 2**20
"""Of one record in a file of lines."""
MAX_DEPTH = 100
"""Lists and objects inside each other; our own files need a tenth of it."""


def check_plain_file(path: Path) -> None:
    """Raise unless there is a file at ``path``: reading a pipe or a device may never end.

    Raises:
        InvalidInputError: nothing is there, or a folder, pipe, socket or device.
        OSError: the system does not let us look.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InvalidInputError(f"{path}: there is no such file; check the path.") from error
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise InvalidInputError(f"{path}: expected a file; got {kind}.")


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a plain file of at most ``max_bytes``.

    Raises:
        InvalidInputError: as of `check_plain_file`.
        CorruptFileError: it is larger.
    """
    check_plain_file(path)
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise CorruptFileError(
            f"{path}: expected at most {max_bytes:,} bytes; got {path.stat().st_size:,}."
        )
    return content


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, UTF-8 with or without byte order mark.

    Raises:
        InvalidInputError: as of `check_plain_file`.
        CorruptFileError: it is no JSON, too large, or nested too deeply.
    """
    return parse_json(read_bounded(path, MAX_JSON_BYTES), str(path))


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        InvalidInputError: as of `read_json`.
        CorruptFileError: as of `read_json`, or it holds something else.
    """
    return parse_json_object(read_bounded(path, MAX_JSON_BYTES), str(path))


def read_json_lines(
    path: Path, *, unfinished: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the numbers and the objects of the lines of a file; empty lines are left out.

    Args:
        path: of the file.
        unfinished: whether a writer may be at work, so that what follows the last newline is no
            record yet.

    Raises:
        InvalidInputError: as of `check_plain_file`.
        CorruptFileError: a line is no JSON object; the message names it.
    """
    check_plain_file(path)
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            place = f"{path}, line {number}"
            if len(line) > MAX_LINE_BYTES:
                raise CorruptFileError(f"{place}: expected at most {MAX_LINE_BYTES:,} bytes.")
            if unfinished and not line.endswith(b"\n"):
                return
            if line.strip():
                yield number, parse_json_object(line, place)


def parse_json(text: str | bytes, place: str) -> Any:
    """Return what a text of JSON holds.

    Args:
        text: UTF-8.
        place: where it was read, for the messages.

    Raises:
        CorruptFileError: it is no JSON, or nested too deeply.
    """
    try:
        content = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise _too_deep(place) from error
    except ValueError as error:
        raise CorruptFileError(f"{place}: expected JSON; {error}.") from error
    if _is_deeper(content, MAX_DEPTH):
        raise _too_deep(place)
    return content


def parse_json_object(text: str | bytes, place: str) -> dict[str, Any]:
    """Return the object that a text of JSON holds.

    Raises:
        CorruptFileError: as of `parse_json`, or it holds something else.
    """
    content = parse_json(text, place)
    if not isinstance(content, dict):
        raise CorruptFileError(f"{place}: expected a JSON object; got {content!r:.80}.")
    return cast("dict[str, Any]", content)


def _is_deeper(content: Any, depth: int) -> bool:
    level = [content]
    for _ in range(depth):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [*cast("dict[str, Any]", node).values()]
    return cast("list[Any]", node) if isinstance(node, list) else []


def _too_deep(place: str) -> CorruptFileError:
    return CorruptFileError(
        f"{place}: expected at most {MAX_DEPTH} lists and objects inside each other; got more."
    )
