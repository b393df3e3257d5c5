"""The table of agents with a perfect reward grows by a row a run, and none is run twice."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.agents import demonstrations, learned, offline, pixels, run
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
    assert {f"roborew/{name}" for name in (*run.TASKS, *learned.TASKS)} <= set(TASKS)


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


@pytest.mark.parametrize(
    ("table", "further"), [(pixels, ["--agent", "sac", "--reward", "critic"]), (learned, [])]
)
def test_an_agent_is_paid_by_the_critic_of_its_task(
    table: Any, further: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def finish(command: list[str], **_: Any) -> None:
        commands.append(command)
        if "train" in command:
            folder = tmp_path / command[command.index("--name") + 1]
            folder.mkdir()
            (folder / "summary.json").write_text(json.dumps(dict.fromkeys(table.FIGURES, 0.5)))

    monkeypatch.setattr(subprocess, "run", finish)
    words = ["--work", str(tmp_path), "--results", str(tmp_path / "table.csv"), *further]
    words += ["--tasks", "Push-v0", "--seeds", "0"]
    for _ in range(2):
        table.main([*words, "--count", "20"])
    assert [command[3] for command in commands] == ["collect", "fit", "collect", "train"]
    trained = commands[-1]
    assert trained.count("--reward") == 1
    assert trained[trained.index("--reward") + 1] == str(tmp_path / "critics" / "Push-v0")
    assert trained[trained.index("--demos") + 1] == str(tmp_path / "demos" / "Push-v0-20")


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
