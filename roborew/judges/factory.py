"""A judge by its registered name and options, as a command line gives them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from roborew.config import keyword_options, parse_options
from roborew.errors import InvalidInputError
from roborew.judges.recorded import Recorder
from roborew.judges.types import Judge, Progress
from roborew.registry import judges


def load_judge(
    name: str,
    options: Sequence[str] = (),
    *,
    device: str = "cpu",
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Judge:
    """Open the judge called ``name``. One that cannot be had is an error, never another judge.

    Args:
        name: of the registry `roborew.registry.judges`.
        options: ``key=value`` pairs, the keyword arguments of its class.
        device: for a judge that has a device and whose options do not name one.
        cache: a file of stored answers: what is in it is not asked again, see
            `roborew.judges.recorded.Recorder`.
        progress: called with the questions done and the questions in all while the judge works.

    Raises:
        UnknownNameError: no such judge or option.
        InvalidInputError: an option is missing or has a value of another type.
        MissingBackendError: its package or weights are absent.
    """
    factory = judges.load(name)
    arguments = parse_options(factory, options)
    if "device" in keyword_options(factory):
        arguments.setdefault("device", device)
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        raise InvalidInputError(
            f"judge {name!r}: {error}; options: {', '.join(keyword_options(factory))}."
        ) from error
    judge = factory(**arguments)
    if cache is not None:
        judge = Recorder(judge, cache)
    judge.progress = progress
    return judge
