"""The verdict on a run: its agent on fresh starts, beside a random one, an expert and the nulls, by
the truth.

``true_success``, the figure that counts, is the simulator's truth at the end of an episode, and an
episode ends at the model's first claim of success or at the horizon: what the agent was trained
for. Beside it stand the truth without any claim ending an episode (at the horizon, and at any time)
and the share of first claims that were true.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.data import free_path, new_file, read_picture, video_info
from roborew.errors import InvalidInputError
from roborew.evaluation import (
    Evaluation,
    Policy,
    PolicyResult,
    ReportContent,
    ReportVideo,
    SanityBaseline,
    TrainingPoint,
    evaluate,
    record,
    sanity_table,
    score_with_sanity_baselines,
    write_report,
)
from roborew.seeding import Seeds
from roborew.storage.atomic import disk_space
from roborew.storage.run import RunDirectory
from roborew.types import Clip
from roborew.workflows.factories import (
    Environment,
    Trained,
    load_trained,
    make_env,
    make_reward_env,
)
from roborew.workflows.train.config import TRUE_REWARDS, TrainConfig
from roborew.workflows.train.loop import torch_threads

FIRST_SEED = 10_000_000_000
"""Starts are judged from this seed on; training takes its own below 2**31 + num_envs."""
NUM_EPISODES = 100
MAX_NUM_ENVS = 100
"""Episodes that run side by side."""
SANITY_EPISODES = 10
"""Episodes over which the nulls are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvaluation:
    """All that was measured of one agent.

    Attributes:
        trained: the agent and where it comes from.
        agent: its episodes, each ended by the model's first claim of success or by the horizon.
        without_detector: the same starts, no claim ends anything and nothing is scored.
        random: uniform actions, judged as ``agent``.
        expert: the scripted expert, judged as ``agent``; None where the task has none.
        nulls: the model on the agent's own episodes, and what only looks like progress; empty
            without a model.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "goal": "instruction",
        "labelled_steps_per_second": "sps",
        "true_success_low": "true_success_ci_low",
        "true_success_high": "true_success_ci_high",
        "claims": "predicted_successes",
        "false_claim_rate": "false_success_rate",
        "false_claim_state_rate": "false_success_state_rate",
        "order_correlation": "spearman_per_episode",
        "success_at_first_claim": "predicted_success_precision",
        "success_at_horizon_unstopped": "success_at_horizon_without_detector",
        "success_at_any_time_unstopped": "success_at_any_time_without_detector",
    }
    """Keys of ``summary.json``, by their names in earlier releases."""

    trained: Trained
    agent: Evaluation
    without_detector: Evaluation
    random: Evaluation
    expert: Evaluation | None
    sanity_baselines: Sequence[SanityBaseline]

    def summary(self) -> dict[str, Any]:
        """The figures of ``summary.json``; see the module for what they mean."""
        trained, config = self.trained, self.trained.config
        claims, told = self.agent.predicted_successes, self.agent.successes is not None
        return {
            "environment": config.env,
            "instruction": config.sentence,
            "reward": config.reward,
            "agent": config.agent,
            "seed": config.seed,
            "steps": trained.steps,
            "minutes": trained.wall / 60,
            "sps": trained.steps / trained.wall,
            **self.agent.summary(),
            "random_success": self.random.true_success if told else None,
            "expert_success": self.expert.true_success
            if self.expert is not None and told
            else None,
            "predicted_success_precision": (claims - self.agent.false_successes) / claims
            if claims and told
            else None,
            "success_at_horizon_without_detector": self.without_detector.true_success
            if told
            else None,
            "success_at_any_time_without_detector": self.without_detector.success_at_any_time
            if told
            else None,
        }

    def rows(self) -> dict[str, Evaluation]:
        """What was judged, by name, the agent first."""
        rows = {self.trained.config.agent: self.agent, "random": self.random}
        return rows if self.expert is None else {**rows, "expert": self.expert}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFiles:
    """Where a judgement was written to."""

    evaluation: Path
    report: Path


def read_summary(run: Path) -> dict[str, Any]:
    """Read the ``summary.json`` of a finished run, keys of earlier releases under today's names.

    Raises:
        FileNotFoundError: the run has not been evaluated.
    """
    content: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return {RunEvaluation.RENAMED.get(name, name): value for name, value in content.items()}


def evaluate_run(run: RunDirectory, episodes: int = NUM_EPISODES) -> RunEvaluation:
    """Judge the agent of a run's last checkpoint, deterministic, over fresh starts that are the
    same for every run.

    Raises:
        InvalidInputError: no checkpoint yet, or fewer than one episode.
    """
    seeds, trained = evaluation_seeds(episodes), load_trained(run)
    with torch_threads(trained.config.threads):
        return _evaluate_run(trained, seeds)


def _evaluate_run(trained: Trained, seeds: list[int]) -> RunEvaluation:
    config, slots = trained.config, min(MAX_NUM_ENVS, len(seeds))
    with closing(make_reward_env(config, slots, trained.model)) as env:
        agent = evaluate(env, trained.agent.act, seeds)
        random = evaluate(env, random_policy(env, config.seed), seeds)
        scripted = expert_policy(env, config)
        expert = None if scripted is None else evaluate(env, scripted, seeds)
    with closing(make_env(config, slots)) as env:
        without_detector = evaluate(env, trained.agent.act, seeds)
    nulls = _sanity_baselines(trained, seeds[:SANITY_EPISODES])
    return RunEvaluation(
        trained=trained,
        agent=agent,
        without_detector=without_detector,
        random=random,
        expert=expert,
        sanity_baselines=nulls,
    )


def evaluation_seeds(episodes: int) -> list[int]:
    """The fixed list of starts."""
    if episodes < 1:
        raise InvalidInputError(f"episodes: expected a whole number of at least 1; got {episodes}.")
    return [FIRST_SEED + i for i in range(episodes)]


def random_policy(env: Environment, seed: int) -> Policy:
    """Actions drawn uniformly from a bounded or discrete space."""
    space, rng = (
        cast("Box | Discrete", cast(Any, env).single_action_space),
        Seeds(seed).generator("random policy"),
    )

    def act(observations: NDArray[Any]) -> NDArray[Any]:
        if isinstance(space, Discrete):
            return rng.integers(space.start, space.start + space.n, len(observations))
        return rng.uniform(space.low, space.high, (len(observations), *space.shape)).astype(
            np.float32
        )

    return act


def expert_policy(env: Environment, config: TrainConfig) -> Policy | None:
    """The expert of a task, scripted or trained; None if it has none. Roborew's own scripts read
    the simulator."""
    from roborew_envs import TASKS, make_task
    from roborew_envs.experts.behaviors import available_behaviors, make_policy

    if config.env not in TASKS:
        return getattr(env.unwrapped, "expert", None)
    if "expert" not in available_behaviors(task := make_task(config.env)):
        return None
    core: Any = cast(Any, env.unwrapped).core
    expert = make_policy(task, "expert", Seeds(config.seed).generator("expert"))
    return lambda observations: expert.act(core.simulation.qpos, core.progress, core.observe())


def write_evaluation(run: RunDirectory, result: RunEvaluation) -> WrittenFiles:
    """Write a new ``evaluation.json`` and a new ``report.html`` into the run, beside older ones.

    Raises:
        RoborewError: the disk is full.
    """
    judged_by_name = {
        "agent": result.agent,
        "without_detector": result.without_detector,
        "random": result.random,
    }
    if result.expert is not None:
        judged_by_name["expert"] = result.expert
    content = {"summary": result.summary()} | {
        name: {
            "summary": evaluation.summary(),
            "episodes": [asdict(episode) for episode in evaluation.episodes],
        }
        for name, evaluation in judged_by_name.items()
    }
    text = json.dumps(to_json(content)) + "\n"
    evaluation = free_path(run.path / "evaluation.json")
    with disk_space(evaluation, len(text)), new_file(evaluation) as file:
        file.write_text(text, encoding="utf-8")
    report = free_path(run.path / "report.html")
    with disk_space(report, 10_000_000):
        write_report(report, _report(run, result, evaluation))
    return WrittenFiles(evaluation=evaluation, report=report)


def _sanity_baselines(trained: Trained, seeds: Sequence[int]) -> list[SanityBaseline]:
    """The model and its nulls on the agent's own episodes, no claim ending them."""
    from roborew_envs import TASKS, make_task

    model, config = trained.model, trained.config
    if model is None or config.env not in TASKS:
        return []
    with closing(make_env(config, len(seeds))) as env:
        recordings = record(env, trained.agent.act, seeds)
    goal = read_picture(config.goal_image) if config.goal_image else None
    clips = [
        Clip(
            frames=recording.frames[:: config.score_every],
            instruction=config.sentence,
            goal_image=goal,
        )
        for recording in recordings
    ]
    wrong = [text for text in make_task(config.env).wrong_instructions if text != config.sentence]
    scored = score_with_sanity_baselines(
        model, clips, [wrong[i % len(wrong)] for i in range(len(clips))]
    )
    return sanity_table(
        scored, [recording.episode.progress[:: config.score_every] for recording in recordings]
    )


