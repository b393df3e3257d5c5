"""What the README shows works as shown."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from roborew.cli import COMMANDS as COMMAND_CLASSES
from roborew.cli.parse import parse_command

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False, report=True)
    assert tried >= 10 and failed == 0


COMMANDS = re.findall(r"^    (roborew [a-z]+.*?)(?: {2,}#.*)?$", README.read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_parsed(command: str) -> None:
    assert parse_command(COMMAND_CLASSES, shlex.split(command)[1:])


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 5


def test_every_file_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert links and all((README.parent / link).exists() for link in links if "://" not in link)
