"""Tasks of other packages: registered by name, by entry point, or named by module and class."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import Error, NameNotFound

import roborew_envs
from roborew_envs import TASKS, TaskRegistry, TaskVectorEnv, make_task, register_task
from roborew_envs.core import task_registry

MODULE = "task_of_a_user"
TASK = f"""
from roborew_envs import Language, Task
from roborew_envs.tasks.desk.press import Press

class MyPress(Press):
    id = "{MODULE}/MyPress-v0"
    language = Language("press my button", ("push it",), ("leave it",))

class Unfinished(Task):
    id = "{MODULE}/Unfinished-v0"

number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the working directory, as users have theirs, which nothing has imported."""
    (tmp_path / f"{MODULE}.py").write_text(textwrap.dedent(TASK))
    monkeypatch.chdir(tmp_path)
    yield MODULE
    sys.modules.pop(MODULE, None)


@pytest.fixture
def forget() -> Iterator[None]:
    """Takes back what a test registers with Gymnasium and roborew."""
    known, targets = dict(gymnasium.registry), dict(TASKS._targets)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(known)
    TASKS._targets.clear()
    TASKS._targets.update(targets)


def point(name: str, value: str, package: str = "their-package") -> Any:
    return SimpleNamespace(name=name, value=value, dist=SimpleNamespace(name=package))


def plugged(monkeypatch: pytest.MonkeyPatch, *points: Any) -> TaskRegistry:
    """A registry of one task in an environment where packages bring ``points``."""
    monkeypatch.setattr(
        task_registry, "entry_points", lambda group: points if group == "roborew.tasks" else ()
    )
    return TaskRegistry({"tests/Own-v0": "roborew_envs.tasks.desk.push:Push"})


def test_a_registered_task_is_imported_when_it_is_made(module: str, forget: None) -> None:
    register_task("my_package/MyPress-v0", f"{module}:MyPress")
    assert module not in sys.modules
    assert "my_package/MyPress-v0" in TASKS and "my_package/MyPress-v0" in list(TASKS)
    assert module not in sys.modules
    assert make_task("my_package/MyPress-v0").instruction == "press my button"


def test_a_registered_task_is_made_by_gymnasium_alone_and_many_at_once(
    module: str, forget: None
) -> None:
    register_task("my_package/MyPress-v0", f"{module}:MyPress")
    with gymnasium.make("my_package/MyPress-v0") as env:
        observation, info = env.reset(seed=3)
    many = gymnasium.make_vec("my_package/MyPress-v0", 2, "vector_entry_point")
    observations, infos = many.reset(seed=2)
    many.close()
    np.testing.assert_array_equal(observations[1], observation)
    assert infos["progress"][1] == info["progress"]


def test_a_module_and_class_is_a_task_without_being_registered(module: str) -> None:
    name = f"{module}:MyPress"
    assert name in TASKS and TASKS[name] == name and name not in list(TASKS)
    env = TaskVectorEnv(make_task(name), 2)
    env.reset(seed=0)
    assert env.step(np.zeros((2, 4)))[0].shape == (2, *env.single_observation_space.shape)
    env.close()


@pytest.mark.parametrize(
    ("attribute", "answer"),
    [
        ("Absent", "task_of_a_user has no 'Absent'"),
        ("number", "expected a subclass of roborew_envs.Task; task_of_a_user:number is none"),
        ("Language", "expected a subclass of roborew_envs.Task"),
        ("Unfinished", "must still define language, cameras, .*action_to_ctrl, build, observe"),
    ],
)
def test_what_is_no_complete_task_says_what_it_lacks(
    module: str, attribute: str, answer: str
) -> None:
    assert (f"{module}:{attribute}" in TASKS) == (attribute == "Unfinished")
    with pytest.raises(Error, match=answer):
        make_task(f"{module}:{attribute}")


def test_what_cannot_be_imported_is_named() -> None:
    with pytest.raises(Error, match=r"not_installed_anywhere:Task.* cannot be imported: No module"):
        make_task("not_installed_anywhere:Task")
    with pytest.raises(KeyError):
        TASKS["not_installed_anywhere:Task"]


@pytest.mark.parametrize(
    ("task_id", "target", "answer"),
    [
        (
            "my_package/My-v0",
            "my_package.My",
            "expected 'package.module:Class'; got 'my_package.My'",
        ),
        ("roborew/Push-v0", "a:B", "already roborew_envs.tasks.desk.push:Push: give a:B another"),
        ("CartPole-v1", "a:B", "already an environment of Gymnasium"),
        ("my package!", "a:B", "[Mm]alformed environment ID"),
    ],
)
def test_an_id_is_given_once_and_leads_somewhere(
    task_id: str, target: str, answer: str, forget: None
) -> None:
    with pytest.raises(Error, match=answer):
        register_task(task_id, target)
    assert TASKS["roborew/Push-v0"] == "roborew_envs.tasks.desk.push:Push"
    assert task_id == "roborew/Push-v0" or task_id not in TASKS


def test_tasks_of_other_packages_are_found_by_their_entry_points(
    module: str, monkeypatch: pytest.MonkeyPatch, forget: None
) -> None:
    tasks = plugged(
        monkeypatch,
        point("MyPress-v0", f"{module}:MyPress"),
        point("elsewhere/MyPress-v0", f"{module}:MyPress"),
    )
    assert "tests/Own-v0" in tasks and not tasks._has_read_entry_points, "ours need no look-up"
    assert list(tasks) == ["tests/Own-v0", f"{module}/MyPress-v0", "elsewhere/MyPress-v0"]
    assert module not in sys.modules
    assert tasks.make(f"{module}/MyPress-v0").instruction == "press my button"
    assert tasks.make("elsewhere/MyPress-v0").instruction == "press my button"
    assert not tasks.problems()
    with gymnasium.make(f"{module}/MyPress-v0") as env:
        env.reset(seed=0)


def test_a_broken_entry_point_is_named_and_the_rest_works(
    module: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    forget: None,
) -> None:
    tasks = plugged(
        monkeypatch,
        point("Nonsense-v0", "no target", "one"),
        point("tests/Own-v0", f"{module}:MyPress", "two"),
        point("Absent-v0", "not_installed_anywhere.tasks:Task", "three"),
        point("Number-v0", f"{module}:number", "four"),
        point("MyPress-v0", f"{module}:MyPress", "five"),
    )
    with caplog.at_level(logging.WARNING):
        listed = list(tasks)
    assert listed[-1] == f"{module}/MyPress-v0"
    nonsense, taken = caplog.messages
    assert "'Nonsense-v0' of one is ignored" in nonsense and "got 'no target'" in nonsense
    assert "'tests/Own-v0' of two is ignored" in taken and "another id" in taken
    problems = tasks.problems()
    assert set(problems) == {"not_installed_anywhere/Absent-v0", f"{module}/Number-v0"}
    assert "cannot be imported" in problems["not_installed_anywhere/Absent-v0"]
    assert tasks.make(f"{module}/MyPress-v0").instruction == "press my button"
    assert tasks.make("tests/Own-v0").id == "roborew/Push-v0"


def test_an_unknown_id_is_answered_with_close_ones_of_other_packages_too(
    module: str, monkeypatch: pytest.MonkeyPatch, forget: None
) -> None:
    tasks = plugged(monkeypatch, point("MyPress-v0", f"{module}:MyPress"))
    with pytest.raises(NameNotFound, match=rf"Did you mean {module}/MyPress-v0"):
        tasks.make(f"{module}/MyPres-v0")


def test_the_front_page_lists_what_it_offers() -> None:
    assert all(hasattr(roborew_envs, name) for name in roborew_envs.__all__)
