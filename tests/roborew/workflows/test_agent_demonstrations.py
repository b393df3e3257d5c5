"""Demonstrations for the agent: chosen, checked, and paid as the agent itself is paid."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from roborew.agents.bc import BC
from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.offline.weights import progress_weights
from roborew.config import from_json, to_json
from roborew.data.demonstration import Demonstration
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.storage.run import RunDirectory
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.evaluate import evaluate_run
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.rewards import load_model, make_reward_env
from roborew.workflows.train import demonstrations
from roborew.workflows.train.config import EnvConfig, SuccessDetectorConfig, TrainConfig
from roborew.workflows.train.demonstrations import (
    RecordedEnv,
    agent_episodes,
    describe_demonstrations,
    give_demonstrations,
    read_agent_demonstrations,
    unpaid_episode,
)
from roborew.workflows.train.loop import start, train
from roborew.workflows.train.resolve import resolve
from roborew.workflows.trained import visited_path

ENV = "roborew/Press-v0"
LOSSLESS = CollectConfig(behaviors=("expert", "stall"), episodes=2, codec="lossless")
SMALL: dict[str, dict[str, Any]] = {
    "bc": {"hidden_dim": 16, "report_every": 4},
    "iql": {"hidden_dim": 16, "value_hidden_dim": 16, "batch_size": 16, "report_every": 4},
    "sac": {"hidden_dim": 16, "batch_size": 16, "gradient_steps": 1, "report_every": 4},
}
SMALL_SAC = SMALL["sac"]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experts and two stalls, their frames exact."""
    return collect_demonstrations(ENV, LOSSLESS, tmp_path_factory.mktemp("demos") / "press")


@pytest.fixture
def config(demos: Path) -> TrainConfig:
    """A clone that learns for a moment."""
    return TrainConfig(
        env=EnvConfig(ENV),
        reward=RewardConfig("oracle-dense"),
        agent=AgentConfig("bc", {"hidden_dim": 16}),
        demos=demos,
        total_timesteps=20,
        num_envs=2,
    )


def played(config: TrainConfig, demonstration: Demonstration) -> tuple[list[float], bool]:
    """What the reward of the run pays for the same actions in the environment itself."""
    assert demonstration.actions is not None
    seed = int(demonstration.notes["seed"])
    rewards: list[float] = []
    with closing(make_reward_env(config, 1, load_model(config))) as env:
        env.reset(seed=[seed])
        for action in demonstration.actions[:-1]:
            _, reward, terminated, _, _ = env.step(action[None])
            rewards.append(float(reward[0]))
            if terminated[0]:
                return rewards, True
    return rewards, False


@pytest.mark.parametrize("reward", ["oracle-dense", "oracle-sparse", "mini"])
@pytest.mark.parametrize("score_every", [1, 4])
def test_a_demonstration_is_paid_what_the_environment_pays_for_its_actions(
    config: TrainConfig, reward: str, score_every: int
) -> None:
    config = resolve(replace(config, reward=RewardConfig(reward), score_every=score_every))
    demonstrations = read_agent_demonstrations(config.demos or Path(), None)
    episodes = agent_episodes(config, load_model(config), needs_rewards=True)
    for demonstration, episode in zip(demonstrations, episodes, strict=True):
        expected, terminated = played(config, demonstration)
        assert episode.rewards is not None
        np.testing.assert_allclose(episode.rewards, expected, atol=1e-6)
        assert episode.terminated == terminated
        assert len(episode.observations) == len(expected) + 1


def test_those_that_fail_are_left_out_and_the_first_are_taken(demos: Path) -> None:
    assert [demo.notes["behavior"] for demo in read_agent_demonstrations(demos, None)] == [
        "expert",
        "expert",
    ]
    (first,) = read_agent_demonstrations(demos, 1)
    assert first.name.endswith("000000")
    with pytest.raises(InvalidInputError, match=r"expected 3 that succeed.*has 2"):
        read_agent_demonstrations(demos, 3)


