"""One thing that was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: what it was.
        ok: whether it works.
        needed: whether the job needs it.
        finding: what was seen.
        remedy: what to do where it does not work.
    """

    name: str
    ok: bool
    needed: bool
    finding: str
    remedy: str = ""


def healthy(checks: Sequence[Check]) -> bool:
    """Whether all that is needed works."""
    return all(check.ok for check in checks if check.needed)
