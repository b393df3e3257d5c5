"""What a training run will ask of the judge of its reward, said before the first question."""

from __future__ import annotations

from typing import Any

from roborew.evaluation.baselines import NUM_SCORED_BASELINES
from roborew.rewards.vlm.base import JudgeReward, describe_cost
from roborew.workflows.baseline_policies import expert_policy
from roborew.workflows.factories import Environment
from roborew.workflows.reward_check import NUM_CHECK_EPISODES
from roborew.workflows.train.config import TrainConfig
from roborew_envs import TASKS


def describe_training_cost(
    config: TrainConfig, model: object, n_steps: int | None, env: Environment
) -> list[str]:
    """Return sentences on the judge's questions, none for a reward that asks no judge.

    Args:
        config: of the run.
        model: the reward.
        n_steps: environment steps of a rollout in each simulation; None where the agent has none.
        env: that the agent is trained in.
    """
    if not isinstance(model, JudgeReward):
        return []
    # These two can be counted beforehand: how long episodes last in between nobody knows.
    announced: list[str] = []
    if n_steps is not None:
        lengths = [_scored_frames(n_steps, config.score_every)] * config.num_envs
        first_rollout = describe_cost(model, lengths)
        if first_rollout is not None:
            announced.append(f"first rollout of {config.timesteps:,} steps: {first_rollout}")
    max_episode_steps = time_limit(env)
    if max_episode_steps is not None:
        num_frames = _scored_frames(max_episode_steps, config.score_every)
        num_policies = 2 if expert_policy(env, config) is None else 3
        evaluation = describe_cost(model, _evaluation_lengths(config, num_frames, num_policies))
        announced.append(
            f"evaluation, if no episode ends early: {evaluation}; --evaluation.episodes, now "
            f"{config.evaluation.episodes}, sets how many"
        )
    return announced


def _evaluation_lengths(config: TrainConfig, num_frames: int, num_policies: int) -> list[int]:
    """Frames of each clip that the evaluation scores: the episodes of the agent, of the random policy
    and of an expert, and what stands beside the agent's own as sanity baselines."""
    episodes = config.evaluation.episodes
    lengths = [num_frames] * (episodes * num_policies)
    if config.env.id not in TASKS:
        return lengths
    num_checked = min(episodes, NUM_CHECK_EPISODES)
    lengths += [num_frames] * (num_checked * (1 + NUM_SCORED_BASELINES))
    # Forward and back; the turning point is shown once.
    return lengths + [2 * num_frames - 1] * num_checked


def time_limit(env: Any) -> int | None:
    """The time limit of a vector environment's episodes [steps], None where it does not say."""
    own = getattr(env.unwrapped, "max_episode_steps", None)
    if own is not None:
        return own
    spec = env.unwrapped.spec
    return None if spec is None else spec.max_episode_steps


def _scored_frames(num_steps: int, score_every: int) -> int:
    # The first frame is scored too.
    return 1 + num_steps // score_every
