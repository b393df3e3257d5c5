"""The one loop: it goes on exactly where it was interrupted, keeps what was done, and never reads
the true reward."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew.errors import (
    InvalidInputError,
    InvalidScoreError,
    RoborewError,
    RunExistsError,
    UnknownNameError,
)
from roborew.registry import critics
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import evaluate_run
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import AgentConfig, CriticConfig, EncoderConfig, RewardConfig
from roborew.workflows.rewards import make_reward_env
from roborew.workflows.train import logger
from roborew.workflows.train.config import EnvConfig, ShapingConfig, TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import Outcome, start, train
from roborew.workflows.trained import load_trained
from roborew_envs.suites import DEFAULT_CAMERA
from tests.roborew.ascent import (
    ENV,
    IN_PARTS,
    ROLLOUT,
    STATELESS,
    Height,
    heights,  # noqa: F401
    random_mini,
)
from tests.roborew.critics.films import demonstration

TINY = TrainConfig(
    env=EnvConfig(ENV),
    instruction="climb",
    reward=RewardConfig("height"),
    total_timesteps=4 * ROLLOUT,
    num_envs=8,
)
TIMES = ("seconds", "sps")


def stop_once(status: Status) -> None:
    """What Ctrl-C does, in the middle of the run."""
    if status.steps >= status.total_steps // 2:
        signal.raise_signal(signal.SIGINT)


def run_whole(config: TrainConfig, path: Path) -> Outcome:
    with start(config, path) as run:
        return train(run)


def assert_same_checkpoints(whole: Path, parts: Path) -> None:
    """Raise unless the last checkpoints of two runs hold the same arrays."""
    expected, got = (RunDirectory.open(path).load_checkpoint() for path in (whole, parts))
    assert expected is not None and got is not None
    assert expected.arrays.keys() == got.arrays.keys()
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(array, got.arrays[name], err_msg=name)


def run_interrupted(config: TrainConfig, path: Path) -> tuple[Outcome, Outcome]:
    with start(config, path) as run:
        first = train(run, stop_once)
    with RunDirectory.resume(path) as run:
        return first, train(run)


def untimed(path: Path) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in record.items() if k not in TIMES}
        for record in RunDirectory.open(path).metrics()
    ]


@pytest.mark.parametrize("case", ["height", "whole episodes", "oracle-dense", "mini"])
def test_interrupted_and_resumed_equals_uninterrupted(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rollouts of 16 steps and episodes of 12: the interruption falls into every episode."""
    config = TINY
    if case == "whole episodes":
        monkeypatch.setattr(Height, "spec", replace(Height.spec, causal=False))
    elif case != "height":
        reward = str(random_mini(tmp_path / "weights")) if case == "mini" else case
        config = replace(
            TINY,
            env=EnvConfig("roborew/Press-v0"),
            instruction=None,
            reward=RewardConfig(reward),
        )
    whole = run_whole(config, tmp_path / "whole")
    first, second = run_interrupted(config, tmp_path / "parts")
    assert (first.ended, first.steps) == ("stopped", 2 * ROLLOUT)
    assert whole == second == Outcome(ended="finished", steps=4 * ROLLOUT)
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")
    assert_same_checkpoints(tmp_path / "whole", tmp_path / "parts")


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    run_whole(TINY, tmp_path / "a")
    run_whole(replace(TINY, seed=1), tmp_path / "b")
    assert untimed(tmp_path / "a") != untimed(tmp_path / "b")


def test_an_agent_learns_from_pictures_where_the_own_reward_is_nan(tmp_path: Path) -> None:
    """The two streams never cross: what trains is read from frames, what judges from the
    simulator."""
    config = replace(TINY, total_timesteps=12_000, num_envs=32)
    run_whole(config, tmp_path / "run")
    metrics = RunDirectory.open(tmp_path / "run").metrics()
    successes = [record["true_success"] for record in metrics if record["true_success"] is not None]
    assert all(record["true_return"] is None for record in metrics)
    assert np.mean(successes[:2]) < 0.3 and np.mean(successes[-3:]) > 0.8, successes
    learned = load_trained(RunDirectory.open(tmp_path / "run")).agent.state_dict()[0]
    assert all(
        np.isfinite(array).all() for name, array in learned.items() if name.startswith("network/")
    )


def test_observations_in_parts_and_choices_go_through_the_same_loop(tmp_path: Path) -> None:
    env = EnvConfig(IN_PARTS)
    config = replace(TINY, env=env, agent=AgentConfig("sb3-a2c"), total_timesteps=256)
    with start(config, tmp_path / "run") as run:
        assert train(run).ended == "finished"
        assert len(evaluate_run(run, episodes=2).random.episodes) == 2


