"""Bad command lines, generated: each has to end in one line and an exit code, and soon.

    python -m experiments.robustness.command_lines [--cases 500] [--seed 0]

Every case is a whole and tiny command line of which one word was spoiled: a flag, a setting of a
part or an argument with a value of another type, out of range, huge, not a number, empty, with
control characters, a missing file, a folder for a file, a pipe, a device, a circle of links; a flag
or command that does not exist; a value too few or too many. A row a command goes to
``command_lines.csv``; seed and number of each case that fails are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import random
import shlex
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType

import numpy as np

from roborew import cli
from roborew.cli.flags import flags_of
from roborew.config import option_types
from roborew.data.video import write_video

RESULTS = Path(__file__).with_name("command_lines.csv")
LIMIT_SECONDS = 20.0
"""Of processor time; of wall-clock time six times as much, as other programs may be busy."""
WARM_UP_SECONDS = 600.0
TRAIN = (
    "--env roborew/CartPole-v0 --reward oracle-dense --num-envs 2 --total-timesteps 32 "
    "--agent.n-steps 8 --agent.batch-size 8 --evaluation.episodes 1 --out out"
)
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "train": f"train {TRAIN}",
        # What it records takes half a minute; with no such environment a good word ends early too.
        "demo": f"demo {TRAIN}".replace("CartPole", "Absent"),
        "evaluate": "evaluate runs/a --episodes 1",
        "record": "record runs/a --episodes 1",
        "fit": "fit demos --critic ridge --encoder mini",
        "score": "score demos/a.mp4 --goal lift --no-video --out out",
        "compare": "compare demos/a.mp4 --goal lift --out out",
        "collect": "collect roborew/CartPole-v0 --episodes 1 --out out/set",
        "list": "list rewards",
        "check": "check mini --kind encoder",
        "doctor": "doctor --nothing",  # what it tries takes long, and no word changes it
    }
)
"""A whole command line each, as small as it can be."""
NUMBERS = ("nan", "inf", "-inf", "-1", "0", "-0.0", "1e300", str(10**18), "9" * 400, "0x10", "1,5")
WORDS = (
    "",
    " ",
    "x",
    "None",
    "[]",
    "{}",
    "--",
    "-",
    "a\nb",
    "a\u202eb",
    "\x1b[2J",
    "a\0b",
    "\udcff",
)
NAMES = ("a" * 300, "..", "../../x", "no.module:Class", "json:loads", "os:", ":", "mini:x")
PLACES = (
    *("missing", "missing/file", "empty", "folder", "text", "pipe", "circle", "dangling"),
    *("/dev/null", "/dev/full", "/dev/zero", "/proc/x", "text/below", "nested.json", "list.json"),
)
VALUES = (*NUMBERS, *WORDS, *NAMES, *PLACES)
OUTCOMES = ("refused", "accepted", "unexpected", "traceback", "too slow")


class TooSlowError(BaseException):
    """A command went on for too long; no `Exception`, so that nobody on the way takes it for one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one command line ended.

    Attributes:
        kind: one of `OUTCOMES`.
        text: what it printed on stderr, or the traceback.
        seconds: wall-clock time.
    """

    kind: str
    text: str
    seconds: float


def make_place(folder: Path) -> None:
    """Fill a folder with what the command lines need and with things that are no good."""
    demos = folder / "demos"
    demos.mkdir()
    (folder / "folder").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        frames = rng.integers(0, 255, (6, 32, 32, 3), np.uint8)
        write_video(demos / f"{name}.mp4", frames, 10.0)
    rows = (
        f'{{"case_id": "{name}", "instruction": "lift", "video": "{name}.mp4", '
        '"progress": [0, 0.2, 0.4, 0.6, 0.8, 1], "success": true}}\n'.replace("}}", "}")
        for name in ("a", "b", "c")
    )
    (demos / "manifest.jsonl").write_text("".join(rows))
    (folder / "empty").touch()
    (folder / "text").write_text("no picture, no video, no JSON\n")
    (folder / "nested.json").write_text("[" * 100_000)
    (folder / "list.json").write_text("[1, 2]")
    (folder / "circle").symlink_to("circle")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    with working_in(folder):
        outcome = run(shlex.split(f"train {TRAIN} --name a --out runs"), limit=WARM_UP_SECONDS)
        assert outcome.kind == "accepted", outcome
        # Imports are slow, and no case should pay for them.
        for name in ("fit", "compare"):
            run(shlex.split(COMMANDS[name]), limit=WARM_UP_SECONDS)


def check_good_lines(place: Path) -> None:
    """Raise where a line is no good before a word of it is spoiled: its cases would say nothing."""
    with working_in(place):
        for name in COMMANDS.keys() - {"demo", "doctor"}:
            outcome = run(shlex.split(COMMANDS[name]), limit=WARM_UP_SECONDS)
            assert outcome.kind == "accepted", outcome


def bad_command_line(rng: random.Random) -> list[str]:
    """A command line that is whole but for one word."""
    name = rng.choice(sorted(COMMANDS))
    words = shlex.split(COMMANDS[name])
    spoil = rng.choices(
        (_spoil_flag, _spoil_setting, _spoil_argument, _invent_flag, _spoil_count), (6, 3, 3, 1, 1)
    )[0]
    return spoil(rng, name, words)


def _spoil_flag(rng: random.Random, name: str, words: list[str]) -> list[str]:
    flags = sorted(flags_of(name, cli.COMMANDS[name], words).plain - {"--help", "--debug"})
    return [*words, rng.choice(flags), rng.choice(VALUES)]


def _spoil_setting(rng: random.Random, name: str, words: list[str]) -> list[str]:
    parts = flags_of(name, cli.COMMANDS[name], words).parts
    settings = [
        f"--{group}.{key.replace('_', '-')}"
        for group, part in parts.items()
        for key in option_types(part.factory())
    ]
    if not settings:
        return _spoil_flag(rng, name, words)
    return [*words, f"{rng.choice(sorted(settings))}={rng.choice(VALUES)}"]


def _spoil_argument(rng: random.Random, name: str, words: list[str]) -> list[str]:
    position = rng.randrange(len(words))
    return [*words[:position], rng.choice(VALUES), *words[position + 1 :]]


def _invent_flag(rng: random.Random, name: str, words: list[str]) -> list[str]:
    flag = rng.choice(
        ("--nothing", "--reward.nothing", "--", "---", "-x", "--=", "--.", "--agent.")
    )
    return [*words, flag, rng.choice(VALUES)]


def _spoil_count(rng: random.Random, name: str, words: list[str]) -> list[str]:
    # Without their flags these are good ones, and take minutes.
    if rng.random() < 0.5 and name not in ("train", "demo", "evaluate", "record"):
        return words[: rng.randrange(len(words))]
    return [*words, rng.choice(VALUES)]


def run(words: Sequence[str], limit: float = LIMIT_SECONDS) -> Outcome:
    """Run one command line in this process."""
    output, errors = io.StringIO(), io.StringIO()
    began = time.perf_counter()
    try:
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
            _time_limit(limit),
        ):
            code = cli.main(list(words))
        kind = "accepted" if code == 0 else "refused"
    except SystemExit as error:
        kind = "accepted" if not error.code else "refused"
    except TooSlowError:
        kind = "too slow"
    except Exception:  # noqa: BLE001 - any that comes out is what is looked for
        kind = "traceback"
        errors.write(traceback.format_exc())
    text = errors.getvalue()
    if "roborew: unexpected" in text:
        kind = "unexpected"
    elif "Traceback (most recent" in text:
        kind = "traceback"
    return Outcome(kind, text, time.perf_counter() - began)


@contextlib.contextmanager
def _time_limit(seconds: float) -> Generator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError

    clocks = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, stop) for number in clocks}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    # What waits, for a pipe or a lock, takes no processor time.
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds)
    try:
        yield
    finally:
        for number, clock in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(number, before[number])


@contextlib.contextmanager
def working_in(folder: Path) -> Generator[None]:
    """Work in a folder inside the block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def measure(cases: int, seed: int, place: Path) -> dict[str, Counter[str]]:
    """Run so many bad command lines; how they ended, by command."""
    counts: dict[str, Counter[str]] = {}
    for number in range(cases):
        words = bad_command_line(random.Random(f"{seed}/{number}"))
        with working_in(place):
            outcome = run(words)
        name = words[0] if words and words[0] in COMMANDS else "(none)"
        counts.setdefault(name, Counter())[outcome.kind] += 1
        if outcome.kind not in ("refused", "accepted"):
            quoted = " ".join(ascii(word)[:80] for word in words)
            print(f"seed {seed}, case {number}: {outcome.kind}: {quoted}\n{outcome.text}")
        if number % 50 == 49:
            print(f"{number + 1} of {cases}", flush=True)
            write(counts, seed)
    return counts


def write(counts: Mapping[str, Counter[str]], seed: int, path: Path = RESULTS) -> None:
    """Write a row a command."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["seed", "command", "cases", *OUTCOMES])
        for name, row in sorted(counts.items()):
            table.writerow([seed, name, row.total(), *(row[kind] for kind in OUTCOMES)])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_place(Path(folder))
        check_good_lines(Path(folder))
        counts = measure(options.cases, options.seed, Path(folder))
    write(counts, options.seed)
    total = sum(counts.values(), Counter())
    print({kind: total[kind] for kind in OUTCOMES})


if __name__ == "__main__":
    main()
