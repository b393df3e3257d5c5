"""The table of agents with a perfect reward grows by a row a run, and none is run twice."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.agents import demonstrations, pixels, run
from roborew_envs import TASKS


def test_a_run_whose_row_is_there_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def finish(command: list[str], **_: Any) -> None:
        commands.append(command)
        folder = tmp_path / command[command.index("--name") + 1]
        folder.mkdir()
        figures = dict.fromkeys(run.FIGURES, 0.5)
        (folder / "summary.json").write_text(json.dumps(figures))

    monkeypatch.setattr(subprocess, "run", finish)
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


def test_an_interrupted_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    folder = tmp_path / "Hopper-v1-ppo-0"
    folder.mkdir()

    def finish(command: list[str], **_: Any) -> None:
        commands.append(command)
        (folder / "summary.json").write_text(json.dumps(dict.fromkeys(run.FIGURES, 0.5)))

    monkeypatch.setattr(subprocess, "run", finish)
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "results.csv")]
    run.main([*words, "--tasks", "Hopper-v1", "--seeds", "0"])
    assert commands[0][-2:] == ["--resume", str(folder)]


def test_the_tasks_exist() -> None:
    assert {f"roborew/{name}" for name in run.TASKS} <= set(TASKS)


def test_runs_with_demonstrations_of_other_settings_have_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []

    def finish(command: list[str], **_: Any) -> None:
        if "train" in command:
            named.append(command[command.index("--name") + 1])
            folder = tmp_path / named[-1]
            folder.mkdir()
            (folder / "summary.json").write_text(json.dumps(dict.fromkeys(run.FIGURES, 0.5)))

    monkeypatch.setattr(subprocess, "run", finish)
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv")]
    words += ["--tasks", "Push-v0", "--seeds", "0", "--agent", "bc"]
    demonstrations.main(words)
    demonstrations.main([*words, "--", "--agent.chunk-size", "8"])
    assert named == ["Push-v0-bc-50-0", "Push-v0-bc-50-0-agent.chunk-size-8"]


def test_an_agent_that_sees_pictures_is_paid_by_the_critic_of_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def finish(command: list[str], **_: Any) -> None:
        commands.append(command)
        if "train" in command:
            folder = tmp_path / command[command.index("--name") + 1]
            folder.mkdir()
            (folder / "summary.json").write_text(json.dumps(dict.fromkeys(pixels.FIGURES, 0.5)))

    monkeypatch.setattr(subprocess, "run", finish)
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv")]
    words += ["--tasks", "Push-v0", "--seeds", "0", "--agent", "sac", "--reward", "critic"]
    for _ in range(2):
        pixels.main([*words, "--count", "20"])
    assert [command[3] for command in commands] == ["collect", "fit", "collect", "train"]
    trained = commands[-1]
    assert trained.count("--reward") == 1
    assert trained[trained.index("--reward") + 1] == str(tmp_path / "critics" / "Push-v0")
    assert trained[trained.index("--demos") + 1] == str(tmp_path / "demos" / "Push-v0-20")
