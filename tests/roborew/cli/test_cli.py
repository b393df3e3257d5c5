"""What a user types: the whole way in one command, one clear line for each mistake, and nothing
lost at Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import tyro

from roborew import cli
from roborew.storage.run import RunDirectory
from roborew.workflows.factories import load_trained
from roborew.workflows.train import logger
from roborew.workflows.train.logger import Status
from tests.roborew.ascent import ENV, ROLLOUT, heights  # noqa: F401

WORLD = [
    "--env",
    ENV,
    "--instruction",
    "climb",
    "--reward",
    "height",
    "--num-envs",
    "8",
    "--total-timesteps",
    str(2 * ROLLOUT),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_train_evaluate_and_record_make_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *WORLD]) == 0
    path = Path("runs/ascent-v0-height-ppo-1")
    said = capsys.readouterr().out
    summary = json.loads((path / "summary.json").read_text())
    assert json.loads(next(line for line in said.splitlines() if line.startswith("{"))) == summary
    assert summary["episodes"] == 100 and summary["steps"] == 2 * ROLLOUT
    assert f"report: {path / 'report.html'}" in said
    assert cli.main(["evaluate", str(path), "--episodes", "5"]) == 0
    assert cli.main(["record", str(path), "--episodes", "2"]) == 0
    assert {"evaluation-2.json", "report-2.html"} <= {file.name for file in path.iterdir()}
    assert len(list((path / "videos").glob("*.mp4"))) == 2
    assert json.loads((path / "summary.json").read_text()) == summary


def test_a_second_run_takes_the_next_free_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert [cli.main(["train", *WORLD]) for _ in range(2)] == [0, 0]
    assert len(list(Path("runs").iterdir())) == 2


def test_demo_ends_with_the_summary_and_the_paths_of_report_and_video(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["demo", *WORLD]) == 0
    *_, summary, report, first, second, third = capsys.readouterr().out.splitlines()
    assert json.loads(summary)["environment"] == ENV
    assert (
        report == "report: runs/demo-1/report.html"
        and first == "video 1: runs/demo-1/videos/episode-1.mp4"
    )
    assert all(Path(line.split(": ")[1]).is_file() for line in (report, first, second, third))
    assert Path("runs/demo-1/report.html").read_text().count("<video") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--env", "roborew/Pres-v0"], "Did you mean 'roborew/Press-v0'"),
        (["train", *WORLD, "--reward", "mine"], "Did you mean 'mini'"),
        (["train", *WORLD, "--agent", "pppo"], "Available: ppo, sb3-ppo, sb3-sac"),
        (["train", *WORLD, "--goal", ""], "1 to 512 printable characters"),
        (["train", *WORLD, "--seed", "-1"], "seed: expected a whole number from 0 up"),
        (["train", *WORLD, "--name", "taken"], "never overwritten"),
        (["train", *WORLD, "--reward", "broken"], "NaN"),
        (["train", "--resume", "nowhere"], "is no run"),
        (
            ["train", "--resume", "nowhere", "--total-timesteps", "5"],
            "takes all settings from the run",
        ),
        (["evaluate", "nowhere"], "expected a folder made by"),
        (["record", "nowhere"], "expected a folder made by"),
    ],
)
def test_a_mistake_is_one_clear_line_and_no_traceback(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs/taken").mkdir(parents=True)
    assert cli.main(words) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("roborew: ") and said in complaint.splitlines()[0]
    assert "Traceback" not in complaint


def test_debug_shows_where_an_error_came_from() -> None:
    with pytest.raises(KeyError, match="unknown reward"):
        cli.main(["train", *WORLD, "--reward", "mine", "--debug"])


def test_an_error_of_gymnasium_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import gymnasium

    def refuse(*arguments: Any) -> None:
        raise gymnasium.error.ResetNeeded("call reset() first")

    monkeypatch.setattr("roborew.workflows.train.loop.start", refuse)
    assert cli.main(["train", *WORLD]) == 2
    assert capsys.readouterr().err == "roborew: call reset() first\n"


@pytest.mark.parametrize("words", [["list", "robots"], ["train", "--stepps", "5"], []])
def test_what_cannot_be_parsed_exits_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(words)
    assert exit_.value.code == 2


def settings_of(kind: Any) -> Iterator[str]:
    """Names of the settings of a command that are key=value, as they are typed."""
    for one in fields(kind):
        if is_dataclass(inner := get_type_hints(kind)[one.name]):
            yield from settings_of(inner)
        elif one.name.endswith("option"):
            yield f"--{one.name.replace('_', '-')}"


COMMANDS = {get_args(one)[1].name: get_args(one)[0] for one in get_args(cli.AnyCommand)}
NEEDED = {
    "fit": ["films"],
    "score": ["film.mp4", "--goal", "go"],
    "compare": ["film.mp4", "--goal", "go"],
}
REPEATABLE = [(command, word) for command, kind in COMMANDS.items() for word in settings_of(kind)]


def test_the_commands_with_settings_are_found() -> None:
    assert {"train", "fit", "score", "compare", "demo"} == {command for command, _ in REPEATABLE}


@pytest.mark.parametrize(("command", "word"), REPEATABLE)
def test_a_setting_given_several_times_keeps_all(command: str, word: str) -> None:
    parsed = tyro.cli(
        cli.AnyCommand, args=[command, *NEEDED.get(command, []), word, "a=1", word, "b=2"]
    )
    assert "('a=1', 'b=2')" in repr(parsed)


def interrupt_at(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    note = logger.TrainLogger.note

    def noted(self: Any, report: Any) -> Status:
        if report.steps == steps:
            signal.raise_signal(signal.SIGINT)
        return note(self, report)

    monkeypatch.setattr(logger.TrainLogger, "note", noted)


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(ROLLOUT, patch)
        assert cli.main(["train", *WORLD, "--name", "mine"]) == 130
    said = capsys.readouterr().out
    assert f"stopped after {ROLLOUT:,} steps" in said and "roborew train --resume runs/mine" in said
    assert not Path("runs/mine/summary.json").exists()
    assert cli.main(["train", "--resume", "runs/mine"]) == 0
    assert load_trained(RunDirectory.open("runs/mine")).steps == 2 * ROLLOUT
    assert cli.main(["train", "--resume", "runs/mine"]) == 2
    assert "is finished" in capsys.readouterr().err


def test_ctrl_c_while_judging_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("roborew.workflows.evaluate.evaluate_run", interrupted)
        assert cli.main(["train", *WORLD, "--name", "mine"]) == 130
    assert "roborew train --resume runs/mine" in capsys.readouterr().err
    assert cli.main(["train", "--resume", "runs/mine"]) == 0
    assert Path("runs/mine/summary.json").exists()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("envs", ["roborew/Press-v0", "roborew/Cheetah-v0"]),
        ("rewards", ["mini", "true-dense", "true-sparse"]),
        ("agents", ["ppo", "sb3-ppo", "sb3-sac"]),
        ("critics", ["robometer", "temporal_ot", "arXiv:2410.21795"]),
        ("encoders", ["conv", "mini", "tower"]),
    ],
)
def test_list_names_what_there_is(
    kind: str, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", kind]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in names)


README = (Path(__file__).parents[3] / "README.md").read_text()


def helped(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command, in one line without its frame."""
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    return " ".join(re.sub("[^ -~]", " ", capsys.readouterr().out).split())


def test_help_and_readme_say_that_a_refreshment_reads_the_truth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = "labelled with what the simulator says of them, progress and success, or success alone"
    assert told in helped("train", capsys) and "the simulator's progress and success" in " ".join(
        README.split()
    )


def test_whatever_help_and_readme_say_can_be_listed_is_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    helps = " ".join(helped(command, capsys) for command in COMMANDS)
    named = re.findall(r"roborew list ([a-z]+)", f"{helps} {README}")
    named += re.findall(r"[a-z]+", re.findall(r"roborew list envs +# or (.*)", README)[0])
    assert {"critics", "encoders", "rewards"} <= set(named)
    for kind in sorted(set(named)):
        assert cli.main(["list", kind]) == 0 and capsys.readouterr().out.strip()


def test_reading_a_command_line_loads_no_network_and_no_simulator() -> None:
    script = "import sys; from roborew import cli; print(*(m for m in sys.modules if '.' not in m))"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout.split()
    assert not {"torch", "mujoco", "matplotlib", "stable_baselines3"} & set(loaded)
