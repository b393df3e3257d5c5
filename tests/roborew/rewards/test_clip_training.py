"""From a sentence to updates of an agent through a tiny CLIP: the whole way that a user takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roborew.storage.run import RunDirectory
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, ShapingConfig, TrainConfig
from roborew.workflows.train.loop import start, train
from roborew.workflows.trained import load_trained
from tests.roborew.ascent import ENV, ROLLOUT
from tests.roborew.encoders.tiny_towers import tiny_clip, tiny_dinov2


@pytest.mark.parametrize("agent", ["ppo", "sb3-ppo"])
def test_clip_trains_an_agent(agent: str, tmp_path: Path) -> None:
    option = {
        "model": str(tiny_clip(tmp_path / "clip")),
        "alpha": 0.5,
        "baseline": "a bar",
        "dtype": "float32",
    }
    config = TrainConfig(
        env=EnvConfig(ENV),
        instruction="a high bar",
        reward=RewardConfig("clip", option),
        agent=AgentConfig(agent),
        total_timesteps=ROLLOUT,
        num_envs=8,
    )
    with start(config, tmp_path / "run") as run:
        assert train(run).ended == "finished"
    trained = load_trained(RunDirectory.open(tmp_path / "run"))
    assert (
        trained.steps >= ROLLOUT
        and np.isfinite(trained.agent.act(np.zeros((2, 2), np.float32))).all()
    )
    learned = [record["learned_return"] for record in RunDirectory.open(tmp_path / "run").metrics()]
    assert np.isfinite(learned).all() and np.abs(learned).max() > 0


def test_goal_image_trains_an_agent(tmp_path: Path) -> None:
    Image.fromarray(np.full((72, 96, 3), 200, np.uint8)).save(tmp_path / "goal.png")
    config = TrainConfig(
        env=EnvConfig(ENV),
        instruction="a high bar",
        reward=RewardConfig(
            "goal_image",
            {
                "model": str(tiny_dinov2(tmp_path / "dinov2")),
                "output": "difference",
                "dtype": "float32",
            },
        ),
        goal_image=tmp_path / "goal.png",
        shaping=ShapingConfig("raw"),
        total_timesteps=ROLLOUT,
        num_envs=8,
    )
    with start(config, tmp_path / "run") as run:
        assert train(run).ended == "finished"
    (record,) = RunDirectory.open(tmp_path / "run").metrics()
    assert np.isfinite(record["learned_return"])
