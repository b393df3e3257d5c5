"""An expert's episode drawn again with the hand moving on alone, and with the objects moving on
alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from roborew.data.demonstration import Demonstration
from roborew.data.subsample import subsample_indices
from roborew.errors import InvalidInputError
from roborew.types import BoolArray, Frame, Video
from roborew.workflows.fit.replay import View, can_be_replayed, replay_expert
from roborew_envs.rendering.renderer import Quality
from roborew_envs.suites.positions import Positions

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
    qpos = replay.positions[subsample_indices(len(replay.positions), demonstration.fps, fps)]
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


def swap_pairs(
    demonstrations: Sequence[Demonstration],
    names: Sequence[str],
    cameras: Sequence[str],
    count: int,
) -> list[Demonstration]:
    """Experts drawn again, each as it was and as a failure in which the hand does the same and
    nothing else moves.

    Both, since what is drawn anew looks otherwise than a film that a codec has been at: in a failure
    alone that would tell it from a success.

    Args:
        demonstrations: of any kind.
        names: of those that may be learned from.
        cameras: from left to right.
        count: of the experts, at least 1, in order, or as many as there are.

    Raises:
        InvalidInputError: none can be drawn.
        RenderError: nothing can be drawn here.
    """
    chosen = set(names)
    pairs: list[Demonstration] = []
    for demonstration in demonstrations:
        if len(pairs) == 2 * count:
            break
        if demonstration.name in chosen and can_be_replayed(demonstration):
            pairs += _swap_pair(demonstration, cameras)
    if not pairs:
        raise InvalidInputError(
            f"swap_negatives: got {count}, and none of {len(names)} demonstrations to fit is an expert "
            "that can be drawn again with the hand alone: it takes experts of `roborew collect`, of an "
            "environment that is installed here, whose robot moves other things. Leave it out."
        )
    return pairs


def _swap_pair(demonstration: Demonstration, cameras: Sequence[str]) -> list[Demonstration]:
    """An expert as it was and with the hand alone; none as of `draw_swap`."""
    picture = next(demonstration.moments(cameras))
    films = draw_swap(demonstration, picture, cameras, None)
    if films is None or len(films.hand) != demonstration.length:
        return []
    # Of each frame where that is all that is told of the others: the goal is nowhere reached.
    nowhere = np.zeros(demonstration.length, np.bool_)
    failure = replace(
        demonstration,
        name=f"{demonstration.name}-{HAND_ALONE.replace(' ', '-')}",
        progress=None,
        success=None if demonstration.success is None else nowhere,
        succeeded=False,
        quality=None if demonstration.quality is None else "failure",
        stages=None,
        keyframes=None,
        notes={**demonstration.notes, "behavior": HAND_ALONE},
    )
    whole = replace(demonstration, name=f"{demonstration.name}-again")
    return [_with_film(whole, films.whole, cameras), _with_film(failure, films.hand, cameras)]


def _with_film(demonstration: Demonstration, film: Video, cameras: Sequence[str]) -> Demonstration:
    """The demonstration with other frames, the views side by side, (T, H, W, 3)."""
    views = dict(zip(cameras, np.split(film, len(cameras), axis=2), strict=True))

    def source(camera: str) -> Iterator[Frame]:
        return iter(views[camera])

    return replace(demonstration, cameras=tuple(cameras), source=source)


def swap_states(qpos: Positions, is_robot: BoolArray) -> tuple[Positions, Positions]:
    """The states (T, P) in which the robot alone moves as it did, and those in which all else
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
