"""``roborew collect`` on environments of other suites: their experts, or chance, with no truth that
they do not tell."""

from __future__ import annotations

import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box

from roborew.data.demonstration import Demonstration
from roborew.data.lerobot import open_lerobot
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.workflows.collect import CollectConfig, sources
from roborew.workflows.collect.collect import FIRST_SEED, CollectStatus, collect_demonstrations
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import CriticConfig, EncoderConfig
from roborew.workflows.train.recorded_env import RecordedEnv
from roborew_envs.experts.behaviors import Behavior, NoFailureError
from roborew_envs.suites import SuiteVectorEnv, find_env_spec
from roborew_envs.suites.demonstrations import (
    SUCCESS_HOLD_STEPS,
    SuiteEpisode,
    collect_episode,
    replay_frames,
)
from tests.roborew.data.killed import content

CHANCE = CollectConfig(
    behaviors=("random",),
    episodes=2,
    width=32,
    height=24,
    codec="lossless",
    format="folder",
    instruction="move about",
)
EXPERT = CollectConfig(
    behaviors=("expert", "stall"), episodes=2, width=32, height=24, codec="lossless"
)
DRAWER, REACH = "Meta-World/drawer-open-v3", "Meta-World/reach-v3"


def installed(env_id: str) -> None:
    try:
        find_env_spec(env_id)
    except DependencyNotInstalled:
        pytest.skip(f"the package of {env_id} is not installed here; .ci/suites runs this")


def as_fast_as_it_goes(observations: Any) -> Any:
    """An expert of `Timer`."""
    return np.full((len(observations), 1), 4, np.float32)


class Timer(gymnasium.Env[Any, Any]):
    """Draws itself, ends after five steps, and tells success at the given steps if there are
    any."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
    observation_space, action_space = Box(-9, 9, (1,)), Box(2, 4, (1,))

    def __init__(
        self,
        render_mode: str | None = None,
        seeded: bool = True,
        wins: tuple[int, ...] = (),
        limit: int = 5,
        fault: str = "",
    ) -> None:
        self.fault, self.shown = fault, np.zeros(1)
        self.render_mode, self.seeded, self.wins, self.limit = render_mode, seeded, wins, limit
        self.clock, self.ambient = np.zeros(1, np.float64), np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.clock = (self.np_random if self.seeded else self.ambient).uniform(0, 0.5, 1)
        return self.clock, self._told()

    def step(self, action: Any) -> Any:
        assert 2 <= action[0] <= 4
        self.clock = self.clock + 1
        return self.clock, float(action[0]), bool(self.clock >= self.limit), False, self._told()

    def _told(self) -> dict[str, Any]:
        return {"success": int(self.clock[0]) in self.wins} if self.wins else {}

    def render(self) -> Any:
        shown = self.shown if self.fault == "stale" and self.clock < 1 else self.clock
        self.shown = self.clock
        frame = np.full((4, 6, 3), 20 * shown[0], np.uint8)
        frame[-1] = 200
        return {"black": frame // 20, "grey": frame[:1]}.get(self.fault, frame)


class LuckyTimer(Timer):
    """Success, in the end, is a matter of the start."""

    def _told(self) -> dict[str, Any]:
        return {"success": bool(self.clock >= self.limit and self.clock % 1 < 0.2)}


def wait(observations: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An expert of the timer."""
    return np.full((len(observations), 1), 2.0)


gymnasium.register("tests/Timer-v0", Timer)
gymnasium.register("tests/Timer-luck-v0", LuckyTimer)
gymnasium.register("tests/Timer-wins-v0", Timer, kwargs={"wins": (4,)})
gymnasium.register("tests/Timer-never-v0", Timer, kwargs={"wins": (9,)})
for _fault in ("black", "grey", "stale"):
    gymnasium.register(f"tests/Timer-{_fault}-v0", Timer, kwargs={"fault": _fault})


def test_chance_uses_the_whole_range_of_actions_until_the_environment_ends_and_it_draws_itself(
    tmp_path: Path,
) -> None:
    found = read_demonstrations(collect_demonstrations("tests/Timer-v0", CHANCE, tmp_path / "set"))
    assert [one.name for one in found] == [
        "tests-timer-v0-random-000000",
        "tests-timer-v0-random-000001",
    ]
    for one in found:
        assert one.length == 6 and one.fps == 5 and one.instruction == "move about"
        assert (
            one.progress is None
            and one.success is None
            and one.quality is None
            and one.stages in (None, ())
        )
        assert one.video().shape == (6, 4, 6, 3)
        assert (np.diff(one.video()[:, 0, 0, 0].astype(int)) == 20).all()


