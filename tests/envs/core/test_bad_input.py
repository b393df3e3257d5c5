"""Every wrong name, setting and call gets one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import Error, InvalidAction, NameNotFound, ResetNeeded
from gymnasium.vector import AutoresetMode

from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.core import mjcf


def test_an_unknown_task_is_answered_with_the_close_names() -> None:
    with pytest.raises(NameNotFound, match=r"roborew/Push-v0"):
        make_task("roborew/Pusch-v0")
    with pytest.raises(NameNotFound, match="Push"):
        gymnasium.make("roborew/Pusch-v0")


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({"camera": "moon"}, "unknown camera 'moon'. Available: front"),
        ({"quality": "best"}, "got 'best', expected one of fast, medium, full"),
        ({"width": 0}, "got 0 x 72 pixels, expected 1 to 4096"),
        ({"height": 100_000}, "got 96 x 100000 pixels"),
        ({"render_mode": "human"}, "got 'human', expected None or 'rgb_array'"),
        ({"autoreset_mode": AutoresetMode.SAME_STEP}, "expected NEXT_STEP or DISABLED"),
        *(
            ({"num_envs": number}, f"got {number!r}, expected at least 1")
            for number in (0, 2.5, "4")
        ),
        *(
            ({"width": side}, f"got {side!r} x 72 pixels, expected 1 to 4096 a side, whole")
            for side in (96.5, "96")
        ),
        ({"camera": ""}, "unknown camera ''. Available: front"),
    ],
)
def test_impossible_settings_are_refused_when_made(wrong: dict[str, Any], answer: str) -> None:
    with pytest.raises((Error, ValueError), match=answer):
        TaskVectorEnv(make_task("roborew/Push-v0"), **wrong)


def test_one_environment_refuses_what_many_refuse() -> None:
    with gymnasium.make("roborew/Press-v0") as env:
        env.reset(seed=0)
        with pytest.raises(
            InvalidAction, match=r"got actions of shape \(1, 3\), expected \(1, 4\)"
        ):
            env.unwrapped.step(np.zeros(3))
        with pytest.raises(InvalidAction, match="NaN or infinite"):
            env.unwrapped.step(np.array([0, np.inf, 0, 0]))
        with pytest.raises(InvalidAction, match="expected numbers"):
            env.unwrapped.step(["left", "right", "up", "down"])
    with pytest.raises(Error, match="unknown camera 'moon'. Available: front"):
        gymnasium.make("roborew/Press-v0", camera="moon")
    with pytest.raises(ValueError, match=r"Kinds: camera, light"):
        gymnasium.make("roborew/Press-v0", appearance="rain:strong")


@pytest.mark.parametrize(
    "damage", ["", "<mujoco><worldbody>", "<mujoco><nonsense/></mujoco>", None]
)
@pytest.mark.parametrize("task_id", ["roborew/Press-v0", "roborew/CartPole-v0"])
def test_a_damaged_world_is_named(
    task_id: str, damage: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in mjcf.INCLUDED_FILES:
        (tmp_path / name).write_bytes((mjcf._FOLDER / name).read_bytes())
    if damage is not None:
        (tmp_path / "desk.xml").write_text(damage)
        (tmp_path / "cart_pole.xml").write_text(damage)
    monkeypatch.setattr(mjcf, "_FOLDER", tmp_path)
    with pytest.raises(
        Error, match=r"assets/(desk|cart_pole).xml .* is damaged .*: install roborew again"
    ):
        TaskVectorEnv(make_task(task_id), 2)


def test_a_world_whose_included_file_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk.xml").write_bytes((mjcf._FOLDER / "desk.xml").read_bytes())
    monkeypatch.setattr(mjcf, "_FOLDER", tmp_path)
    with pytest.raises(Error, match=r"assets/desk.xml or what it includes is damaged .*arm.xml"):
        TaskVectorEnv(make_task("roborew/Press-v0"), 2)


@pytest.mark.parametrize(
    "world",
    [
        "<mujoco/>",
        "<mujoco><worldbody><body><joint/></body></worldbody></mujoco>",
        (mjcf._FOLDER / "cart_pole.xml").read_text("utf-8"),
        (mjcf._FOLDER / "desk.xml")
        .read_text("utf-8")
        .replace('camera name="front"', 'camera name="back"'),
    ],
)
def test_a_world_that_is_not_the_tasks_own_is_named(
    world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in mjcf.INCLUDED_FILES:
        (tmp_path / name).write_bytes(
            (mjcf._FOLDER / name).read_bytes().replace(b'camera name="front"', b"camera")
        )
    (tmp_path / "desk.xml").write_text(world)
    monkeypatch.setattr(mjcf, "_FOLDER", tmp_path)
    with pytest.raises(
        Error,
        match=r"roborew/Push-v0: its world in assets is damaged \(.*\): install roborew again",
    ):
        TaskVectorEnv(make_task("roborew/Push-v0"), 2)


def test_a_snapshot_of_another_task_is_refused_and_one_that_names_none_is_taken() -> None:
    reach, push = (TaskVectorEnv(make_task(f"roborew/{name}-v0"), 2) for name in ("Reach", "Push"))
    reach.reset(seed=0)
    snapshot = reach.get_state()
    with pytest.raises(
        Error, match=r"got a snapshot of roborew/Reach-v0, expected one of roborew/Push-v0"
    ):
        push.set_state(snapshot)
    reach.set_state({name: array for name, array in snapshot.items() if name != "of"})
    for env in (reach, push):
        env.close()


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
