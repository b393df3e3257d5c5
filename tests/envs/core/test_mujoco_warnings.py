"""What MuJoCo warns of is logged once, and no file is left in the working directory."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import mujoco
import numpy as np
import pytest

from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.core import mujoco_warnings
from roborew_envs.suites import SuiteVectorEnv


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with no warning logged yet."""
    monkeypatch.setattr(mujoco_warnings, "_logged", set())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def unstable_task() -> None:
    """Many simulations, on threads, all of which diverge again and again."""
    with closing(TaskVectorEnv(make_task("roborew/Cheetah-v0"), 32)) as env:
        env.reset(seed=0)
        for _ in range(3):
            env.core.simulation.qvel[:] = 1e12
            env.step(np.zeros((32, 6)))


def unstable_suite() -> None:
    with closing(SuiteVectorEnv("HalfCheetah-v5", 2)) as env:
        env.reset(seed=0)
        for _ in range(3):
            for single in env.envs:
                data = single.unwrapped.data  # pyright: ignore[reportAttributeAccessIssue]
                data.qvel[:] = 1e12
            env.step(np.zeros((2, 6), np.float32))
            env.reset(seed=0)


@pytest.mark.parametrize("diverge", [unstable_task, unstable_suite])
def test_a_diverging_simulation_warns_once_and_leaves_no_file(
    diverge: object,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.WARNING, mujoco_warnings.__name__):
        assert callable(diverge)
        diverge()
    told = [record.getMessage() for record in caplog.records if "unstable" in record.getMessage()]
    kinds = {message.partition("at DOF")[0] for message in told}
    assert len(told) == len(kinds) >= 1
    assert not list(folder.iterdir())
    assert "WARNING" not in capfd.readouterr().out


def test_a_function_of_the_users_own_keeps_getting_them() -> None:
    before = mujoco.get_mju_user_warning()
    mine: list[str] = []
    try:
        mujoco.set_mju_user_warning(mine.append)
        mujoco_warnings.log_mujoco_warnings()
        assert mujoco.get_mju_user_warning() is not mujoco_warnings.log_warning
    finally:
        mujoco.set_mju_user_warning(before)
