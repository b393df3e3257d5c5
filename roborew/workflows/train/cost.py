"""What a training run will ask of the judge of its reward, said before the first question."""

from __future__ import annotations

from typing import Any

from roborew.rewards.vlm.base import describe_cost
from roborew.workflows.train.config import TrainConfig

EVALUATED_EPISODES = 200
"""Episodes that the evaluation scores at the end: 100 of the agent, 100 of the random policy."""


def describe_training_cost(
    config: TrainConfig, model: object, n_steps: int | None, max_episode_steps: int | None
) -> list[str]:
    """Return sentences on the judge's questions, none for a reward that asks no judge.

    Args:
        config: of the run.
        model: the reward.
        n_steps: environment steps of a rollout in each simulation; None where the agent has none.
        max_episode_steps: time limit of an episode; None where it is unknown.
    """
    # These two can be counted beforehand: how long episodes last in between nobody knows.
    announced: list[str] = []
    if n_steps is not None:
        lengths = [_scored_frames(n_steps, config.score_every)] * config.num_envs
        first_rollout = describe_cost(model, lengths)
        if first_rollout is not None:
            announced.append(f"first rollout of {config.timesteps:,} steps: {first_rollout}")
    if max_episode_steps is not None:
        lengths = [_scored_frames(max_episode_steps, config.score_every)] * EVALUATED_EPISODES
        evaluation = describe_cost(model, lengths)
        if evaluation is not None:
            announced.append(f"evaluation, if no episode ends early: {evaluation}")
    return announced


def time_limit(env: Any) -> int | None:
    """The time limit of a vector environment's episodes [steps], None where it does not say."""
    task = getattr(env.unwrapped, "task", None)
    if task is not None:
        return task.horizon
    spec = env.unwrapped.spec
    return None if spec is None else spec.max_episode_steps


def _scored_frames(num_steps: int, score_every: int) -> int:
    # The first frame is scored too.
    return 1 + num_steps // score_every
