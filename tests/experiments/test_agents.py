"""The table of agents with a perfect reward grows by a row a run, and none is run twice."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.agents import demonstrations, learned, offline, pixels, run
from roborew.config import default_options
from roborew.encoders.conv import ConvEncoder
from roborew_envs import TASKS


def value_of(command: Sequence[str], flag: str) -> str:
    """What follows a flag."""
    return command[command.index(flag) + 1]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have run; each training ends at once, with .5 for each of its figures."""
    given: list[list[str]] = []
    figures = [*run.FIGURES, *learned.FIGURES, *pixels.FIGURES, *demonstrations.FIGURES]

    def finish(command: list[str], **_: Any) -> None:
        given.append(command)
        if "train" in command:
            flag = "--name" if "--name" in command else "--resume"
            folder = tmp_path / value_of(command, flag)
            folder.mkdir(exist_ok=True)
            (folder / "summary.json").write_text(json.dumps(dict.fromkeys(figures, 0.5)))

    monkeypatch.setattr(subprocess, "run", finish)
    return given


def test_a_run_whose_row_is_there_is_not_run_again(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    table = tmp_path / "results.csv"
    for _ in range(2):
        run.main(
            ["--work", str(tmp_path), "--results", str(table), "--tasks", "Hopper-v1", "--seeds"]
            + ["0", "1", "--", "--agent.gamma", "0.9"]
        )
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["0", "1"] and len(commands) == 2
    assert rows[0]["settings"] == "--agent.gamma 0.9" and commands[0][-2:] == [
        "--agent.gamma",
        "0.9",
    ]
    assert rows[0]["true_success"] == "0.5"


def test_an_interrupted_run_is_resumed(tmp_path: Path, commands: list[list[str]]) -> None:
    folder = tmp_path / "Hopper-v1-ppo-0"
    folder.mkdir()

    words = ["--work", str(tmp_path), "--results", str(tmp_path / "results.csv")]
    run.main([*words, "--tasks", "Hopper-v1", "--seeds", "0"])
    assert commands[0][-2:] == ["--resume", str(folder)]


def test_the_tasks_exist() -> None:
    assert {f"roborew/{name}" for name in (*run.TASKS, *learned.TASKS)} <= set(TASKS)


def test_runs_with_demonstrations_of_other_settings_have_other_folders(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv")]
    words += ["--tasks", "Push-v0", "--seeds", "0", "--agent", "bc"]
    demonstrations.main(words)
    demonstrations.main([*words, "--", "--agent.chunk-size", "8"])
    named = [value_of(command, "--name") for command in commands if "train" in command]
    assert named == ["Push-v0-bc-50-0", "Push-v0-bc-50-0-agent.chunk-size-8"]


@pytest.mark.parametrize(
    ("table", "further"),
    [
        (pixels, ["--agent", "sac", "--reward", "critic"]),
        (learned, []),
        (learned, ["--agent", "sac"]),
    ],
)
def test_an_agent_is_paid_by_the_critic_of_its_task(
    table: Any, further: list[str], tmp_path: Path, commands: list[list[str]]
) -> None:
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv"), *further]
    words += ["--tasks", "Push-v0", "--seeds", "0", "--encoder-steps", "70"]
    words += ["--critic-episodes", "3"]
    for _ in range(2):
        table.main([*words, "--count", "20"])
    assert [command[3] for command in commands] == ["collect", "fit", "collect", "train"]
    trained = commands[-1]
    assert trained.count("--reward") == 1
    assert value_of(trained, "--reward") == str(tmp_path / "critics" / "Push-v0-3-steps-70")
    assert value_of(commands[0], "--episodes") == "3"
    assert value_of(commands[1], "--encoder.steps") == "70"
    demos = "Push-v0-20-front-side" if further else "Push-v0-20"
    assert value_of(trained, "--demos") == str(tmp_path / "demos" / demos)
    # What the critic pays in the replay, it must be able to see; an agent sees pictures of its cameras.
    assert ("front" in commands[2]) == (demos == "Push-v0-20-front-side")


def test_settings_of_the_command_line_replace_those_of_sac(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv"), "--agent", "sac"]
    words += ["--tasks", "Push-v0", "--seeds", "0", "--", "--agent.gamma", "0.9"]
    learned.main([*words, "--total-timesteps", "10"])
    trained = commands[-1]
    for flag, value in (("--agent.gamma", "0.9"), ("--total-timesteps", "10")):
        assert trained.count(flag) == 1 and value_of(trained, flag) == value
    assert value_of(trained, "--agent.cloning-coef") == "2"


def test_an_offline_set_is_paid_once_and_no_agent_learns_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid: list[str] = []
    trained: list[str] = []

    def pay(demos: Path, task: str, reward: str) -> str:
        paid.append(f"{task} {reward}")
        return task

    def learn(paid_set: str, method: str, seed: int) -> dict[str, float]:
        trained.append(f"{paid_set} {method} {seed}")
        return dict.fromkeys(offline.FIGURES, 0.5)

    monkeypatch.setattr(offline, "pay", pay)
    monkeypatch.setattr(offline, "learn", learn)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv"), "--reward", "mini"]
    words += ["--tasks", "Press-v0", "--seeds", "0", "1", "--methods", "bc"]
    offline.main(words)
    offline.main([*words, "iql"])
    assert trained == [
        "Press-v0 bc 0",
        "Press-v0 bc 1",
        "Press-v0 iql 0",
        "Press-v0 iql 1",
    ]
    assert paid == ["Press-v0 mini"] * 2
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reward"] for row in rows] == ["none", "none", "mini", "mini"]
    assert {f"roborew/{name}" for name in offline.TASKS} <= set(TASKS)


def test_critics_are_fitted_as_long_here_as_by_default() -> None:
    assert default_options(ConvEncoder)["steps"] == run.ENCODER_STEPS
