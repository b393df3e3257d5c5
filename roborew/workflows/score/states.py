"""What a data set says of the robot, for rewards that read it beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence

from roborew.errors import InvalidInputError
from roborew.types import Clip, FloatArray, Frame, RewardModel
from roborew.workflows.score.sources import SampledVideo, Source


def sampled_clip(
    model: RewardModel, sampled: SampledVideo, instruction: str, goal_image: Frame | None
) -> Clip:
    """A sampled video as a model is shown it, with the robot's states where it reads them."""
    return Clip(
        frames=sampled.frames,
        instruction=instruction,
        goal_image=goal_image,
        robot_states=states_for(model, sampled.source, sampled.indices.tolist()),
    )


def states_for(
    model: RewardModel, source: Source | None, indices: Sequence[int]
) -> FloatArray | None:
    """What a source says of the robot at these frames, for a model that reads it; else None."""
    key = model.spec.state_key
    return None if key is None or source is None else source.robot_states(key, indices)


def check_states(model: RewardModel, sources: Sequence[Source]) -> None:
    """Raise where a data set has other states than a model reads; scoring may take long, so it is said
    before.

    Raises:
        InvalidInputError: with the set, and what it says.
    """
    key, size = model.spec.state_key, model.spec.state_size
    if key is None or size is None:
        return
    for source in sources:
        shape = source.state_shape(key)
        if shape not in (None, [size]):
            raise InvalidInputError(
                f"{source.path}: {key} has the shape {shape}; {model.spec.name} reads states of {size} "
                "numbers. Take a model that was trained on this robot, or a set of its own."
            )
