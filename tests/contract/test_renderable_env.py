"""What the library expects of an environment is what the environments of roborew_envs offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

import roborew_envs  # noqa: F401 - registers the ids
from roborew.types import RenderableVectorEnv, frame_renderer, renderable
from roborew_envs.suites import SuiteVectorEnv
from tests.roborew.wrappers.clock_environment import NativeClocks, clocks

Make = Callable[[], VectorEnv[Any, Any, Any]]


def task() -> VectorEnv[Any, Any, Any]:
    return gymnasium.make_vec(
        "roborew/Push-v0",
        num_envs=3,
        vectorization_mode="vector_entry_point",
        render_mode="rgb_array",
        autoreset_mode=AutoresetMode.DISABLED,
    )


def suite() -> VectorEnv[Any, Any, Any]:
    return SuiteVectorEnv("InvertedPendulum-v5", 3, "rgb_array")


MAKERS: list[Make] = [task, suite, lambda: NativeClocks([9, 9, 9])]


@pytest.mark.parametrize("make", MAKERS)
def test_it_fits_the_protocol_and_keeps_it(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    inner = renderable(env)
    assert isinstance(inner, RenderableVectorEnv)
    assert inner.cameras and all(isinstance(name, str) for name in inner.cameras)
    assert isinstance(inner.resizable, bool)
    assert inner.expert is None or callable(inner.expert)
    frames = inner.render_frames(np.array([2, 0]))
    assert frames.dtype == np.uint8 and frames.shape[::3] == (2, 3)
    np.testing.assert_array_equal(frame_renderer(env)(np.array([2, 0])), frames)

    saved = inner.get_state()
    actions = np.full(env.action_space.shape or (), 0.3, np.float32)
    following = env.step(actions)[0]
    inner.set_state({name: array.copy() for name, array in saved.items()})
    np.testing.assert_array_equal(inner.render_frames(np.array([2, 0])), frames)
    np.testing.assert_array_equal(env.step(actions)[0], following)
    env.close()


def test_an_environment_that_only_renders_all_is_adapted() -> None:
    env = clocks([9, 9])
    env.reset()
    env.step(np.zeros((2, 1)))
    assert renderable(env) is None
    frames = frame_renderer(env)(np.array([1]))
    assert frames.shape == (1, 4, 6, 3) and frames[0, 0, 0, 0] == 1
