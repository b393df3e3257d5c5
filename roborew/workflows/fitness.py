"""What a reward model was fitted to, held against what it is asked to score."""

from __future__ import annotations

from roborew.critics.critic import Critic
from roborew.rewards.mini import FITTED_TASKS, HARDENED_TASKS, Mini
from roborew.types import RewardModel

FIT_A_CRITIC = "fit a critic to demonstrations of it: roborew collect, then roborew fit"


def describe_unfitted(model: RewardModel | None, env_id: str, instruction: str) -> str | None:
    """Return a sentence where a model was not fitted to what an agent is to learn from it, None
    where it was, or nobody knows.

    Args:
        model: the reward; None where the truth pays.
        env_id: of the environment.
        instruction: the goal as a sentence.
    """
    if isinstance(model, Mini) and model.is_shipped:
        return _of_mini(env_id)
    if not isinstance(model, Critic) or instruction in model.sentences or not model.sentences:
        return None
    sentences = "; ".join(repr(sentence) for sentence in model.sentences)
    return (
        f"the critic was fitted to {sentences}, not to {instruction!r}: its score may mean "
        f"nothing here. Give its own sentence with --instruction, or {FIT_A_CRITIC}."
    )


def never_saw(model: RewardModel | None, env_id: str) -> bool:
    """Whether a model itself knows that it was fitted to nothing like a task: whatever its score does
    there, it means nothing."""
    tasks = (*HARDENED_TASKS, *FITTED_TASKS)
    return isinstance(model, Mini) and model.is_shipped and env_id not in tasks


def _of_mini(env_id: str) -> str | None:
    hardened = ", ".join(HARDENED_TASKS)
    if env_id in HARDENED_TASKS:
        return None
    if env_id in FITTED_TASKS:
        return (
            f"mini saw random states of {env_id} only, and was never held against agents there: one "
            f"may learn nothing, or a mistake of mini's. It is made for {hardened}; for this task "
            f"{FIT_A_CRITIC}."
        )
    return (
        f"mini was not fitted to {env_id}: its score means nothing there. It is made for "
        f"{hardened}; for this task {FIT_A_CRITIC}."
    )


def fitted_to(model: RewardModel) -> str:
    """What a model was fitted to, in words; empty where nobody knows."""
    if isinstance(model, Mini) and model.is_shipped:
        return f"mini was fitted to pictures of {', '.join((*HARDENED_TASKS, *FITTED_TASKS))}"
    if isinstance(model, Critic) and model.sentences:
        return f"it was fitted to {'; '.join(map(repr, model.sentences))}"
    return ""