def test_chance_draws_every_discrete_action() -> None:
    with closing(SuiteVectorEnv("CartPole-v1", 1)) as env:
        episode = collect_episode(env, "random", 0)
    assert set(episode.actions.tolist()) == {0, 1} and episode.actions.dtype == np.int64


@pytest.mark.parametrize(
    ("fault", "said", "safe"),
    [
        ("black", "000000 is black", 0),
        ("grey", r"000000 has one colour only, \[", 0),
        ("stale", "000001 is the last one of the episode before", 1),
    ],
)
def test_an_environment_that_draws_nothing_is_no_demonstration(
    fault: str, said: str, safe: int, tmp_path: Path
) -> None:
    seen: list[CollectStatus] = []
    with pytest.raises(
        InvalidInputError, match=rf"first picture of the episode of seed 20000{said}"
    ):
        collect_demonstrations(f"tests/Timer-{fault}-v0", CHANCE, tmp_path / "set", seen.append)
    assert seen[-1].done == safe and not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("wins", "frames"),
    [
        ((4, 5, 8), 6),  # lost at 6
        ((*range(4, 90),), 4 + SUCCESS_HOLD_STEPS + 1),
        ((0, 1, 4), 5),  # what was true from the start is no feat
        ((1,), 91),  # too short to be an episode
        ((95,), 91),  # never
    ],
)
def test_an_episode_ends_in_its_first_success(wins: tuple[int, ...], frames: int) -> None:
    with closing(SuiteVectorEnv("tests/Timer-v0", 1, wins=wins, limit=90)) as env:
        episode = collect_episode(env, "random", 0)
    assert (
        episode.success is not None and len(episode.success) == len(episode.observations) == frames
    )
    assert len(episode.actions) == len(episode.rewards) == frames - 1
    assert episode.success.tolist() == [int(clock) in wins for clock in episode.observations[:, 0]]


def test_an_episode_may_go_on_in_its_success(tmp_path: Path) -> None:
    config = replace(CHANCE, to_horizon=True)
    film, _ = read_demonstrations(
        collect_demonstrations("tests/Timer-wins-v0", config, tmp_path / "whole")
    )
    assert film.success is not None and film.succeeded is False
    assert film.success.tolist() == [clock == 4 for clock in range(6)]
    ended, _ = read_demonstrations(
        collect_demonstrations(
            "tests/Timer-wins-v0", replace(config, to_horizon=False), tmp_path / "ended"
        )
    )
    assert ended.succeeded and ended.length == 5
    assert film.actions is not None and ended.actions is not None
    np.testing.assert_array_equal(film.actions[:4], ended.actions[:4])
    with pytest.raises(InvalidInputError, match="to_horizon: .*leave it out"):
        collect_demonstrations("roborew/Press-v0", config, tmp_path / "own")


