"""Agents that see pictures, as a user trains them: exact when interrupted, the same in evaluate and
record, and refused where nothing can be seen."""

from __future__ import annotations

import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from roborew.config import from_json, to_json
from roborew.errors import InvalidInputError
from roborew.learning.state import module_state
from roborew.storage.run import RunDirectory
from roborew.types import frame_renderer
from roborew.workflows import record
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.evaluate import evaluate_run
from roborew.workflows.factories import make_agent, make_env
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.rewards import make_reward_env
from roborew.workflows.train import memory
from roborew.workflows.train.config import EnvConfig, ObservationsConfig, TrainConfig
from roborew.workflows.train.demonstrations import agent_episodes
from roborew.workflows.train.loop import start, train
from roborew.workflows.train.resolve import resolve
from roborew.workflows.trained import load_trained, pictures_path
from tests.roborew.ascent import random_mini
from tests.roborew.workflows.test_train import (
    assert_same_checkpoints,
    run_interrupted,
    run_whole,
    untimed,
)

ENV = EnvConfig("roborew/Press-v0", width=32, height=24, horizon=12)
AGENTS: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 8, "n_epochs": 1, "hidden_dim": 8},
    "sac": {
        "learning_starts": 6,
        "batch_size": 8,
        "gradient_steps": 1,
        "hidden_dim": 8,
        "report_every": 8,
    },
    "bc": {"batch_size": 8, "hidden_dim": 8, "report_every": 4},
    "residual": {"n_steps": 8, "n_epochs": 1, "hidden_dim": 8, "clone_steps": 8},
}


def config_of(name: str, kind: Any = "pixels", **changes: Any) -> TrainConfig:
    config = TrainConfig(
        env=ENV,
        reward=RewardConfig("oracle-dense"),
        agent=AgentConfig(name, AGENTS[name]),
        observations=ObservationsConfig(kind),
        total_timesteps=48,
        num_envs=2,
    )
    return replace(config, **changes)


class Blind(gymnasium.Env[Any, Any]):
    """Shows nothing."""

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return np.zeros(2, np.float32), {}

    def render(self) -> Any:
        return None


