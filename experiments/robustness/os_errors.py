"""Errors of the operating system under every command that writes: each ends in one line.

    python -m experiments.robustness.os_errors [--commands train fit ...]

The faults are raised in place of making folders and of opening files for writing (a test runs as
root, whom nothing is forbidden), or come from places where nothing can be; little memory is a limit
on a process of its own, set when all is imported. A row a command and fault goes to
``os_errors.csv``.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import csv
import errno
import io
import itertools
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from experiments.robustness.command_lines import (
    COMMANDS,
    WARM_UP_SECONDS,
    Outcome,
    make_place,
    run,
    working_in,
)

RESULTS = Path(__file__).with_name("os_errors.csv")
LINES = {
    **COMMANDS,
    # A good one, unlike among the spoiled lines: what it trains is tiny.
    "demo": COMMANDS["train"].replace("train", "demo", 1),
    "collect": COMMANDS["collect"].replace("out/set", "out/set-{case}"),
}
WRITING = ("train", "demo", "evaluate", "record", "fit", "score", "compare", "collect")
RAISED = {
    "read-only": errno.EROFS,
    "no permission": errno.EACCES,
    "not permitted": errno.EPERM,
    "disk full": errno.ENOSPC,
    "quota": errno.EDQUOT,
    "too large": errno.EFBIG,
    "too many open files": errno.EMFILE,
    "input/output error": errno.EIO,
    "stale": errno.ESTALE,
}
OUT_OF_PLACE = {
    "name too long": "a" * 300,
    "not a directory": "text/below",
    "circle of links": "circle/below",
    "device": "/dev/full/below",
}
SPARE_MB = (0, 8, 64)
"""Memory that a process may take beside what it has when the command begins [MB]."""
LIMITED = """
import resource, sys
import roborew.workflows.refit, roborew.workflows.compare, roborew.workflows.record
from roborew import cli
import roborew_envs, torch
used = next(line for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = int(used.split()[1]) * 1024 + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(cli.main(sys.argv[2:]))
"""
FIELDS = ("command", "fault", "outcome", "line")


@contextlib.contextmanager
def raising(number: int) -> Generator[None]:
    """Let every attempt to make a folder or to open a file for writing fail inside the block."""

    def fail(path: Any) -> OSError:
        return OSError(number, os.strerror(number), os.fspath(path))

    def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            is_path = isinstance(file, str | bytes | os.PathLike)
            if is_path and set(mode) & set("wxa+") and str(file) != os.devnull:
                raise fail(file)
            return function(file, mode, *rest, **options)

        return opened

    low_open = os.open

    def os_open(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path) != os.devnull:
            raise fail(path)
        return low_open(path, flags, *rest, **options)

    def mkdir(path: Any, *rest: Any, **options: Any) -> None:
        raise fail(path)

    with (
        patch.object(os, "mkdir", mkdir),
        patch.object(os, "open", os_open),
        patch.object(io, "open", refusing(io.open)),
        patch.object(builtins, "open", refusing(builtins.open)),
    ):
        yield


@contextlib.contextmanager
def no_temporary_folder() -> Generator[None]:
    """Let nothing be a folder for temporary files inside the block."""

    def missing() -> str:
        text = "No usable temporary directory found in ['/tmp', '/var/tmp']"
        raise FileNotFoundError(errno.ENOENT, text)

    with patch.object(tempfile, "gettempdir", missing), patch.object(tempfile, "tempdir", None):
        yield


def limited(words: Sequence[str], spare_mb: int) -> Outcome:
    """The outcome of a command in a process with so much memory left."""
    command = [sys.executable, "-c", LIMITED, str(spare_mb), *words]
    began = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "Traceback (most recent" in ended.stderr:
        kind = "traceback"
    elif "roborew: unexpected" in ended.stderr or ended.returncode < 0:
        kind = "unexpected"
    else:
        kind = "accepted" if ended.returncode == 0 else "refused"
    return Outcome(kind, ended.stderr, time.perf_counter() - began)


def outcomes(name: str) -> Generator[tuple[str, Outcome]]:
    """The outcome of a command under each fault, in the folder of `make_place`."""
    numbers = itertools.count()

    def words() -> list[str]:
        return shlex.split(LINES[name].format(case=next(numbers)))

    for fault, number in RAISED.items():
        with raising(number):
            yield fault, run(words(), WARM_UP_SECONDS)
    with no_temporary_folder():
        yield "no temporary folder", run(words(), WARM_UP_SECONDS)
    for spare_mb in SPARE_MB:
        yield f"{spare_mb} MB of memory", limited(words(), spare_mb)
    if name in ("evaluate", "record"):
        return  # they write into the run
    for fault, out in OUT_OF_PLACE.items():
        yield fault, run([*words(), "--out", out])


def rows(names: Sequence[str]) -> Generator[dict[str, str]]:
    """A row of the results for each command and fault."""
    for name in names:
        for fault, outcome in outcomes(name):
            line = outcome.text.partition("roborew: ")[2].partition("\n")[0]
            yield dict(zip(FIELDS, (name, fault, outcome.kind, line[:160]), strict=True))


def earlier_rows(names: Sequence[str]) -> list[dict[str, str]]:
    """Rows of the results of other commands than these."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["command"] not in names]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", nargs="+", choices=WRITING, default=WRITING)
    names: Sequence[str] = parser.parse_args().commands
    table = earlier_rows(names)
    with tempfile.TemporaryDirectory() as folder:
        make_place(Path(folder))
        with working_in(Path(folder)):
            for name in names:
                run(shlex.split(LINES[name].format(case="first")), limit=WARM_UP_SECONDS)
            for row in rows(names):
                table.append({key: text.replace(folder, "FOLDER") for key, text in row.items()})
                print(*table[-1].values(), sep="  ", flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
