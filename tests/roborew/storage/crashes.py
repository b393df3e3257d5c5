"""Run as a script: every command that writes, ended at one file operation after the other, and gone on
with as it advises.

    python -m tests.roborew.storage.crashes FOLDER [--stride 1] [--commands train fit] [--csv FILE]

A file operation is an opening for writing, a flush, a new folder, a rename, a link, a removal. At each
the process ends at once (``crash``; a file that was to be flushed keeps half its bytes), or the
operation fails (``full``: no space, ``fault``: input/output error). Each attempt is a fork, so that
the interpreter starts only once.
"""

from __future__ import annotations

import argparse
import csv
import errno
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from roborew import cli
from roborew.critics.critic import Critic
from roborew.data import write_video
from roborew.data.reading import read_demonstrations
from roborew.encoders.cache import EmbeddingCache
from roborew.errors import RoborewError
from roborew.storage.run import RunDirectory
from tests.roborew.ascent import ENV, ROLLOUT
from tests.roborew.data.sets import write_as_folder

HEIGHT = "tests.roborew.ascent:Height"
CRASH, KINDS = "crash", {"crash": 0, "full": errno.ENOSPC, "fault": errno.EIO}
TRAIN = ["train", "--env", ENV, "--goal", "climb", "--reward", HEIGHT, "--num-envs", "8"]
TRAIN += ["--total-timesteps", str(2 * ROLLOUT), "--evaluation.episodes", "2"]
EVENTS = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.truncate")
CRASHED = 99


@dataclass
class Operations:
    """Counts the file operations below a folder, and ends at one of them."""

    folder: str
    kind: str = CRASH
    end_at: int = -1
    count: int = 0
    log: list[str] = field(default_factory=list[str])

    def install(self) -> None:
        fsync = os.fsync
        sys.addaudithook(self._hook)

        def counted(handle: int) -> None:
            if self._is_inside(os.readlink(f"/proc/self/fd/{handle}")):
                self._note("fsync", handle)
            fsync(handle)

        os.fsync = counted

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and isinstance(path, str | Path) and self._is_inside(str(path)):
                self._note(f"open {path}")
        elif event in EVENTS:
            # The others have one path, and a mode or a length beside it.
            paths = arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]
            if any(self._is_inside(str(path)) for path in paths):
                self._note(f"{event} {arguments[0]}")

    def _is_inside(self, path: str) -> bool:
        return os.path.abspath(path).startswith(self.folder)

    def _note(self, what: str, handle: int | None = None) -> None:
        self.log.append(what)
        self.count += 1
        if self.count != self.end_at:
            return
        if self.kind == CRASH:
            if handle is not None:
                _halve(handle)
            os._exit(CRASHED)
        raise OSError(KINDS[self.kind], os.strerror(KINDS[self.kind]))


