"""Names for tasks: data first, imported only when one is made.

Three ways lead to a task: the table of `roborew_envs` and `register_task`; an entry point of another
package in the group ``roborew.tasks``, such as ``"MyTask-v0" = "my_package.module:MyTask"``; and
``my_package.module:MyTask`` itself.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import gymnasium
from gymnasium.error import Error, NameNotFound

from roborew_envs.core.single_env import TaskEnv
from roborew_envs.core.task import Task
from roborew_envs.core.user_modules import import_user_module
from roborew_envs.core.vector_env import TaskVectorEnv

logger = logging.getLogger(__name__)
GROUP = "roborew.tasks"
"""Entry points of other packages that bring tasks."""


class TaskRegistry(Mapping[str, str]):
    """Ids of tasks -> ``module:Class``; every id is known to Gymnasium, too.

    Iteration gives roborew's own ids first, then those of other packages. The entry points are read
    when an id is looked up that is not roborew's own, or all are listed. ``package.module:Class`` is
    a key as well, but is not listed.
    """

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets: dict[str, str] = {}
        self._has_read_entry_points = False
        for task_id, target in targets.items():
            self._add(task_id, target)

    def register(self, task_id: str, target: str) -> None:
        """Add a task under a new id; see `roborew_envs.register_task`."""
        if not _is_target(target):
            raise Error(f"task {task_id!r}: expected 'package.module:Class'; got {target!r}.")
        if task_id in self._targets or task_id in gymnasium.registry:
            taken_by = self._targets.get(task_id, "an environment of Gymnasium")
            raise Error(f"task {task_id!r} is already {taken_by}: give {target} another id.")
        self._add(task_id, target)

    def _add(self, task_id: str, target: str) -> None:
        gymnasium.register(  # pyright: ignore[reportUnknownMemberType] - its kwargs are an untyped dict
            task_id,
            entry_point=partial(_make_env, task_id, target),
            vector_entry_point=partial(_make_vector_env, task_id, target),
            disable_env_checker=False,
        )
        self._targets[task_id] = target

    def make(self, name: str) -> Task:
        """Build a task; see `roborew_envs.make_task`."""
        if name not in self._targets and not _is_target(name):
            self._read_entry_points()
        if name in self._targets:
            return _load_class(name, self._targets[name])()
        if _is_target(name):
            return _load_class(name, name)()
        close = get_close_matches(name, self._targets, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise NameNotFound(f"unknown task {name!r}.{hint} Available: {', '.join(self._targets)}.")

    def problems(self) -> dict[str, str]:
        """What is wrong with each task that cannot be made, by id; imports all of them."""
        faults: dict[str, str] = {}
        for task_id in self:
            try:
                _load_class(task_id, self._targets[task_id])
            except Error as error:
                faults[task_id] = str(error)
        return faults

    def __getitem__(self, name: str) -> str:
        if name not in self:
            raise KeyError(name)
        return self._targets.get(name, name)

    def __contains__(self, name: object) -> bool:
        """Whether a task can be asked for by this name; ``module:Class`` is imported to see."""
        if name in self._targets:
            return True
        if not isinstance(name, str):
            return False
        if _is_target(name):
            return _names_task(name)
        self._read_entry_points()
        return name in self._targets

    def __iter__(self) -> Iterator[str]:
        self._read_entry_points()
        return iter(tuple(self._targets))

    def __len__(self) -> int:
        self._read_entry_points()
        return len(self._targets)

    def _read_entry_points(self) -> None:
        if self._has_read_entry_points:
            return
        self._has_read_entry_points = True
        for point in entry_points(group=GROUP):
            package = point.dist.name if point.dist is not None else "an unnamed package"
            # "MyTask-v0" of my_package.module is my_package/MyTask-v0: two packages do not collide.
            namespace = point.value.split(".")[0].split(":")[0]
            task_id = point.name if "/" in point.name else f"{namespace}/{point.name}"
            try:
                self.register(task_id, point.value)
            except Error as error:  # one broken package takes no other task away
                logger.warning("entry point %r of %s is ignored: %s", point.name, package, error)


def _make_env(task_id: str, target: str, **kwargs: Any) -> TaskEnv:
    return TaskEnv(_load_class(task_id, target)(), **kwargs)


def _make_vector_env(task_id: str, target: str, **kwargs: Any) -> TaskVectorEnv:
    return TaskVectorEnv(_load_class(task_id, target)(), **kwargs)


def _is_target(text: str) -> bool:
    module, _, attribute = text.partition(":")
    return attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _names_task(target: str) -> bool:
    """Whether ``module:Class`` is a task, though an unfinished one, which `make` says;
    ``module:Environment`` may be another's environment."""
    try:
        _import_class(target, target)
    except Error:
        return False
    return True


def _load_class(name: str, target: str) -> type[Task]:
    """Import the class of a task.

    Raises:
        gymnasium.error.Error: it cannot be imported, or is no complete task.
    """
    task_class = _import_class(name, target)
    attributes = [
        attribute for attribute in Task.__annotations__ if not hasattr(task_class, attribute)
    ]
    missing = [*attributes, *sorted(task_class.__abstractmethods__)]
    if missing:
        raise Error(f"task {name!r}: {target} must still define {', '.join(missing)}.")
    return task_class


def _import_class(name: str, target: str) -> type[Task]:
    module_name, _, attribute = target.partition(":")
    try:
        module = import_user_module(module_name)
    except ImportError as error:
        raise Error(f"task {name!r} ({target}) cannot be imported: {error}.") from error
    if not hasattr(module, attribute):
        raise Error(f"task {name!r}: {module_name} has no {attribute!r}.")
    task_class = getattr(module, attribute)
    if not (inspect.isclass(task_class) and issubclass(task_class, Task)):
        raise Error(f"task {name!r}: expected a subclass of roborew_envs.Task; {target} is none.")
    return task_class
