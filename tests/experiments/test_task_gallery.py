"""The gallery's choice of moments and its page; the pictures themselves are for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.task_gallery import __main__ as gallery
from experiments.task_gallery import behaviors
from experiments.task_gallery.moments import LATER, Moments, _chosen, moments
from roborew_envs import TASKS, make_task
from roborew_envs.experts.grading import ExpertPace


@pytest.mark.parametrize(
    ("later", "last"), [([0.9, 1.0], 4), ([1.0, 0.9, 1.0], 5), ([1.0] * 30, 4 + LATER)]
)
def test_the_moments_are_the_start_half_of_the_way_and_the_first_success_while_it_holds(
    later: list[float], last: int
) -> None:
    progress = np.array([0.2, 0.3, 0.7, 0.4, 1.0, *later])
    shown = _chosen("here", np.arange(len(progress))[:, None], progress, progress == 1)
    assert shown.qpos[:, 0].tolist() == [0, 2, last]
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
    qpos = np.stack(
        [task.sample_initial_state(np.random.default_rng(seed))[0] for seed in range(3)]
    )
    shown = Moments("chance", qpos, np.array([0.1, 0.2, 0.3]), np.zeros(3, np.bool_))
    picture = gallery.sheet(task, shown)
    assert picture.shape == (3 * 26 - 2, 3 * 34 - 2, 3)
    gallery.save(tmp_path / "press.jpg", picture)
    with Image.open(tmp_path / "press.jpg") as read:
        assert read.info["comment"] == b"drawing=full"
    page = gallery.section(task, shown, tmp_path / "press.jpg")
    assert "(press.jpg)" in page and "no success yet" in page and task.instruction in page


def test_the_behaviors_measured_last_end_where_they_should() -> None:
    """Every scripted task, 200 episodes of the good behaviors; test_experts runs a few of all
    anew."""
    measured = behaviors.read()
    scripted = {task_id for task_id in TASKS if make_task(task_id).scripted_policy is not None}
    assert {row["task"] for row in measured} == scripted
    low = {"expert": 0.98, "slow": 0.98}
    assert all(row["episodes"] == ("200" if row["behavior"] in low else "50") for row in measured)
    assert all(
        float(row["graded_suboptimal"]) >= 0.98 for row in measured if row["behavior"] == "slow"
    )
    assert all(
        float(row["graded_success"]) >= 0.9 for row in measured if row["behavior"] == "expert"
    )
    high = {"random": 0.12}
    for row in measured:
        end, name = float(row["at_end"]), row["behavior"]
        if name == "noisy":  # it ends anywhere
            continue
        assert low.get(name, 0) <= end <= (1 if name in low else high.get(name, 0.01)), row


def test_a_row_of_the_table_has_a_dash_where_a_behavior_does_not_exist() -> None:
    measured = behaviors.measure(
        make_task("roborew/Press-v0"),
        "expert",
        ExpertPace(success_step=10, max_progress_drop=0),
        range(2),
    )
    assert (
        behaviors.table([measured]).splitlines()[-1] == "| roborew/Press-v0 | 100.0 |" + " - |" * 8
    )
