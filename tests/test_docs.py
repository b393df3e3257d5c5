"""What the README, the site and the pages of examples show is what there is: commands parse, Python
compiles and names what exists, links lead somewhere. Nothing is run."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import roborew
from roborew.cli import COMMANDS
from roborew.cli.parse import parse_command

ROOT = Path(__file__).parents[1]
FOUND = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]
PAGES = sorted(page for page in FOUND if page.name != "CHANGELOG.md")  # it names what was, too
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_LINE = re.compile(r"^ {4,}(roborew [a-z].*?)(?: {2,}#.*)?$", re.MULTILINE)
INLINE_COMMAND = re.compile(r"`(roborew [a-z]+ [^`]*--[^`]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
GENERATED = {"tasks.gif": ROOT / "videos" / "tasks.gif"}
"""Files that the site gets from elsewhere, see docs/hooks.py."""


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks() -> Iterator[tuple[str, str]]:
    """Page and source of every block of Python; of a doctest what stands after the prompts."""
    for page in PAGES:
        for block in PYTHON_BLOCK.findall(page.read_text()):
            examples = doctest.DocTestParser().get_examples(block)
            source = "".join(example.source for example in examples) if examples else block
            yield page_name(page), source


def command_lines() -> Iterator[tuple[str, str]]:
    """Page and text of every command line of roborew."""
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")  # the shell joins these lines
        for command in [*COMMAND_LINE.findall(text), *INLINE_COMMAND.findall(text)]:
            yield page_name(page), command


BLOCKS = list(python_blocks())
COMMAND_LINES = list(command_lines())
MY_REWARD = next(block for page, block in BLOCKS if page == "docs/tutorials/my-reward.md")


def test_there_is_something_to_hold() -> None:
    assert len(PAGES) >= 30 and len(BLOCKS) >= 6 and len(COMMAND_LINES) >= 35


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[page for page, _ in BLOCKS])
def test_a_block_of_python_compiles_and_names_what_exists(page: str, block: str) -> None:
    tree = ast.parse(block, page)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imported if str(node.module).startswith("roborew")]
    missing = [
        f"{node.module}.{alias.name}"
        for node in ours
        for alias in node.names
        if not hasattr(import_module(str(node.module)), alias.name)
    ]
    attributes = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "roborew"
    ]
    missing += [f"roborew.{name}" for name in attributes if name not in roborew.__all__]
    assert not missing


@pytest.fixture
def users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module of a user's own that the pages name: the reward of the tutorial."""
    (tmp_path / "my_module.py").write_text(MY_REWARD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_module", None)


@pytest.mark.usefixtures("users_module")
@pytest.mark.parametrize(("page", "line"), COMMAND_LINES, ids=[line for _, line in COMMAND_LINES])
def test_a_command_line_can_be_parsed(page: str, line: str) -> None:
    words = shlex.split(line)
    assert parse_command(COMMANDS, words[1:]), page


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    targets = [GENERATED.get(link, page.parent / link) for link in links]
    assert not [str(target) for target in targets if not target.exists()]