def _report(run: RunDirectory, result: RunEvaluation, evaluation: Path) -> ReportContent:
    trained, summary = result.trained, result.summary()
    config = trained.config
    return ReportContent(
        title=f"{config.env}: {config.agent} on {config.reward}",
        instruction=config.sentence,
        command=command(config),
        policies=[
            PolicyResult.from_evaluation(name, evaluation)
            for name, evaluation in result.rows().items()
        ],
        videos=[
            ReportVideo(
                path=path, caption=f"{path.name}, at half speed, {video_info(path).comment}"
            )
            for path in _newest_videos(run.path)
        ],
        training=[_point(record) for record in run.metrics()],
        evaluation=result.agent,
        sanity_baselines=result.sanity_baselines,
        seconds=trained.seconds,
        facts=_facts(summary),
        versions=run.info["versions"],
        seeds={
            "run": [config.seed],
            "judged starts": [episode.seed for episode in result.agent.episodes],
        },
        files=[evaluation.name, "summary.json", "config.json", "metrics.jsonl"],
        notes=[explain(summary), *truth_in_reward(config)],
    )


def _newest_videos(folder: Path, max_videos: int = 3) -> list[Path]:
    """The newest films of a run, in the order they were made."""
    films = sorted(
        (folder / "videos").glob("*.mp4"), key=lambda path: (path.stat().st_mtime_ns, path.name)
    )
    return films[-max_videos:]


