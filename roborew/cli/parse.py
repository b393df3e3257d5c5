"""From the words of a command line to a command."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, cast

import tyro
from rich.console import Console

from roborew.bounds import check_largest
from roborew.cli.command import Command, say
from roborew.cli.flags import RENAMED_COMMANDS, Flags, flags_of, value_of
from roborew.cli.options import set_part, split_settings, with_settings
from roborew.config import from_json
from roborew.errors import InvalidInputError, RoborewError
from roborew.storage.json_files import read_json_object
from roborew.workflows.parts import PartConfig, RewardConfig


def command_name(words: Sequence[str]) -> str:
    """The command that the words ask for; "" without one."""
    return next((word for word in words if not word.startswith("-")), "")


def parse_command(
    commands: Mapping[str, type[Command]], words: Sequence[str], errors: Console | None = None
) -> Command:
    """Return the command that the words ask for.

    Args:
        commands: classes by name.
        words: what a user typed after ``roborew``.
        errors: console for what tyro cannot read; stderr if not given.

    Raises:
        InvalidInputError: a flag or setting that does not exist, or has another name now.
        SystemExit: help was asked for, or tyro cannot read the rest.
    """
    _check_words(words)
    name = command_name(words)
    if name in RENAMED_COMMANDS:
        raise InvalidInputError(f"roborew {name} is called roborew {RENAMED_COMMANDS[name]} now.")
    kind = commands.get(name)
    # Help needs no parts, and an unknown command none either.
    if kind is None or not {"-h", "--help"}.isdisjoint(words):
        return _parse_with_tyro(commands, words, None, errors)
    flags = flags_of(name, kind, words)
    comparing = "--rewards" in flags.plain
    if comparing:
        flags = replace(flags, parts=_compared(words))
    rest, settings = split_settings(words, flags)
    default = _read_default(kind, words, flags)
    command = _parse_with_tyro(commands, rest, default, errors)
    _check_numbers(command, "--")
    if comparing:
        parts = {
            group: set_part(part, group, settings, flags) for group, part in flags.parts.items()
        }
        return replace(cast("Any", command), parts=parts)
    return with_settings(command, settings, flags, default)


def _check_words(words: Sequence[str]) -> None:
    for word in words:
        # No path can hold the first, and no terminal or file show the others.
        if "\0" in word or (not word.isascii() and any("\ud800" <= c <= "\udfff" for c in word)):
            raise InvalidInputError(
                f"expected words in UTF-8 without a NUL byte; got {word!a:.80}. Rename the file, or "
                "mend the word."
            )


def _check_numbers(node: object, prefix: str) -> None:
    for field in fields(cast("Any", node)):
        value: Any = getattr(node, field.name)
        name = f"{prefix}{field.name.replace('_', '-')}"
        if isinstance(value, int | float):
            check_largest(name, value)
        elif is_dataclass(value):
            # The configuration of a command lends it its fields without a prefix.
            _check_numbers(value, prefix if field.name == "config" else f"{name}.")


def _parse_with_tyro(
    commands: Mapping[str, type[Command]],
    words: Sequence[str],
    default: Command | None,
    errors: Console | None,
) -> Command:
    union: Any = None
    subcommand = cast("Any", tyro.conf.subcommand)
    for name, kind in commands.items():
        # Only the chosen command begins with the settings of a file.
        member = subcommand(name, default=default) if type(default) is kind else subcommand(name)
        annotated = cast("Any", Annotated)[kind, member]
        union = annotated if union is None else union | annotated
    parse = cast("Any", tyro.cli)  # its annotations know no union of annotated classes
    complaint = io.StringIO()
    in_pipe = errors is not None and not errors.is_terminal
    try:
        with contextlib.redirect_stderr(complaint if in_pipe else sys.stderr):
            return parse(union, args=list(words), prog="roborew", description="")
    except SystemExit:
        if errors is not None and complaint.getvalue():
            say(errors, f"roborew: {_on_one_line(complaint.getvalue())}")
        raise


def _on_one_line(box: str) -> str:
    """What tyro draws as a box, as a sentence for a log."""
    words = box.translate(str.maketrans("╭╮╰╯│─", "      ")).split()
    return " ".join(words)


def _read_default(kind: type[Any], words: Sequence[str], flags: Flags) -> Command | None:
    """The command with the configuration of the file that ``--config`` names, None without."""
    if "--config" not in flags.plain:
        return None
    path = value_of("--config", words)
    return None if path is None else kind(config=_read_config(kind, Path(path)))


def _read_config(kind: type[Any], path: Path) -> object:
    usual: object = kind().config
    file = path / "config.json" if path.is_dir() else path
    try:
        return from_json(type(usual), read_json_object(file))
    except (OSError, RoborewError) as error:
        raise InvalidInputError(
            f"--config: {file} is no config.json of a run ({error}); name the file or its run."
        ) from error


def _compared(words: Sequence[str]) -> dict[str, PartConfig]:
    """The rewards that are to be compared: each has settings under its own name."""
    # Read before tyro reads them, since each name makes flags of its own.
    names = ["mini"]
    if "--rewards" in words:
        following = words[words.index("--rewards") + 1 :]
        names = list(takewhile(lambda word: not word.startswith("--"), following))
    return {name.replace("_", "-"): RewardConfig(name) for name in names}
