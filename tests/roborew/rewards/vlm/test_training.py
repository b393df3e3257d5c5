"""From a sentence to a trained agent on a judge: a tiny one with random weights, so it is the way
that is tried."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew import cli
from roborew.errors import MissingBackendError
from roborew.storage.run import RunDirectory
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import start, train
from roborew.workflows.trained import load_trained
from tests.roborew.ascent import ENV, heights  # noqa: F401
from tests.roborew.workflows.test_train import untimed
from tests.tiny_models import tiny_vlm


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    model = tiny_vlm(tmp_path_factory.mktemp("judge"))
    return {"judge.model": str(model), "judge.min_prob_mass": 0.0}


def config(options: dict[str, Any], reward: str = "roboreward", agent: str = "ppo") -> TrainConfig:
    more = {"max_frames": 3} if reward == "roboreward" else {}
    return TrainConfig(
        env=EnvConfig(ENV),
        instruction="climb",
        reward=RewardConfig(reward, {**options, **more}),
        agent=AgentConfig(agent),
        num_envs=2,
        score_every=6,
        total_timesteps=64,
    )


@pytest.mark.parametrize("agent", ["ppo", "sb3-ppo"])
def test_an_agent_trains_on_what_a_judge_says(
    agent: str,
    options: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with start(config(options, agent=agent), tmp_path / "run") as run:
        assert train(run).ended == "finished"
    assert "first rollout of 64 steps: roboreward will ask" in caplog.text
    trained = load_trained(RunDirectory.open(tmp_path / "run"))
    assert trained.steps == 64 and trained.agent.act(np.zeros((3, 2), np.float32)).shape == (3, 1)
    learned = [record["learned_return"] for record in untimed(tmp_path / "run")]
    assert any(learned), "the judge's words were paid"


def test_stopped_in_the_middle_of_an_episode_what_is_remembered_goes_on(
    options: dict[str, Any], tmp_path: Path
) -> None:
    def interrupt(status: Status) -> None:
        if status.steps == 32:
            signal.raise_signal(signal.SIGINT)

    whole = config(options)
    with start(whole, tmp_path / "whole") as run:
        train(run)
    with start(whole, tmp_path / "parts") as run:
        assert train(run, interrupt).ended == "stopped"
    with RunDirectory.resume(tmp_path / "parts") as run:
        assert train(run).ended == "finished"
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")


def test_the_command_line_trains_and_judges(
    options: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    world = [
        "--env",
        ENV,
        "--goal",
        "climb",
        "--num-envs",
        "2",
        "--score-every",
        "12",
        "--total-timesteps",
        "32",
        "--evaluation.episodes",
        "3",
    ]
    reward = ["--reward", "roboreward", "--reward.max-frames", "2"]
    for name, value in options.items():
        reward += [f"--reward.{name.replace('_', '-')}", str(value)]
    assert cli.main(["train", *world, *reward, "--name", "judged"]) == 0
    summary = json.loads((tmp_path / "runs" / "judged" / "summary.json").read_text())
    assert summary["reward"] == "roboreward" and summary["steps"] == 32


def test_what_cannot_pay_step_by_step_pays_whole_episodes(
    options: dict[str, Any], tmp_path: Path
) -> None:
    with start(config({"judge.model": options["judge.model"]}, "gvl"), tmp_path / "run") as run:
        assert train(run).ended == "finished"


def test_weights_that_are_not_there_are_an_error_that_says_where_to_put_them(
    tmp_path: Path,
) -> None:
    with (
        pytest.raises(MissingBackendError, match="no folder.*hf download"),
        start(config({"judge.model": str(tmp_path / "none")}), tmp_path / "run") as run,
    ):
        train(run)
