"""What the report of a run shows, collected from the run and its evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from roborew.data import video_info
from roborew.evaluation import (
    LABELS,
    PolicyResult,
    ReportContent,
    ReportVideo,
    TrainingPoint,
)
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import RunEvaluation
from roborew.workflows.train.command import command
from roborew.workflows.train.config import TrainConfig

REPORT_BYTES = 10_000_000
"""Space on the disk that a report may need; its videos are inside it."""
MAX_VIDEOS = 3
FACTS = {
    "environment": "environment",
    "reward": "reward",
    "agent": "agent",
    "seed": "seed",
    "steps": "environment steps",
    "minutes": "minutes",
    "sps": "reward-scored env steps/s (SPS)",
}
"""Key of ``summary.json`` to its name in the report."""


def report_content(run: RunDirectory, result: RunEvaluation, evaluation_name: str) -> ReportContent:
    """The report's content; ``evaluation_name`` is the file that holds every episode."""
    trained = result.trained
    config = trained.config
    summary = result.summary()
    rows = result.rows().items()
    episode_seeds = [episode.seed for episode in result.agent.episodes]
    return ReportContent(
        title=f"{config.env.id}: {config.agent.name} on {config.reward.name}",
        instruction=config.sentence,
        command=command(config),
        # The agent's row comes first and makes the headline.
        policies=[PolicyResult.from_evaluation(name, evaluation) for name, evaluation in rows],
        videos=[_report_video(path) for path in _newest_videos(run.path)],
        training=[_training_point(record) for record in run.metrics()],
        evaluation=result.agent,
        reward_metrics={LABELS[name]: value for name, value in result.reward_metrics.items()},
        sanity_baselines=result.sanity_baselines,
        seconds=trained.seconds,
        facts={label: _format_value(summary[name]) for name, label in FACTS.items()},
        versions=run.info["versions"],
        seeds={"run": [config.seed], "evaluation episodes": episode_seeds},
        files=[evaluation_name, "summary.json", "config.json", "metrics.jsonl"],
        notes=[
            *flat_score(result),
            explain(summary),
            *explain_limits(result),
            *truth_in_reward(config),
        ],
    )


def _report_video(path: Path) -> ReportVideo:
    return ReportVideo(path=path, caption=f"{path.name}, at half speed, {video_info(path).comment}")


def _newest_videos(folder: Path) -> Sequence[Path]:
    """The newest videos of a run, in the order they were made."""
    videos = (folder / "videos").glob("*.mp4")
    # A file system's clock may be coarse: names break ties.
    in_order = sorted(videos, key=lambda path: (path.stat().st_mtime_ns, path.name))
    return in_order[-MAX_VIDEOS:]


def _training_point(record: Mapping[str, Any]) -> TrainingPoint:
    return TrainingPoint(
        step=record["steps"],
        learned_return=record["learned_return"],
        true_return=record["true_return"],
        true_success=record["true_success"],
    )


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def flat_score(result: RunEvaluation) -> list[str]:
    """A sentence where the reward's score moved in no evaluation episode; empty where it did, or
    nothing was scored."""
    model = result.trained.model
    curves = [episode.score_curve for episode in result.agent.episodes]
    finite = [curve[np.isfinite(curve)] for curve in curves]
    ranges = [(float(curve.min()), float(curve.max())) for curve in finite if len(curve) > 1]
    if model is None or not ranges or any(model.spec.moves(*bounds) for bounds in ranges):
        return []
    return [
        f"The score of {model.spec.name} did not move in any evaluation episode: it tells nothing "
        "here, and no agent can learn from it. Say the instruction in other words, take another "
        "reward, or fit a critic to demonstrations of this task."
    ]


def explain(summary: Mapping[str, Any]) -> str:
    """What the figures beside `true_success` say, in words."""
    at_horizon = summary["success_at_horizon_without_detector"]
    at_any_time = summary["success_at_any_time_without_detector"]
    if at_horizon is None:
        return (
            "This environment reports no success, so whether a predicted success was true is "
            "unknown: compare true returns."
        )
    precision = summary["predicted_success_precision"]
    if precision is None:
        predictions = "It never predicted success."
    else:
        predictions = f"Of its first predicted successes {precision:.0%} were true."
    exploring = (
        " Its actions are drawn from its policy, as it learned." if summary["stochastic"] else ""
    )
    return (
        "An episode ends at the model's first predicted success or at the horizon, as in training. "
        f"{predictions} Where no predicted success ends an episode, the same agent truly succeeds "
        f"at the horizon in {at_horizon:.0%} and at any time in {at_any_time:.0%} of the "
        f"evaluation episodes.{exploring}"
    )


def explain_limits(result: RunEvaluation) -> list[str]:
    """A sentence beside each policy that knows the task: what held the agent back."""
    names = {"cloning": "a clone of its demonstrations", "expert": "the expert"}
    return [diagnosis.sentence(names[name]) for name, diagnosis in result.diagnoses().items()]


_REFIT_LABELS = MappingProxyType(
    {
        "frames": "the progress and success that the simulator reports of each frame",
        "episodes": "whether each of them brought success",
        "ends": "whether each of them ended in success",
        "person": "whether each of them ended in success, as somebody said who watched it",
    }
)


def truth_in_reward(config: TrainConfig) -> list[str]:
    """Where truth entered the reward, in words; empty where it did not.

    >>> truth_in_reward(TrainConfig())
    []
    """
    if config.reward.is_oracle:
        return ["This agent was paid by the simulator's truth: a baseline, not a learned reward."]
    lines = list[str]()
    if config.success_bonus is not None:
        lines.append(
            f"It was paid {config.success_bonus:g} in every step in which the simulator said that the "
            "goal held (--success-bonus): truth beside the learned reward."
        )
    if config.refit is None:
        return lines
    return [
        *lines,
        f"Its reward was refitted during training (--refit, {config.num_refits} times), to "
        f"demonstrations and to the agent's own episodes, {config.refit_episodes} each time, labeled "
        f"with {_REFIT_LABELS[config.refit_labels]}: the one place where truth enters a learned "
        "reward. Where all of them succeeded, it stayed as it was.",
    ]
