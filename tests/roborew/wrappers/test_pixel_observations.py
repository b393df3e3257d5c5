"""The agent's pictures: of the right moment, of its own episode, and drawn once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from roborew.errors import InvalidInputError
from roborew.wrappers.learned_reward import LearnedReward
from roborew.wrappers.pixel_observations import PixelObservations, shrink_frames
from tests.roborew.wrappers.clock_environment import (
    ClockModel,
    NativeClocks,
    clock_frame,
    clocks,
)

HORIZONS = [3, 5]
SHAPE = (4, 6)


def observed(env: Any, **options: Any) -> PixelObservations:
    return PixelObservations(env, **{"frame_stack": 3, "frame_shape": SHAPE, **options})


def times(observations: dict[str, Any]) -> list[list[tuple[int, int]]]:
    """Step and episode that each frame of each stack shows."""
    shown = observations["pixels"][:, :, 0, 0, :2]
    return [[tuple(frame) for frame in stack] for stack in shown.tolist()]


def play(env: Any, steps: int) -> list[tuple[Any, Any]]:
    """Observations and infos of every step, resets of what has ended included."""
    history = [env.reset(seed=0)]
    for _ in range(steps):
        observations, _, terminated, truncated, infos = env.step(np.zeros((2, 1), np.float32))
        history.append((observations, infos))
        done = terminated | truncated
        if done.any():
            history.append(env.reset(options={"reset_mask": done}))
    return history


@pytest.mark.parametrize("make", [NativeClocks, clocks])
def test_a_stack_holds_the_last_frames_of_its_own_episode_and_repeats_the_first(make: Any) -> None:
    env = observed(make(HORIZONS), vector=slice(None))
    for observations, _ in play(env, 12):
        for stack, (step, episode) in zip(
            times(observations), observations["vector"].astype(int).tolist(), strict=True
        ):
            assert stack == [(max(0, step - back), episode) for back in (2, 1, 0)]


@pytest.mark.parametrize("make", [NativeClocks, clocks])
@pytest.mark.parametrize("every", [1, 2])
def test_the_reward_scores_the_frame_that_the_agent_sees(make: Any, every: int) -> None:
    env = LearnedReward(
        observed(make(HORIZONS)),
        ClockModel(),
        "read the clock",
        score_every=every,
        success_detector=None,
    )
    num_scores = 0
    for observations, infos in play(env, 12):
        newest = np.array(times(observations))[:, -1, 0]
        valid = infos["score_valid"]
        np.testing.assert_allclose(infos["score"][valid], newest[valid] / 100)
        num_scores += int(valid.sum())
    assert num_scores > 12


def test_every_state_is_drawn_once_for_agent_and_reward_together() -> None:
    inner = NativeClocks(HORIZONS)
    env = LearnedReward(
        observed(inner), ClockModel(), "read the clock", score_every=1, success_detector=None
    )
    history = play(env, 12)
    resets = len(history) - 12
    assert inner.drawn.count([0, 1]) == 12 + 1  # the steps and the first reset
    assert len(inner.drawn) == 12 + resets  # and of later resets only what begins


def test_views_become_channels_and_a_pixel_is_the_mean_of_a_square() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 9, 13, 3)).astype(np.uint8)
    small = shrink_frames(frames, 4)
    for row, column in np.ndindex(2, 3):
        square = frames[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        expected = np.floor(square.mean(axis=(1, 2)) + 0.5)
        np.testing.assert_array_equal(small[:, row, column], expected)
    np.testing.assert_array_equal(shrink_frames(frames, 1), frames)


def test_two_cameras_are_told_apart() -> None:
    env = observed(NativeClocks(HORIZONS), num_views=2)
    observations, _ = env.reset(seed=0)
    frame = clock_frame(0, 0)
    for channels, view in ((slice(0, 3), frame[:, :3]), (slice(3, 6), frame[:, 3:])):
        np.testing.assert_array_equal(
            observations["pixels"][0, -1, channels], view.transpose(2, 0, 1)
        )


def test_two_environments_are_seen_as_each_alone() -> None:
    """A batch of two equals two of one, until the first episode ends."""
    together = play(observed(NativeClocks(HORIZONS), vector=slice(0, 1)), 2)
    for column, horizon in enumerate(HORIZONS):
        env = observed(NativeClocks([horizon]), vector=slice(0, 1))
        alone = [env.reset(seed=0)[0]]
        alone += [env.step(np.zeros((1, 1), np.float32))[0] for _ in range(2)]
        for (joint, _), single in zip(together, alone, strict=True):
            for name in joint:
                np.testing.assert_array_equal(joint[name][column], single[name][0])


def test_a_joint_stack_has_the_frames_of_one_as_channels() -> None:
    stacks, joint = (observed(NativeClocks(HORIZONS), joint_stack=joint) for joint in (False, True))
    assert joint.single_observation_space["pixels"].shape == (9, *SHAPE)
    for (expected, _), (got, _) in zip(play(stacks, 4), play(joint, 4), strict=True):
        np.testing.assert_array_equal(got["pixels"], expected["pixels"].reshape(2, 9, *SHAPE))


def test_what_was_observed_stays_as_it_was() -> None:
    env = observed(NativeClocks(HORIZONS))
    first, _ = env.reset(seed=0)
    kept = first["pixels"].copy()
    env.step(np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(first["pixels"], kept)


def test_a_restored_environment_goes_on_with_the_same_pictures() -> None:
    env = observed(NativeClocks(HORIZONS))
    play(env, 4)
    state = env.get_state()
    other = observed(NativeClocks(HORIZONS))
    other.set_state(state)
    np.testing.assert_array_equal(env.render_frames(), other.render_frames())
    expected, got = (each.step(np.zeros((2, 1), np.float32))[0] for each in (env, other))
    np.testing.assert_array_equal(expected["pixels"], got["pixels"])


def test_an_environment_that_draws_nothing_or_resets_itself_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="draws none"):
        observed(clocks(HORIZONS, render_mode=None))
    with pytest.raises(InvalidInputError, match="expected AutoresetMode.DISABLED"):
        observed(clocks(HORIZONS, AutoresetMode.NEXT_STEP))
    with pytest.raises(InvalidInputError, match="share evenly"):
        observed(clocks(HORIZONS), num_views=4)
    with pytest.raises(InvalidInputError, match=r"lower --observations\.shrink"):
        observed(clocks(HORIZONS), shrink=5)
