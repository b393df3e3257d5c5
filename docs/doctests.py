"""Examples in docstrings as code: Markdown would read ``>>>`` as three nested quotes."""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class FencedDoctests(griffe.Extension):
    """Put a fence around every doctest of a docstring, from its first prompt to an empty line."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for each object that it has read."""
        del kwargs
        if obj.docstring is not None:
            obj.docstring.value = DOCTEST.sub(fenced, obj.docstring.value)


def fenced(doctest: re.Match[str]) -> str:
    """A doctest as a block of code."""
    return f"```pycon\n{doctest[0]}\n```"
