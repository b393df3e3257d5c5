"""The laws of reward models: what `RewardSpec` promises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.checks.laws import LawBook, Outcome, assert_close, assert_scores_keep
from roborew.types import (
    Clip,
    Frame,
    IncrementalRewardModel,
    RecurrentState,
    RewardModel,
    Scores,
    Video,
)

INSTRUCTION = "push the red cube onto the green pad"

LAWS = LawBook("reward")


@dataclass(frozen=True, slots=True)
class RewardSubject:
    """A reward model and what it is tried on.

    Attributes:
        model: the reward model.
        frames: shape (T, H, W, 3), uint8 RGB, T >= 6.
        instruction: a goal that the model can read.
        goal_image: shape (H, W, 3), uint8 RGB.
    """

    model: RewardModel
    frames: Video
    instruction: str
    goal_image: Frame

    def clip(self, frames: Video) -> Clip:
        """Frames as the model is given them, with the goal picture where it needs one."""
        goal_image = self.goal_image if self.model.spec.needs_goal_image else None
        # A copy: a model that writes into its frames breaks one law, not the laws tried after it.
        return Clip(frames=frames.copy(), instruction=self.instruction, goal_image=goal_image)

    def score(self, frames: Video) -> Scores:
        """Scores of one clip."""
        return self.model.score([self.clip(frames)])[0]


def check_reward(
    model: RewardModel,
    *,
    frames: Video | None = None,
    instruction: str = INSTRUCTION,
    goal_image: Frame | None = None,
) -> list[Outcome]:
    """Hold a reward model to the laws that `RewardSpec` promises, as Gymnasium's ``check_env`` does
    environments.

    Args:
        model: the reward model.
        frames: shape (T, H, W, 3), uint8 RGB, T >= 6, that it should be able to score; noise if not
            given.
        instruction: the goal as a sentence.
        goal_image: shape (H, W, 3), uint8 RGB, for a model that needs one; noise if not given.

    Returns:
        How each law fared.

    Raises:
        ContractError: a law is broken; the message lists all that are.
    """
    return LAWS.require(reward_subject(model, frames, instruction, goal_image))


def reward_subject(
    model: RewardModel,
    frames: Video | None = None,
    instruction: str = INSTRUCTION,
    goal_image: Frame | None = None,
) -> RewardSubject:
    """A model with noise for what is not given."""
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (7, 72, 96, 3), dtype=np.uint8)
    # Another seed: of the same one the goal would be the first frame.
    picture = np.random.default_rng(4).integers(0, 256, (72, 96, 3), dtype=np.uint8)
    return RewardSubject(
        model,
        noise if frames is None else frames,
        instruction,
        picture if goal_image is None else goal_image,
    )


@LAWS.law("it has a spec and a method score")
def is_a_reward_model(subject: RewardSubject) -> None:
    model = subject.model
    assert isinstance(model, RewardModel), f"expected spec and score; got {type(model).__name__}"
    low, high = model.spec.low, model.spec.high
    assert low < high, f"expected spec.low below spec.high; got {low} and {high}"


@LAWS.law("scores have the clip's length, float32, the promised range and success")
def scores_keep_length_and_range(subject: RewardSubject) -> None:
    # One frame is all that there is when an episode begins.
    for length in (1, len(subject.frames)):
        scores = subject.score(subject.frames[:length])
        assert_scores_keep(subject.model.spec, scores, length)


@LAWS.law("a batch of two equals two of one")
def a_batch_equals_its_parts(subject: RewardSubject) -> None:
    first, second = subject.frames[:4], subject.frames[4:]
    together = subject.model.score([subject.clip(first), subject.clip(second)])
    for batched, frames in zip(together, (first, second), strict=True):
        alone = subject.score(frames)
        assert_close(batched.value, alone.value)
        assert (batched.valid == alone.valid).all(), "an abstention depends on the batch"


@LAWS.law("no clips, no scores")
def an_empty_batch_is_no_error(subject: RewardSubject) -> None:
    scores = subject.model.score([])
    assert scores == [], f"expected []; got {scores!r}"


@LAWS.law("the future does not change a causal score")
def the_future_changes_nothing(subject: RewardSubject) -> str | None:
    if not subject.model.spec.causal:
        return "it does not promise to be causal"
    changed = subject.frames.copy()
    # 255 is odd, so no pixel is its own inverse: each one changes.
    changed[4:] = 255 - changed[4:]
    before, after = subject.score(subject.frames), subject.score(changed)
    assert_close(before.value[:4], after.value[:4])
    return None


@LAWS.law("nothing beyond the context changes a score")
def the_far_past_changes_nothing(subject: RewardSubject) -> str | None:
    context = subject.model.spec.context
    if context is None or context >= len(subject.frames):
        return "it may look at the whole episode"
    changed = subject.frames.copy()
    beyond = len(changed) - context
    changed[:beyond] = 255 - changed[:beyond]
    assert_close(subject.score(subject.frames).value[-1:], subject.score(changed).value[-1:])
    return None


@LAWS.law("scoring does not write into the frames")
def frames_are_left_alone(subject: RewardSubject) -> None:
    clip = subject.clip(subject.frames)
    subject.model.score([clip])
    assert (clip.frames == subject.frames).all(), "the frames were changed"


@LAWS.law("the same clip scores the same twice")
def scores_repeat(subject: RewardSubject) -> None:
    first, second = subject.score(subject.frames), subject.score(subject.frames)
    assert np.array_equal(first.value, second.value, equal_nan=True), "the scores differ"


@LAWS.law("a model with a recurrent state scores in parts as it scores whole")
def parts_equal_the_whole(subject: RewardSubject) -> str | None:
    if not isinstance(subject.model, IncrementalRewardModel):
        return "it keeps no recurrent state"
    state: RecurrentState = {}
    values: list[NDArray[np.float32]] = []
    # Single frames and longer parts: both must leave the same state behind.
    for part in np.array_split(subject.frames, [1, 4]):
        clip = subject.clip(part)
        (scores,), (state,) = subject.model.score_step([clip], [state])
        values.append(scores.value)

    in_parts = np.concatenate(values)
    at_once = subject.score(subject.frames)
    assert_close(in_parts, at_once.value)
    return None
