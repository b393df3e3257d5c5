"""Names and paths that somebody typed or a file brings: what they may be before they become files."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePosixPath

from roborew.errors import CorruptFileError, InvalidInputError

MAX_NAME_BYTES = 200
"""In UTF-8; file systems allow 255, and files are written aside under longer names."""
_REPLACEMENT_FIELD = re.compile(r"\{(\w+)(?::(0?\d{0,2}d?))?\}")


def check_file_name(name: str, place: str) -> str:
    r"""Return a name that may become that of one file or folder.

    Args:
        name: without folders.
        place: what it names, for the message.

    Raises:
        InvalidInputError: it is empty, hidden, too long, leads to another folder, begins or ends with a
            space, or holds a character that is not printed.

    >>> check_file_name("drawer 2", "run")
    'drawer 2'
    >>> check_file_name("../drawer", "run")
    Traceback (most recent call last):
    roborew.errors.InvalidInputError: run: expected a name without / and \; got '../drawer'.
    """
    rule = _broken_rule(name)
    if rule:
        raise InvalidInputError(f"{place}: expected a name {rule}; got {name!a:.300}.")
    return name


def _broken_rule(name: str) -> str:
    # Right-to-left marks, newlines and escape codes make a name look like another one.
    hidden = [c for c in name if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"]
    if "/" in name or "\\" in name:
        return "without / and \\"
    if hidden:
        return "of printable characters"
    if name != name.strip():
        return "that neither begins nor ends with a space"
    if not name or name.startswith("."):
        return "that does not begin with a dot, of at least one character"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"of at most {MAX_NAME_BYTES} bytes"
    return ""


def file_inside(folder: Path, relative: object, place: str) -> Path:
    """Return the path of a file that a file of ``folder`` names.

    Args:
        folder: that it must not leave.
        relative: as it is written there, with slashes.
        place: where it is written, for the message.

    Raises:
        InvalidInputError: no text, or a path that leads out of the folder.
    """
    text = relative if isinstance(relative, str) else ""
    path = PurePosixPath(text)
    if not path.name or path.is_absolute() or ".." in path.parts or "\0" in text:
        raise InvalidInputError(
            f"{place}: expected a path below {folder}; got {relative!a:.300}, which is outside. Put "
            "the file below that folder, and name it relative to that."
        )
    return folder / path


def fill_path(template: str, place: str, **fields: str | int) -> str:
    """Fill in a path template of a file, such as ``chunk-{chunk_index:03d}/{video_key}.mp4``.

    Unlike `str.format` it reads no attributes and no items of what it is given, and pads numbers with
    zeros to at most 99 digits.

    Raises:
        CorruptFileError: another field or format.
    """

    def value(match: re.Match[str]) -> str:
        # A number keeps its format; of a text only the plain field has a meaning.
        return format(fields[match[1]], match[2] or "")

    try:
        path = _REPLACEMENT_FIELD.sub(value, template)
    except (KeyError, ValueError) as error:
        raise _bad_template(template, place, fields, repr(error)) from error
    rest = _REPLACEMENT_FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise _bad_template(template, place, fields, "no such format")
    return path


def _bad_template(
    template: str, place: str, fields: dict[str, str | int], reason: str
) -> CorruptFileError:
    names = ", ".join(f"{{{name}}}" for name in fields)
    return CorruptFileError(
        f"{place}: expected a path with {names}, numbers also as {{NAME:03d}}; got {template!a:.300} "
        f"({reason})."
    )
