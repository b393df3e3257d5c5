"""Every error that roborew raises on purpose. A message says what it got, what it expected and what
to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RoborewError(Exception):
    """Base class: ``except RoborewError`` catches every error that roborew raises on purpose."""


class InvalidInputError(RoborewError, ValueError):
    """An argument, file or array breaks a stated rule."""


class UnknownNameError(RoborewError, KeyError):
    """A name that no registry knows; the message offers close matches and the whole list.

    Args:
        kind: what it should name.
        name: unknown.
        available: known names.
        nor: what else it might have been and is not, such as "folder".
    """

    def __init__(self, kind: str, name: str, available: Iterable[str], nor: str = "") -> None:
        names = sorted(available)
        close = get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
        also = f", and there is no {nor} of that name" if nor else ""
        self.message = (
            f"unknown {kind} {name!r}{also}.{hint} Available: {', '.join(names) or 'none'}."
        )
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class MissingBackendError(RoborewError, ImportError):
    """An optional package, weight file or device is absent; the message names what to install."""


class RunExistsError(RoborewError, FileExistsError):
    """A run directory or file would be overwritten; nothing was written."""


class DiskFullError(RoborewError):
    """The disk or the quota is full; what was complete is kept."""


class CorruptFileError(RoborewError):
    """A checkpoint, weight file or video cannot be trusted (checksum, header or content)."""


class InvalidScoreError(RoborewError):
    """A reward model returned something that is no score (NaN, wrong length), or abstained too
    often."""


class BudgetError(RoborewError):
    """A judge may be asked no more questions; none of the last ones was asked."""


class ContractError(RoborewError):
    """A part breaks a law that every part of its kind keeps; the message lists the broken laws."""


def first_line(error: BaseException) -> str:
    """What an error of a library says first; the rest is advice on that library.

    >>> first_line(OSError("no such file\\nTry this: ..."))
    'no such file'
    """
    return str(error).strip().partition("\n")[0]