def _halve(handle: int) -> None:
    """What is not flushed may be lost in part; what is appended to was flushed before."""
    name = os.readlink(f"/proc/self/fd/{handle}")
    if os.path.isfile(name) and not name.endswith("metrics.jsonl"):
        os.truncate(name, os.path.getsize(name) // 2)


@dataclass(frozen=True)
class Case:
    """A command, and what must hold after it."""

    prepare: Callable[[Path], None]
    words: Sequence[str]
    check: Callable[[], None]
    way_on: Callable[[str], Sequence[str]] | None = None
    run: Callable[[], int] | None = None

    def call(self, said: str = "") -> int:
        if self.run is not None:
            return self.run()
        return cli.main(list(self.way_on(said) if said and self.way_on else self.words))


def after_training(said: str) -> Sequence[str]:
    """What one does next: resume if there is a run, evaluate if it says that it is finished, else the
    same again."""
    if not Path("runs/run").exists():
        return [*TRAIN, "--name", "run"]
    finished = Path("runs/run/summary.json").exists()
    return ["evaluate", "runs/run", "--episodes", "2"] if finished else RESUME


RESUME = ["train", "--resume", "runs/run"]


def check_run() -> None:
    run = RunDirectory.open("runs/run")
    checkpoint = run.load_checkpoint()
    assert checkpoint is not None and checkpoint.step == 2 * ROLLOUT
    assert [record["steps"] for record in run.metrics()] == [ROLLOUT, 2 * ROLLOUT]
    assert list(run.path.glob("report*.html")) and (run.path / "summary.json").is_file()
    assert {path.name for path in (run.path / "ckpt").iterdir()} >= {"latest"}


def check_json(folder: str, *patterns: str) -> Callable[[], None]:
    def check() -> None:
        for pattern in patterns:
            files = list(Path(folder).glob(pattern))
            assert files, f"no {pattern}"
            for file in files:
                text = file.read_text()
                assert text.strip()
                for line in text.splitlines() if file.suffix == ".jsonl" else [text]:
                    json.loads(line)

    return check


def check_videos(folder: str) -> Callable[[], None]:
    def check() -> None:
        from roborew.data import read_video

        videos = list(Path(folder).glob("*.mp4"))
        assert videos and all(len(read_video(video)) > 1 for video in videos)

    return check


def check_critic() -> None:
    critics = [path for path in Path("critics").iterdir() if not path.name.startswith(".")]
    assert critics
    for path in critics:
        Critic.from_pretrained(path)


def check_set() -> None:
    assert len(read_demonstrations(Path("set"))) == 1


def put() -> int:
    cache = EmbeddingCache(8, Path("cache"))
    for number in range(3):
        cache.put({bytes([number]) * 32: np.full(4, number, np.float32)})
    return 0


@dataclass(frozen=True)
class Tiny:
    """Settings of a run that only stores."""

    rate: float = 0.5


def store() -> int:
    """What training does to the disk, without the training: goes on where it was ended."""
    path = Path("run")
    with RunDirectory.resume(path) if path.exists() else RunDirectory.create(path, Tiny()) as run:
        checkpoint = run.load_checkpoint()
        done = checkpoint.step if checkpoint else 0
        if checkpoint:
            # Saved again at the same step, as by a session that ends at once.
            run.save_checkpoint(done, checkpoint.arrays, checkpoint.meta)
        for step in range(done + 1, 5):
            run.log({"step": step})
            run.save_checkpoint(step, {"weights": np.full(3, step)}, {"step": step})
        run.write_json("summary.json", {"steps": 4})
    return 0


def check_store() -> None:
    run = RunDirectory.open("run")
    checkpoint = run.load_checkpoint()
    assert checkpoint is not None and checkpoint.meta == {"step": 4}
    np.testing.assert_array_equal(checkpoint.arrays["weights"], np.full(3, 4))
    assert run.metrics() == [{"step": step} for step in range(1, 5)]
    assert json.loads((run.path / "summary.json").read_text()) == {"steps": 4}


def begun_store(folder: Path) -> None:
    with RunDirectory.create("run", Tiny()) as run:
        run.log({"step": 1})
        run.save_checkpoint(1, {"weights": np.full(3, 1)}, {"step": 1})


def check_cache() -> None:
    cache = EmbeddingCache(8, Path("cache"))
    assert all(cache.get(bytes([number]) * 32) is not None for number in range(3))


def nothing(folder: Path) -> None:
    pass


def finished_run(folder: Path) -> None:
    shutil.copytree(folder / "run", "runs/run")


def unfinished_run(folder: Path) -> None:
    finished_run(folder)
    for path in Path("runs/run").iterdir():
        if path.name not in ("run.json", "config.json", "metrics.jsonl", "ckpt", "lock"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(f"runs/run/ckpt/step_{2 * ROLLOUT}")


def video(folder: Path) -> None:
    shutil.copy(folder / "climb.mp4", "climb.mp4")


def demonstrations(folder: Path) -> None:
    shutil.copytree(folder / "demos", "demos")


SCORE = ["score", "climb.mp4", "--reward", HEIGHT, "--goal", "climb"]
COMPARE = ["compare", "climb.mp4", "--rewards", HEIGHT, "--goal", "climb"]
FIT = ["fit", "demos", "--critic", "ridge", "--encoder", "mini", "--out", "critics/demos"]
COLLECT = ["collect", "roborew/Press-v0", "--episodes", "1", "--out", "set"]
COLLECT += ["--width", "32", "--height", "24"]
CASES = {
    "train": Case(nothing, [*TRAIN, "--name", "run"], check_run, after_training),
    "resume": Case(unfinished_run, RESUME, check_run, after_training),
    "evaluate": Case(
        finished_run,
        ["evaluate", "runs/run", "--episodes", "2"],
        check_json("runs/run", "evaluation*.json"),
    ),
    "record": Case(
        finished_run, ["record", "runs/run", "--episodes", "1"], check_videos("runs/run/videos")
    ),
    "score": Case(video, SCORE, check_json("scores", "*.jsonl")),
    "compare": Case(video, [*COMPARE, "--out", "scores"], check_json("scores", "compare*.json")),
    "fit": Case(demonstrations, FIT, check_critic, lambda _: [*FIT[:-1], "critics/again"]),
    "collect": Case(nothing, COLLECT, check_set),
    "store": Case(nothing, [], check_store, run=store),
    "store again": Case(begun_store, [], check_store, run=store),
    "cache": Case(nothing, [], check_cache, run=put),
}


def leftovers() -> list[str]:
    """What no command may leave once the next one has ended well."""
    found = [path for path in Path().rglob("*") if path.name.startswith(".roborew-")]
    found += [path for path in Path().rglob("*") if path.suffix in (".tmp", ".old", ".unfinished")]
    return [str(path) for path in found]


def in_a_process(work: Callable[[], int], said: Path) -> int:
    """Exit status of a fork that does the work in an empty folder; what it says goes to a file."""
    child = os.fork()
    if child == 0:
        code = 1
        with said.open("w") as file, redirect_stdout(file), redirect_stderr(file):
            try:
                code = work()
            except RoborewError as error:
                print(error)
            except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
                traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def attempt(case: Case, kind: str, moment: int, folder: Path, place: Path) -> tuple[bool, str]:
    """End a command at one moment and go on; whether the moment was reached, and what was wrong."""
    place.mkdir()
    os.chdir(place)
    case.prepare(folder)
    operations = Operations(str(place), kind, moment)
    said = folder / "said.txt"

    def broken() -> int:
        operations.install()
        code = case.call()
        return code if operations.count < moment else 50 + code

    code = in_a_process(broken, said)
    text = said.read_text()
    if code == 0:
        return False, ""
    # Else the sweep of a command that fails by itself has no end.
    assert kind != CRASH or code == CRASHED, f"{text} ended with {code} before it was killed"
    wrong = ""
    if kind == "full" and "disk is full" not in text and "No space left" not in text and code != 50:
        wrong = f"not said: {text[-500:]}"
    # What is called from Python raises the system's own error of a fault.
    if kind != CRASH and case.run is None and ("Traceback" in text or "unexpected" in text):
        wrong = f"traceback: {text[-500:]}"
    if kind != CRASH and code == 50 and case.run is None:
        wrong = "failed in silence" if not _tolerated(case) else ""
    code = in_a_process(lambda: case.call("ended"), said)
    if code:
        wrong = wrong or f"the next one ended with {code}: {said.read_text()[-500:]}"
    code = in_a_process(lambda: case.check() or 0, said)
    if code:
        wrong = wrong or f"half: {said.read_text()[-600:]}"
    if left := leftovers():
        wrong = wrong or f"left: {left}"
    return True, wrong


def _tolerated(case: Case) -> bool:
    """Whether all that the command promises is there although an operation failed, such as the removal
    of what is not needed any more."""
    try:
        case.check()
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return False
    return True


def sweep(name: str, kind: str, folder: Path, start: int, stride: int) -> Iterator[tuple[int, str]]:
    """Each moment of a command with what was wrong there, in words."""
    moment = start
    while True:
        place = folder / f"{name}-{kind}-{moment}"
        reached, wrong = attempt(CASES[name], kind, moment, folder, place)
        os.chdir(folder)
        shutil.rmtree(place)
        if not reached:
            return
        yield moment, wrong
        moment += stride


def prepare(folder: Path, commands: Sequence[str] = tuple(CASES)) -> None:
    """What the commands need: a video, a data set, and a finished run, which takes long."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    frames = np.zeros((6, 16, 16, 3), np.uint8)
    frames[:, :, :, 0] = (40 * np.arange(6))[:, None, None]
    write_video("climb.mp4", frames, 10)
    write_as_folder(folder / "demos")
    if not {"resume", "evaluate", "record"} & {*commands}:
        return
    made = in_a_process(
        lambda: cli.main([*TRAIN, "--out", str(folder), "--name", "run"]), folder / "said.txt"
    )
    assert made == 0, (folder / "said.txt").read_text()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--commands", nargs="+", default=list(CASES))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Each command is a process of its own, and the run's file names code.
    os.environ["ROBOREW_TRUST"] = f"{HEIGHT},{ENV}"
    csv_path = options.csv and options.csv.resolve()
    folder = options.folder.resolve()
    prepare(folder, options.commands)
    rows: list[dict[str, Any]] = []
    for name in options.commands:
        for kind in options.kinds:
            results = list(sweep(name, kind, folder, options.start, options.stride))
            faults = [(moment, wrong) for moment, wrong in results if wrong]
            rows.append(
                {"command": name, "kind": kind, "moments": len(results), "wrong": len(faults)}
            )
            print(rows[-1], flush=True)
            for moment, wrong in faults:
                print(f"  {name} {kind} at {moment}: {wrong}", flush=True)
    if csv_path:
        with csv_path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return any(row["wrong"] for row in rows)


if __name__ == "__main__":
    sys.exit(main())