def test_an_expert_that_fails_plays_again_from_another_start(tmp_path: Path) -> None:
    expert = Path("tests.suites.test_demos:wait")
    config = replace(CHANCE, behaviors=("expert",), expert=expert, episodes=4, to_horizon=True)
    luck = "tests/Timer-luck-v0"
    as_it_comes, chosen = (
        list(read_demonstrations(collect_demonstrations(luck, how, tmp_path / name)))
        for name, how in (("all", config), ("chosen", replace(config, expert_successes=True)))
    )
    assert {film.succeeded for film in as_it_comes} == {True, False}
    assert all(film.succeeded for film in chosen)
    for one, other in zip(as_it_comes, chosen, strict=True):
        further = other.notes["seed"] - one.notes["seed"]
        assert further % sources.STARTS_APART == 0 and (further == 0) == one.succeeded
    never = "tests/Timer-never-v0"
    for env, said in (
        (never, "never ends in success"),
        ("tests/Timer-v0", "does not tell success"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            collect_demonstrations(env, replace(config, expert_successes=True), tmp_path / "no")


def test_what_its_seed_does_not_decide_is_not_recorded() -> None:
    with closing(SuiteVectorEnv("tests/Timer-v0", 1, "rgb_array", seeded=False)) as env:
        episode = collect_episode(env, "random", 3)
        with pytest.raises(
            gymnasium.error.Error, match="seed 3 went another way the second time, at step 0"
        ):
            list(replay_frames(env, episode))


@pytest.mark.parametrize(
    "env_id", ["Reacher-v5", "FetchReach-v4", "dm_control/cartpole-balance-v0"]
)
def test_chance_is_all_that_an_environment_without_an_expert_has(
    env_id: str, tmp_path: Path
) -> None:
    installed(env_id)
    with pytest.raises(InvalidInputError, match="no behavior 'expert'. Available: random"):
        collect_demonstrations(env_id, CollectConfig(instruction="reach it"), tmp_path / "set")
    with pytest.raises(
        InvalidInputError, match="no instruction of its own; say what to do with --instruction"
    ):
        collect_demonstrations(env_id, CollectConfig(behaviors=("random",)), tmp_path / "set")
    config = CollectConfig(**{**vars(CHANCE), "episodes": 1, "width": 96, "height": 72})
    (one,) = read_demonstrations(collect_demonstrations(env_id, config, tmp_path / "set"))
    assert one.progress is None and (one.success is not None) == env_id.startswith("Fetch")
    video = one.video()
    assert video.shape[1:] == (72, 96, 3) and (video != video[0]).any()


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed(DRAWER)
    return collect_demonstrations(DRAWER, EXPERT, tmp_path_factory.mktemp("demos") / "drawer")


def test_the_suites_own_expert_succeeds_and_a_stall_stops_before(drawer: Path) -> None:
    found = list(read_demonstrations(drawer))
    expert, stall = found[:2], found[2:]
    assert [one.name for one in found] == [
        f"meta-world-drawer-open-v3-{name}-{number:06d}"
        for name in ("expert", "stall")
        for number in range(2)
    ]
    for one in found:
        assert (
            one.instruction == "open the drawer" and one.fps == 80 and one.cameras == ("corner2",)
        )
        assert one.progress is None and one.quality is None and one.onset is None, (
            "nothing is made up"
        )
        assert one.success is not None and not one.success[0]
    for one in expert:
        assert (
            one.success is not None
            and one.success[-SUCCESS_HOLD_STEPS - 1 :].all()
            and not one.success[: -SUCCESS_HOLD_STEPS - 1].all()
        )
    for one, whole in zip(stall, expert, strict=True):
        assert one.success is not None and not one.success.any() and one.length == whole.length


def test_numbers_are_those_of_the_simulator(drawer: Path) -> None:
    opened = open_lerobot(drawer)
    assert set(opened.info.features) & {"progress", "stage", "quality"} == set()
    with closing(SuiteVectorEnv(DRAWER, 1)) as env:
        for number in range(4):
            row, seed = opened.columns(number), FIRST_SEED + number % 2
            seen, _ = env.reset(seed=[seed])
            for step, action in enumerate(row["action"][:-1]):
                np.testing.assert_array_equal(
                    row["observation.state"][step], seen[0].astype(np.float32)
                )
                seen, reward, _, _, infos = env.step(action[None])
                assert row["next.reward"][step] == np.float32(reward[0])
                assert row["next.success"][step] == row["success"][step + 1] == infos["success"][0]
            assert row["next.done"].tolist() == [False] * (len(row["action"]) - 1) + [True]


def test_frames_are_upright_and_show_the_states_of_their_rows(drawer: Path) -> None:
    found = read_demonstrations(drawer)
    actions = open_lerobot(drawer).columns(0)["action"]
    with closing(SuiteVectorEnv(DRAWER, 1, "rgb_array", width=32, height=24)) as env:
        env.reset(seed=[FIRST_SEED])
        for frame, action in zip(found[0].frames(), actions, strict=True):
            np.testing.assert_array_equal(frame, env.render_frames()[0])
            env.step(action[None])


def test_a_stalled_hand_stands_still_and_keeps_its_grip() -> None:
    installed(DRAWER)
    with closing(SuiteVectorEnv("Meta-World/pick-place-v3", 1)) as env:
        whole, stall = collect_episode(env, "expert", 0), collect_episode(env, "stall", 0)
    assert (
        whole.success is not None
        and whole.success.any()
        and stall.success is not None
        and not stall.success.any()
    )
    stop = int(np.argmax((stall.actions[:, :3] == 0).all(axis=1)))
    arrival = int(np.argmax(whole.success))
    assert 0 < stop <= 0.6 * arrival
    np.testing.assert_array_equal(stall.actions[:stop], whole.actions[:stop])
    assert (
        not stall.actions[stop:, :3].any()
        and (stall.actions[stop:, 3] == whole.actions[stop - 1, 3]).all()
    )
    assert np.ptp(stall.observations[-15:, :3], axis=0).max() < 0.005


def test_a_wrong_goal_is_what_an_expert_does_elsewhere_and_fails() -> None:
    installed(REACH)
    with closing(SuiteVectorEnv(REACH, 1)) as env:
        whole = collect_episode(env, "expert", 0)
        first, second = (collect_episode(env, "wrong_goal", 0) for _ in range(2))
    np.testing.assert_array_equal(first.observations, second.observations)
    np.testing.assert_array_equal(first.observations[0], whole.observations[0])
    assert first.success is not None and not first.success.any()
    # It goes as far as an expert, and to somewhere else.
    here, there = (episode.observations[-1, :3] for episode in (whole, first))
    assert np.linalg.norm(here - there) > 0.05
    assert np.linalg.norm(there - first.observations[0, :3]) > 0.05


def test_where_the_goal_is_always_the_same_there_is_no_wrong_one() -> None:
    with closing(SuiteVectorEnv("tests/Timer-v0", 1, wins=(3,))) as env:
        env.expert = as_fast_as_it_goes
        with pytest.raises(NoFailureError, match="always the same"):
            collect_episode(env, "wrong_goal", 0)


def test_a_behavior_that_cannot_be_had_honestly_is_refused_with_those_that_can(
    tmp_path: Path,
) -> None:
    installed(REACH)
    with pytest.raises(
        InvalidInputError, match="no behavior 'hover'. Available: expert, stall, undo, near_miss, "
    ):
        collect_demonstrations(REACH, CollectConfig(behaviors=("hover",)), tmp_path / "set")
    with pytest.raises(InvalidInputError, match="no camera 'moon'. Available: corner2, "):
        collect_demonstrations(REACH, CollectConfig(cameras=("moon",)), tmp_path / "set")


def test_an_interrupted_set_goes_on_to_the_same_end(drawer: Path, tmp_path: Path) -> None:
    def stop(status: CollectStatus) -> None:
        if status.done == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        collect_demonstrations(DRAWER, EXPERT, tmp_path / "set", stop)
    collect_demonstrations(DRAWER, EXPERT, tmp_path / "set")
    assert content(tmp_path / "set") == content(drawer)


def test_a_critic_is_fitted_to_such_a_set(drawer: Path) -> None:
    demonstrations: list[Demonstration] = list(read_demonstrations(drawer))
    fitted = fit_critic(
        demonstrations,
        FitConfig(
            critic=CriticConfig(options={"steps": 4}),
            encoder=EncoderConfig(options={"steps": 2, "batch": 8}),
        ),
    )
    assert [example.success for example in fitted.examples] == [True, True, False, False]
    assert len(fitted.examples[0].features) == demonstrations[0].length


def test_a_reward_may_tell_success_where_nothing_else_does(tmp_path: Path) -> None:
    run = tmp_path / "set"
    config = replace(CHANCE, success_reward=3.0)
    for film in read_demonstrations(collect_demonstrations("tests/Timer-v0", config, run)):
        assert film.success is not None and film.rewards is not None
        assert film.success.tolist() == [False, *(film.rewards[:-1] >= 3).tolist()]
    for env in ("tests/Timer-wins-v0", "roborew/Press-v0"):
        with pytest.raises((InvalidInputError, gymnasium.error.Error), match="success itself"):
            collect_demonstrations(env, config, tmp_path / "other")


def test_a_start_that_allows_no_failure_makes_room_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_lucky_starts(
        env: SuiteVectorEnv, behavior: Behavior, seed: int, ends_in_success: bool
    ) -> SuiteEpisode:
        if seed in lucky:
            raise NoFailureError
        return collect_episode(env, behavior, seed, ends_in_success)

    monkeypatch.setattr(sources, "collect_episode", with_lucky_starts)
    lucky = {FIRST_SEED}
    films = list(read_demonstrations(collect_demonstrations("tests/Timer-v0", CHANCE, tmp_path)))
    assert [film.notes["seed"] for film in films] == [FIRST_SEED + 100_000, FIRST_SEED + 1]
    lucky = set(range(FIRST_SEED, FIRST_SEED + 1_000_000, 100_000))
    with pytest.raises(InvalidInputError, match="none of 10 starts"):
        collect_demonstrations("tests/Timer-v0", CHANCE, tmp_path / "never")


def test_a_camera_may_be_named_as_its_suite_does(tmp_path: Path) -> None:
    installed("FetchReach-v4")
    config = replace(CHANCE, cameras=("external_camera_0",), episodes=1)
    (film,) = read_demonstrations(collect_demonstrations("FetchReach-v4", config, tmp_path))
    assert film.cameras == ("external-camera-0",)
    replayed = RecordedEnv([film], ["external_camera_0"])
    replayed.reset()
    np.testing.assert_array_equal(replayed.render()[0], film.video()[0])
