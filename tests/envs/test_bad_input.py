"""Every wrong name, setting and call gets one clear error."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import Error, NameNotFound, ResetNeeded
from gymnasium.vector import AutoresetMode

from roborew_envs import TaskVectorEnv, make_task


def test_an_unknown_task_is_answered_with_the_close_names() -> None:
    with pytest.raises(NameNotFound, match=r"roborew/Push-v0"):
        make_task("roborew/Pusch-v0")
    with pytest.raises(NameNotFound, match="Push"):
        gymnasium.make("roborew/Pusch-v0")


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"camera": "moon"}, "unknown camera 'moon'. Available: front"),
        ({"quality": "best"}, "got 'best', expected one of fast, full"),
        ({"width": 0}, "got 0 x 72 pixels, expected 1 to 4096"),
        ({"height": 100_000}, "got 96 x 100000 pixels"),
        ({"render_mode": "human"}, "got 'human', expected None or 'rgb_array'"),
        ({"autoreset_mode": AutoresetMode.SAME_STEP}, "expected NEXT_STEP or DISABLED"),
        ({"num_envs": 0}, "got 0, expected at least 1"),
    ],
)
def test_impossible_settings_are_refused_when_made(wrong: dict[str, Any], answer: str) -> None:
    with pytest.raises((Error, ValueError), match=answer):
        TaskVectorEnv(make_task("roborew/Push-v0"), **wrong)


def test_misuse_is_answered_with_what_to_do() -> None:
    env = TaskVectorEnv(make_task("roborew/Press-v0"), 3)
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step(np.zeros((3, 4)))
    with pytest.raises(Error, match="render_mode='rgb_array'"):
        env.render()
    with pytest.raises(Error, match=r"got 2 seeds, expected one integer or 3"):
        env.reset(seed=[1, 2])
    with pytest.raises(Error, match=r"shape \(3,\)"):
        env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(Error, match="at least one True"):
        env.reset(options={"reset_mask": np.zeros(3, np.bool_)})
    env.close()
