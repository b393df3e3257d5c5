"""Meta-World's agents: a set, a critic and a run each, once; every reward's words are ones that train knows."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.metaworld import run
from roborew.cli import COMMANDS
from roborew.cli.parse import parse_command
from roborew.cli.train import Train

REWARDS = (
    "critic",
    "critic-refit",
    "critic-refit-episodes",
    "critic-refit-ends",
    "critic-bonus",
    "sparse",
    "sparse-50",
    "env",
)


@pytest.mark.parametrize("reward", REWARDS)
def test_every_reward_has_words_that_train_knows(reward: str) -> None:
    words = run.reward_words(reward, Path("critic"), Path("set"))
    command = parse_command(COMMANDS, ["train", "--env", "Meta-World/push-v3", *run.AGENT, *words])
    assert isinstance(command, Train)
    config = command.config
    assert config.reward.name == {"sparse": "oracle-sparse", "env": "env"}.get(
        reward.split("-")[0], "critic"
    )
    assert (config.refit is not None) == ("refit" in reward)
    assert config.total_timesteps == (50 * run.DECISIONS if reward == "sparse-50" else run.STEPS)


class Experts:
    """As much of a demonstration as is asked for."""

    def __init__(self, behavior: str, succeeded: bool) -> None:
        self.notes, self.succeeded = {"behavior": behavior}, succeeded


def test_a_set_and_a_critic_are_made_once_and_a_row_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def finish(command: list[str], **_: Any) -> None:
        commands.append(command[3:])
        if "--name" in command:
            folder = tmp_path / "runs" / command[command.index("--name") + 1]
            folder.mkdir(parents=True)
            (folder / "summary.json").write_text(json.dumps(dict.fromkeys(run.FIGURES, 0.5)))
            return
        Path(command[command.index("--out") + 1]).mkdir(parents=True)

    monkeypatch.setattr(subprocess, "run", finish)
    experts = [Experts("expert", True), Experts("expert", False), Experts("noisy", True)]
    monkeypatch.setattr(run, "read_demonstrations", lambda folder: experts)
    table = tmp_path / "results.csv"
    words = ["--work", str(tmp_path), "--results", str(table), "--tasks", "push-v3", "--seeds", "0"]
    for _ in range(2):
        run.main([*words, "--rewards", "critic", "sparse-50"])
    assert [command[0] for command in commands] == ["collect", "fit", "train", "train"]
    assert all(command[command.index("--num-demos") + 1] == "1" for command in commands[2:]), (
        "an expert that fails is no demonstration"
    )
    run.main([*words, "--rewards", "critic", "--swap-negatives", "20"])
    assert [command[0] for command in commands[4:]] == ["fit", "train"], "one set, another critic"
    assert commands[4][commands[4].index("--swap-negatives") + 1] == "20"
    run.main([*words, "--rewards", "critic", "sparse-50", "--encoder-steps", "500"])
    assert [command[0] for command in commands[6:]] == ["fit", "train"], "truth pays without one"
    assert commands[6][commands[6].index("--encoder.steps") + 1] == "500"
    columns = ("reward", "swap_negatives", "encoder_steps")
    with table.open(newline="") as file:
        rows = [tuple(row[column] for column in columns) for row in csv.DictReader(file)]
    assert rows == [
        ("critic", "0", "3000"),
        ("sparse-50", "0", ""),
        ("critic", "20", "3000"),
        ("critic", "0", "500"),
    ]