@pytest.mark.parametrize("agent", ["sb3-ppo", "sb3-sac", "sb3-td3"])
def test_the_agents_of_stable_baselines_go_through_the_same_loop_exactly(
    agent: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"hidden_dim": 8, "batch_size": 16}
    if agent != "sb3-ppo":
        settings |= {"learning_starts": 64, "gradient_steps": 1, "train_freq": 8}
    config = replace(TINY, agent=AgentConfig(agent, settings), total_timesteps=768)
    first, second = run_interrupted(config, tmp_path / "run")
    assert (first.ended, first.steps, second.ended, second.steps) == (
        "stopped",
        512,
        "finished",
        768,
    )
    run_whole(config, tmp_path / "whole")
    assert untimed(tmp_path / "run") == untimed(tmp_path / "whole")
    expected = RunDirectory.open(tmp_path / "whole").load_checkpoint()
    got = RunDirectory.open(tmp_path / "run").load_checkpoint()
    assert expected is not None and got is not None and got.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(array, got.arrays[name], err_msg=name)
    trained = load_trained(RunDirectory.open(tmp_path / "run"))
    assert trained.steps == 768 and trained.agent.act(np.zeros((3, 2), np.float32)).shape == (3, 1)


def test_an_environment_that_cannot_give_its_state_goes_on_in_new_episodes(tmp_path: Path) -> None:
    _, second = run_interrupted(replace(TINY, env=EnvConfig(STATELESS)), tmp_path / "run")
    assert second == Outcome(ended="finished", steps=4 * ROLLOUT)
    assert [record["steps"] for record in untimed(tmp_path / "run")] == [
        ROLLOUT,
        2 * ROLLOUT,
        3 * ROLLOUT,
        4 * ROLLOUT,
    ]


def test_a_record_tells_where_the_time_went(tmp_path: Path) -> None:
    seen: list[Status] = []
    with start(TINY, tmp_path / "run") as run:
        train(run, seen.append)
    assert [status.steps for status in seen] == [ROLLOUT, 2 * ROLLOUT, 3 * ROLLOUT, 4 * ROLLOUT]
    assert seen[-1].seconds_left == 0 and seen[-1].sps > 0
    assert np.isfinite(seen[-1].learned_return) and 0 <= seen[-1].true_success <= 1
    record = run.metrics()[0]
    assert set(record["seconds"]) == {
        "physics",
        "drawing",
        "scoring",
        "acting",
        "updating",
        "other",
    }
    assert sum(record["seconds"].values()) == pytest.approx(ROLLOUT / record["sps"], rel=0.2)
    trained = load_trained(run)
    assert 0 < sum(trained.seconds.values()) <= trained.wall


def test_the_minutes_end_a_run_that_can_go_on(tmp_path: Path) -> None:
    assert run_whole(replace(TINY, max_minutes=1e-6), tmp_path / "run") == Outcome(
        ended="minutes", steps=ROLLOUT
    )
    with RunDirectory.resume(tmp_path / "run") as run:
        assert train(run) == Outcome(ended="minutes", steps=2 * ROLLOUT)


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where the tests run in the background and the shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_a_second_ctrl_c_acts_at_once_and_the_last_checkpoint_stands(tmp_path: Path) -> None:
    def impatient(status: Status) -> None:
        if status.steps == 2 * ROLLOUT:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with start(TINY, tmp_path / "run") as run, pytest.raises(KeyboardInterrupt):
        train(run, impatient)
    with RunDirectory.resume(tmp_path / "run") as run:
        assert [record["steps"] for record in run.metrics()] == [ROLLOUT]
        assert train(run).ended == "finished"


def test_ctrl_c_is_what_it_was_after_training(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    run_whole(TINY, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_keeps_the_run_and_it_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk, start(TINY, tmp_path / "run") as run:
        disk.setattr(logger, "CHECKPOINT_SECONDS", 0.0)

        def fill(status: Status) -> None:
            if status.steps == 2 * ROLLOUT:
                disk.setattr("roborew.storage.checkpoints.write_synced", full)

        with pytest.raises(RoborewError, match="disk is full.*--resume"):
            train(run, fill)
    with RunDirectory.resume(tmp_path / "run") as run:
        assert [record["steps"] for record in run.metrics()] == [ROLLOUT, 2 * ROLLOUT]
        assert train(run) == Outcome(ended="finished", steps=4 * ROLLOUT)


def test_a_run_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(RunExistsError, match="never overwritten"):
        start(TINY, tmp_path / "run")


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (
            {"env": EnvConfig("roborew/Pres-v0")},
            UnknownNameError,
            "Did you mean.*roborew/Press-v0.*Available",
        ),
        ({"reward": RewardConfig("mine")}, UnknownNameError, "Did you mean 'mini'.*oracle-dense"),
        (
            {"reward": RewardConfig("critics/nope")},
            UnknownNameError,
            "'critics/nope', and there is no folder of that name.*mini",
        ),
        ({"agent": AgentConfig("pppo")}, UnknownNameError, "Did you mean 'ppo'.*sb3-sac"),
        (
            {"agent": AgentConfig("sb3-dqn")},
            InvalidInputError,
            r"sb3-dqn expected Discrete, got Box.*take the agent sb3-ppo or .*sb3-td3",
        ),
        (
            {"agent": AgentConfig("sb3-td3", {"buffer_size": 10**15})},
            InvalidInputError,
            "sb3-td3: Unable to allocate .* for an array",
        ),
        (
            {"agent": AgentConfig("sb3-td3", {"hindsight": True})},
            UnknownNameError,
            "unknown setting of agent sb3-td3 'hindsight'.*Available: .*buffer_size.*policy_delay",
        ),
        ({"instruction": " "}, InvalidInputError, "says nothing"),
        ({"instruction": "a" * 600}, InvalidInputError, "600 characters"),
        ({"instruction": "up\x07"}, InvalidInputError, "control character"),
        ({"instruction": None}, InvalidInputError, "no instruction of its own"),
        ({"device": "nowhere"}, InvalidInputError, "torch cannot use 'nowhere'"),
        ({"reward": RewardConfig(".")}, InvalidInputError, "without config.json"),
    ],
)
def test_a_bad_choice_is_one_clear_error_and_nothing_is_written(
    wrong: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        start(replace(TINY, **wrong), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"total_timesteps": 0},
        {"num_envs": 0},
        {"score_every": 0},
        {"max_minutes": 0.0},
        {"max_minutes": np.inf},
    ],
)
def test_a_number_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))}: expected"):
        replace(TINY, **wrong)


