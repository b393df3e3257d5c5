"""What brings a critic's score up, the hand or the object: the swap test.

Held-out experts are played again from their seeds and drawn twice more, with the hand moved on alone
(all else stays at its start) and with the objects moved on alone (the robot stays at its start). The
share of a whole episode's rise that either brings says what a critic reads, which its order of an
expert's frames cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roborew.data.demonstration import Demonstration
from roborew.data.subsample import subsample_indices
from roborew.errors import first_line
from roborew.evaluation import Measure, rise, rise_share, score_curve
from roborew.learning.examples import Example
from roborew.types import Clip, Frame, Video
from roborew.workflows.environments import task_class
from roborew.workflows.fit.fit import Fitted
from roborew_envs import make_task
from roborew_envs.core.task import Task
from roborew_envs.errors import RenderError
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Quality, Renderer

HAND, OBJECT = "rise by the hand alone", "rise by the object alone"
"""The figures, as they are called in tables."""
MAX_EXPERTS = 4
"""Episodes that are drawn again, at most."""
MIN_MOVE = 0.01
"""Least way of a thing that counts as moved [m or rad]."""
MAX_PIXEL_DIFFERENCE = 8.0
"""An expert's first picture, drawn again, differs by at most this, of 255, from what was recorded:
a codec's loss."""
QUALITIES: tuple[Quality, ...] = ("fast", "medium", "full")
NO_EXPERT = "it takes held-out experts of a task of roborew in which the robot moves other things"
NOT_ALIKE = "the held-out experts, played again, move nothing or do not look as they were recorded"
NO_RISE = "the score of whole experts, drawn again, does not rise"
States = NDArray[np.float64]


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


def swap_shares(
    fitted: Fitted, examples: Sequence[Example], clips: Sequence[Clip]
) -> dict[str, Measure]:
    """`HAND` and `OBJECT` of a critic; missing, with the reason as their flag, where no expert can
    be drawn again.

    Args:
        fitted: the critic and its demonstrations.
        examples: episodes that were held out.
        clips: what the critic sees of them.
    """
    by_name = {demonstration.name: demonstration for demonstration in fitted.demonstrations}
    experts = [
        (by_name[example.name], clip)
        for example, clip in zip(examples, clips, strict=True)
        if example.success and _is_drawable(by_name[example.name])
    ]
    if not experts:
        return _missing(NO_EXPERT)
    try:
        films = _draw_all(fitted, experts[:MAX_EXPERTS])
    except RenderError as error:
        return _missing(first_line(error))
    if not films["whole"]:
        return _missing(NOT_ALIKE)

    # One batch: an encoder of pictures is slow to ask.
    scores = fitted.critic.score([*films["whole"], *films["hand"], *films["thing"]])
    rises = [rise(score_curve(curve)) for curve in scores]
    count = len(films["whole"])
    full = rises[:count]
    by_hand = rises[count : 2 * count]
    by_thing = rises[2 * count :]
    shares = {HAND: rise_share(by_hand, full), OBJECT: rise_share(by_thing, full)}
    is_measured = all(share.value is not None for share in shares.values())
    return shares if is_measured else _missing(NO_RISE)


def describe_swap(row: Mapping[str, Measure]) -> str:
    """What the swap test found of a critic, in words.

    Args:
        row: the critic's figures.
    """
    hand, thing = row[HAND], row[OBJECT]
    if hand.value is None or thing.value is None:
        return f"Swap test: not run; {hand.flag or thing.flag}."
    reads = "the object" if thing.value > hand.value else "the hand, which an agent can move alone"
    return (
        f"Swap test: moved on alone, the hand brings {hand.value:.0%} of the rise of held-out "
        f"experts, the objects {thing.value:.0%}. What the score follows is rather {reads}."
    )


def draw_swap(
    demonstration: Demonstration, picture: Frame, cameras: Sequence[str], fps: float | None
) -> SwapFilms | None:
    """Play an expert's episode of a task again and draw it whole, by the hand and by the objects
    alone; None where it fails now, no object moves, or its first picture is another one.

    Args:
        demonstration: the expert's episode.
        picture: its first frame, the pictures of all cameras side by side, shape (H, W, 3).
        cameras: from left to right.
        fps: about so many frames of a second; None: every frame.

    Raises:
        RenderError: nothing can be drawn here.
    """
    task = make_task(demonstration.notes["task_name"])
    (episode,) = collect_episodes(task, "expert", [demonstration.notes["seed"]])
    indices = subsample_indices(len(episode.qpos), demonstration.fps, fps)
    qpos = episode.qpos[indices]
    hand, thing = swap_states(qpos, task.robot_joints or slice(0, 0))
    if not episode.success[-1] or np.abs(qpos - hand).max() < MIN_MOVE:
        return None

    height, width = picture.shape[:2]
    for quality in QUALITIES:
        with Renderer(task.model, width // len(cameras), height, quality) as renderer:
            first = _draw(renderer, task, qpos[:1], cameras)[0]
            if _differ(first, picture) <= MAX_PIXEL_DIFFERENCE:
                films = [_draw(renderer, task, states, cameras) for states in (qpos, hand, thing)]
                return SwapFilms(*films)
    return None


def swap_states(qpos: States, robot: slice) -> tuple[States, States]:
    """The states (T, nq) in which the robot alone moves as it did, and those in which all else
    does.

    >>> hand, thing = swap_states(np.array([[0.0, 0.0], [1.0, 2.0]]), slice(0, 1))
    >>> hand.tolist(), thing.tolist()
    ([[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]])
    """
    hand = np.repeat(qpos[:1], len(qpos), axis=0)
    hand[:, robot] = qpos[:, robot]
    thing = qpos.copy()
    thing[:, robot] = qpos[0, robot]
    return hand, thing


def _draw_all(
    fitted: Fitted, experts: Sequence[tuple[Demonstration, Clip]]
) -> dict[str, list[Clip]]:
    """The experts' clips by the names of `SwapFilms`, without those that cannot be drawn again."""
    critic = fitted.critic
    clips: dict[str, list[Clip]] = {"whole": [], "hand": [], "thing": []}
    for demonstration, clip in experts:
        films = draw_swap(demonstration, clip.frames[0], critic.cameras, critic.fps)
        if films is not None:
            for name, drawings in clips.items():
                drawings.append(replace(clip, frames=getattr(films, name)))
    return clips


def _is_drawable(demonstration: Demonstration) -> bool:
    """Whether an expert of a task of ours, whose robot is not all that moves, was recorded."""
    notes = demonstration.notes
    task_id, seed = notes.get("task_name"), notes.get("seed")
    # Notes are read from files: they may be anything.
    if notes.get("behavior") != "expert" or not isinstance(task_id, str):
        return False
    has_seed = isinstance(seed, int) and seed >= 0
    return has_seed and task_class(task_id).robot_joints is not None


def _draw(renderer: Renderer, task: Task, qpos: States, cameras: Sequence[str]) -> Video:
    """Frames of states, the cameras' pictures side by side, shape (T, H, W, 3)."""
    overrides = task.visual_overrides(qpos)
    views = [renderer.render(qpos, camera, overrides) for camera in cameras]
    return np.concatenate(views, axis=2)


def _differ(first: Frame, second: Frame) -> float:
    """Mean difference of two pictures of one size [of 255]."""
    # int16, since a difference of uint8 wraps around.
    return float(np.abs(first.astype(np.int16) - second).mean())


def _missing(reason: str) -> dict[str, Measure]:
    """The figures where there is no test."""
    return {HAND: Measure(None, reason), OBJECT: Measure(None, reason)}
