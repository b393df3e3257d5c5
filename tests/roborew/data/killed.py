"""Run as a script: write a set, killed at one moment after the other, each time gone on with, and
compare the outcome.

Every flush, rename and link is a moment. Each attempt is a forked process, so that the kill is a
true SIGKILL and the interpreter starts only once.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roborew.data.atomic_dataset import DatasetWriter, write_dataset
from roborew.data.lerobot import LeRobotWriter
from roborew.data.manifest_writer import write_manifest_dataset
from tests.roborew.data.sets import LOSSLESS, episode

FORMS: dict[str, DatasetWriter] = {"lerobot": LeRobotWriter(), "folder": write_manifest_dataset}
EPISODES = 3


def in_a_process(work: Callable[[], None]) -> int:
    """Exit status of a fork that does the work; negative: the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status)


def kill_at(moment: int) -> None:
    """End this process at its ``moment``-th flush, rename or link, just before it is done."""
    left = moment

    def dying(do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*arguments, **keywords)

        return call

    for name in ("fsync", "rename", "replace", "link", "rmdir"):
        setattr(os, name, dying(getattr(os, name)))


def write(target: Path, form: str, first: Path | None = None) -> None:
    def episodes(start: int) -> Any:
        if first is not None:
            first.write_text(str(start))
        return (episode(number) for number in range(start, EPISODES))

    write_dataset(target, {"form": form}, episodes, LOSSLESS, FORMS[form])


def content(folder: Path) -> str:
    """A digest of every file's name and bytes."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def main(folder: Path, form: str, stride: int) -> None:
    assert in_a_process(lambda: write(folder / "whole", form)) == 0
    expected, kept, moment = content(folder / "whole"), [], 0
    while True:
        target, first = folder / f"killed-{moment}", folder / f"first-{moment}"

        def killed(moment: int = moment, target: Path = target) -> None:
            kill_at(moment)
            write(target, form)

        status = in_a_process(killed)
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        assert not target.exists() or content(target) == expected, f"torn at moment {moment}"
        assert in_a_process(lambda first=first, target=target: write(target, form, first)) == 0
        assert content(target) == expected, f"another set after moment {moment}"
        assert not target.with_name(f"{target.name}.unfinished").exists()
        kept.append(int(first.read_text()) if first.exists() else EPISODES)
        moment += stride
    assert kept == sorted(kept) and kept[0] == 0 and kept[-1] == EPISODES, kept
    print(f"killed {len(kept)} times; episodes kept: {kept}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
