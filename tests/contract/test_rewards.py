"""Every registered reward model keeps the promise of its `RewardSpec`. A new one is found by
itself."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.registry import rewards
from roborew.types import Clip, IncrementalRewardModel, RecurrentState, RewardModel, Video
from tests.contract.tiny_rewards import tiny_options

TEXT = "push the red cube onto the green pad"


@pytest.fixture(scope="module", params=sorted(rewards))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    options = tiny_options(request.param, tmp_path_factory.mktemp(request.param))
    return rewards.load(request.param)(device="cpu", **options)


@pytest.fixture(scope="module")
def frames() -> Video:
    return np.random.default_rng(3).integers(0, 256, (7, 72, 96, 3), dtype=np.uint8)


def clip(model: RewardModel, frames: Video) -> Clip:
    goal = np.random.default_rng(4).integers(0, 256, frames.shape[1:], dtype=np.uint8)
    return Clip(
        frames=frames, instruction=TEXT, goal_image=goal if model.spec.needs_goal_image else None
    )


def test_it_says_its_registered_name(model: RewardModel) -> None:
    assert model.spec.name in rewards
    assert isinstance(model, RewardModel)


def test_scores_have_the_clips_length_and_the_promised_range(
    model: RewardModel, frames: Video
) -> None:
    for length in (1, 7):
        scores = model.score([clip(model, frames[:length])])[0]
        assert len(scores) == length
        assert scores.value.dtype == np.float32
        valid = scores.value[scores.valid]
        assert ((valid >= model.spec.low) & (valid <= model.spec.high)).all()
        assert (scores.success is not None) == model.spec.predicts_success


def test_a_batch_of_two_equals_two_of_one(model: RewardModel, frames: Video) -> None:
    first, second = clip(model, frames[:4]), clip(model, frames[4:])
    together = model.score([first, second])
    alone = [model.score([first])[0], model.score([second])[0]]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.value, other.value, atol=1e-5)
        np.testing.assert_array_equal(one.valid, other.valid)


def test_the_future_does_not_change_a_causal_score(model: RewardModel, frames: Video) -> None:
    if not model.spec.causal:
        pytest.skip(f"{model.spec.name} does not claim to be causal")
    changed = frames.copy()
    changed[4:] = 255 - changed[4:]
    before = model.score([clip(model, frames)])[0].value[:4]
    after = model.score([clip(model, changed)])[0].value[:4]
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_nothing_beyond_the_context_changes_a_score(model: RewardModel, frames: Video) -> None:
    context = model.spec.context
    if context is None or context >= len(frames):
        pytest.skip(f"{model.spec.name} may look at the whole episode")
    changed = frames.copy()
    changed[: len(frames) - context] = 255 - changed[: len(frames) - context]
    before = model.score([clip(model, frames)])[0].value[-1]
    after = model.score([clip(model, changed)])[0].value[-1]
    assert before == pytest.approx(after, abs=1e-5)


def test_scoring_does_not_write_into_the_frames(model: RewardModel, frames: Video) -> None:
    kept = frames.copy()
    model.score([clip(model, frames)])
    np.testing.assert_array_equal(frames, kept)


def test_the_same_clip_scores_the_same_twice(model: RewardModel, frames: Video) -> None:
    first, second = (model.score([clip(model, frames)])[0].value for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_model_that_remembers_scores_in_parts_as_it_scores_whole(
    model: RewardModel, frames: Video
) -> None:
    if not isinstance(model, IncrementalRewardModel):
        pytest.skip(f"{model.spec.name} keeps no memory")
    whole = clip(model, frames)
    memory: RecurrentState = {}
    values = []
    for part in (frames[:1], frames[1:4], frames[4:]):
        piece = Clip(frames=part, instruction=TEXT, goal_image=whole.goal_image)
        (scores,), (memory,) = model.score_step([piece], [memory])
        values.append(scores.value)
    np.testing.assert_allclose(np.concatenate(values), model.score([whole])[0].value, atol=1e-5)
