"""Things that differ in colour alone: the sentence chooses, and who takes the wrong one does with
it what was asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.tasks import arm_task
from roborew_envs.tasks.bench import scene as bench
from roborew_envs.tasks.desk import scene as desk
from roborew_envs.tasks.desk.pick_place import CABINET_TOP
from roborew_envs.tasks.desk.reach import REACHED_DISTANCE
from roborew_envs.tasks.desk.stack import STACK_OFFSET
from roborew_envs.tasks.desk.tidy import is_in_drawer

TWINS = {
    "roborew/Push-v0": ("red", "blue"),
    "roborew/Reach-v0": ("blue", "red"),
    "roborew/PickPlace-v0": ("red", "blue"),
    "roborew/Stack-v0": ("red", "blue"),
    "roborew/Tidy-v0": ("red", "blue"),
    "roborew/PegInsert-v0": ("blue", "orange"),
    "roborew/Sweep-v0": ("yellow", "red"),
}

DONE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "roborew/Push-v0": lambda qpos: (
        np.linalg.norm(qpos[:, desk.BLUE_CUBE][:, :2] - qpos[:, desk.PAD], axis=1) < desk.PAD_RADIUS
    ),
    "roborew/Reach-v0": lambda qpos: (
        np.linalg.norm(arm_task.ee_position(qpos) - qpos[:, desk.RED_CUBE], axis=1)
        <= REACHED_DISTANCE
    ),
    "roborew/PickPlace-v0": lambda qpos: (
        np.abs(qpos[:, desk.BLUE_CUBE][:, 2] - CABINET_TOP[2]) < 0.006
    ),
    "roborew/Stack-v0": lambda qpos: (
        np.linalg.norm(qpos[:, desk.BLUE_CUBE] - qpos[:, desk.RED_CUBE] - STACK_OFFSET, axis=1)
        < 0.03
    ),
    "roborew/Tidy-v0": lambda qpos: (
        is_in_drawer(qpos, desk.BLUE_CUBE) & (qpos[:, desk.DRAWER] <= desk.CLOSED_TRAVEL)
    ),
    "roborew/PegInsert-v0": lambda qpos: bench.is_inserted(qpos, bench.ORANGE_PEG),
    "roborew/Sweep-v0": lambda qpos: bench.is_in_hole(qpos, bench.RED_BLOCK),
}


@pytest.mark.parametrize("task_id", TWINS)
def test_every_sentence_names_the_colour_and_the_other_colour_is_wrong(task_id: str) -> None:
    task, (colour, other) = make_task(task_id), TWINS[task_id]
    for sentence in (task.instruction, *task.paraphrases):
        assert colour in sentence.split() or f"{colour}," in sentence, sentence
    swapped = {colour: other, other: colour}
    assert (
        " ".join(swapped.get(word, word) for word in task.instruction.split())
        in task.wrong_instructions
    )


@pytest.mark.parametrize("task_id", TWINS)
def test_who_takes_the_wrong_one_does_with_it_what_was_asked(task_id: str) -> None:
    episodes = collect_episodes(make_task(task_id), "wrong_object", range(900_000, 900_005))
    assert DONE[task_id](np.stack([episode.qpos[-1] for episode in episodes])).sum() >= 4
