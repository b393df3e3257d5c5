"""The example of the README does what it shows; `test_docs` holds its commands and links."""

from __future__ import annotations

import doctest
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False, report=True)
    assert tried >= 10 and failed == 0
