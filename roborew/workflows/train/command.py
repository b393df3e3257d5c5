"""The command line that makes a configuration."""

from __future__ import annotations

import shlex
from dataclasses import fields, is_dataclass
from typing import Any, cast

from roborew.config import default_options, format_value
from roborew.workflows.parts import PartConfig
from roborew.workflows.train.config import TrainConfig

LEADING = frozenset({"name", "id", "kind"})
"""Settings that are typed as the group itself: ``--agent ppo``."""


def command(config: TrainConfig) -> str:
    """What to type to have the run again.

    >>> from roborew.workflows.train.config import EnvConfig
    >>> command(TrainConfig(env=EnvConfig("roborew/Press-v0"), instruction="press it", seed=3))
    "roborew train --env roborew/Press-v0 --instruction 'press it' --seed 3"
    """
    words = ["roborew", "train", "--env", config.env.id]
    default = TrainConfig()
    for field in fields(config):
        value = getattr(config, field.name)
        words += _flags(field.name, value, getattr(default, field.name))
    return shlex.join(words)


def _flags(name: str, value: Any, default: Any) -> list[str]:
    """The flags of a setting or group that is not at its default."""
    if value == default:
        return []
    flag = "--" + name.replace("_", "-")
    if isinstance(value, PartConfig):
        return _part_flags(flag, value, default)
    if is_dataclass(value):
        words: list[str] = []
        group: Any = value
        for field in fields(cast("Any", type(group))):
            label = _label(name, field.name)
            inner: Any = getattr(group, field.name)
            # The environment stands first in the command already.
            if label != "env":
                words += _flags(label, inner, getattr(default, field.name))
        return words
    if isinstance(value, tuple):
        return [flag, *map(str, cast("tuple[object, ...]", value))]
    return [flag, str(value)]


def _label(group: str, name: str) -> str:
    if name in LEADING:
        return group
    return name if (group, name) == ("env", "cameras") else f"{group}.{name}"


def _part_flags(flag: str, part: PartConfig, default: PartConfig) -> list[str]:
    words = [] if part.name == default.name else [flag, part.name]
    if not part.options:
        return words
    usual = default_options(part.factory())
    for name, value in part.options.items():
        if name not in usual or value != usual[name]:
            words += [f"{flag}.{name.replace('_', '-')}", format_value(value)]
    return words
