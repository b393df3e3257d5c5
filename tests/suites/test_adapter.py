"""The adapter's own rules, on Gymnasium's own environments and on one that draws itself."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from roborew_envs.rendering import Quality, Renderer
from roborew_envs.suites import SuiteVectorEnv, find

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
        assert env.draw(np.array([1])).shape == (1, 4, 6, 3)
        np.testing.assert_array_equal(env.draw(), [single.render() for single in env.envs])


def test_it_is_given_no_size_that_it_would_ignore() -> None:
    with pytest.raises(gymnasium.error.Error, match="draws itself"):
        SuiteVectorEnv("tests/Dial-v0", 1, "rgb_array", width=32)


def test_success_as_a_number_becomes_a_truth_value() -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 2)) as env:
        env.reset(seed=0)
        *_, infos = env.step(np.array([[3.0], [-3.0]]))
    assert infos["success"].tolist() == [True, False]


def test_a_start_that_no_seed_decides_is_warned_of_when_it_is_restored(caplog: pytest.LogCaptureFixture) -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 1, seeded=False)) as env:
        env.reset(seed=0)
        env.restore(env.snapshot())
    assert "not exactly" in caplog.text


@pytest.mark.parametrize("quality", ["fast", "full"])
def test_a_world_is_drawn_as_its_state_is(quality: Quality) -> None:
    with closing(SuiteVectorEnv(CHEETAH, 2, "rgb_array", quality=quality)) as env:
        env.reset(seed=0)
        worlds: list[Any] = [single.unwrapped for single in env.envs]
        with Renderer(worlds[0].model, 96, 72, quality) as renderer:
            states = np.stack([world.data.qpos for world in worlds])
            np.testing.assert_array_equal(env.draw(), renderer.draw(states, "track"))


def test_an_unknown_camera_is_refused_with_those_there_are() -> None:
    with closing(SuiteVectorEnv(CHEETAH, 1, "rgb_array", camera="sky")) as env:
        env.reset(seed=0)
        with pytest.raises(gymnasium.error.Error, match="track"):
            env.draw()


def test_an_ended_episode_is_not_stepped_on() -> None:
    with closing(SuiteVectorEnv(CHEETAH, 2, max_episode_steps=1)) as env:
        env.reset(seed=0)
        env.step(np.zeros((2, 6), np.float32))
        env.reset(options={"reset_mask": np.array([True, False])})
        with pytest.raises(gymnasium.error.ResetNeeded, match="1"):
            env.step(np.zeros((2, 6), np.float32))


@pytest.mark.parametrize("wrong", [{"autoreset_mode": "SameStep"}, {"num_envs": 0}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(gymnasium.error.Error, match="expected"):
        SuiteVectorEnv(CHEETAH, **wrong)


@pytest.mark.parametrize("mask", [[True], [False, False], [1, 0]])
def test_a_wrong_mask_is_refused(mask: list[Any]) -> None:
    with closing(SuiteVectorEnv("tests/Dial-v0", 2)) as env, pytest.raises(gymnasium.error.Error, match="reset_mask"):
        env.reset(options={"reset_mask": np.array(mask)})


@pytest.mark.parametrize(
    ("extra", "env_id"),
    [
        ("metaworld", "Meta-World/reach-v3"),
        ("robotics", "FetchReach-v4"),
        ("dm_control", "dm_control/cheetah-run-v0"),
    ],
)
def test_a_suite_that_is_absent_says_what_installs_it(extra: str, env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roborew_envs.suites.finding.find_spec", lambda name: None)
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=rf"roborew\[{extra}\]"):
        find(env_id)
