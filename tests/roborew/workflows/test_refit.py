"""A critic refreshed on the way: what the agent did is kept, pays from then on, and an interruption
changes nothing."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from roborew import cli
from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.sac.agent import SAC
from roborew.checks.synthetic import PUSH
from roborew.critics.critic import Critic
from roborew.data import outcomes, write_video
from roborew.data.demonstration import Demonstration
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError, RoborewError
from roborew.evaluation import Recording
from roborew.seeding import Seeds
from roborew.storage.run import RunDirectory
from roborew.types import Clip
from roborew.workflows import refit
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.factories import make_env
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.parts import AgentConfig, CriticConfig, EncoderConfig, RewardConfig
from roborew.workflows.rewards import load_model
from roborew.workflows.train import memory
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.demonstrations import paid_episodes
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import Outcome, start, train
from roborew.workflows.trained import (
    config_of_phase,
    experience_path,
    load_trained,
    same_critic,
    visited_path,
)
from roborew_envs import TaskVectorEnv, make_task
from tests.roborew.critics.films import demonstration
from tests.roborew.workflows.beginnings import Beginning

ENV, ROLLOUT, EPISODES = "roborew/Press-v0", 256, 3


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = CollectConfig(
        behaviors=("expert", "stall"), episodes=2, codec="lossless", width=48, height=36
    )
    config = replace(small, cameras=("front", "wrist"))
    return collect_demonstrations(ENV, config, tmp_path_factory.mktemp("demos") / "press")


@pytest.fixture(scope="module", params=["vice", "ridge"])
def config(
    request: pytest.FixtureRequest, demos: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainConfig:
    """An ensemble with a way of its own to learn from an agent, and a critic without that sees
    several views."""
    own = request.param == "vice"
    steps, cameras = ({"steps": 3}, ("wrist",)) if own else ({}, ("wrist", "front"))
    how = FitConfig(
        critic=CriticConfig(request.param, steps),
        ensemble_size=1 + own,
        encoder=EncoderConfig("mini"),
        calibrate=False,
        cameras=cameras,
    )
    folder = tmp_path_factory.mktemp("critic") / request.param
    fit_critic(list(read_demonstrations(demos)), how).critic.save_pretrained(folder)
    return TrainConfig(
        env=EnvConfig(ENV),
        reward=RewardConfig(str(folder)),
        refit=demos,
        refit_episodes=EPISODES,
        total_timesteps=4 * ROLLOUT,
        num_envs=8,
        score_every=30,
    )


def whole(config: TrainConfig, path: Path) -> Outcome:
    with start(config, path) as run:
        return train(run, refit=refit.refit)


def assert_equal_ends(*paths: Path) -> None:
    """The last checkpoints of two runs are equal to the last bit."""
    one, other = (RunDirectory.open(path).load_checkpoint() for path in paths)
    assert one is not None and other is not None
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


@pytest.mark.parametrize("refit_agent", ["continue", "restart"])
def test_interrupted_at_any_rollout_equals_uninterrupted(
    config: TrainConfig, refit_agent: Any, tmp_path: Path
) -> None:
    config = replace(config, refit_agent=refit_agent)
    expected = whole(config, tmp_path / "whole")

    def stop(status: Status) -> None:
        signal.raise_signal(signal.SIGINT)

    with start(config, tmp_path / "parts") as run:
        ends = [train(run, stop, refit.refit)]
    while ends[-1].ended != "finished":
        with RunDirectory.resume(tmp_path / "parts") as run:
            ends.append(train(run, stop, refit.refit))
    assert ends[-1] == expected == Outcome(ended="finished", steps=4 * ROLLOUT)
    assert_equal_ends(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("config", ["ridge"], indirect=True)
@pytest.mark.parametrize("refit_agent", ["continue", "restart"])
def test_a_critic_that_misled_nobody_stays_and_the_agent_learns_as_without_a_refit(
    config: TrainConfig, refit_agent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_succeed(run: RunDirectory, config: TrainConfig, number: int) -> list[Demonstration]:
        visited = read_demonstrations(visited_path(run, number))
        return [replace(one, succeeded=True, progress=None, success=None) for one in visited]

    monkeypatch.setattr(refit, "_told_episodes", all_succeed)
    whole(replace(config, refit_agent=refit_agent), tmp_path / "kept")
    critic = Path(config.reward.name)
    for file in (path for path in critic.rglob("*") if path.is_file()):
        copy = tmp_path / "kept" / "critic-1" / file.relative_to(critic)
        assert copy.read_bytes() == file.read_bytes()
    assert load_trained(RunDirectory.open(tmp_path / "kept")).labeled_episodes == EPISODES
    whole(replace(config, refit=None, refit_episodes=32), tmp_path / "never")
    assert_equal_ends(tmp_path / "kept", tmp_path / "never")


def test_one_failure_among_the_latest_episodes_is_learned_from(
    config: TrainConfig, tmp_path: Path
) -> None:
    with start(config, tmp_path / "run") as run:
        train(run, refit=refit.refit)
    assert any(one.succeeded is False for one in read_demonstrations(visited_path(run, 1)))
    assert not same_critic(run, 0, 1)


@pytest.mark.parametrize("config", ["vice"], indirect=True)
@pytest.mark.parametrize("refit_agent", ["continue", "restart"])
def test_an_agent_that_begins_anew_with_a_critic_counts_on(
    config: TrainConfig, refit_agent: Any, tmp_path: Path, begins: list[Beginning]
) -> None:
    whole(replace(config, refit_agent=refit_agent), tmp_path / "run")
    first, later = begins
    assert 0 == first.steps < later.steps
    assert later.is_like(first) == (refit_agent == "restart")


def test_the_agents_episodes_are_kept_with_their_truth_and_another_critic_pays(
    config: TrainConfig, tmp_path: Path
) -> None:
    with start(replace(config, num_refits=2, total_timesteps=3 * ROLLOUT), tmp_path / "run") as run:
        train(run, refit=refit.refit)
    for number in (1, 2):
        visited = list(read_demonstrations(run.path / f"visited-{number}"))
        assert len(visited) == EPISODES
        assert all(one.progress is not None and one.succeeded is not None for one in visited)
        _check_views(visited[0], Critic.from_pretrained(config.reward.name).cameras, number)
    critics = [Path(config.reward.name), run.path / "critic-1", run.path / "critic-2"]
    assert len({(path / "model.safetensors").read_bytes() for path in critics}) == 3
    model = load_trained(run).model
    assert model is not None
    assert "episodes of the agent" in (critics[2] / "card.md").read_text()


@pytest.mark.parametrize("start_from", [True, False])
def test_a_step_from_the_weights_of_the_critic_before_goes_no_further_than_a_step(
    demos: Path, start_from: bool
) -> None:
    demonstrations = list(read_demonstrations(demos))
    how = FitConfig(
        critic=CriticConfig("robometer", {"steps": 3}),
        ensemble_size=2,
        encoder=EncoderConfig("conv", {"steps": 3}),
    )
    before = fit_critic(demonstrations, how).critic
    one_step = replace(
        how,
        critic=CriticConfig("robometer", {"steps": 1}),
        encoder=EncoderConfig("conv", {"steps": 1}),
        seed=1,
    )
    after = fit_critic(demonstrations, one_step, start=before if start_from else None).critic
    for part in ("encoder", "objective"):
        weights, moved = (getattr(critic, part).state_dict() for critic in (before, after))
        farthest = max(float(np.abs(moved[name] - weights[name]).max()) for name in weights)
        # Adam's first step is as long as its learning rate, 0.002, in each weight.
        assert (farthest < 0.01) == start_from


@pytest.mark.parametrize("config", ["vice"], indirect=True)
def test_the_card_says_which_critic_a_refit_went_on_from(
    config: TrainConfig, tmp_path: Path
) -> None:
    with start(replace(config, refit_start="weights"), tmp_path / "run") as run:
        train(run, refit=refit.refit)
    card = (run.path / "critic-1" / "card.md").read_text()
    assert "from the weights of vice" in card


@pytest.mark.parametrize("config", ["vice"], indirect=True)
@pytest.mark.parametrize(("labels", "lasts"), [("episodes", True), ("ends", False)])
def test_a_success_that_did_not_last_is_one_at_any_time_and_none_at_the_end(
    config: TrainConfig, labels: str, lasts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refit, "config_of_phase", lambda run, config, number: config)
    frames = np.random.default_rng(0).integers(0, 256, (3, 36, 48, 3)).astype(np.uint8)
    episode: Any = SimpleNamespace(success=[False, True, False])
    label = refit.LABELS[labels](RunDirectory(Path()), config, 1)
    assert label(Recording(episode=episode, frames=frames))["success"][-1] == lasts


@pytest.mark.parametrize("config", ["vice"], indirect=True)
@pytest.mark.parametrize("labels", ["episodes", "ends"])
def test_only_whether_an_episode_brought_success_may_be_told(
    config: TrainConfig, labels: Any, tmp_path: Path
) -> None:
    with start(replace(config, refit_labels=labels), tmp_path / "run") as run:
        train(run, refit=refit.refit)
    for film in read_demonstrations(run.path / "visited-1"):
        assert film.progress is None and film.success is not None
        first = int(np.argmax(film.success))
        # From one frame on, or never: nothing tells more.
        assert film.success[first:].all() or not film.success.any()


@pytest.mark.parametrize("config", ["vice"], indirect=True)
def test_a_person_who_says_the_truth_teaches_what_the_simulator_teaches(
    config: TrainConfig, tmp_path: Path
) -> None:
    config = replace(config, num_refits=2)
    whole(replace(config, refit_labels="episodes"), tmp_path / "truth")
    waits = pytest.raises(RoborewError, match=f"{EPISODES} episodes wait .*visited-1 --outcomes")
    with waits, start(replace(config, refit_labels="person"), tmp_path / "told") as run:
        train(run, refit=refit.refit)
    for number in (1, 2):
        truth = {
            film.name: film.succeeded
            for film in read_demonstrations(visited_path(RunDirectory(tmp_path / "truth"), number))
        }
        place = visited_path(RunDirectory(tmp_path / "told"), number)
        asked = list(read_demonstrations(place))
        assert [film.name for film in asked] == [*truth]
        assert all(film.success is None and film.succeeded is None for film in asked)
        keys = tmp_path / "keys.txt"
        keys.write_text(" ".join("success" if truth[film.name] else "failure" for film in asked))
        assert cli.main(["label", str(place), "--outcomes", "--keys", str(keys)]) == 0
        with RunDirectory.resume(tmp_path / "told") as run:
            if number == 1:
                with pytest.raises(RoborewError, match="visited-2"):
                    train(run, refit=refit.refit)
            else:
                assert train(run, refit=refit.refit).ended == "finished"
    assert_equal_ends(tmp_path / "truth", tmp_path / "told")


@pytest.mark.parametrize("config", ["vice"], indirect=True)
def test_an_episode_of_which_nobody_could_tell_is_not_learned_from(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(RoborewError, match="wait"),
        start(replace(config, refit_labels="person"), tmp_path / "run") as run,
    ):
        train(run, refit=refit.refit)
    place = visited_path(RunDirectory(tmp_path / "run"), 1)
    outcomes.OutcomeFile(place / outcomes.OUTCOMES).add(
        [
            outcomes.Outcome(
                episode=film.name, success=[True, False, None][min(row, 2)], by="person"
            )
            for row, film in enumerate(read_demonstrations(place))
        ]
    )
    learned: list[Demonstration] = []

    def fit(demonstrations: Any, how: Any, visited: Any, **others: Any) -> Any:
        learned.extend(visited)
        return fit_critic(demonstrations, how, visited=visited, **others)

    monkeypatch.setattr(refit, "fit_critic", fit)
    with RunDirectory.resume(tmp_path / "run") as run:
        train(run, refit=refit.refit)
    success, failure = (film.success for film in learned)
    assert success is not None and failure is not None
    assert success[-1] and not failure.any()


SAC_ROLLOUT = 8 * 4
SMALL_SAC = AgentConfig(
    "sac",
    {
        "hidden_dim": 16,
        "batch_size": 16,
        "gradient_steps": 1,
        "report_every": 4,
        "learning_starts": 64,
    },
)


@pytest.mark.parametrize("config", ["vice"], indirect=True)
@pytest.mark.parametrize("refit_replay", ["rescore", "forget"])
def test_what_was_done_for_a_refit_stays_in_the_replay_paid_by_the_new_critic(
    config: TrainConfig, refit_replay: Any, tmp_path: Path
) -> None:
    config = replace(
        config, agent=SMALL_SAC, score_every=5, num_refits=2, refit_replay=refit_replay
    )
    with start(config, tmp_path / "run") as run:
        train(run, refit=refit.refit)
    config = run.config(TrainConfig)
    visited = list(read_demonstrations(visited_path(run, 1)))
    before, after = (
        paid_episodes(config, visited, load_model(config_of_phase(run, config, number)))
        for number in (0, 1)
    )
    for film, old, new in zip(visited, before, after, strict=True):
        assert film.actions is not None and old.rewards is not None and new.rewards is not None
        np.testing.assert_array_equal(new.actions, film.actions[: len(new.actions)])
        assert old.rewards[4] != new.rewards[4]

    def pieces(status: Status) -> None:
        if status.steps % 192 == 0:
            signal.raise_signal(signal.SIGINT)

    with start(config, tmp_path / "parts") as run:
        ended = train(run, pieces, refit.refit).ended
    while ended != "finished":
        with RunDirectory.resume(tmp_path / "parts") as run:
            ended = train(run, pieces, refit.refit).ended
    assert_equal_ends(tmp_path / "run", tmp_path / "parts")


@pytest.mark.parametrize("config", ["vice"], indirect=True)
def test_all_that_an_agent_did_is_paid_anew(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[DemonstrationEpisode]] = []

    def listen(agent: SAC, episodes: Sequence[DemonstrationEpisode]) -> None:
        given.append([*episodes])

    monkeypatch.setattr(SAC, "use_experience", listen)
    with start(replace(config, agent=SMALL_SAC, num_refits=2), tmp_path / "run") as run:
        train(run, refit=refit.refit)
    config = run.config(TrainConfig)
    for refits, episodes in enumerate(given, start=1):
        played = [one for one in episodes if one.name.startswith("step")]
        # A phase ends with the rollout that reaches its steps.
        steps = -(-config.phases[refits - 1] // SAC_ROLLOUT) * SAC_ROLLOUT
        assert sum(len(one.actions) for one in played) == steps
        model = load_model(config_of_phase(run, config, refits))
        with closing(make_env(config, config.num_envs)) as env:
            _check_first_score(env, model, config.sentence, played[0])
    assert len(given) == 2
    # Its pictures have served their purpose, also where a process was killed just before the end.
    assert not experience_path(run).exists()
    experience_path(run).mkdir()
    with RunDirectory.resume(run.path) as run:
        assert train(run, refit=refit.refit).ended == "finished"
    assert not experience_path(run).exists()


def _check_first_score(env: Any, model: Any, sentence: str, episode: DemonstrationEpisode) -> None:
    """The first frame of a run is scored as the new critic scores what the environment shows there."""
    env.reset(seed=Seeds(0).integer("agent"))
    clip = Clip(frames=env.render_frames(np.array([0])), instruction=sentence)
    assert episode.scores is not None
    assert episode.scores[0] == pytest.approx(model.score([clip])[0].value[0], abs=1e-5)


def test_pictures_that_the_disk_cannot_hold_are_refused_before_anything_is_written(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, agent=SMALL_SAC, total_timesteps=10**9)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**10))
    with pytest.raises(InvalidInputError, match="--refit-replay forget"):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _check_views(first: Demonstration, cameras: tuple[str, ...], number: int) -> None:
    """What the critic's own cameras show of the start, by their names."""
    assert first.cameras == cameras
    for camera in cameras:
        with closing(TaskVectorEnv(make_task(ENV), 1, "rgb_array", camera)) as env:
            env.reset(seed=refit.FIRST_SEED + number * refit.SEEDS_APART)
            np.testing.assert_array_equal(next(first.frames(camera)), env.render_frames()[0])


