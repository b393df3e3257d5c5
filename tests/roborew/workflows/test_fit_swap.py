"""The swap test tells a score that reads the hand from one that reads the object."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from roborew.checks.synthetic import PUSH, embedded_episode
from roborew.data.demonstration import Demonstration
from roborew.evaluation import Measure
from roborew.types import Clip, Frame, Scores, Video
from roborew.workflows.fit import Fitted, replay, swap, swap_films
from roborew.workflows.fit.swap import HAND, NO_EXPERT, NO_RISE, NOT_ALIKE, OBJECT
from roborew_envs import make_task
from roborew_envs.errors import RenderError
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Renderer
from tests.roborew.critics.films import demonstration

DRAWER = "roborew/DrawerOpen-v0"
SEED = 20_000_000_000
ROBOT, HANDLE = slice(0, 7), -1
NOTES = {"task_name": DRAWER, "behavior": "expert", "seed": SEED}
"""Of an expert as `roborew collect` records it."""


class Painter:
    """Draws no picture: red is how far the arm is from its zero, green how far the drawer is
    open."""

    def __init__(self, model: Any, width: int, height: int, quality: str) -> None:
        self._size = (height, width, 3)

    def __enter__(self) -> Painter:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def render(self, qpos: np.ndarray, camera: str, overrides: Any) -> Video:
        frames = np.zeros((len(qpos), *self._size), np.uint8)
        way = np.abs(qpos[:, ROBOT]).sum(axis=1)
        frames[..., 0] = (20 * way).astype(np.uint8)[:, None, None]
        frames[..., 1] = (1000 * qpos[:, HANDLE]).astype(np.uint8)[:, None, None]
        return frames


def expert(**notes: Any) -> Demonstration:
    return demonstration("success", notes=NOTES | notes)


@pytest.fixture(scope="module")
def picture() -> Frame:
    """The expert's first frame, as the painter has it."""
    (episode,) = collect_episodes(make_task(DRAWER), "expert", [SEED], 1)
    return Painter(None, 8, 6, "fast").render(episode.qpos[:1], "front", None)[0]


Read = Callable[[Video], np.ndarray]


def shares(read: Read, recorded: Frame, one: Demonstration) -> dict[str, Measure]:
    """What the swap test says of a score that reads frames (T, H, W, 3) so."""

    def score(clips: list[Clip]) -> list[Scores]:
        values = [read(clip.frames.astype(np.float32)) for clip in clips]
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values]

    critic = SimpleNamespace(cameras=("front",), fps=None, score=score)
    fitted = cast("Fitted", SimpleNamespace(demonstrations=(one,), critic=critic))
    example = embedded_episode("success", 0)
    named = cast("Any", SimpleNamespace(name=one.name, success=example.success))
    clip = Clip(frames=recorded[None], instruction=PUSH)
    return swap.swap_shares(fitted, [named], [clip])


def red(frames: Video) -> np.ndarray:
    return frames[:, 0, 0, 0] / 255


def green(frames: Video) -> np.ndarray:
    return frames[:, 0, 0, 1] / 255


@pytest.mark.parametrize(
    ("read", "hand", "thing", "words"),
    [(red, 1.0, 0.0, "rather the hand"), (green, 0.0, 1.0, "rather the object")],
)
def test_the_share_of_the_rise_is_that_of_what_the_score_reads(
    read: Read,
    hand: float,
    thing: float,
    words: str,
    picture: Frame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "Renderer", Painter)
    figures = shares(read, picture, expert())
    assert figures[HAND].value == pytest.approx(hand)
    assert figures[OBJECT].value == pytest.approx(thing)
    assert f"{hand:.0%} of the rise" in swap.describe_swap(figures)
    assert words in swap.describe_swap(figures)


def still(frames: Video) -> np.ndarray:
    return np.zeros(len(frames), np.float32)


@pytest.mark.parametrize(
    ("one", "read", "brightness", "reason"),
    [
        (expert(), still, 0, NO_RISE),
        (expert(), green, 100, NOT_ALIKE),
        (expert(task_name="roborew/Reach-v0"), green, 0, NOT_ALIKE),
        (expert(behavior="stall"), green, 0, NO_EXPERT),
        (expert(seed="twelve"), green, 0, NO_EXPERT),
        (expert(task_name=["a", "list"]), green, 0, NO_EXPERT),
        (expert(task_name="Meta-World/MT1"), green, 0, NO_EXPERT),
        (expert(task_name="roborew/Ant-v0"), green, 0, NO_EXPERT),
    ],
)
def test_where_no_expert_can_be_drawn_again_there_is_a_reason_and_no_figure(
    one: Demonstration,
    read: Read,
    brightness: int,
    reason: str,
    picture: Frame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "Renderer", Painter)
    figures = shares(read, picture + np.uint8(brightness), one)
    assert {measure.value for measure in figures.values()} == {None}
    assert swap.describe_swap(figures) == f"Swap test: not run; {reason}."


def test_where_nothing_can_be_drawn_the_card_says_so(
    picture: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> Painter:
        raise RenderError("cannot draw with MUJOCO_GL='egl': no device")

    monkeypatch.setattr(replay, "Renderer", refuse)
    assert "no device" in swap.describe_swap(shares(green, picture, expert()))


def test_the_hand_moves_on_a_shut_drawer_and_the_drawer_opens_by_itself() -> None:
    task = make_task(DRAWER)
    (episode,) = collect_episodes(task, "expert", [SEED])
    with Renderer(task.model, 48, 36) as renderer:
        qpos = episode.qpos[[0, -1]]
        first, last = renderer.render(qpos, "front", task.visual_overrides(qpos))
    films = swap_films.draw_swap(expert(), first, ("front",), 1.0)
    assert films is not None
    for film in (films.whole, films.hand, films.thing):
        assert film.shape == films.whole.shape
        np.testing.assert_array_equal(film[0], first)
    np.testing.assert_array_equal(films.whole[-1], last)
    changes = [(film[-1] != last).any(axis=2).mean() for film in (films.hand, films.thing)]
    assert min(changes) > 0.005, "either leaves something out"
