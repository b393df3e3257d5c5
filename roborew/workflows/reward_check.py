"""A run's learned reward against the truth, on the agent's own episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from roborew.data import read_picture
from roborew.evaluation import (
    Evaluation,
    Measure,
    Recording,
    SanityBaseline,
    calibration_metrics,
    cycle_metrics,
    forward_and_reversed,
    grounding_metrics,
    record,
    sanity_table,
    score_with_sanity_baselines,
    truth_metrics,
)
from roborew.types import BoolArray, Clip, RewardModel
from roborew.workflows.factories import make_env
from roborew.workflows.trained import Trained

NUM_CHECK_EPISODES = 10
"""Episodes that are rendered to score the sanity baselines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardCheck:
    """What was measured of a learned reward; empty without one."""

    sanity_baselines: Sequence[SanityBaseline] = ()
    metrics: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """By the keys of `roborew.evaluation.LABELS`."""


def check_reward(trained: Trained, agent: Evaluation, seeds: Sequence[int]) -> RewardCheck:
    """Measure the reward of a run.

    Args:
        trained: the agent and its reward.
        agent: its evaluated episodes, whose scores were paid.
        seeds: of the episodes that are rendered again for what needs other clips than were paid:
            sanity baselines, calibration, grounding, cycles. No predicted success ends these.
    """
    from roborew_envs import TASKS, make_task

    model = trained.model
    config = trained.config
    if model is None:
        return RewardCheck()
    metrics = truth_metrics(agent)
    if config.env.id not in TASKS:
        # Another suite's task says no wrong sentence, which the baselines ask for.
        return RewardCheck(metrics=metrics)
    with closing(make_env(config, len(seeds))) as env:
        recordings = record(env, trained.policy(env.num_envs), seeds)
    clips = _clips(trained, recordings)
    # Thinned like the frames, so that truth and scores belong to the same moments.
    progress = [recording.episode.progress[:: config.score_every] for recording in recordings]
    other_sentences = [
        sentence
        for sentence in make_task(config.env.id).wrong_instructions
        if sentence != config.sentence
    ]
    # In turn, so that no single wrong sentence decides the figure.
    wrong = [other_sentences[row % len(other_sentences)] for row in range(len(clips))]
    scored = score_with_sanity_baselines(model, clips, wrong)
    own_scores = scored[model.spec.name]
    metrics |= calibration_metrics(own_scores, _successes(recordings, config.score_every))
    metrics |= grounding_metrics(own_scores, scored["wrong instruction"])
    metrics |= _cycle_metrics(model, clips, recordings, progress)
    return RewardCheck(sanity_baselines=sanity_table(scored, progress), metrics=metrics)


def _clips(trained: Trained, recordings: Sequence[Recording]) -> list[Clip]:
    """What the model sees of each episode: the frames that are due."""
    config = trained.config
    goal_image = read_picture(config.goal_image) if config.goal_image else None
    return [
        Clip(
            frames=recording.frames[:: config.score_every],
            instruction=config.sentence,
            goal_image=goal_image,
        )
        for recording in recordings
    ]


def _successes(recordings: Sequence[Recording], score_every: int) -> list[BoolArray]:
    """The truth at the scored frames; the tasks of roborew always know it."""
    return [
        np.array(recording.episode.success, dtype=np.bool_)[::score_every]
        for recording in recordings
    ]


def _cycle_metrics(
    model: RewardModel,
    clips: Sequence[Clip],
    recordings: Sequence[Recording],
    progress: Sequence[Sequence[float]],
) -> dict[str, Measure]:
    """Cycle-VOC of the episodes that reach the goal: a failure has no way there to walk back."""
    cycles = [
        forward_and_reversed(clip, truth)
        for clip, recording, truth in zip(clips, recordings, progress, strict=True)
        if recording.episode.success_at_any_time
    ]
    return cycle_metrics(model.score(cycles) if cycles else [])
