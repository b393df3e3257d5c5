"""The flags of a command: which there are, which had another name, and which is meant by a wrong
one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from types import MappingProxyType
from typing import Any, cast, get_type_hints

from roborew.config import option_types
from roborew.errors import InvalidInputError, RoborewError
from roborew.workflows.parts import PartConfig, RewardConfig
from roborew.workflows.train.command import LEADING

_RUNS = MappingProxyType(
    {
        "--option": "--reward.KEY VALUE",
        "--camera": "--cameras",
        "--env.camera": "--cameras",
        "--steps": "--total-timesteps",
        "--every": "--score-every",
        "--exploration": "--agent.init-std",
        "--refresh": "--refit",
        "--refreshes": "--num-refits",
        "--minutes": "--max-minutes",
    }
)
OLD_FLAGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "train": _RUNS,
        "demo": _RUNS,
        "fit": {
            "--option": "--critic.KEY VALUE",
            "--encoder-option": "--encoder.KEY VALUE",
            "--members": "--ensemble-size",
            "--camera": "--cameras",
        },
        "score": {
            "--option": "--reward.KEY VALUE",
            "--views": "--cameras",
            "--film": "--video",
            "--no-film": "--no-video",
        },
        "compare": {"--option": "--REWARD.KEY VALUE"},
        "collect": {"--behaviours": "--behaviors", "--camera": "--cameras"},
    }
)
"""What each flag of an earlier release is called now, by command."""
RENAMED_COMMANDS = MappingProxyType({"demos": "collect"})
"""Commands of an earlier release."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one command.

    Attributes:
        command: its name.
        plain: flags that tyro reads.
        parts: the parts that were chosen, whose settings are flags too, by group.
    """

    command: str
    plain: frozenset[str]
    parts: Mapping[str, PartConfig]


def flags_of(name: str, command: type[Any], words: Sequence[str]) -> Flags:
    """Read the flags off the fields of a command, as tyro names them.

    Args:
        name: of the command.
        command: its class.
        words: what was typed, for the parts that it chooses.
    """
    plain = {"--help"}
    parts = dict[str, PartConfig]()
    for flag, kind in _walk(command, ""):
        plain.add(flag)
        path = flag.removeprefix("--")
        if kind is bool:
            group, dot, setting = path.rpartition(".")
            # tyro puts the "no-" of a bool behind the group, not before it.
            plain.add(f"--{group}{dot}no-{setting}")
        if isinstance(kind, type) and issubclass(kind, PartConfig):
            default: PartConfig = cast("Any", kind)()
            name_of_part = value_of(flag, words) or default.name
            parts[path] = replace(default, name=name_of_part)
    # Aliases are declared at the fields, out of reach of their names.
    aliases = {"--instruction": "--goal", "--observations.frame-stack": "--frame-stack"}
    if "--env" in plain and "--shaping" in plain:
        aliases["--cameras"] = "--env.cameras"
    plain |= {alias for flag, alias in aliases.items() if flag in plain}
    return Flags(name, frozenset(plain), parts)


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """The word that follows a flag, the last time that it is given; None without."""
    # The last one wins, as with tyro.
    value = None
    for word, following in pairwise([*words, ""]):
        name, equals, text = word.partition("=")
        if name == flag:
            value = text if equals else following
    return value


def _walk(kind: type[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        name = field.name.replace("_", "-")
        inner: Any = hints[field.name]
        if isinstance(inner, type) and issubclass(inner, PartConfig):
            yield f"--{name}", inner
        elif isinstance(inner, type) and is_dataclass(inner):
            # The configuration of a command lends it its fields without a prefix.
            yield from _walk(inner, "" if name == "config" else f"{prefix}{name}.")
        elif field.name in LEADING and prefix:
            yield f"--{prefix.removesuffix('.')}", inner
        elif field.name == "cameras" and prefix in ("", "env."):
            yield "--cameras", inner
        else:
            yield f"--{prefix}{'config' if field.name == 'config_file' else name}", inner


def check_old_flag(command: str, flag: str) -> None:
    """Raise where a flag has another name now.

    Raises:
        InvalidInputError: it has; the message gives the new one.
    """
    new_flag = OLD_FLAGS.get(command, {}).get(flag)
    if new_flag is not None:
        raise InvalidInputError(f"{command}: {flag} is called {new_flag} now.")


def unknown_flag(flag: str, flags: Flags) -> InvalidInputError:
    """The error of a flag that does not exist: the closest that does, and where it lives."""
    homes = _homes(flags)
    closest = _closest(flag, homes)
    group = flag.removeprefix("--").partition(".")[0]
    if closest is not None:
        hint = f"did you mean {closest}?{homes[closest]}"
    elif group in flags.parts:
        part = flags.parts[group]
        keys = [key.replace("_", "-") for key in _settings(part)]
        hint = f"{part.kind} {part.name} has {', '.join(keys) or 'no settings'}."
    else:
        hint = f"see `roborew {flags.command} --help`."
    return InvalidInputError(f"{flags.command}: unknown option {flag}; {hint}")


def _homes(flags: Flags) -> dict[str, str]:
    """Every flag, with the part that it belongs to in words; nothing for those of the command."""
    homes = dict.fromkeys(flags.plain, "")
    for group, part in flags.parts.items():
        home = f" ({part.kind} {part.name})"
        for key in _settings(part):
            name = key.replace("_", "-")
            homes[f"--{group}.{name}"] = home
    return homes


def _closest(flag: str, available: Collection[str]) -> str | None:
    """The flag that was most likely meant: the same setting of another group, a setting of the same
    group that is spelled alike, or any flag that is; None if there is none."""
    group, dot, key = flag.rpartition(".")
    dotted = [name for name in available if "." in name]
    if not dot:
        plain = sorted(name for name in available if "." not in name)
        return _most_alike(flag, plain, cutoff=0.8)
    for name in dotted:
        if name.rpartition(".")[2] == key:
            return name
    # The group is left out of the comparison: it would make any two of its settings alike.
    keys = [name.rpartition(".")[2] for name in dotted if name.rpartition(".")[0] == group]
    alike = _most_alike(key, keys, cutoff=0.6)
    if alike is not None:
        return f"{group}.{alike}"
    return _most_alike(flag, sorted(dotted), cutoff=0.8)


def _most_alike(word: str, words: Sequence[str], cutoff: float) -> str | None:
    matches = get_close_matches(word, words, n=1, cutoff=cutoff)
    return matches[0] if matches else None


def _settings(part: PartConfig) -> list[str]:
    """Names of the settings of a part; none where it cannot be had, which is not the mistake here."""
    try:
        if isinstance(part, RewardConfig) and part.is_critic:
            return []
        return list(option_types(part.factory()))
    except RoborewError:
        return []
