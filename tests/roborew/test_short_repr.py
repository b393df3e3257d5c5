"""What a notebook shows of an object is one short line, however much it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew.critics.critic import Critic
from roborew.data.reading import read_demonstrations
from roborew.evaluation import Episode, Evaluation, Recording
from roborew.registry import agents, rewards
from roborew.types import Clip, Scores
from roborew.workflows.evaluate import FinishedRun, RunEvaluation
from roborew.workflows.trained import Trained
from tests.roborew.data.sets import write_as_folder

LONGEST = 400
FRAMES = np.zeros((300, 24, 32, 3), np.uint8)
EPISODE = Episode(
    seed=1,
    true_return=0.5,
    learned_return=None,
    progress=(0.0,) * 300,
    success=(False,) * 300,
    score_steps=tuple(range(300)),
    scores=(0.5,) * 300,
    predicted_success=(False,) * 300,
)
EVALUATION = Evaluation(episodes=(EPISODE,) * 100)
ANY: Any = None
RUN = RunEvaluation(
    trained=Trained(
        config=ANY, agent=ANY, model=ANY, steps=10, refits=0, wall=1.0, seconds={"drawing": 1.0}
    ),
    agent=EVALUATION,
    without_detector=EVALUATION,
    random=EVALUATION,
    expert=None,
    cloning=None,
    sanity_baselines=[],
    reward_metrics={},
)
HOLDERS = (
    Clip(frames=FRAMES, instruction="press the button " * 20, goal_image=FRAMES[0]),
    Scores(np.zeros(300, np.float32), np.ones(300, np.bool_)),
    EPISODE,
    EVALUATION,
    Recording(episode=EPISODE, frames=FRAMES),
    RUN,
    RUN.trained,
    FinishedRun(path=Path("runs/a"), summary={"a": 1}, report=Path("a.html"), evaluation=RUN),
)


def check_short(owner: object) -> None:
    text = repr(owner)
    assert text.isprintable() and len(text) < LONGEST, text
    assert type(owner).__name__ in text and " object at 0x" not in text and "array(" not in text


@pytest.mark.parametrize("owner", HOLDERS, ids=lambda owner: type(owner).__name__)
def test_what_holds_arrays_shows_their_shapes(owner: object) -> None:
    check_short(owner)


def test_a_demonstration_is_one_line(tmp_path: Path) -> None:
    write_as_folder(tmp_path / "demos")
    for demonstration in read_demonstrations(tmp_path / "demos"):
        check_short(demonstration)


@pytest.mark.parametrize("name", ["mini"])
def test_a_reward_is_one_line(name: str) -> None:
    check_short(rewards.load(name)())


@pytest.mark.parametrize(
    "kind", [*map(rewards.load, sorted(rewards)), *map(agents.load, sorted(agents)), Critic]
)
def test_every_reward_and_agent_says_what_it_is(kind: type) -> None:
    assert kind.__repr__ is not object.__repr__