class Listener:
    """An agent that keeps what it is given."""

    needs_rewards = True

    def __init__(self) -> None:
        self.demonstrations: list[str] = []
        self.experience: list[str] = []

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        self.demonstrations = [episode.name for episode in episodes]

    def use_experience(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        self.experience = [episode.name for episode in episodes]


@pytest.mark.parametrize("shows", [True, False])
def test_what_was_told_to_succeed_in_a_refit_joins_the_demonstrations(
    shows: bool, config: TrainConfig, demos: Path, tmp_path: Path
) -> None:
    with start(replace(config, num_demos=1), tmp_path / "run") as run:
        shutil.copytree(demos, visited_path(run, 1))
        names = [one.name for one in read_demonstrations(demos)]
        agent: Any = Listener()
        shown = run.config(TrainConfig)
        shown = shown if shows else replace(shown, demos=None, num_demos=None, demo_failures=None)
        give_demonstrations(run, shown, 1, agent, model=None)
    assert agent.demonstrations == ([names[0], *names[:2]] if shows else [])
    assert agent.experience == (names[2:] if shows else names)


def test_the_simulators_truth_is_kept_from_an_agent_that_a_judge_teaches(
    config: TrainConfig, demos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpaid(_: TrainConfig, films: Sequence[Demonstration], __: None) -> list[Any]:
        return [unpaid_episode(film) for film in films]

    monkeypatch.setattr(demonstrations, "paid_episodes", unpaid)
    monkeypatch.setattr(demonstrations, "experience_paths", lambda *_: [demos])
    names = [one.name for one in read_demonstrations(demos)]
    with start(config, tmp_path / "run") as run:
        taught = replace(run.config(TrainConfig), reward=RewardConfig("preference"))
        agent: Any = Listener()
        give_demonstrations(run, taught, 1, agent, model=None)
    assert agent.demonstrations == names[:2] and agent.experience == names


@pytest.mark.parametrize(
    ("horizon", "reward", "failures", "is_said"),
    [
        (None, "mini", False, False),  # as long as the agent's episodes
        (400, "mini", False, True),
        (400, "mini", True, False),  # some fail: nobody takes their end for the goal
        (400, "oracle-dense", False, False),  # a success ends the agent's episodes, too
    ],
)
def test_demonstrations_that_do_not_show_how_a_goal_is_held_are_told_of(
    horizon: int | None, reward: str, failures: bool, is_said: bool, config: TrainConfig
) -> None:
    detector = SuccessDetectorConfig(enabled=None if reward == "oracle-dense" else False)
    config = replace(
        config,
        env=replace(config.env, horizon=horizon),
        reward=RewardConfig(reward),
        success_detector=detector,
        demo_failures=failures,
    )
    config = resolve(config)
    with closing(make_reward_env(config, 1, load_model(config))) as env:
        said = describe_demonstrations(config, env)
    assert (said is not None) == is_said
    if said is not None:
        assert "episodes of the agent have 400" in said and "--to-horizon" in said


def test_a_run_writes_down_how_many_it_was_shown(config: TrainConfig, tmp_path: Path) -> None:
    with start(config, tmp_path / "run") as run:
        assert run.config(TrainConfig).num_demos == 2


def test_failures_are_shown_to_agents_that_tell_them_apart(
    config: TrainConfig, tmp_path: Path
) -> None:
    shown: dict[str, TrainConfig] = {}
    progress = {**SMALL["bc"], "weighting": "progress"}
    for name, agent in {
        "bc": AgentConfig("bc", SMALL["bc"]),
        "progress": AgentConfig("bc", progress),
        "iql": AgentConfig("iql", SMALL["iql"]),
    }.items():
        with start(replace(config, agent=agent), tmp_path / name) as run:
            shown[name] = run.config(TrainConfig)
    assert {name: one.num_demos for name, one in shown.items()} == {
        "bc": 2,
        "progress": 4,
        "iql": 4,
    }
    assert not shown["bc"].demo_failures and shown["iql"].demo_failures
    with start(replace(config, demo_failures=True), tmp_path / "asked") as run:
        assert run.config(TrainConfig).num_demos == 4


def test_a_part_of_a_set_with_failures_is_taken_evenly(demos: Path) -> None:
    chosen = read_agent_demonstrations(demos, 2, failures=True)
    assert [demo.notes["behavior"] for demo in chosen] == ["expert", "stall"]
    with pytest.raises(InvalidInputError, match=r"expected 9; .* has 4"):
        read_agent_demonstrations(demos, 9, failures=True)


@pytest.mark.parametrize("reward", ["oracle-dense", "mini"])
def test_a_paid_demonstration_says_how_each_frame_was_scored(
    config: TrainConfig, reward: str
) -> None:
    config = resolve(replace(config, reward=RewardConfig(reward), demo_failures=True))
    episodes = agent_episodes(config, load_model(config), needs_rewards=True)
    for episode in episodes:
        assert episode.scores is not None and len(episode.scores) == len(episode.observations)
        given = np.flatnonzero(np.isfinite(episode.scores))
        assert given.tolist() == sorted(
            {*range(0, len(episode.scores), 4), len(episode.scores) - 1}
        )


@pytest.mark.parametrize("agent", ["bc", "iql", "sac"])
def test_an_interrupted_run_with_demonstrations_equals_an_uninterrupted_one(
    agent: str, config: TrainConfig, tmp_path: Path
) -> None:
    config = replace(config, agent=AgentConfig(agent, SMALL[agent]))

    def weights(path: Path) -> dict[str, Any]:
        checkpoint = RunDirectory.open(path).load_checkpoint()
        assert checkpoint is not None
        # Offline an environment is never begun, so nothing seeds it.
        part = "" if agent == "sac" else "agent/"
        return {name: a for name, a in checkpoint.arrays.items() if name.startswith(part)}

    with start(config, tmp_path / "whole") as run:
        train(run)
    with start(replace(config, max_minutes=1e-9), tmp_path / "cut") as run:
        assert train(run).ended == "minutes"
    with RunDirectory.resume(tmp_path / "cut") as run:
        while train(run).ended != "finished":
            pass
    expected, actual = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)


def test_a_run_of_before_had_no_demonstrations(config: TrainConfig) -> None:
    content = to_json(replace(config, demos=None))
    del content["demos"], content["num_demos"]
    assert from_json(TrainConfig, content).demos is None


Change = Callable[[TrainConfig, Path], TrainConfig]
REFUSED: dict[str, tuple[Change, str]] = {
    "a clone without any": (lambda c, _: replace(c, demos=None), "--demos"),
    "an agent that takes none": (
        lambda c, _: replace(c, agent=AgentConfig("sb3-sac")),
        "takes no demonstrations",
    ),
    "no failures to learn from": (
        lambda c, _: replace(c, agent=AgentConfig("iql", SMALL["iql"]), demo_failures=False),
        "all 2 demonstrations succeed.*--agent bc",
    ),
    "of another task": (lambda c, _: replace(c, env=EnvConfig("roborew/Reach-v0")), "another task"),
    "no such folder": (lambda c, tmp: replace(c, demos=tmp / "none"), "no demonstrations"),
    "more than there are": (lambda c, _: replace(c, num_demos=9), "expected 9"),
    "another camera": (
        lambda c, _: replace(
            c, env=EnvConfig(ENV, cameras=("side",)), agent=AgentConfig("sac", SMALL_SAC)
        ),
        "camera 'side'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_from_is_said_before_there_is_a_folder(
    case: str, config: TrainConfig, tmp_path: Path
) -> None:
    change, words = REFUSED[case]
    with pytest.raises(InvalidInputError, match=words):
        start(change(config, tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_says_what_was_done_and_videos_without_that_are_refused(tmp_path: Path) -> None:
    small = replace(LOSSLESS, episodes=1, width=32, height=24)
    films = collect_demonstrations(ENV, replace(small, format="folder"), tmp_path / "films")
    (one,) = read_agent_demonstrations(films, None)
    (other,) = read_agent_demonstrations(
        collect_demonstrations(ENV, small, tmp_path / "lerobot"), None
    )
    for name in ("observations", "actions", "rewards"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)

    lines = (films / "manifest.jsonl").read_text().splitlines()
    bare = [{**json.loads(line), "numbers": None} for line in lines]
    (films / "manifest.jsonl").write_text("\n".join(map(json.dumps, bare)))
    with pytest.raises(InvalidInputError, match=r"observation\.state"):
        read_agent_demonstrations(films, None)


@pytest.mark.parametrize("setting", [{"num_demos": 3}, {"demo_failures": True}])
def test_a_choice_without_a_set_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="--demos"):
        TrainConfig(**setting)


def test_side_by_side_demonstrations_are_paid_as_one_by_one(
    config: TrainConfig, demos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve(replace(config, reward=RewardConfig("mini"), score_every=3))
    model = load_model(config)
    films = read_agent_demonstrations(demos, None, failures=True)
    ended = {films[1].name}
    together = demonstrations.paid_episodes(config, films, model, ended)
    monkeypatch.setattr(demonstrations, "PLAYED_TOGETHER", 1)
    one_by_one = demonstrations.paid_episodes(config, films, model, ended)
    for one, other, film in zip(together, one_by_one, films, strict=True):
        assert one.name == other.name == film.name
        assert one.rewards is not None and other.rewards is not None
        np.testing.assert_array_equal(one.observations, other.observations)
        np.testing.assert_allclose(one.rewards, other.rewards, atol=1e-5)
        assert one.terminated == other.terminated
        is_whole = len(one.actions) == film.length - 1
        if is_whole and film.name in ended:
            assert one.terminated


def test_an_oracle_looks_at_no_frame(demos: Path) -> None:
    """A set of hundred episodes would take minutes to decode for nothing."""
    env = RecordedEnv(read_agent_demonstrations(demos, 1), ())
    env.reset()
    env.step(np.zeros((1, 2)))
    (player,) = env._players
    assert player._step_of_frame == -1
    assert len(env.render()) == 1 and player._step_of_frame == 1


def test_the_command_line_knows_them(demos: Path, tmp_path: Path) -> None:
    from roborew import cli

    words = f"train --env {ENV} --reward oracle-dense --agent bc --agent.hidden-dim 16 --demos"
    rest = "--total-timesteps 4 --evaluation.episodes 2 --num-demos 1 --name run --out"
    assert cli.main([*words.split(), str(demos), *rest.split(), str(tmp_path)]) == 0
    content = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert content["demonstrations"] == 1


def test_beside_an_agent_stands_what_cloning_alone_reaches(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BC, "train_timesteps", 5)
    config = replace(config, agent=AgentConfig("sac", SMALL_SAC))
    with start(config, tmp_path / "run") as run:
        train(run)
        result = evaluate_run(run, episodes=2)
    assert list(result.rows()) == ["sac", "random", "cloning", "expert"]
    assert result.summary()["cloning_success"] == result.rows()["cloning"].true_success


def test_a_set_is_given_weights_as_lerobot_reads_them(demos: Path, tmp_path: Path) -> None:
    from roborew import cli

    words = ["score", str(demos), "--no-video", "--weights-horizon", "4", "--out", str(tmp_path)]
    assert cli.main(words) == 0
    tables = {
        name: parquet.read_table(tmp_path / f"mini_{name}.parquet").to_pydict()
        for name in ("progress", "weights")
    }
    weights, progress = tables["weights"], tables["progress"]
    assert weights["index"] == progress["index"] == list(range(len(weights["index"])))
    edges = np.flatnonzero(np.diff(progress["episode_index"])) + 1
    expected = progress_weights(np.split(np.array(progress["progress_sparse"]), edges), 4)
    np.testing.assert_array_equal(weights["weight"], np.concatenate(expected))


def test_weights_of_videos_alone_are_refused(tmp_path: Path) -> None:
    from roborew import cli

    (tmp_path / "film.mp4").touch()
    words = ["score", str(tmp_path / "film.mp4"), "--weights-horizon", "4", "--goal", "press it"]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
