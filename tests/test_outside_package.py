"""A package of somebody else adds a reward, a critic, an encoder, an agent and a task: a class and an entry point each.

It is installed by pip from a wheel, as a user would, and then listed, checked and trained with.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE = '''
import numpy as np
from roborew.agents.ppo import PPO
from roborew.critics.objectives.ridge import Ridge
from roborew.encoders.mini import MiniEncoder
from roborew.types import RewardSpec, Scores
from roborew_envs.tasks.desk.push import Push


class Redness:
    """How red a frame is."""

    def __init__(self, *, gain: float = 1.0, device: str = "cpu") -> None:
        self._gain = gain
        self.spec = RewardSpec(
            name="redness", low=0, high=gain, context=1, causal=True,
            needs_goal_image=False, predicts_success=False, paper="none",
        )

    def score(self, clips):
        reds = [clip.frames[..., 0].mean(axis=(1, 2)) / 255 for clip in clips]
        values = [(self._gain * red).astype(np.float32) for red in reds]
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values]


class Probe(Ridge):
    """Ridge under another name."""


class Layers(MiniEncoder):
    """The layers of mini under another name."""


class Learner(PPO):
    """PPO under another name."""


class Nudge(Push):
    """Push under another name."""

    id = "outsider/Nudge-v0"
'''
ENTRY_POINTS = """
[roborew.rewards]
redness = outsider.parts:Redness
broken = outsider.missing:Thing

[roborew.critics]
probe = outsider.parts:Probe

[roborew.encoders]
layers = outsider.parts:Layers

[roborew.agents]
learner = outsider.parts:Learner

[roborew.tasks]
outsider/Nudge-v0 = outsider.parts:Nudge
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed the package."""
    folder = tmp_path_factory.mktemp("outsider")
    wheel = folder / "outsider-1.0-py3-none-any.whl"
    info = "outsider-1.0.dist-info"
    files = {
        "outsider/__init__.py": "",
        "outsider/parts.py": MODULE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": ENTRY_POINTS,
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    target = folder / "site"
    words = ["install", "--quiet", "--no-index", "--no-deps", "--target", str(target), str(wheel)]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, env=environment)
    return target


TRAIN = (
    *("train", "--env", "outsider/Nudge-v0", "--reward", "redness", "--reward.gain", "2"),
    *("--agent", "learner", "--agent.n-steps", "4", "--total-timesteps", "64"),
    *("--num-envs", "4", "--evaluation.episodes", "2", "--name", "nudge"),
)
LISTED = {
    "rewards": "redness",
    "critics": "probe",
    "encoders": "layers",
    "agents": "learner",
    "envs": "outsider/Nudge-v0",
}
CHECKED = (("redness", "gain=2"), ("probe",), ("layers",), ("outsider.parts:Redness",))
COMMANDS = [*(("list", kind) for kind in LISTED), *(("check", *words) for words in CHECKED), TRAIN]
# One process for all, since half of a short command is the import of torch.
PROGRAM = """
import sys
from roborew.cli import main
for line in sys.stdin.read().splitlines():
    code = main(line.split())
    print(f"exit code {code}\\f", flush=True)
"""
Said = dict[tuple[str, ...], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("used")


@pytest.fixture(scope="module")
def said(installed: Path, folder: Path) -> Said:
    """What each of `COMMANDS` prints where the package is installed, its exit code last."""
    paths = [str(installed), str(ROOT), str(ROOT / "envs")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(" ".join(words) for words in COMMANDS),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        cwd=folder,
        env=environment,
        timeout=240,
    )
    return dict(zip(COMMANDS, done.stdout.split("\f"), strict=False))


@pytest.mark.parametrize("kind", LISTED)
def test_its_parts_are_listed(kind: str, said: Said) -> None:
    printed = said["list", kind]
    assert printed.endswith("exit code 0") and LISTED[kind] in printed


def test_a_part_of_it_that_is_broken_is_named_in_one_line(said: Said) -> None:
    lines = said["list", "rewards"].splitlines()
    (line,) = [line for line in lines if line.startswith("broken")]
    assert "cannot be imported" in line and "outsider.missing" in line


@pytest.mark.parametrize("words", CHECKED)
def test_its_parts_are_held_to_the_laws(words: tuple[str, ...], said: Said) -> None:
    printed = said["check", *words]
    assert printed.endswith("exit code 0"), printed
    assert "0 broken" in printed


def test_an_agent_is_trained_with_its_parts(said: Said, folder: Path) -> None:
    assert said[TRAIN].endswith("exit code 0"), said[TRAIN]
    assert (folder / "runs" / "nudge" / "report.html").is_file()
