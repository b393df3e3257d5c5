"""Whole runs on environments of other suites: trained, interrupted, judged, filmed."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box, Discrete

from roborew.data import video_info
from roborew.errors import InvalidInputError
from roborew.evaluation import Evaluation
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import evaluate_run, write_evaluation
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.record import record_run
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import start, train
from roborew_envs.suites import find_env_spec
from tests.roborew.ascent import ROLLOUT, heights  # noqa: F401

SUITES = {"Reacher-v5": "gymnasium", "FetchReach-v4": "robotics"}


@pytest.fixture(params=SUITES)
def config(request: pytest.FixtureRequest) -> TrainConfig:
    """A run of four rollouts on an environment that is installed."""
    try:
        find_env_spec(request.param)
    except DependencyNotInstalled:
        suite = SUITES[request.param]
        pytest.skip(f"{suite} is not installed here; .ci/suites {suite} runs this")
    return TrainConfig(
        env=EnvConfig(request.param),
        instruction="reach it",
        reward=RewardConfig("height"),
        total_timesteps=4 * ROLLOUT,
        num_envs=8,
    )


class Switch(gymnasium.Env[Any, Any]):
    """Draws itself; one of two actions lifts it by a tenth of its height, the other lowers it."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
    observation_space, action_space = Box(-9, 9, (1,)), Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.height = render_mode, np.zeros(1, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.height = self.np_random.uniform(0, 0.5, 1).astype(np.float32)
        return self.height, {}

    def step(self, action: Any) -> Any:
        self.height = np.clip(self.height + 0.1 * (2 * int(action) - 1), 0, 1).astype(np.float32)
        return self.height, 0.0, False, False, {}

    def render(self) -> Any:
        frame = np.zeros((8, 8, 3), np.uint8)
        frame[0, 0, 0], frame[-1, -1, 2] = 255 * self.height[0], 255
        return frame


gymnasium.register("tests/Switch-v0", Switch, max_episode_steps=12)
SWITCH = TrainConfig(
    env=EnvConfig("tests/Switch-v0"), instruction="up", reward=RewardConfig("height"), num_envs=4
)


@pytest.mark.parametrize("agent", ["ppo", "sb3-sac"])
@pytest.mark.usefixtures("heights")
def test_an_agent_without_discrete_actions_is_refused_before_its_run_is_made(
    agent: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"got Discrete\(2\).* take the agent sb3-ppo"):
        start(replace(SWITCH, agent=AgentConfig(agent)), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "agent", [AgentConfig("sb3-ppo"), AgentConfig("sb3-dqn", {"learning_starts": 8})], ids=repr
)
@pytest.mark.usefixtures("heights")
def test_discrete_actions_are_learned_and_judged_beside_chance(
    agent: AgentConfig, tmp_path: Path
) -> None:
    with start(replace(SWITCH, agent=agent, total_timesteps=64), tmp_path / "run") as run:
        assert train(run).ended == "finished"
        assert len(evaluate_run(run, episodes=2).random.episodes) == 2


def stop_in_the_middle(status: Status) -> None:
    if status.steps >= status.total_steps // 2:
        signal.raise_signal(signal.SIGINT)


def weights(path: Path) -> dict[str, Any]:
    checkpoint = RunDirectory.open(path).load_checkpoint()
    assert checkpoint is not None
    return dict(checkpoint.arrays)


def test_a_run_goes_on_exactly_and_is_judged_by_what_the_suite_tells(
    config: TrainConfig, tmp_path: Path
) -> None:
    with start(config, tmp_path / "whole") as run:
        train(run)
    with start(config, tmp_path / "parts") as run:
        assert train(run, stop_in_the_middle).ended == "stopped"
    with RunDirectory.resume(tmp_path / "parts") as run:
        assert train(run).ended == "finished"
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)

    run = RunDirectory.open(tmp_path / "whole")
    result = evaluate_run(run, episodes=3)
    told = SUITES[config.env.id] == "robotics"
    assert (result.summary()["true_success"] is not None) == told
    assert (
        result.summary()["final_progress"] is None and result.summary()["true_return"] is not None
    )
    assert Evaluation.from_json(result.agent.to_json()).to_json() == result.agent.to_json()
    page = write_evaluation(run, result).report.read_text(encoding="utf-8")
    assert ("the environment reports no success" in page) != told and ">nan" not in page.casefold()
    (film,) = record_run(run, episodes=1)
    assert video_info(film).comment == "drawing=fast"
    assert (video_info(film).frames or 0) > result.agent.episodes[0].length
