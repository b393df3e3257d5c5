"""Every example runs as it is written, on a small budget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
VIDEO = str(ROOT / "videos" / "push-v0.mp4")

SMALL: dict[str, list[str]] = {
    "sentence_to_robot.py": ["--total-timesteps", "1024", "--episodes", "4"],
    "reward_from_videos.py": ["--episodes", "3", "--steps", "10"],
    "my_environment.py": ["--total-steps", "512"],
    "my_reward.py": ["--total-steps", "128"],
    "my_sb3_script.py": ["--total-timesteps", "512"],
    "score_video.py": [VIDEO],
    "can_i_trust_it.py": ["--episodes", "1"],
}


def run(name: str, words: list[str], folder: Path) -> str:
    """What an example prints."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "envs")])
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, "MUJOCO_GL": "egl"},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", SMALL)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    assert run(name, SMALL[name], tmp_path).strip()


def test_every_example_is_tried_and_listed() -> None:
    found = {file.name for file in EXAMPLES.glob("*.py")}
    assert found == {*SMALL, "vlm_server.py"}
    page = (EXAMPLES / "README.md").read_text()
    assert not [name for name in found if f"`{name}`" not in page]
