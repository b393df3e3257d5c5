"""A model that remembers is shown each frame once, and pays what it pays when shown the whole
episode each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from roborew.errors import InvalidScoreError
from roborew.shaping import Potential
from roborew.types import Clip, IncrementalRewardModel, RecurrentState, Scores
from roborew.wrappers import LearnedReward
from tests.roborew.wrappers.clock_environment import ClockModel, NativeClocks, clocks

HORIZONS = [5, 9]
MAKERS: list[Callable[[], Any]] = [
    lambda: NativeClocks(HORIZONS),
    lambda: clocks(HORIZONS, AutoresetMode.NEXT_STEP),
]


class RememberingClock(ClockModel):
    """`ClockModel` over the episode so far, from a running sum."""

    def __init__(self) -> None:
        super().__init__(context=None)
        self.shown: list[int] = []

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        return self.score_step(clips, [{}] * len(clips))[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        scores: list[Scores] = []
        after: list[RecurrentState] = []
        for clip, memory in zip(clips, states, strict=True):
            self.shown.append(len(clip.frames))
            steps, episodes = clip.frames[:, 0, 0, 0].astype(np.float64), clip.frames[:, 0, 1, 0]
            total, count, episode = memory.get("all", np.array([0.0, 0.0, episodes[0]]))
            assert (episodes == episode).all(), "two episodes in one memory"
            counts = count + np.arange(1, len(steps) + 1)
            sums = total + np.cumsum(steps)
            value = (sums / counts / 100).astype(np.float32)
            scores.append(Scores(value, np.ones(len(value), np.bool_), np.zeros_like(value)))
            after.append({"all": np.array([sums[-1], counts[-1], episode])})
        return scores, after


def paid(env: LearnedReward, steps: int) -> list[NDArray[Any]]:
    rewards = []
    for _ in range(steps):
        _, reward, terminated, truncated, _ = env.step(np.zeros((2, 1), np.float32))
        rewards.append(reward)
        if (
            env.metadata["autoreset_mode"] == AutoresetMode.DISABLED
            and (terminated | truncated).any()
        ):
            env.reset(options={"reset_mask": terminated | truncated})
    return rewards


def learned(env: Any, model: Any, **options: Any) -> LearnedReward:
    wrapped = LearnedReward(
        env,
        model,
        "read the clock",
        success_detector=None,
        shaping=Potential(scale=2.0, gamma=0.9),
        **options,
    )
    wrapped.reset(seed=0)
    return wrapped


def test_a_model_that_can_extend_is_incremental_and_another_is_not() -> None:
    assert isinstance(RememberingClock(), IncrementalRewardModel)
    assert not isinstance(ClockModel(), IncrementalRewardModel)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("every", [1, 3])
def test_it_pays_what_a_model_shown_the_whole_episode_pays(make: Any, every: int) -> None:
    remembering, whole = RememberingClock(), ClockModel(context=None)
    rewards = paid(learned(make(), remembering, score_every=every), 25)
    np.testing.assert_allclose(
        rewards, paid(learned(make(), whole, score_every=every), 25), atol=1e-6
    )
    assert set(remembering.shown) == {1}, "each frame is shown once"
    assert max(len(clip.frames) for clip in whole.clips) > 3


@pytest.mark.parametrize("make", MAKERS)
def test_scoring_a_rollout_at_once_pays_the_same(make: Any) -> None:
    expected = np.stack(paid(learned(make(), RememberingClock(), score_every=2), 24))
    deferred = learned(make(), RememberingClock(), score_every=2, scoring="rollout")
    pieces = []
    for _ in range(3):
        paid(deferred, 8)
        pieces.append(deferred.flush())
    np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_saved_and_restored_it_goes_on_from_its_memory() -> None:
    whole = learned(NativeClocks(HORIZONS), RememberingClock(), score_every=1)
    paid(whole, 7)
    saved = {key: value.copy() for key, value in whole.get_state().items()}
    assert any("recurrent_state" in key for key in saved) and not any(
        "history" in key for key in saved
    )
    fresh = learned(NativeClocks(HORIZONS), RememberingClock(), score_every=1)
    fresh.set_state(saved)
    np.testing.assert_array_equal(paid(fresh, 15), paid(whole, 15))


def test_a_memory_for_each_clip_is_demanded() -> None:
    class Forgetful(RememberingClock):
        def score_step(
            self, clips: Sequence[Clip], states: Sequence[RecurrentState]
        ) -> tuple[list[Scores], list[RecurrentState]]:
            return super().score_step(clips, states)[0], []

    with pytest.raises(
        InvalidScoreError, match="expected 2 recurrent states, one for each clip; got 0"
    ):
        learned(NativeClocks(HORIZONS), Forgetful())
