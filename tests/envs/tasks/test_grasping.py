"""Grasping: what counts as taken, held and let go, and what a thing's way to its place is worth."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.tasks.arm_task import (
    ARM_JOINTS,
    FINGER_JOINTS,
    FINGER_TRAVEL,
    ee_position,
    inverse_kinematics,
)
from roborew_envs.tasks.desk.grasping import (
    RELEASED_DISTANCE,
    is_grasped,
    is_gripper_open,
    is_released,
    pick_and_place,
    pick_and_place_progress,
)

HALF, REST, LIFT = 0.026, 0.026, 0.15
GOAL = np.array([0.45, 0.20, 0.10])
START = make_task("roborew/Stack-v0").sample_initial_state(np.random.default_rng(0))[0]


def states(tips: np.ndarray, fingers: float = HALF) -> np.ndarray:
    """States with the finger tips at ``tips``, shape (N, 3) [m], and the fingers apart by twice
    ``fingers`` [m]."""
    qpos = np.tile(START, (len(tips), 1))
    qpos[:, ARM_JOINTS], qpos[:, FINGER_JOINTS] = inverse_kinematics(tips), fingers
    return qpos


def worth(things: np.ndarray, tips: np.ndarray | None = None, fingers: float = HALF) -> np.ndarray:
    """What the way of things at ``things``, shape (N, 3) [m], is worth; they are held unless
    ``tips`` says."""
    qpos = states(things if tips is None else tips, fingers)
    return pick_and_place_progress(qpos, things, REST, np.tile(GOAL, (len(things), 1)), HALF, LIFT)


def path(*points: tuple[float, float, float], count: int = 40) -> np.ndarray:
    """Places on straight lines between points, shape (``count``, 3) [m]."""
    at = np.linspace(0, len(points) - 1, count)
    return np.column_stack(
        [np.interp(at, range(len(points)), column) for column in zip(*points, strict=True)]
    )


def test_a_way_along_the_table_counts_nothing() -> None:
    pushed = worth(path((0.45, -0.10, REST), (0.45, 0.16, REST)))
    assert np.ptp(pushed) < 1e-9
    carried = worth(path((0.45, -0.10, LIFT), (0.45, 0.16, LIFT)))
    assert np.all(np.diff(carried) > 0) and carried[0] > pushed[0] + 0.2


def test_a_thing_that_is_lifted_carried_over_and_let_down_gains_all_the_way() -> None:
    over = (GOAL[0], GOAL[1], LIFT)
    lift = worth(path((0.45, -0.10, REST), (0.45, -0.10, LIFT)))
    carry = worth(path((0.45, -0.10, LIFT), over))
    down = worth(path(over, tuple(GOAL)))
    for part in (lift, carry, down):
        assert np.all(np.diff(part) > -1e-12) and part[-1] > part[0] + 0.04
    assert 0.95 < down[-1] <= 1


def test_the_hand_that_comes_near_and_closes_gains() -> None:
    thing = np.tile([0.45, -0.10, REST], (30, 1))
    assert np.all(
        np.diff(worth(thing, thing + path((0, 0, 0.12), (0, 0, 0), count=30), FINGER_TRAVEL)) > 0
    )
    assert worth(thing[:1])[0] > worth(thing[:1], fingers=FINGER_TRAVEL)[0] + 0.05


def test_a_thing_right_below_its_goal_is_not_over_it() -> None:
    """Else the red cube would be nearly stacked while the blue one stands on top of it."""
    below, beside = GOAL * [1, 1, 0] + [0, 0, REST], np.array([0.45, -0.10, REST])
    away = np.array([[0.40, 0.0, 0.2]])
    assert worth(below[None], away)[0] == pytest.approx(worth(beside[None], away)[0], abs=0.03)


def test_the_worth_has_no_jumps() -> None:
    rng = np.random.default_rng(0)
    things = rng.uniform([0.35, -0.1, REST], [0.55, 0.25, 0.2], (300, 3))
    things[::2] = GOAL + rng.normal(0, 0.02, (150, 3))
    tips = things + rng.normal(0, 0.02, (300, 3))
    moved = rng.normal(size=(300, 3))
    moved *= 1e-4 / np.linalg.norm(moved, axis=1, keepdims=True)
    change = np.abs(worth(things + moved, tips + moved) - worth(things, tips))
    assert change.max() < 0.02, "a tenth of a millimetre"


def test_held_open_and_released_are_what_they_say() -> None:
    grip = np.array([[0.45, 0.0, 0.10]])
    closed, wide = states(grip, HALF), states(grip, FINGER_TRAVEL)
    assert is_grasped(closed, grip, HALF).all() and not is_grasped(wide, grip, HALF).any()
    assert not is_released(closed, grip, HALF).any(), "closed around the thing"
    assert is_gripper_open(wide, HALF).all() and is_released(wide, grip, HALF).all()
    assert is_released(closed, grip + [0, 0, RELEASED_DISTANCE + 0.01], HALF).all(), (
        "closed, but elsewhere"
    )


def test_a_thing_that_lies_where_it_should_is_let_go_and_left() -> None:
    goal = np.array([[0.45, 0.0, 0.10]])
    assert pick_and_place(states(goal), goal, goal, HALF, np.zeros(3))[0, 3] == 1
    free = states(goal, FINGER_TRAVEL)
    assert (
        pick_and_place(free, goal, goal, HALF, np.zeros(3))[0, 2] > ee_position(free)[0, 2] + 0.03
    )
