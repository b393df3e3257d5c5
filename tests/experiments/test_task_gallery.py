"""The gallery's choice of moments and its page; the pictures themselves are for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.task_gallery import __main__ as gallery
from experiments.task_gallery.moments import Moments, _chosen, moments
from roborew_envs import make_task


def test_the_moments_are_the_start_half_of_the_way_and_the_first_success() -> None:
    progress = np.array([0.2, 0.3, 0.7, 0.4, 1.0, 0.9, 1.0])
    shown = _chosen("here", np.arange(7)[:, None], progress, progress == 1)
    assert shown.qpos[:, 0].tolist() == [0, 2, 4]
    assert shown.success.tolist() == [False, False, True]


@pytest.mark.parametrize("task_id", ["roborew/Press-v0", "roborew/HumanoidKneel-v0"])
def test_scripts_and_poses_lead_to_success(task_id: str) -> None:
    task = make_task(task_id)
    shown = moments(task)
    assert shown.success.tolist() == [False, False, True]
    assert shown.progress[0] < shown.progress[1] < shown.progress[2] == 1
    assert task.success(shown.qpos, np.zeros((3, task.model.nv)))[2]


def test_a_sheet_has_a_row_a_camera_and_its_file_says_how_it_was_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WIDTH": 32, "HEIGHT": 24, "GAP": 2}.items():
        monkeypatch.setattr(gallery, name, value)
    task = make_task("roborew/Press-v0")
    qpos = np.stack([task.sample(np.random.default_rng(seed))[0] for seed in range(3)])
    shown = Moments("chance", qpos, np.array([0.1, 0.2, 0.3]), np.zeros(3, np.bool_))
    picture = gallery.sheet(task, shown)
    assert picture.shape == (3 * 26 - 2, 3 * 34 - 2, 3)
    gallery.save(tmp_path / "press.png", picture)
    with Image.open(tmp_path / "press.png") as read:
        assert read.text["Comment"] == "drawing=full"
    page = gallery.section(task, shown, tmp_path / "press.png")
    assert "(press.png)" in page and "no success yet" in page and task.instruction in page
