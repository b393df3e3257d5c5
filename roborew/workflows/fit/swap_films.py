"""An expert's episode drawn again with the hand moving on alone, and with the objects moving on
alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roborew.data.demonstration import Demonstration
from roborew.data.subsample import subsample_indices
from roborew.errors import InvalidInputError
from roborew.types import BoolArray, Frame, Video
from roborew.workflows.fit.replay import States, View, can_be_replayed, replay_expert
from roborew_envs.rendering.renderer import Quality

MIN_MOVE = 0.01
"""Least way of a thing that counts as moved [m or rad]."""
MAX_PIXEL_DIFFERENCE = 8.0
"""An expert's first picture, drawn again, differs by at most this, of 255, from what was recorded:
a codec's loss."""
QUALITIES: tuple[Quality, ...] = ("fast", "medium", "full")
HAND_ALONE = "hand alone"
"""What is noted as the behavior of an episode that was drawn so."""


@dataclass(frozen=True, slots=True)
class SwapFilms:
    """An expert's episode three times, shape (T, H, W, 3) each.

    Attributes:
        whole: as it was.
        hand: the robot moves, and nothing else.
        thing: everything moves but the robot.
    """

    whole: Video
    hand: Video
    thing: Video


def draw_swap(
    demonstration: Demonstration, picture: Frame, cameras: Sequence[str], fps: float | None
) -> SwapFilms | None:
    """Play an expert's episode again and draw it whole, by the hand and by the objects alone; None
    where it goes another way now, no object moves, or its first picture is another one.

    Args:
        demonstration: the expert's episode.
        picture: its first frame, the pictures of all cameras side by side, shape (H, W, 3).
        cameras: from left to right.
        fps: about so many frames of a second; None: every frame.

    Raises:
        RenderError: nothing can be drawn here.
    """
    replay = replay_expert(demonstration)
    if replay is None:
        return None
    qpos = replay.qpos[subsample_indices(len(replay.qpos), demonstration.fps, fps)]
    hand, thing = swap_states(qpos, replay.is_robot)
    if np.abs(qpos - hand).max() < MIN_MOVE:
        return None

    height, width = picture.shape[:2]
    for quality in QUALITIES:
        view = View(cameras, width // len(cameras), height, quality)
        # In one call: where an environment has to be made anew, that takes longest.
        films = replay.draw(np.concatenate([qpos, hand, thing]), view)
        if _differ(films[0], picture) <= MAX_PIXEL_DIFFERENCE:
            return SwapFilms(*np.split(films, 3))
    return None


def hand_alone(
    demonstration: Demonstration, picture: Frame, cameras: Sequence[str]
) -> Demonstration | None:
    """A failure that an expert's episode is turned into: the hand does what it did, and nothing else
    moves; None as of `draw_swap`.

    Args:
        demonstration: the expert's episode, which `can_be_replayed`.
        picture: its first frame, as of `draw_swap`.
        cameras: from left to right.

    Raises:
        RenderError: nothing can be drawn here.
    """
    films = draw_swap(demonstration, picture, cameras, None)
    if films is None or len(films.hand) != demonstration.length:
        return None
    views = dict(zip(cameras, np.split(films.hand, len(cameras), axis=2), strict=True))
    return Demonstration(
        name=f"{demonstration.name}-hand-alone",
        instruction=demonstration.instruction,
        paraphrases=demonstration.paraphrases,
        wrong_instructions=demonstration.wrong_instructions,
        length=demonstration.length,
        fps=demonstration.fps,
        cameras=tuple(cameras),
        source=lambda camera: iter(views[camera]),
        # Of each frame where that is all that is told of the others: the goal is nowhere reached.
        success=None if demonstration.success is None else np.zeros(demonstration.length, np.bool_),
        succeeded=False,
        quality="failure" if demonstration.quality is not None else None,
        notes={**demonstration.notes, "behavior": HAND_ALONE},
        timestamps=demonstration.timestamps,
    )


def swap_negatives(
    demonstrations: Sequence[Demonstration],
    names: Sequence[str],
    cameras: Sequence[str],
    count: int,
) -> list[Demonstration]:
    """Failures that experts are turned into, see `hand_alone`.

    Args:
        demonstrations: of any kind.
        names: of those that may be learned from.
        cameras: from left to right.
        count: of the experts, in order, or as many as there are.

    Raises:
        InvalidInputError: some are asked for and none can be drawn.
        RenderError: nothing can be drawn here.
    """
    chosen = set(names)
    negatives: list[Demonstration] = []
    for demonstration in demonstrations:
        if len(negatives) == count:
            break
        if demonstration.name in chosen and can_be_replayed(demonstration):
            picture = next(demonstration.moments(cameras))
            negative = hand_alone(demonstration, picture, cameras)
            if negative is not None:
                negatives.append(negative)
    if count and not negatives:
        raise InvalidInputError(
            f"swap_negatives: got {count}, and none of {len(names)} demonstrations to fit is an expert "
            "that can be drawn again with the hand alone: it takes experts of `roborew collect`, of an "
            "environment that is installed here, whose robot moves other things. Leave it out."
        )
    return negatives


def swap_states(qpos: States, is_robot: BoolArray) -> tuple[States, States]:
    """The states (T, nq) in which the robot alone moves as it did, and those in which all else
    does.

    >>> hand, thing = swap_states(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([True, False]))
    >>> hand.tolist(), thing.tolist()
    ([[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]])
    """
    return np.where(is_robot, qpos, qpos[:1]), np.where(is_robot, qpos[:1], qpos)


def _differ(first: Frame, second: Frame) -> float:
    """Mean difference of two pictures of one size [of 255]."""
    # int16, since a difference of uint8 wraps around.
    return float(np.abs(first.astype(np.int16) - second).mean())
