"""A model that must see how an episode ends pays at its end what its steps are worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.shaping import Potential, ProgressDelta, RawScore, Shaping, ShapingState
from roborew.types import Clip, Scores
from roborew.wrappers import LearnedReward
from tests.roborew.wrappers.clock_environment import ClockModel, NativeClocks, clock_frame, clocks

HORIZONS = [5, 9]
MAKERS: list[Callable[[], Any]] = [
    lambda: NativeClocks(HORIZONS),
    lambda: clocks(HORIZONS, AutoresetMode.NEXT_STEP),
]


class Hindsight(ClockModel):
    """Scores a frame by how far it is from the episode's last one; abstains at step ``silent``."""

    def __init__(self, silent: int = 255) -> None:
        super().__init__(context=None, causal=False, predicts_success=False, low=-100.0)
        self._silent = silent

    def _score(self, clip: Clip) -> Scores:
        steps = clip.frames[:, 0, 0, 0].astype(np.float32)
        assert len(set(clip.frames[:, 0, 1, 0].tolist())) == 1, "two episodes in one clip"
        return Scores((steps - steps[-1]) ** 3 / 100, steps != self._silent)


def learned(env: Any, model: Hindsight, every: int, shaping: Shaping) -> LearnedReward:
    return LearnedReward(
        env,
        model,
        "wait",
        scoring="episode",
        success_detector=None,
        score_every=every,
        shaping=shaping,
        max_invalid_rate=1.0,
    )


def played(env: LearnedReward, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rewards and ends of so many steps, shape (T, 2) each."""
    rewards, ends = [], []
    for _ in range(steps):
        _, reward, terminated, truncated, _ = env.step(np.zeros((2, 1), np.float32))
        rewards.append(reward)
        ends.append(terminated | truncated)
        if env.metadata["autoreset_mode"] == AutoresetMode.DISABLED and ends[-1].any():
            env.reset(options={"reset_mask": ends[-1]})
    return np.stack(rewards), np.stack(ends)


def offline(model: Hindsight, horizon: int, every: int, shaping: Shaping) -> float:
    """What the frames of an episode are worth, scored as one clip by whoever has its film."""
    at = [*range(0, horizon, every), horizon]
    (scores,) = model.score(
        [Clip(frames=np.stack([clock_frame(t, 0) for t in at]), instruction="wait")]
    )
    said = dict(zip(at, zip(scores.value, scores.valid, strict=True), strict=True))
    state, total = ShapingState.start(scores.value[:1], scores.valid[:1]), 0.0
    for step in range(1, horizon + 1):
        value, valid = said.get(step, (np.float32(0), np.False_))
        paid, state = shaping.step(state, np.array([value]), np.array([valid]), np.array([False]))
        total += float(paid[0])
    return total


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize(
    "shaping", [RawScore(), ProgressDelta(scale=5.0), Potential(scale=1.0, gamma=0.9)], ids=repr
)
@pytest.mark.parametrize("silent", [255, 4])
def test_the_last_step_is_paid_what_the_same_episode_is_worth_offline(
    make: Callable[[], Any], every: int, shaping: Shaping, silent: int
) -> None:
    env = learned(make(), Hindsight(silent), every, shaping)
    env.reset(seed=0)
    rewards, ends = played(env, 22)
    for column, horizon in enumerate(HORIZONS):
        expected = offline(Hindsight(silent), horizon, every, shaping)
        assert ends[:, column].sum() >= 2
        np.testing.assert_allclose(
            rewards[:, column], np.where(ends[:, column], expected, 0.0), atol=1e-5
        )


@pytest.mark.parametrize("at", range(1, 12))
def test_saved_within_an_episode_and_restored_it_pays_the_same(at: int) -> None:
    one, other = (learned(NativeClocks(HORIZONS), Hindsight(), 2, RawScore()) for _ in range(2))
    one.reset(seed=0)
    played(one, at)
    other.reset(seed=5)
    played(other, 3)
    other.set_state({name: array.copy() for name, array in one.get_state().items()})
    np.testing.assert_array_equal(played(one, 20)[0], played(other, 20)[0])


def test_each_frame_is_shown_once_and_only_when_its_episode_is_over() -> None:
    model = Hindsight()
    env = learned(NativeClocks(HORIZONS), model, 2, RawScore())
    env.reset(seed=0)
    played(env, 4)
    assert not model.clips
    played(env, 6)
    assert [clip.frames[:, 0, 0, 0].tolist() for clip in model.clips] == [
        [0, 2, 4, 5],
        [0, 2, 4, 6, 8, 9],
        [0, 2, 4, 5],
    ]


def test_a_model_that_abstains_too_often_stops_here_too() -> None:
    class Silent(Hindsight):
        def _score(self, clip: Clip) -> Scores:
            return Scores(
                np.zeros(len(clip.frames), np.float32), np.zeros(len(clip.frames), np.bool_)
            )

    env = LearnedReward(
        NativeClocks(HORIZONS),
        Silent(),
        "wait",
        scoring="episode",
        success_detector=None,
        score_every=1,
    )
    env.reset(seed=0)
    with pytest.raises(InvalidScoreError, match="abstained"):
        played(env, 200)


def test_only_whole_episodes_are_paid_by_such_a_model_and_no_claim_ends_them() -> None:
    for scoring in ("step", "rollout"):
        with pytest.raises(InvalidInputError, match="not causal.*scoring='episode'"):
            LearnedReward(
                NativeClocks(HORIZONS), Hindsight(), "wait", scoring=scoring, success_detector=None
            )
    with pytest.raises(
        InvalidInputError, match="learns of a predicted success only after the episode"
    ):
        LearnedReward(NativeClocks(HORIZONS), ClockModel(), "wait", scoring="episode")
