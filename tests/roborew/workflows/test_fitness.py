"""A score that tells nothing is said: before training, while it trains, of a video, in the report."""

from __future__ import annotations

from dataclasses import replace
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
from roborew.workflows.train.patience import Patience
from roborew.wrappers import LearnedReward
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


def note(
    patience: int | None,
    model: Any = None,
    *,
    episodes: int = 100,
    steps: int = 1000,
    moved: bool = False,
    first_step: int = 0,
) -> InvalidScoreError | None:
    """What is said after a rollout of a run of 10,000 steps in a task that mini never saw."""
    config = TrainConfig(
        env=EnvConfig("roborew/CartPole-v0"), total_timesteps=10_000, patience=patience
    )
    env: Any = object.__new__(LearnedReward)
    env._scorer = SimpleNamespace(score_moved=moved)
    report: Any = SimpleNamespace(episodes=episodes, steps=steps)
    return Patience(config, model, env, first_step).note(report)


def test_only_a_model_that_never_saw_the_task_ends_a_run_by_itself(
    mini: Mini, caplog: pytest.LogCaptureFixture
) -> None:
    """Judges of few grades and sparse rewards stand still for long, and move later."""
    assert "--patience 0" in str(note(None, mini))
    assert note(None, mini, moved=True) is None
    assert caplog.text == ""
    assert note(None, object(), episodes=10**6, steps=9999) is None
    assert "learns nothing until it does" in caplog.text


@pytest.mark.parametrize("early", [{"episodes": 99}, {"steps": 999}, {"first_step": 500}], ids=str)
def test_nothing_ends_before_episodes_and_steps_or_where_the_beginning_was_not_seen(
    early: dict[str, int], mini: Mini
) -> None:
    assert note(None, mini, **early) is None


def test_what_the_user_says_of_patience_holds_for_any_reward(mini: Mini) -> None:
    assert note(5, object(), episodes=5, steps=5) is not None
    assert note(5, object(), episodes=4) is None
    assert note(0, mini, episodes=10**6) is None


@pytest.mark.parametrize(
    ("bounds", "still", "moving"),
    [((0.0, 1.0), (0.3, 0.3009), (0.0, 0.25)), ((-np.inf, np.inf), (-2e3, -2e3), (0.0, 1e-6))],
)
def test_a_move_is_a_share_of_the_promised_range_or_more_than_rounding(
    bounds: tuple[float, float], still: tuple[float, float], moving: tuple[float, float], mini: Mini
) -> None:
    spec = replace(mini.spec, low=bounds[0], high=bounds[1])
    assert not spec.moves(*still) and spec.moves(*moving)


def test_training_ends_where_no_score_moves_and_keeps_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
        total_timesteps=1024,
        patience=2,
        score_every=50,
        agent=AgentConfig("ppo", {"n_steps": 256}),
    )
    still = pytest.raises(InvalidScoreError, match=r"did not move in any of \d+ episodes")
    with start(config, tmp_path / "run") as run, still:
        train(run)
    checkpoint = RunDirectory.open(tmp_path / "run").load_checkpoint()
    assert checkpoint is not None and checkpoint.step < 1024
    assert "mini was not fitted to roborew/CartPole-v0" in caplog.text


def test_a_flat_curve_of_a_video_is_said_and_a_moving_one_is_not(mini: Mini) -> None:
    def scored(*values: float) -> Any:
        valid = np.ones(len(values), np.bool_)
        return SimpleNamespace(scores=Scores(np.array(values, np.float32), valid))

    assert "does not move" in str(describe_flat(mini, scored(1e-10, 2e-10, 1e-10)))
    assert "Press-v0" in str(describe_flat(mini, scored(0.5, 0.5)))
    assert describe_flat(mini, scored(0.0, 0.1)) is None
    assert describe_flat(mini, scored(0.3)) is None, "one frame has nothing to move from"


def test_the_report_says_that_no_score_moved(mini: Mini) -> None:
    def result(*curves: list[float]) -> Any:
        model = SimpleNamespace(spec=mini.spec)
        episodes = [SimpleNamespace(score_curve=np.array(curve)) for curve in curves]
        return SimpleNamespace(
            agent=SimpleNamespace(episodes=episodes), trained=SimpleNamespace(model=model)
        )

    assert "did not move" in flat_score(result([0.0, 1e-10], [np.nan, 0.2, 0.2]))[0]
    assert flat_score(result([0.0, 0.0], [0.0, 0.5])) == []
    assert flat_score(result([])) == []
