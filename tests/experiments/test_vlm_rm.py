"""The experiment is ready to run: every task is there, every command is one that `roborew train`
takes."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import pytest
from gymnasium.vector import AutoresetMode

from experiments.vlm_rm.run import arguments, command, main
from experiments.vlm_rm.tasks import PROMPTS, SIZE
from roborew import cli
from roborew.cli import COMMANDS
from roborew.cli.parse import parse_command
from roborew.workflows import evaluate
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.resolve import resolve
from tests.roborew.encoders.tiny_towers import tiny_clip


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_every_task_draws_what_clip_reads(name: str) -> None:
    env = gymnasium.make_vec(
        f"experiments.vlm_rm.tasks:vlm_rm/{name}",
        num_envs=1,
        vectorization_mode="vector_entry_point",
        render_mode="rgb_array",
        autoreset_mode=AutoresetMode.DISABLED,
    )
    env.reset(seed=0)
    assert env.unwrapped.render_frames().shape == (1, SIZE, SIZE, 3)
    env.close()


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_every_command_is_understood(name: str, tmp_path: Path) -> None:
    words = [
        "--model",
        "ViT-B-32",
        "--pretrained",
        "openai",
        "--work",
        str(tmp_path),
        "--alpha",
        "0.5",
        "--steps",
        "9",
    ]
    typed = command(arguments(words), name, 3, "run")[4:]
    typed = typed[: typed.index("--out")]
    parsed: Any = parse_command(COMMANDS, ["train", *typed])
    config: TrainConfig = parsed.config
    assert (config.seed, config.total_timesteps, config.score_every, config.shaping.kind) == (
        3,
        9,
        1,
        "raw",
    )
    settings = config.reward.options
    assert settings["alpha"] == 0.5 and settings["baseline"] == PROMPTS[name].baseline
    assert resolve(config).instruction == PROMPTS[name].goal


def test_without_weights_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--model",
        "ViT-B-32",
        "--pretrained",
        str(tmp_path / "clip.safetensors"),
        "--work",
        str(tmp_path / "work"),
    ]
    assert main(words) == 2
    assert "nothing was run: weights: no file" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_a_model_that_is_here_trains_and_a_finished_run_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, runs = tiny_clip(tmp_path / "clip"), []

    def in_this_process(typed: list[str], check: bool) -> None:
        runs.append(typed)
        assert check and cli.main(typed[3:]) == 0

    monkeypatch.setattr("experiments.vlm_rm.run.subprocess", SimpleNamespace(run=in_this_process))
    evaluate_run = evaluate.evaluate_run
    monkeypatch.setattr(evaluate, "evaluate_run", lambda run, _: evaluate_run(run, 1))
    words = [
        "--model",
        str(model),
        "--only",
        "CartPole-v0",
        "--seeds",
        "0",
        "--agent",
        "ppo",
        "--alpha",
        "0.5",
    ]
    words += ["--num-envs", "2", "--steps", "64", "--work", str(tmp_path / "work")]
    assert [main(words), main(words)] == [0, 0] and len(runs) == 1
    (row,) = csv.DictReader((tmp_path / "work" / "results.csv").read_text().splitlines())
    assert (row["task"], row["steps"], row["episodes"]) == ("CartPole-v0", "64", "1")
    assert runs[0][-1] == "vlm_rm-CartPole-v0-" + "-".join(
        [str(model).replace("/", "-"), "None", "0.5", "squash", "ppo", "0"]
    )
    assert row["goal"] == PROMPTS["CartPole-v0"].goal and 0 <= float(row["true_success"]) <= 1