def test_pictures_of_the_goal_that_were_given_are_learned_from_again(tmp_path: Path) -> None:
    """Nobody ever succeeds here: without the pictures a fit is refused."""
    small = CollectConfig(behaviors=("stall",), episodes=2, codec="lossless", width=48, height=36)
    failures = collect_demonstrations(ENV, small, tmp_path / "stalls")
    shown = list(read_demonstrations(failures))
    (tmp_path / "drawn").mkdir()
    Image.fromarray(shown[0].video()[-1]).save(tmp_path / "drawn" / "goal.png")
    how = FitConfig(
        critic=CriticConfig("vice", {"steps": 3}),
        encoder=EncoderConfig("mini"),
        goal_images=tmp_path / "drawn",
    )
    write(fit_critic(shown, how), tmp_path / "critic", "stalls", "fit")
    critic = tmp_path / "critic"
    config = TrainConfig(
        env=EnvConfig(ENV),
        reward=RewardConfig(str(critic)),
        refit=failures,
        total_timesteps=4 * ROLLOUT,
        num_envs=8,
        score_every=30,
    )
    assert whole(config, tmp_path / "run").ended == "finished"
    assert "pictures of the goal: 1 given, in goals/" in (critic / "card.md").read_text()
    kept = [folder / "goals" / "goal.png" for folder in (critic, tmp_path / "run" / "critic-1")]
    assert len({path.read_bytes() for path in (*kept, tmp_path / "drawn" / "goal.png")}) == 1


