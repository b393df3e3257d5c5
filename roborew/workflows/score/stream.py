"""A long video through a reward model without holding all of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import numpy as np

from roborew.critics.critic import Critic
from roborew.types import (
    Clip,
    FloatArray,
    Frame,
    RewardModel,
    Scores,
    StreamingRewardModel,
    Video,
    stack_frames,
)

HELD_BYTES = 256 << 20
"""Size of the frames that a model without memory is given at once, at most; what fits is one
clip."""
FULL_BATCHES = 64
"""A longer clip is cut at multiples of so many frames, so that a network's batches are the same."""


def holds_frames(model: RewardModel) -> bool:
    """Whether `score_frames` needs memory for all frames at their full size."""
    if isinstance(model, Critic):
        return not model.streams
    return not (isinstance(model, StreamingRewardModel) or _reads_single_frames(model))


def score_frames(
    model: RewardModel,
    frames: Iterable[Frame],
    instruction: str,
    goal_image: Frame | None = None,
    states: Callable[[], FloatArray | None] = lambda: None,
) -> Scores:
    """Score one clip whose frames come one by one.

    Args:
        model: that scores.
        frames: of one size, at least one.
        instruction: as of `Clip`.
        goal_image: as of `Clip`.
        states: gives `Clip.robot_states`, once all frames have come.
    """
    if isinstance(model, StreamingRewardModel):
        return model.score_stream(frames, instruction, goal_image)
    if not _reads_single_frames(model):
        return _score(model, stack_frames(frames), instruction, goal_image, states)
    parts = [_score(model, part, instruction, goal_image) for part in _parts(frames)]
    successes = [part.success for part in parts if part.success is not None]
    return Scores(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.valid for part in parts]),
        np.concatenate(successes) if successes else None,
    )


def _reads_single_frames(model: RewardModel) -> bool:
    spec = model.spec
    return spec.context == 1 and spec.causal and spec.state_key is None


def _score(
    model: RewardModel,
    video: Video,
    instruction: str,
    goal: Frame | None,
    states: Callable[[], FloatArray | None] = lambda: None,
) -> Scores:
    clip = Clip(frames=video, instruction=instruction, goal_image=goal, robot_states=states())
    return model.score([clip])[0]


def _parts(frames: Iterable[Frame]) -> Iterator[Video]:
    rest = iter(frames)
    for first in rest:
        count = max(1, HELD_BYTES // first.nbytes)
        if count > FULL_BATCHES:
            count -= count % FULL_BATCHES
        yield stack_frames(chain([first], islice(rest, count - 1)), FULL_BATCHES)