@pytest.mark.parametrize(
    ("wanted", "asked", "paid"),
    [("raw", None, 1), ("progress-delta", None, 0), ("raw", "progress-delta", 0)],
)
def test_a_reward_is_paid_as_it_says_unless_the_user_says_otherwise(
    wanted: Any, asked: Any, paid: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rest there is no gain: only the level of the score is paid."""
    monkeypatch.setattr(Height, "spec", replace(Height.spec, shaping=wanted))
    config = replace(TINY, shaping=ShapingConfig(asked), score_every=1)
    with start(config, tmp_path / "run") as run:
        assert run.config(TrainConfig).shaping.kind == (asked or wanted)
    with closing(make_reward_env(config, 2, Height())) as env:
        _, infos = env.reset(seed=1)
        rewards = env.step(np.zeros((2, 1), np.float32))[1]
    np.testing.assert_allclose(rewards, paid * infos["score"])


@pytest.mark.parametrize("critic", sorted(critics))
def test_only_a_score_that_belongs_to_a_step_is_paid_by_its_level(critic: str) -> None:
    assert (critics.load(critic).spec.shaping == "raw") == (critic in ("gail", "temporal_ot"))


def test_a_critic_that_must_see_how_an_episode_ends_pays_and_is_judged(tmp_path: Path) -> None:
    how = FitConfig(
        critic=CriticConfig("temporal_ot"), encoder=EncoderConfig("mini"), calibrate=False
    )
    films = [demonstration(kind, cameras=(DEFAULT_CAMERA,)) for kind in ("success", "failure")]
    critic = fit_critic(films, how).critic
    critic.save_pretrained(tmp_path / "critic")
    config = replace(TINY, reward=RewardConfig(str(tmp_path / "critic")), total_timesteps=ROLLOUT)
    assert run_whole(config, tmp_path / "run") == Outcome(ended="finished", steps=ROLLOUT)
    learned = evaluate_run(RunDirectory.open(tmp_path / "run"), 3).agent.learned_return
    assert learned is not None and learned < 0


def test_a_reward_that_cannot_pay_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Height, "spec", replace(Height.spec, needs_goal_image=True))
    with pytest.raises(InvalidInputError, match="picture of the goal"):
        start(TINY, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_nan_stops_training(tmp_path: Path) -> None:
    with (
        start(replace(TINY, reward=RewardConfig("broken")), tmp_path / "run") as run,
        pytest.raises(InvalidScoreError, match="NaN"),
    ):
        train(run)


def test_a_saved_agent_keeps_its_own_settings_when_the_defaults_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roborew.agents import ppo

    run_whole(TINY, tmp_path / "run")
    monkeypatch.setattr(ppo.PPO.__init__, "__defaults__", (ppo.PPOConfig(hidden_dim=5), 0))
    trained = load_trained(RunDirectory.open(tmp_path / "run"))
    assert trained.agent.config.hidden_dim == ppo.PPOConfig().hidden_dim
    assert trained.agent.act(np.zeros((1, 2), np.float32)).shape == (1, 1)


def test_options_reach_the_reward(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Available: device, weights"):
        start(TrainConfig(reward=RewardConfig(options={"size": 3})), tmp_path / "run")
    with pytest.raises(InvalidInputError, match="nowhere"):
        start(TrainConfig(reward=RewardConfig(options={"weights": "nowhere"})), tmp_path / "run")
    assert not (tmp_path / "run").exists()