gymnasium.register("tests/Blind-v0", Blind)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experts, drawn as the agent sees them, their frames exact."""
    config = CollectConfig(episodes=2, codec="lossless", width=32, height=24)
    return collect_demonstrations(ENV.id, config, tmp_path_factory.mktemp("demos") / "press")


@pytest.mark.parametrize(
    "case",
    [
        "ppo from mini",
        "sac",
        "bc",
        "sac with demonstrations",
        "residual of demonstrations from mini",
    ],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    case: str, demos: Path, tmp_path: Path
) -> None:
    """Episodes of 12 steps, reports every 8: the interruption falls into an episode."""
    agent = case.split()[0]
    config = config_of(agent, "both" if agent == "sac" else "pixels")
    if agent == "bc" or "demonstrations" in case:
        config = replace(config, demos=demos, total_timesteps=16 if agent == "bc" else 32)
    if "mini" in case:
        config = replace(config, reward=RewardConfig(str(random_mini(tmp_path / "weights"))))
    whole = run_whole(config, tmp_path / "whole")
    first, second = run_interrupted(config, tmp_path / "parts")
    assert first.ended == "stopped" and whole == second
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")
    assert_same_checkpoints(tmp_path / "whole", tmp_path / "parts")


def test_the_pictures_of_a_replay_lie_in_a_file_until_the_run_ends(tmp_path: Path) -> None:
    config = config_of("sac")
    with start(config, tmp_path / "run") as run:
        assert train(run, lambda status: signal.raise_signal(signal.SIGINT)).ended == "stopped"
    file = pictures_path(run)
    checkpoint = run.load_checkpoint()
    assert file.exists() and checkpoint is not None
    names = {name for name in checkpoint.arrays if name.startswith("agent/replay/frames/")}
    assert names == {"agent/replay/frames/written"}
    with RunDirectory.resume(tmp_path / "run") as run:
        assert train(run).ended == "finished"
    assert not file.parent.exists()
    # What is evaluated acts, and remembers nothing.
    agent: Any = load_trained(run).agent
    assert agent._replay is None


def test_corrections_begin_to_read_pictures_as_the_clone_does_and_go_on_alone(demos: Path) -> None:
    config = resolve(config_of("residual", demos=demos))
    with closing(make_reward_env(config, 2, None)) as env:
        agent: Any = make_agent(config, env)
        agent.use_demonstrations(agent_episodes(config, None, needs_rewards=False))
        agent.learn(env, 0)
        clone = module_state(agent._clone.encoder)
        for name, weights in module_state(agent._ppo.encoder).items():
            np.testing.assert_array_equal(weights, clone[name])
        agent.learn(env, 32)
        clone_after, ppo_after = (
            module_state(agent._clone.encoder),
            module_state(agent._ppo.encoder),
        )
    for name, weights in clone.items():
        np.testing.assert_array_equal(clone_after[name], weights)
    assert any((ppo_after[name] != weights).any() for name, weights in clone.items())


def test_a_run_is_evaluated_and_recorded_by_what_its_agent_sees(tmp_path: Path) -> None:
    """A recording draws the episodes large for the viewer, and raises where the agent, given other
    pictures than it was evaluated on, goes another way."""
    run_whole(config_of("ppo"), tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    saved = run.config(TrainConfig)
    assert saved.observations == ObservationsConfig("pixels", frame_stack=2)
    assert from_json(TrainConfig, to_json(saved)) == saved
    evaluation = evaluate_run(run, episodes=2)
    assert len(evaluation.agent.episodes) == 2 and evaluation.expert is not None
    assert evaluation.expert.true_success is not None
    (video,) = record.record_run(run, episodes=1)
    assert video.stat().st_size > 0


@pytest.mark.parametrize("kind", ["pixels", "both"])
def test_the_agent_sees_pictures_and_what_the_robot_knows(kind: str) -> None:
    env = make_env(resolve(config_of("ppo", kind)), 2)
    observations, _ = env.reset(seed=0)
    state, _ = env.unwrapped.reset(seed=0)
    expected = state if kind == "both" else state[:, :9]
    np.testing.assert_array_equal(observations["vector"], expected)
    assert observations["pixels"].shape == (2, 2, 3, 24, 32)
    env.close()


def test_a_camera_of_the_agent_alone_is_no_part_of_what_is_scored(tmp_path: Path) -> None:
    own = ObservationsConfig("pixels", cameras=("wrist",))
    with start(config_of("ppo", observations=own), tmp_path / "run") as run:
        config = run.config(TrainConfig)
    assert config.env.cameras == ("front",)
    env, plain = make_env(config, 2), make_env(resolve(config_of("ppo")), 2)
    both, front = (each.reset(seed=0)[0]["pixels"] for each in (env, plain))
    assert both.shape == (2, 2, 6, 24, 32)
    np.testing.assert_array_equal(both[:, :, :3], front)
    scored, alone = (frame_renderer(each)(np.array([0, 1])) for each in (env, plain))
    np.testing.assert_array_equal(scored, alone)
    env.close()
    plain.close()


@pytest.mark.parametrize(("camera", "message"), [("front", "already"), ("moon", "Available")])
def test_a_camera_that_is_not_there_or_there_twice_is_refused(
    camera: str, message: str, tmp_path: Path
) -> None:
    own = ObservationsConfig("pixels", cameras=(camera,))
    with pytest.raises(InvalidInputError, match=message):
        start(config_of("ppo", observations=own), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_demonstrations_are_seen_as_the_agent_sees_the_environment(demos: Path) -> None:
    """Their frames are exact, so an environment that is led to a recorded start draws the same."""
    config = resolve(config_of("bc", demos=demos))
    episode, _ = agent_episodes(config, None, needs_rewards=False)
    pixels, vector = episode.observations["pixels"], episode.observations["vector"]
    assert pixels.shape == (len(episode.actions) + 1, 2, 3, 24, 32) and vector.shape[1] == 9
    np.testing.assert_array_equal(pixels[0, 0], pixels[0, 1])
    np.testing.assert_array_equal(pixels[1:, 0], pixels[:-1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": replace(ENV, width=16, height=12)}, "reads at least 24 x 24"),
        ({"agent": AgentConfig("self-imitation")}, "takes no pictures"),
        ({"agent": AgentConfig("bc")}, "learns from demonstrations alone"),
    ],
)
def test_what_cannot_be_is_refused_before_a_folder_exists(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        start(config_of("ppo", **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_environment_that_draws_nothing_is_refused(tmp_path: Path) -> None:
    config = config_of("ppo", env=EnvConfig("tests/Blind-v0"), instruction="see nothing")
    with pytest.raises(InvalidInputError, match="draws none"):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_demonstrations_of_another_size_are_refused(demos: Path, tmp_path: Path) -> None:
    config = config_of("bc", env=replace(ENV, width=64, height=48), demos=demos)
    with pytest.raises(InvalidInputError, match="as large"):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_demonstrations_without_a_camera_of_the_agent_are_refused(
    demos: Path, tmp_path: Path
) -> None:
    own = ObservationsConfig("pixels", cameras=("wrist",))
    with pytest.raises(InvalidInputError, match="the run sees camera 'wrist'"):
        start(config_of("bc", observations=own, demos=demos), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("scarce", ["memory", "disk"])
def test_a_replay_larger_than_memory_or_disk_is_refused(
    scarce: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scarce == "memory":
        monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    else:
        usage = memory.shutil.disk_usage(tmp_path)._replace(free=1_000_000)
        monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: usage)
    config = config_of("sac", total_timesteps=2_000)
    with pytest.raises(InvalidInputError, match=r"replay: .* 1 MB are free.*buffer-size"):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_large_replay_is_announced_and_a_small_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**12)
    plenty = memory.shutil.disk_usage(tmp_path)._replace(free=10**12)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: plenty)

    class Agent:
        def replay_bytes(self, num_envs: int, total_steps: int) -> int:
            return num_envs * total_steps

        def picture_bytes(self, num_envs: int, total_steps: int) -> int:
            return 2 * num_envs * total_steps

    small = config_of("sac")
    large = config_of("sac", num_envs=2_000, total_timesteps=1_000_000)
    assert memory.check_memory(small, Agent(), tmp_path / "run") is None
    announced = memory.check_memory(large, Agent(), tmp_path / "run")
    assert announced == "replay: up to 2.0 GB of memory; 10.0 GB of disk"


def test_settings_of_pictures_mean_nothing_to_an_agent_that_sees_the_state() -> None:
    for settings in ({"frame_stack": 3}, {"shrink": 2}, {"cameras": ("wrist",)}):
        with pytest.raises(InvalidInputError, match="no pictures"):
            config_of("ppo", observations=ObservationsConfig("state", **settings))