def test_a_refreshment_that_was_cut_short_is_done_again(
    config: TrainConfig, tmp_path: Path
) -> None:
    with start(config, tmp_path / "run") as run:
        (run.path / "critic-1").mkdir()
        (run.path / "critic-1" / "model.safetensors").write_bytes(b"torn")
        assert train(run, refit=refit.refit).ended == "finished"
    assert refit.is_critic(run.path / "critic-1")


def test_what_cannot_be_refreshed_is_refused_before_anything_is_written(
    demos: Path, tmp_path: Path
) -> None:
    for wrong in (
        TrainConfig(env=EnvConfig(ENV), refit=demos),
        TrainConfig(env=EnvConfig(ENV), reward=RewardConfig("oracle-dense"), refit=demos),
    ):
        with pytest.raises(InvalidInputError, match="critic's folder"):
            start(wrong, tmp_path / "run")
    with pytest.raises(InvalidInputError, match="at least 1"):
        TrainConfig(num_refits=0)
    assert not (tmp_path / "run").exists()


def test_demonstrations_that_are_not_there_are_refused(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not exist"):
        start(replace(config, refit=tmp_path / "none"), tmp_path / "run")


def test_demonstrations_without_the_critics_camera_are_refused(
    config: TrainConfig, tmp_path: Path
) -> None:
    picture = write_video(tmp_path / "front.mp4", np.zeros((3, 36, 48, 3), np.uint8), 10)
    with pytest.raises(
        InvalidInputError, match="camera 'wrist', which the demonstrations in .* Available: front"
    ):
        start(replace(config, refit=picture), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_nobody_can_refresh_says_so_and_keeps_what_it_has(
    config: TrainConfig, tmp_path: Path
) -> None:
    with (
        start(config, tmp_path / "run") as run,
        pytest.raises(InvalidInputError, match="give train a way"),
    ):
        train(run)
    assert run.load_checkpoint() is not None


@pytest.mark.parametrize("members", [1, 2])
def test_what_an_agent_visited_that_nobody_labelled_is_not_learned_as_success(members: int) -> None:
    films = [demonstration(kind, row) for kind in ("success", "failure") for row in range(4)]
    strange = [
        demonstration("success", 100 + row, progress=None, succeeded=None) for row in range(4)
    ]
    how = FitConfig(
        critic=CriticConfig("vice", {"steps": 30}),
        ensemble_size=members,
        encoder=EncoderConfig("mini"),
        calibrate=False,
        held_out=0,
    )
    seen = Clip(frames=np.stack([*strange[0].frames("front")]), instruction=PUSH)
    before, after, shown = (
        float(fit_critic([*films, *more], how, visited=visited).critic.score([seen])[0].value[-1])
        for more, visited in (([], []), ([], strange), (strange, []))
    )
    assert after < min(before, shown)
