"""A process that reads files, and one that watches it: what a decoder does to the process is seen
from outside."""

from __future__ import annotations

import multiprocessing as mp
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from roborew import RoborewError
from roborew.data import iter_video
from roborew.data.lerobot import open_lerobot
from roborew.data.pictures import read_picture

SECONDS = 10.0
"""What is not read by then hangs."""
CRASH, HANG = "crash", "hang"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one file.

    Attributes:
        frames: how many were read to the end without an error, of a data set its rows; None where
            there was an error.
        error: name of the error, "hang" or "crash"; empty where there was none.
        typed: whether the error is one of roborew's.
        said: its message.
        seconds: wall-clock time.
        megabytes: the most memory that the reading process has held so far.
    """

    frames: int | None
    error: str = ""
    typed: bool = True
    said: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def _count_frames(path: Path) -> int:
    return sum(1 for _ in iter_video(path))


def _count_pictures(path: Path) -> int:
    return int(read_picture(path).size > 0)


def _count_rows(path: Path) -> int:
    """Rows of a LeRobot data set, all tables of which are read."""
    dataset = open_lerobot(path)
    rows = 0
    for entry in dataset.episodes:
        dataset.instruction(entry)
        rows += len(dataset.columns(entry.index)["index"])
    return rows


COUNTS: dict[str, Callable[[Path], int]] = {
    "films": _count_frames,
    "pictures": _count_pictures,
    "tables": _count_rows,
}
"""Kind of file -> what reads one to its end and counts what is in it."""


def read(path: Path, kind: str = "films") -> Reading:
    """Read a file to its end, in this process."""
    began = time.perf_counter()
    frames, error, typed, said = None, "", True, ""
    try:
        frames = COUNTS[kind](path)
    except Exception as problem:  # noqa: BLE001 - what else comes out is what is counted
        error, typed, said = type(problem).__name__, isinstance(problem, RoborewError), str(problem)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Reading(frames, error, typed, said, time.perf_counter() - began, megabytes)


class Reader:
    """Reads in another process, which is replaced when it dies or hangs."""

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def read(self, path: Path, kind: str = "films") -> Reading:
        try:
            self._calls.send((path, kind))
            if self._calls.poll(SECONDS):
                return self._calls.recv()
            reading = Reading(None, HANG, typed=False, seconds=SECONDS)
        except (EOFError, OSError):
            reading = Reading(None, CRASH, typed=False, said=f"exit code {self._process.exitcode}")
        self._process.kill()
        self._process.join()
        self._start()
        return reading

    def _start(self) -> None:
        context = mp.get_context("spawn")
        self._calls, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        there.close()


def _serve(calls: Connection) -> None:
    while True:
        calls.send(read(*calls.recv()))
