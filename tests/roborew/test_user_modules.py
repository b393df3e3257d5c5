"""Modules of users beside which a command is typed, wherever ``module:...`` is accepted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium
import pytest

from roborew import registry
from roborew.errors import MissingBackendError, RoborewError, UnknownNameError
from roborew.registry import Registry
from roborew.workflows.environments import check_environment
from roborew_envs import make_task

REGISTRIES = [value for value in vars(registry).values() if isinstance(value, Registry)]
USES: dict[str, Callable[[str], object]] = {
    **{kinds.kind: kinds.load for kinds in REGISTRIES},
    "environment": check_environment,
    "task": make_task,
}
"""Kind of part -> what looks it up."""
MODULE = "module_of_a_user"
FAULTS = {
    "import not_installed_anywhere": "ModuleNotFoundError: No module named 'not_installed_anywhere'",
    "from string import nothing_here": "ImportError: cannot import name 'nothing_here'",
    "{}['absent']": "KeyError: 'absent'",
    "def f(:": "SyntaxError: invalid syntax",
}
"""Line of a module -> what is said of it."""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes a module into the working directory, which nothing has imported."""
    known = dict(gymnasium.registry)
    monkeypatch.chdir(tmp_path)
    yield lambda text: (tmp_path / f"{MODULE}.py").write_text(text) and None
    sys.modules.pop(MODULE, None)
    gymnasium.registry.clear()
    gymnasium.registry.update(known)


@pytest.mark.parametrize("kind", USES)
@pytest.mark.parametrize("line", FAULTS)
def test_what_is_wrong_inside_a_module_is_told_with_its_line(
    kind: str, line: str, write: Callable[[str], None]
) -> None:
    write(f"first = 1\n{line}\n")
    with pytest.raises((RoborewError, gymnasium.error.Error)) as caught:
        USES[kind](f"{MODULE}:Part")
    assert FAULTS[line] in str(caught.value)
    assert f"{MODULE}.py, line 2" in str(caught.value)


@pytest.mark.parametrize("kind", USES)
def test_a_module_that_is_nowhere_is_told_with_where_it_was_sought(
    kind: str, write: Callable[[str], None]
) -> None:
    del write  # the working directory is empty
    with pytest.raises((RoborewError, gymnasium.error.Error), match="nor in the working directory"):
        USES[kind]("module_that_is_absent:Part")


def test_an_environment_of_a_module_is_found_and_a_misspelled_one_is_told_what_there_is(
    write: Callable[[str], None],
) -> None:
    write("import gymnasium\ndef My(): ...\ngymnasium.register('MyOwn-v0', My)\n")
    check_environment(f"{MODULE}:MyOwn-v0")
    with pytest.raises(UnknownNameError, match=f"Did you mean '{MODULE}:MyOwn-v0'") as caught:
        check_environment(f"{MODULE}:MyOwm-v0")
    assert "roborew/" not in str(caught.value)


def test_a_broken_module_is_no_misspelled_environment(write: Callable[[str], None]) -> None:
    write("import not_installed_anywhere\n")
    with pytest.raises(MissingBackendError, match="not_installed_anywhere"):
        check_environment(f"{MODULE}:My-v0")
