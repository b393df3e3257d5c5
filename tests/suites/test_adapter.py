"""The adapter's own rules, on Gymnasium's own environments and on one that draws itself."""

from __future__ import annotations

import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box

from roborew_envs.rendering.renderer import Quality, Renderer, RenderError
from roborew_envs.suites import SuiteVectorEnv, find_env_spec
from roborew_envs.suites.demonstrations import collect_episode, replay_frames, suite_behaviors
from roborew_envs.suites.env_specs import SUPPORTED_VERSIONS

CHEETAH = "HalfCheetah-v5"


class Dial(gymnasium.Env[Any, Any]):
    """Draws itself; its start ignores the seed if it is told to."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
    observation_space, action_space = Box(-9, 9, (1,)), Box(-1, 1, (1,))

    def __init__(self, render_mode: str | None = None, seeded: bool = True) -> None:
        self.render_mode, self.seeded = render_mode, seeded
        self.angle, self.ambient = np.zeros(1, np.float32), np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        rng = self.np_random if self.seeded else self.ambient
        self.angle = rng.uniform(-1, 1, 1).astype(np.float32)
        return self.angle, {}

    def step(self, action: Any) -> Any:
        self.angle = (self.angle + action).astype(np.float32)
        return self.angle, 0.0, False, False, {"success": np.float64(self.angle[0] > 1)}

    def render(self) -> Any:
        return np.full((4, 6, 3), 100 + 50 * np.tanh(self.angle[0]), np.uint8)


gymnasium.register("tests/Dial-v0", Dial)


def test_an_environment_without_mujoco_draws_itself() -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 3, "rgb_array")) as env:
        env.reset(seed=0)
        assert env.render_frames(np.array([1])).shape == (1, 4, 6, 3)
        np.testing.assert_array_equal(env.render_frames(), [single.render() for single in env.envs])


def test_it_is_given_no_size_that_it_would_ignore() -> None:
    with pytest.raises(gymnasium.error.Error, match="draws itself"):
        SuiteVectorEnv("tests/Dial-v0", 1, "rgb_array", width=32)


def test_success_as_a_number_becomes_a_truth_value() -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 2)) as env:
        env.reset(seed=0)
        *_, infos = env.step(np.array([[3.0], [-3.0]]))
    assert infos["success"].tolist() == [True, False]


def test_a_start_that_no_seed_decides_is_warned_of_when_it_is_restored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 1, seeded=False)) as env:
        env.reset(seed=0)
        env.set_state(env.get_state())
    assert "not exactly" in caplog.text


def test_an_expert_that_writes_into_what_it_is_given_changes_nothing() -> None:
    class Scribbler(gymnasium.Wrapper[Any, Any, Any, Any]):
        def expert(self, observations: Any) -> Any:
            observations[:] = 7
            return np.ones((len(observations), 1), np.float32)

    with closing(SuiteVectorEnv("tests/Dial-v0", 1, "rgb_array", max_episode_steps=9)) as env:
        env.envs = [Scribbler(env.envs[0])]
        assert suite_behaviors(env) == ("expert", "stall", "wrong_goal", "noisy", "random")
        episode = collect_episode(env, "expert", 0)
        assert not (episode.observations == 7).any()
        stall = collect_episode(env, "stall", 0)
        assert (stall.actions[0] == 1).all() and not stall.actions[-1].any()
        assert len(list(replay_frames(env, episode))) == len(episode.observations)


def test_a_snapshot_of_another_environment_is_refused() -> None:
    with (
        closing(SuiteVectorEnv("tests/Dial-v0", 1)) as dial,
        closing(SuiteVectorEnv("tests/Broken-v0", 1)) as broken,
    ):
        dial.reset(seed=0)
        with pytest.raises(
            gymnasium.error.Error,
            match="a snapshot of tests/Dial-v0, expected one of tests/Broken-v0",
        ):
            broken.set_state(dial.get_state())


@pytest.mark.parametrize("quality", ["fast", "full"])
def test_a_world_is_drawn_as_its_state_is(quality: Quality) -> None:
    with closing(SuiteVectorEnv(CHEETAH, 2, "rgb_array", quality=quality)) as env:
        env.reset(seed=0)
        worlds: list[Any] = [single.unwrapped for single in env.envs]
        with Renderer(worlds[0].model, 96, 72, quality) as renderer:
            states = np.stack([world.data.qpos for world in worlds])
            np.testing.assert_array_equal(env.render_frames(), renderer.render(states, "track"))


def test_a_world_is_compiled_once_and_each_environment_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files: list[str] = []
    compile_file = mujoco.MjModel.from_xml_path

    def count(filename: str) -> mujoco.MjModel:
        files.append(filename)
        return compile_file(filename)

    monkeypatch.setattr(mujoco.MjModel, "from_xml_path", staticmethod(count))
    with closing(SuiteVectorEnv(CHEETAH, 3)) as env:
        models = [single.unwrapped.model for single in env.envs]
    assert len(files) == 1 and len({id(model) for model in models}) == 3
    models[0].body_pos[1] = 7
    assert not (models[1].body_pos == 7).any()
    with pytest.raises(gymnasium.error.Error):
        SuiteVectorEnv("HalfCheetah-v99")
    assert mujoco.MjModel.from_xml_path is count


@pytest.mark.parametrize("camera", ["sky", "", "track,sky"])
def test_an_unknown_camera_is_refused_with_those_there_are_before_anything_is_drawn(
    camera: str,
) -> None:
    with pytest.raises(gymnasium.error.Error, match="Available: track"):
        SuiteVectorEnv(CHEETAH, 1, "rgb_array", camera=camera)


def test_an_ended_episode_is_not_stepped_on() -> None:
    with closing(SuiteVectorEnv(CHEETAH, 2, max_episode_steps=1)) as env:
        env.reset(seed=0)
        env.step(np.zeros((2, 6), np.float32))
        env.reset(options={"reset_mask": np.array([True, False])})
        with pytest.raises(gymnasium.error.ResetNeeded, match="1"):
            env.step(np.zeros((2, 6), np.float32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"autoreset_mode": "SameStep"},
        *({"num_envs": number} for number in (0, 2.5, "4")),
        *({"width": side} for side in (0, 96.5, "96")),
        {"quality": "best"},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((gymnasium.error.Error, RenderError), match="expected"):
        SuiteVectorEnv(CHEETAH, **wrong)


@pytest.mark.parametrize(
    ("actions", "answer"),
    [
        (np.zeros((3, 1)), r"shape \(3, 1\), expected \(2, 1\)"),
        (np.zeros((1, 1)), r"shape \(1, 1\), expected \(2, 1\)"),
        (np.array([[0.0], [np.nan]]), r"NaN or infinite, of environments \[1\]"),
        (np.array([["a"], ["b"]]), "expected numbers"),
        ([[1.0], [1.0, 2.0]], "different lengths"),
    ],
)
def test_wrong_actions_are_refused_before_any_environment_has_moved(
    actions: Any, answer: str
) -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 2)) as env:
        before, _ = env.reset(seed=0)
        with pytest.raises(gymnasium.error.InvalidAction, match=answer):
            env.step(actions)
        after, *_ = env.step(np.zeros((2, 1)))
    np.testing.assert_array_equal(after, before)


def test_a_discrete_action_is_a_whole_number() -> None:
    with closing(SuiteVectorEnv("CartPole-v1", 2)) as env:
        env.reset(seed=0)
        env.step(np.array([0, 1]))
        with pytest.raises(gymnasium.error.InvalidAction, match="expected whole numbers"):
            env.step(np.array([0.0, 0.5]))
        with pytest.raises(gymnasium.error.InvalidAction, match=r"expected some of Discrete\(2\)"):
            env.step(np.array([0, 2]))


class Broken(Dial):
    """Gives NaN, beside a success, once its angle is beyond 5."""

    def __init__(self, render_mode: str | None = None, part: str = "reward") -> None:
        super().__init__(render_mode)
        self.part = part

    def step(self, action: Any) -> Any:
        seen, reward, *others = super().step(action)
        bad = np.nan if self.angle[0] > 5 else 0.0
        return (
            (seen + bad, reward, *others)
            if self.part == "observation"
            else (seen, reward + bad, *others)
        )


gymnasium.register("tests/Broken-v0", Broken)


@pytest.mark.parametrize("part", ["observation", "reward"])
def test_an_environment_that_breaks_down_ends_where_it_stood_and_the_others_go_on(
    part: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SuiteVectorEnv("tests/Broken-v0", 3, "rgb_array", part=part)) as env:
        env.reset(seed=0)
        before, *_, infos = env.step(np.full((3, 1), -0.5))
        frames = env.render_frames()
        seen, rewards, terminated, truncated, after = env.step(np.array([[1.0], [7.0], [1.0]]))
        assert (
            truncated.tolist() == [False, True, False]
            and not terminated.any()
            and not rewards.any()
        )
        assert "environment 1" in caplog.text
        np.testing.assert_array_equal(seen, before + np.array([[1], [0], [1]], np.float32))
        np.testing.assert_array_equal(env.render_frames(np.array([1])), frames[1:2])
        assert after["success"][1] == infos["success"][1]
        env.reset(options={"reset_mask": truncated})
        assert np.isfinite(env.step(np.zeros((3, 1)))[0]).all()


@pytest.mark.parametrize("mask", [[True], [False, False], [1, 0]])
def test_a_wrong_mask_is_refused(mask: list[Any]) -> None:
    with (
        closing(SuiteVectorEnv("tests/Dial-v0", 2)) as env,
        pytest.raises(gymnasium.error.Error, match="reset_mask"),
    ):
        env.reset(options={"reset_mask": np.array(mask)})


@pytest.mark.parametrize(
    ("extra", "env_id"),
    [
        ("metaworld", "Meta-World/reach-v3"),
        ("robotics", "FetchReach-v4"),
        ("dm_control", "dm_control/cheetah-run-v0"),
    ],
)
def test_a_suite_that_is_absent_says_what_installs_it(
    extra: str, env_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roborew_envs.suites.env_specs.find_spec", lambda name: None)
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=rf"roborew\[{extra}\]"):
        find_env_spec(env_id)


@pytest.mark.parametrize("wrong", ["2.0.0", "3.1.0", "4.0", "4.0rc1", "unknown"])
def test_a_version_that_the_adapter_was_not_written_for_is_refused(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roborew_envs.suites.env_specs.find_spec", lambda name: True)
    monkeypatch.setattr("roborew_envs.suites.env_specs.version", lambda name: wrong)
    with pytest.raises(
        gymnasium.error.DependencyNotInstalled,
        match=rf"got metaworld {wrong}, expected 3.1.1 or later and before 4.*roborew\[metaworld\]",
    ):
        find_env_spec("Meta-World/reach-v3")


def test_supported_versions_are_those_that_the_extras_install() -> None:
    path = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text())["project"]["optional-dependencies"]
    pins = " ".join(extras["metaworld"] + extras["robotics"] + extras["dm_control"])
    for package, (first, _) in SUPPORTED_VERSIONS.items():
        assert f"{package.replace('_', '-')}>={first}" in pins


class Stillborn(Dial):
    """Starts from even seeds only."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None and seed % 2:
            raise RuntimeError("nothing to grasp")
        return super().reset(seed=seed, options=options)


gymnasium.register("tests/Stillborn-v0", Stillborn)


def test_a_start_that_fails_is_told_with_its_environment_and_seed() -> None:
    with (
        closing(SuiteVectorEnv("tests/Stillborn-v0", 2)) as env,
        pytest.raises(
            gymnasium.error.Error,
            match="environment 1 cannot start an episode from seed 7: RuntimeError: nothing to grasp",
        ),
    ):
        env.reset(seed=6)
