"""The sweep: only the yellow block counts, and only in the hole."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.tasks.bench import scene as bench

TASK = make_task("roborew/Sweep-v0")


def with_block(block: slice, place: tuple[float, float, float]) -> np.ndarray:
    """A start with the block so far from the hole's middle on the table [m]."""
    qpos = TASK.sample_initial_state(np.random.default_rng(0))[0]
    qpos[block] = np.append(qpos[bench.HOLE], bench.BLOCK_HEIGHT) + place
    return qpos[None]


@pytest.mark.parametrize(
    ("block", "place", "success"),
    [
        (bench.YELLOW_BLOCK, (0, 0, 0), True),
        (bench.YELLOW_BLOCK, (0.02, -0.05, 0), True),
        (bench.YELLOW_BLOCK, (0, 0, bench.BOARD_TOP), False),  # held above the hole
        (bench.YELLOW_BLOCK, (0, 0, 0.02), False),  # more of it above the board's top than below
        (bench.YELLOW_BLOCK, (0.1, 0, 0), False),  # fell off the board
        (bench.RED_BLOCK, (0, 0, 0), False),
    ],
)
def test_success_is_the_yellow_block_down_in_the_hole(
    block: slice, place: tuple[float, float, float], success: bool
) -> None:
    still = np.zeros((1, TASK.model.nv))
    assert TASK.success(with_block(block, place), still).item() is success


def test_a_block_that_bounces_in_the_hole_stays_in_it() -> None:
    """From this start it bounces to 31 mm, which was a frame without success after two with it."""
    (episode,) = collect_episodes(TASK, "expert", [60_000_000])
    arrived = int(np.argmax(episode.success))
    assert arrived > 0 and episode.success[arrived:].all()


def test_progress_falls_with_the_distance_from_the_hole() -> None:
    still = np.zeros((1, TASK.model.nv))
    away = [with_block(bench.YELLOW_BLOCK, (-x, 0, bench.BOARD_TOP)) for x in (0.05, 0.1, 0.15)]
    assert np.all(np.diff([TASK.progress(qpos, still).item() for qpos in away]) < 0)


def test_the_expert_leaves_the_red_block_on_the_board_and_undo_takes_the_yellow_one_out() -> None:
    for episode in collect_episodes(TASK, "expert", range(3)):
        assert episode.success[-1] and episode.qpos[-1, bench.RED_BLOCK][2] > bench.BOARD_TOP
    for episode in collect_episodes(TASK, "undo", range(3)):
        assert episode.success.any() and episode.qpos[-1, bench.YELLOW_BLOCK][2] > bench.BOARD_TOP
