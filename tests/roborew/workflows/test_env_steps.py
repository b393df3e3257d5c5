"""A run's horizon and action repeat are those of its evaluation."""

from __future__ import annotations

from pathlib import Path

from roborew.workflows.evaluate import evaluate_run
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start, train


def test_an_evaluation_has_the_steps_of_its_run(tmp_path: Path) -> None:
    config = TrainConfig(
        env=EnvConfig("roborew/MountainCar-v0", horizon=10, action_repeat=4),
        reward=RewardConfig("oracle-dense"),
        agent=AgentConfig(options={"n_steps": 4, "n_epochs": 1}),
        num_envs=2,
        total_timesteps=8,
    )
    with start(config, tmp_path / "run") as run:
        train(run)
        evaluation = evaluate_run(run, 2)
    assert [episode.length for episode in evaluation.agent.episodes] == [3, 3]
