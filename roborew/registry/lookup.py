"""Names for the parts that a user chooses: data first, imported only when one is used.

Three ways lead to a part: the tables below; an entry point of another package in a registry's group,
such as ``[project.entry-points."roborew.rewards"]`` with ``height = "my_package.height:Height"``; and
``my_package.height:Height`` itself, wherever a name is accepted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    MissingBackendError,
    UnknownNameError,
    first_line,
)

logger = logging.getLogger(__name__)
TRUST = "ROBOREW_TRUST"
"""Environment variable: code that files may name, ``package.module:Class``, separated by commas."""
_trusted: set[str] = set()


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a part lives and what it is.

    Attributes:
        target: ``"package.module:attribute"``, imported by `Registry.load`.
        summary: one line for ``roborew list``.
        paper: where the method comes from; empty where it is our own.
        needs: what a user must bring, such as weights or demonstrations; empty where nothing.
        aliases: other names for the same part.
        package: the installed package that brings it; empty for roborew's own.
        example: flags of a command that uses it; empty where its name is enough.
    """

    target: str
    summary: str = ""
    paper: str = ""
    needs: str = ""
    aliases: tuple[str, ...] = ()
    package: str = ""
    example: str = ""


class Registry(Mapping[str, Entry]):
    """A mapping from name to `Entry` of one kind of part.

    Iteration gives roborew's own names first, then those of other packages. A name that two other
    packages bring is an error when it is loaded; all other names still work.

    >>> codecs = Registry("codec")
    >>> codecs.register("json", "json:loads", "text in, objects out", aliases=("text",))
    >>> codecs.load("json")("[1]"), codecs.load("text")("[2]"), codecs.load("json:loads")("[3]")
    ([1], [2], [3])
    >>> codecs.load("jsn")
    Traceback (most recent call last):
        ...
    roborew.errors.UnknownNameError: unknown codec 'jsn'. Did you mean 'json'? Available: json.

    Args:
        kind: of part, for messages.
        entries: the first parts.
        group: entry points of other packages that are read as well; none if empty.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, Entry] | None = None, group: str = ""
    ) -> None:
        self.kind = kind
        self.group = group
        self._own: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}
        self._plugin_entries: dict[str, Entry] | None = None
        self._ambiguous: dict[str, str] = {}
        for name, entry in (entries or {}).items():
            self._add(name, entry)

    def register(
        self, name: str, target: str, summary: str = "", *, aliases: tuple[str, ...] = ()
    ) -> None:
        """Add a part under a new name; nothing is imported.

        Raises:
            InvalidInputError: a name is taken, or ``target`` is not ``"module:attribute"``.
        """
        self._add(name, Entry(target, summary, aliases=aliases))

    def canonical(self, name: str) -> str:
        """Return the name under which a part is listed, for one of its aliases or that name itself;
        ``package.module:Class`` stays as it is.

        Raises:
            UnknownNameError: no such name; the message offers close matches and the list.
        """
        name = self._aliases.get(name, name)
        if name in self._own or name in self._plugins() or _is_target(name):
            return name
        raise UnknownNameError(self.kind, name, self)

    def load(self, name: str) -> Any:
        """Import and return the part called ``name``, or what ``package.module:Class`` names.

        Raises:
            UnknownNameError: no such name; the message offers close matches and the list.
            MissingBackendError: its module, or what that module needs, is not installed.
            InvalidInputError: two packages bring this name, or what it names can make nothing.
        """
        name = self.canonical(name)
        if ":" in name:
            trust(name)
        if name in self._ambiguous:
            raise InvalidInputError(
                f"{self.kind} {name!r}: brought by several packages ({self._ambiguous[name]}); "
                "write package.module:Class to say which."
            )
        return _import_target(self.kind, name, self[name].target)

    def problems(self) -> dict[str, str]:
        """Return what is wrong with each part of another package that cannot be loaded, by name."""
        faults: dict[str, str] = {}
        for name in self._plugins():
            try:
                self.load(name)
            except (MissingBackendError, InvalidInputError) as error:
                faults[name] = first_line(error)
        return faults

    def __getitem__(self, name: str) -> Entry:
        name = self.canonical(name)
        if name in self._own:
            return self._own[name]
        # `canonical` let it through, so a name found nowhere is package.module:Class.
        return self._plugins().get(name) or Entry(name, "named by its module and class")

    def __contains__(self, name: object) -> bool:
        # Not package.module:Class, though it loads: iteration would never give it.
        return name in self._aliases or name in self._own or name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._plugins()

    def __len__(self) -> int:
        return len(self._own) + len(self._plugins())

    def _add(self, name: str, entry: Entry) -> None:
        # Checked when it is written down: it is imported much later, if ever.
        _check_target(self.kind, name, entry.target)
        for word in (name, *entry.aliases):
            # Both kinds of name are looked up: an alias must not hide another part's own name.
            existing = self._own.get(self._aliases.get(word, word))
            if existing is not None:
                raise InvalidInputError(
                    f"{self.kind} {word!r} is already {existing.target}; "
                    f"register {entry.target} under another name."
                )
        self._own[name] = entry
        self._aliases |= dict.fromkeys(entry.aliases, name)

    def _plugins(self) -> dict[str, Entry]:
        """Parts of other packages; read once, when a name is first looked up."""
        if self._plugin_entries is None:
            self._plugin_entries = {}
            for point in entry_points(group=self.group) if self.group else ():
                # An entry point that no installed package owns has no ``dist``.
                package = point.dist.name if point.dist is not None else "an unnamed package"
                self._add_plugin(point.name, Entry(point.value, f"from {package}", package=package))
        return self._plugin_entries

    def _add_plugin(self, name: str, entry: Entry) -> None:
        assert self._plugin_entries is not None
        if name in self._own or name in self._aliases:
            # A stranger's package never replaces a part that results were published with.
            logger.warning(
                "%s %r of %s is ignored: roborew has one of this name. Write %s instead.",
                self.kind,
                name,
                entry.package,
                entry.target,
            )
            return
        if name in self._plugin_entries:
            # Neither wins: which was read first is an accident, and no choice of the user.
            packages = self._ambiguous.get(name, self._plugin_entries[name].package)
            self._ambiguous[name] = f"{packages}, {entry.package}"
        self._plugin_entries[name] = entry


def trust(name: str) -> None:
    """Remember that the user named this code, or this place to write to, so that files of this
    process may name it as well."""
    _trusted.add(name)


def is_trusted(name: str) -> bool:
    """Whether this process's user named it, or the environment variable ``ROBOREW_TRUST``."""
    return name in _trusted or name in os.environ.get(TRUST, "").split(",")


