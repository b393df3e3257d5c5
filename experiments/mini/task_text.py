"""The tasks that `mini` knows, by key, with their own sentences as the environments state them.

The instruction and the first half of the paraphrases may be seen in training; the second half is
held out.
"""

from __future__ import annotations

from roborew_envs import make_task

TASK_IDS: dict[str, str] = {
    "press": "roborew/Press-v0",
    "push": "roborew/Push-v0",
    "drawer": "roborew/DrawerOpen-v0",
    "cheetah": "roborew/Cheetah-v0",
    "stand": "roborew/HumanoidStand-v0",
    "kneel": "roborew/HumanoidKneel-v0",
    "raise_arms": "roborew/HumanoidRaiseArms-v0",
}

TaskText = tuple[str, tuple[str, ...], tuple[str, ...]]


def _text(task_id: str) -> TaskText:
    words = make_task(task_id).language
    return words.instruction, words.paraphrases, words.wrong_instructions


TASK_TEXT: dict[str, TaskText] = {key: _text(task_id) for key, task_id in TASK_IDS.items()}
"""Key -> (instruction, paraphrases, wrong instructions)."""