def _point(record: Mapping[str, Any]) -> TrainingPoint:
    return TrainingPoint(
        step=record["steps"],
        learned_return=record["learned_return"],
        true_return=record["true_return"],
        true_success=record["true_success"],
    )


def _facts(summary: Mapping[str, Any]) -> dict[str, str]:
    names = (
        "environment",
        "reward",
        "agent",
        "seed",
        "steps",
        "minutes",
        "sps",
    )
    return {name.replace("_", " "): _format_value(summary[name]) for name in names}


def _format_value(value: Any) -> str:
    return (
        f"{value:,.1f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def explain(summary: Mapping[str, Any]) -> str:
    """What the figures beside `true_success` say, in words."""
    if summary["success_at_horizon_without_detector"] is None:
        return "This environment does not tell success, so whether a claim was true is not known: judge by true return."
    at_claim = summary["predicted_success_precision"]
    claims = (
        "It never claimed success."
        if at_claim is None
        else f"Of its first claims {at_claim:.0%} were true."
    )
    return (
        "An episode ends at the model's first claim of success or at the horizon, as in training. "
        f"{claims} Where no claim ends an episode, the same agent truly succeeds at the horizon in "
        f"{summary['success_at_horizon_without_detector']:.0%} and at any time in "
        f"{summary['success_at_any_time_without_detector']:.0%} of the starts."
    )


def truth_in_reward(config: TrainConfig) -> list[str]:
    """Where truth entered the reward, in words; empty where it did not.

    >>> truth_in_reward(TrainConfig())
    []
    """
    if config.reward in TRUE_REWARDS:
        return ["This agent was paid by the simulator's truth: a baseline, not a learned reward."]
    if config.refit is None:
        return []
    return [
        f"Its reward was fitted anew on the way (--refit, {config.num_refits} times), to "
        f"demonstrations and to the "
        "agent's own episodes, labelled with what the simulator says of these, progress and "
        "success as far as they are "
        "told: the one place where truth enters a learned reward."
    ]


def command(config: TrainConfig) -> str:
    """What to type to have the run again.

    >>> command(TrainConfig(env="roborew/Press-v0", goal="press it", seed=3))
    "roborew train --env roborew/Press-v0 --instruction 'press it' --seed 3"
    """
    words = ["roborew", "train"]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "env" or value != (None if field.default is MISSING else field.default):
            words += [f"--{field.name.replace('_', '-')}", str(value)]
    return shlex.join(words)
