"""The doctor tries the real thing, survives what it tries, and is strict about what the main job
needs."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from roborew import cli
from roborew.types import Frame
from roborew.workflows.doctor import machine as doctor
from roborew.workflows.doctor.check import Check, healthy
from roborew.workflows.doctor.machine import RenderResult, classify_orientation, try_backend
from roborew_envs.rendering.renderer import backend

GOOD = RenderResult(renderer="a driver", orientation="upright", frames_per_second=500.0)


def scene() -> Frame:
    frame = np.zeros((40, 40, 3), np.uint8)
    frame[:20, :20], frame[:20, 20:], frame[20:, :20], frame[20:, 20:] = (
        (200, 20, 20), (20, 210, 30), (10, 10, 190), (220, 210, 40),
    )  # fmt: skip
    return frame


def test_the_back_end_in_use_draws_the_scene_upright() -> None:
    drawn = try_backend(backend())
    assert isinstance(drawn, RenderResult), drawn
    assert drawn.orientation == "upright" and drawn.frames_per_second > 1 and drawn.renderer


def test_a_picture_that_is_not_as_it_should_be_is_named() -> None:
    upright = scene()
    assert classify_orientation(upright) == "upright"
    assert classify_orientation(upright[::-1]) == "upside down"
    assert classify_orientation(upright[:, ::-1]) == "mirrored"
    assert classify_orientation(upright[::-1, ::-1]) == "upside down and mirrored"
    assert classify_orientation(np.zeros_like(upright)) == "black"
    assert classify_orientation(upright[..., ::-1]).startswith("not the scene")
    assert classify_orientation(np.full_like(upright, 200)).startswith("not the scene")


def test_a_back_end_that_hangs_or_does_not_exist_is_a_finding_and_not_a_crash() -> None:
    assert "no answer within" in str(try_backend("egl", timeout=0.01))
    assert "could not draw" in str(try_backend("no-such-back-end"))


def with_backends(monkeypatch: pytest.MonkeyPatch, **drawn: RenderResult | str) -> list[Check]:
    monkeypatch.setattr(doctor, "try_backend", lambda name: drawn.get(name, "no library"))
    return [check for check in doctor.run_checks() if check.name.startswith("drawing")]


def test_the_main_job_needs_the_back_end_in_use_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert healthy(with_backends(monkeypatch, egl=GOOD))
    unwell = with_backends(monkeypatch, osmesa=GOOD)
    assert not healthy(unwell)
    assert "export MUJOCO_GL=osmesa" in unwell[0].remedy


def test_a_picture_upside_down_is_no_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    tilted = RenderResult(renderer="a driver", orientation="upside down", frames_per_second=500.0)
    assert not healthy(with_backends(monkeypatch, egl=tilted))


def test_a_wrong_name_in_the_environment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    (check,) = with_backends(monkeypatch, egl=GOOD)
    assert not check.ok and "vulkan" in check.finding


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["-c", "import roborew_envs"],
            "RenderError: invalid value for environment variable MUJOCO_GL: vulkan",
        ),
        (
            ["-m", "roborew", "list", "envs"],
            "roborew: invalid value for environment variable MUJOCO_GL: vulkan",
        ),
    ],
)
def test_a_wrong_name_that_mujoco_does_not_know_either_is_said_in_one_line(
    command: list[str], said: str
) -> None:
    environment = os.environ | {"MUJOCO_GL": "vulkan"}
    ended = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    *_, last = " ".join(ended.stderr.split()).split("roborew_envs.errors.")
    assert last == f"{said}; expected one of egl, glfw, osmesa, or unset it."


def test_video_is_written_and_read_back() -> None:
    check = doctor._check_video()  # pyright: ignore[reportPrivateUsage]
    assert check.ok and check.needed, check.finding


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_the_command_fails_where_the_main_job_cannot_run(
    ok: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = Check(
        name="drawing",
        ok=ok,
        needed=True,
        finding="[Errno 2] as it is",
        remedy="" if ok else "mend it",
    )
    optional = Check(name="GPU", ok=False, needed=False, finding="none")
    monkeypatch.setattr(doctor, "run_checks", lambda: [needed, optional])
    assert cli.main(["doctor"]) == code
    said = capsys.readouterr().out
    assert "[Errno 2] as it is" in said and ("FAILS" in said) is not ok