def is_address(name: str) -> bool:
    """Whether a name is where a part is served."""
    return name.startswith(("http://", "https://"))


def check_name_from_file(kind: str, name: object, place: str) -> str:
    """Return a name that a file gives; one that would have to be imported must be the user's own.

    Args:
        kind: of part, for the message.
        name: to look at.
        place: the file, for the message.

    Raises:
        CorruptFileError: it is no text.
        InvalidInputError: it is ``module:something``, which neither this process's user named nor
            the environment variable ``ROBOREW_TRUST``.
    """
    if not isinstance(name, str):
        raise CorruptFileError(f"{place}: expected the name of a {kind}; got {name!r:.80}.")
    # An address of a served reward is asked, and imports nothing.
    if ":" not in name or is_address(name) or is_trusted(name):
        return name
    raise InvalidInputError(
        f"{place} names {kind} {name!r:.80}: code that would be imported and run. If it is yours, or "
        f"you trust it, say so: {TRUST}={name:.80} roborew ..."
    )


def _is_target(text: str) -> bool:
    module, _, attribute = text.partition(":")
    # An empty attribute, a dotted one or one with a second colon is no identifier either.
    return attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _check_target(kind: str, name: str, target: str) -> None:
    if not _is_target(target):
        raise InvalidInputError(
            f"{kind} {name!r}: expected 'package.module:attribute'; got {target!r}."
        )


def _import_target(kind: str, name: str, target: str) -> Any:
    """Import ``package.module:attribute``, also from the working directory, which must be a class or
    a function."""
    _check_target(kind, name, target)
    module_name, _, attribute = target.partition(":")
    # The core itself needs no simulator: only a module of the user's waits for that package.
    load = import_module
    if not module_name.startswith("roborew."):
        load = import_module("roborew_envs.core.user_modules").import_user_module
    try:
        module = load(module_name)
    except ImportError as error:
        raise MissingBackendError(
            f"{kind} {name!r} ({target}) cannot be imported: {error}."
        ) from error
    if not hasattr(module, attribute):
        raise InvalidInputError(f"{kind} {name!r}: {module_name} has no {attribute!r}.")
    part = getattr(module, attribute)
    if not callable(part):
        raise InvalidInputError(
            f"{kind} {name!r}: expected a class or function; {target} is {type(part).__name__}."
        )
    return part
