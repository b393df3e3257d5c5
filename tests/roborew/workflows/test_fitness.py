"""A score that tells nothing is said: before training, while it trains, of a video, in the report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from roborew.errors import InvalidScoreError
from roborew.rewards.mini import FITTED_TASKS, HARDENED_TASKS, Mini
from roborew.storage.run import RunDirectory
from roborew.types import Scores
from roborew.workflows.fitness import describe_unfitted
from roborew.workflows.parts import AgentConfig
from roborew.workflows.run_report import flat_score
from roborew.workflows.score import describe_flat
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start, train
from roborew_envs import TASKS


@pytest.fixture(scope="module")
def mini() -> Mini:
    return Mini()


def test_mini_says_of_every_task_whether_it_was_made_for_it(mini: Mini) -> None:
    for task in (*TASKS, "HalfCheetah-v5"):
        said = describe_unfitted(mini, task, "go")
        if task in HARDENED_TASKS:
            assert said is None
        else:
            assert said is not None and task in said and "fit a critic" in said
            assert ("was not fitted" in said) == (task not in FITTED_TASKS)


def test_what_nobody_knows_is_not_said(mini: Mini) -> None:
    assert describe_unfitted(None, "roborew/Ant-v0", "go") is None
    own_weights: Any = Mini()
    own_weights.is_shipped = False
    assert describe_unfitted(own_weights, "roborew/Ant-v0", "go") is None


@pytest.mark.parametrize("patience", [2, 0])
def test_training_ends_where_no_score_moves_and_keeps_its_checkpoint(
    patience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flat(self: Mini, clips: Any) -> list[Scores]:
        return [
            Scores(
                np.full(len(clip.frames), 1e-10, np.float32),
                np.ones(len(clip.frames), np.bool_),
                np.zeros(len(clip.frames), np.float32),
            )
            for clip in clips
        ]

    monkeypatch.setattr(Mini, "score", flat)
    config = TrainConfig(
        env=EnvConfig("roborew/CartPole-v0"),
        num_envs=2,
        total_timesteps=2048,
        patience=patience,
        score_every=50,
        agent=AgentConfig("ppo", {"n_steps": 512}),
    )
    with start(config, tmp_path / "run") as run:
        if patience == 0:
            assert train(run).ended == "finished"
        else:
            with pytest.raises(InvalidScoreError, match=r"did not move in any of \d+ episodes"):
                train(run)
    checkpoint = RunDirectory.open(tmp_path / "run").load_checkpoint()
    assert checkpoint is not None and (checkpoint.step < 2048) == (patience > 0)
    assert "mini was not fitted to roborew/CartPole-v0" in caplog.text


def test_a_flat_curve_of_a_video_is_said_and_a_moving_one_is_not(mini: Mini) -> None:
    def scored(*values: float) -> Any:
        valid = np.ones(len(values), np.bool_)
        return SimpleNamespace(scores=Scores(np.array(values, np.float32), valid))

    assert "does not move" in str(describe_flat(mini, scored(1e-10, 2e-10, 1e-10)))
    assert "Press-v0" in str(describe_flat(mini, scored(0.5, 0.5)))
    assert describe_flat(mini, scored(0.0, 0.1)) is None
    assert describe_flat(mini, scored(0.3)) is None, "one frame has nothing to move from"


def test_the_report_says_that_no_score_moved() -> None:
    def result(*curves: list[float]) -> Any:
        episodes = [SimpleNamespace(score_curve=np.array(curve)) for curve in curves]
        config = SimpleNamespace(reward=SimpleNamespace(name="mini"))
        return SimpleNamespace(
            agent=SimpleNamespace(episodes=episodes), trained=SimpleNamespace(config=config)
        )

    assert "did not move" in flat_score(result([0.0, 1e-10], [np.nan, 0.2, 0.2]))[0]
    assert flat_score(result([0.0, 0.0], [0.0, 0.5])) == []
    assert flat_score(result([])) == []
