"""Every example runs as it is written, on a small budget."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.roborew.judges.fault_server import FaultServer, serving

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
VIDEO = str(ROOT / "videos" / "push-v0.mp4")

Run = Callable[[str, list[str]], str]

SMALL: dict[str, list[str]] = {
    "sentence_to_robot.py": ["--total-timesteps", "1024", "--episodes", "4"],
    "reward_from_videos.py": ["--episodes", "3", "--steps", "10"],
    "my_environment.py": ["--total-steps", "512"],
    "my_reward.py": ["--total-steps", "128"],
    "my_sb3_script.py": ["--total-timesteps", "512"],
    "my_sb3_single.py": ["--total-timesteps", "110"],
    "score_video.py": [VIDEO],
    "can_i_trust_it.py": ["--episodes", "1"],
}
PRINTS = {"reward_from_videos.py": "steps, of 10 10"}
"""What must be seen: here, how far a fit in Python is."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an example with words of a command line in an empty folder; what it prints.

    In this process: each one alone would spend most of its time on the import of torch.
    """
    monkeypatch.chdir(tmp_path)

    def run_example(name: str, words: list[str]) -> str:
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


@pytest.mark.parametrize("name", SMALL)
def test_an_example_runs(name: str, run: Run) -> None:
    printed = run(name, SMALL[name]).strip()
    assert printed and PRINTS.get(name, "") in printed


def test_a_served_model_is_asked(run: Run) -> None:
    """Its log-odds of True are what the server says: -0.5 - -1.5 at every frame."""
    with serving(FaultServer(tokens={"True": -0.5, "False": -1.5})) as server:
        words = [VIDEO, "--base-url", server.url, "--score-every", "20"]
        printed = run("vlm_server.py", words).splitlines()
    assert len(server.requests) == len(printed) >= 2
    assert all(line.endswith(": 1.00") for line in printed)


def test_every_example_is_tried_and_listed() -> None:
    found = {file.name for file in EXAMPLES.glob("*.py")}
    assert found == {*SMALL, "vlm_server.py"}
    page = (EXAMPLES / "README.md").read_text()
    assert not [name for name in found if f"`{name}`" not in page]
