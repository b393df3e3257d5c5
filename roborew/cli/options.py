"""Settings of parts on the command line: ``--agent.gae-lambda 0.9``.

They belong to the class that was chosen, which is imported only when one of them is given; so they
are taken out of the words before tyro reads the rest, and put into the parts afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roborew.cli.flags import Flags, check_old_flag, unknown_flag
from roborew.config import (
    current_names,
    default_options,
    describe_options,
    format_value,
    option_types,
    options_class,
    parse_value,
)
from roborew.errors import InvalidInputError
from roborew.workflows.parts import PartConfig, RewardConfig

Settings = dict[str, dict[str, str]]
"""What was typed, by group and by key, such as ``{"agent": {"gae_lambda": "0.9"}}``."""
JUDGE = "judge"
"""The vision-language model that a reward asks: ``--judge.model`` is ``--reward.judge.model``."""
T = TypeVar("T")


def split_settings(words: Sequence[str], flags: Flags) -> tuple[list[str], Settings]:
    """Take the settings of parts out of the words of a command.

    Args:
        words: what a user typed.
        flags: of the command.

    Returns:
        The words that are left, and the settings.

    Raises:
        InvalidInputError: a flag that does not exist, or has another name now; a setting given twice.
    """
    rest, settings = list[str](), Settings()
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        flag, equals, text = word.partition("=")
        # Settings are Python names, which many will type as they stand in the documentation.
        flag = flag.replace("_", "-")
        if not word.startswith("--") or flag in flags.plain:
            rest.append(word)
            continue
        group, key = _group_and_key(flag, flags)
        if not equals:
            text = "true"  # a switch, where no value follows
            if position < len(words) and not words[position].startswith("--"):
                text = words[position]
                position += 1
        _add(settings, group, key, text)
    return rest, settings


def _group_and_key(flag: str, flags: Flags) -> tuple[str, str]:
    """The part and the setting that a dotted flag names."""
    check_old_flag(flags.command, flag)
    if "reward" in flags.parts and flag.startswith(f"--{JUDGE}"):
        flag = flag.replace("--", "--reward.", 1)
    group, dot, key = flag.removeprefix("--").partition(".")
    if not dot or group not in flags.parts:
        raise unknown_flag(flag, flags)
    # The judge itself is a part as well: its name is the back end.
    if key == JUDGE:
        key = f"{JUDGE}.backend"
    return group, key.replace("-", "_")


def _add(settings: Settings, group: str, key: str, text: str) -> None:
    texts = settings.setdefault(group, {})
    if key in texts:
        raise InvalidInputError(f"--{group}.{key.replace('_', '-')}: given twice.")
    texts[key] = text


def with_settings(node: T, settings: Settings, flags: Flags, file: object = None) -> T:
    """Return a command, or a group of it, with the settings in its parts.

    Args:
        node: a dataclass with parts somewhere below.
        settings: from `split_settings`.
        flags: of the command.
        file: the same dataclass as a file had it, None without a file.

    Raises:
        InvalidInputError: a setting that the part does not have, or a value of another type.
    """
    changes = dict[str, Any]()
    for field in fields(cast("Any", node)):
        value = getattr(node, field.name)
        group = field.name.replace("_", "-")
        if isinstance(value, PartConfig):
            written = getattr(file, field.name, value)
            if written.name != value.name:
                # Settings of the part in the file mean nothing to another one.
                value = replace(value, options={})
            changes[field.name] = set_part(value, group, settings, flags)
        elif is_dataclass(value):
            # The same place in the file, so that each part is compared with its own.
            inner = getattr(file, field.name, None)
            changes[field.name] = with_settings(value, settings, flags, inner)
    return replace(cast("Any", node), **changes)


def set_part(part: PartConfig, group: str, settings: Settings, flags: Flags) -> PartConfig:
    """Return a part with what was typed for it; ``--GROUP.help`` lists its settings instead and ends
    the program."""
    typed = settings.get(group, {})
    # Before the rest is read: who asks for help need not have typed valid settings.
    if "help" in typed:
        print_settings(Console(), part, group)
        raise SystemExit(0)
    if typed:
        part = part.with_options(parse_settings(part, group, typed, flags))
    return part


def parse_settings(
    part: PartConfig, group: str, typed: Mapping[str, str], flags: Flags
) -> dict[str, Any]:
    """Read the settings of one part by the types that it declares."""
    if isinstance(part, RewardConfig) and part.is_critic:
        raise InvalidInputError(
            f"--{group}.{next(iter(typed))}: reward {part.name} is a critic, which takes no options; "
            "it keeps its own settings."
        )
    factory = part.factory()
    kinds = option_types(factory)
    options = dict[str, Any]()
    current = current_names(options_class(factory), typed, f"{part.kind} {part.name}")
    for key, text in current.items():
        flag = f"--{group}.{key.replace('_', '-')}"
        if key not in kinds:
            raise unknown_flag(flag, flags)
        options[key] = parse_value(kinds[key], text, flag)
    return options


def print_settings(console: Console, part: PartConfig, group: str) -> None:
    """Print the flags of a part, with their types, defaults and what they do."""
    factory = part.factory()
    defaults = default_options(factory)
    descriptions = describe_options(factory)
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("option", no_wrap=True)  # a flag that is cut short cannot be typed
    table.add_column("type", overflow="fold")
    table.add_column("default")
    table.add_column("")
    for name, kind in option_types(factory).items():
        flag = f"--{group}.{name.replace('_', '-')}"
        default = "(needed)"
        if name in defaults:
            default = format_value(defaults[name])
        # Units in brackets would be read as markup, and vanish.
        description = escape(descriptions.get(name, ""))
        table.add_row(flag, escape(_type_name(kind)), escape(default), description)
    console.print(f"settings of {part.kind} {part.name}:", markup=False, highlight=False)
    console.print(table)


def _type_name(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    return text.replace("typing.", "").replace("pathlib.", "").replace("NoneType", "None")
