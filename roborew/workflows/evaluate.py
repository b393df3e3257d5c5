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
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.data import free_path, new_file, read_picture, video_info
from roborew.errors import InvalidInputError
from roborew.evaluation import (
    Evaluation,
    Film,
    NullRow,
    Policy,
    ReportContent,
    TrainingPoint,
    VerdictRow,
    evaluate,
    null_table,
    record,
    score_with_nulls,
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
EPISODES = 100
SLOTS = 100
"""Episodes that run side by side."""
NULL_EPISODES = 10
"""Episodes over which the nulls are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that was measured of one agent.

    Attributes:
        trained: the agent and where it comes from.
        agent: its episodes, each ended by the model's first claim of success or by the horizon.
        unstopped: the same starts, no claim ends anything and nothing is scored.
        random: uniform actions, judged as ``agent``.
        expert: the scripted expert, judged as ``agent``; None where the task has none.
        nulls: the model on the agent's own episodes, and what only looks like progress; empty
            without a model.
    """

    trained: Trained
    agent: Evaluation
    unstopped: Evaluation
    random: Evaluation
    expert: Evaluation | None
    nulls: Sequence[NullRow]

    def summary(self) -> dict[str, Any]:
        """The figures of ``summary.json``; see the module for what they mean."""
        trained, config = self.trained, self.trained.config
        claims, told = self.agent.claims, self.agent.successes is not None
        return {
            "environment": config.env,
            "goal": config.instruction,
            "reward": config.reward,
            "agent": config.agent,
            "seed": config.seed,
            "steps": trained.steps,
            "minutes": trained.wall / 60,
            "labelled_steps_per_second": trained.steps / trained.wall,
            **self.agent.summary(),
            "random_success": self.random.true_success if told else None,
            "expert_success": self.expert.true_success
            if self.expert is not None and told
            else None,
            "success_at_first_claim": (claims - self.agent.false_claims) / claims
            if claims and told
            else None,
            "success_at_horizon_unstopped": self.unstopped.true_success if told else None,
            "success_at_any_time_unstopped": self.unstopped.success_at_any_time if told else None,
        }

    def rows(self) -> dict[str, Evaluation]:
        """What was judged, by name, the agent first."""
        rows = {self.trained.config.agent: self.agent, "random": self.random}
        return rows if self.expert is None else {**rows, "expert": self.expert}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a judgement was written to."""

    evaluation: Path
    report: Path


def judge(run: RunDirectory, episodes: int = EPISODES) -> Judgement:
    """Judge the agent of a run's last checkpoint, deterministic, over fresh starts that are the
    same for every run.

    Raises:
        InvalidInputError: no checkpoint yet, or fewer than one episode.
    """
    seeds, trained = evaluation_seeds(episodes), load_trained(run)
    with torch_threads(trained.config.threads):
        return _judge(trained, seeds)


def _judge(trained: Trained, seeds: list[int]) -> Judgement:
    config, slots = trained.config, min(SLOTS, len(seeds))
    with closing(make_reward_env(config, slots, trained.model)) as env:
        agent = evaluate(env, trained.agent.act, seeds)
        random = evaluate(env, random_policy(env, config.seed), seeds)
        scripted = expert_policy(env, config)
        expert = None if scripted is None else evaluate(env, scripted, seeds)
    with closing(make_env(config, slots)) as env:
        unstopped = evaluate(env, trained.agent.act, seeds)
    nulls = _nulls(trained, seeds[:NULL_EPISODES])
    return Judgement(
        trained=trained, agent=agent, unstopped=unstopped, random=random, expert=expert, nulls=nulls
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
    from roborew_envs.experts.behaviours import actor, behaviours

    if config.env not in TASKS:
        return getattr(env.unwrapped, "expert", None)
    if "expert" not in behaviours(task := make_task(config.env)):
        return None
    core: Any = cast(Any, env.unwrapped).core
    expert = actor(task, "expert", Seeds(config.seed).generator("expert"))
    return lambda observations: expert.actions(core.simulation.qpos, core.progress, core.observe())


def write(run: RunDirectory, judgement: Judgement) -> Written:
    """Write a new ``evaluation.json`` and a new ``report.html`` into the run, beside older ones.

    Raises:
        RoborewError: the disk is full.
    """
    judged_by_name = {
        "agent": judgement.agent,
        "unstopped": judgement.unstopped,
        "random": judgement.random,
    }
    if judgement.expert is not None:
        judged_by_name["expert"] = judgement.expert
    content = {"summary": judgement.summary()} | {
        name: {
            "summary": judged.summary(),
            "episodes": [asdict(episode) for episode in judged.episodes],
        }
        for name, judged in judged_by_name.items()
    }
    text = json.dumps(to_json(content)) + "\n"
    evaluation = free_path(run.path / "evaluation.json")
    with disk_space(evaluation, len(text)), new_file(evaluation) as file:
        file.write_text(text, encoding="utf-8")
    report = free_path(run.path / "report.html")
    with disk_space(report, 10_000_000):
        write_report(report, _report(run, judgement, evaluation))
    return Written(evaluation=evaluation, report=report)


def _nulls(trained: Trained, seeds: Sequence[int]) -> list[NullRow]:
    """The model and its nulls on the agent's own episodes, no claim ending them."""
    from roborew_envs import TASKS, make_task

    model, config = trained.model, trained.config
    if model is None or config.env not in TASKS:
        return []
    with closing(make_env(config, len(seeds))) as env:
        recordings = record(env, trained.agent.act, seeds)
    goal = read_picture(config.goal_image) if config.goal_image else None
    clips = [
        Clip(frames=film.frames[:: config.every], instruction=config.instruction, goal_image=goal)
        for film in recordings
    ]
    wrong = [
        text for text in make_task(config.env).wrong_instructions if text != config.instruction
    ]
    scored = score_with_nulls(model, clips, [wrong[i % len(wrong)] for i in range(len(clips))])
    return null_table(scored, [film.episode.progress[:: config.every] for film in recordings])


def _report(run: RunDirectory, judgement: Judgement, evaluation: Path) -> ReportContent:
    trained, summary = judgement.trained, judgement.summary()
    config = trained.config
    return ReportContent(
        title=f"{config.env}: {config.agent} on {config.reward}",
        instruction=config.instruction,
        command=command(config),
        verdict=[VerdictRow.of(name, judged) for name, judged in judgement.rows().items()],
        films=[
            Film(path=path, caption=f"{path.name}, at half speed, {video_info(path).comment}")
            for path in _films(run.path)
        ],
        training=[_point(record) for record in run.metrics()],
        judged=judgement.agent,
        nulls=judgement.nulls,
        seconds=trained.seconds,
        facts=_facts(summary),
        versions=run.info["versions"],
        seeds={
            "run": [config.seed],
            "judged starts": [episode.seed for episode in judgement.agent.episodes],
        },
        files=[evaluation.name, "summary.json", "config.json", "metrics.jsonl"],
        notes=[explained(summary), *truth_in_reward(config)],
    )


def _films(folder: Path, most: int = 3) -> list[Path]:
    """The newest films of a run, in the order they were made."""
    films = sorted(
        (folder / "videos").glob("*.mp4"), key=lambda path: (path.stat().st_mtime_ns, path.name)
    )
    return films[-most:]


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
        "labelled_steps_per_second",
    )
    return {name.replace("_", " "): _figure(summary[name]) for name in names}


def _figure(value: Any) -> str:
    return (
        f"{value:,.1f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def explained(summary: Mapping[str, Any]) -> str:
    """What the figures beside `true_success` say, in words."""
    if summary["success_at_horizon_unstopped"] is None:
        return "This environment does not tell success, so whether a claim was true is not known: judge by true return."
    at_claim = summary["success_at_first_claim"]
    claims = (
        "It never claimed success."
        if at_claim is None
        else f"Of its first claims {at_claim:.0%} were true."
    )
    return (
        "An episode ends at the model's first claim of success or at the horizon, as in training. "
        f"{claims} Where no claim ends an episode, the same agent truly succeeds at the horizon in "
        f"{summary['success_at_horizon_unstopped']:.0%} and at any time in "
        f"{summary['success_at_any_time_unstopped']:.0%} of the starts."
    )


def truth_in_reward(config: TrainConfig) -> list[str]:
    """Where truth entered the reward, in words; empty where it did not.

    >>> truth_in_reward(TrainConfig())
    []
    """
    if config.reward in TRUE_REWARDS:
        return ["This agent was paid by the simulator's truth: a baseline, not a learned reward."]
    if config.refresh is None:
        return []
    return [
        f"Its reward was fitted anew on the way (--refresh, {config.refreshes} times), to "
        f"demonstrations and to the "
        "agent's own episodes, labelled with what the simulator says of these, progress and "
        "success as far as they are "
        "told: the one place where truth enters a learned reward."
    ]


def command(config: TrainConfig) -> str:
    """What to type to have the run again.

    >>> command(TrainConfig(env="roborew/Press-v0", goal="press it", seed=3))
    "roborew train --env roborew/Press-v0 --goal 'press it' --seed 3"
    """
    words = ["roborew", "train"]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "env" or value != (None if field.default is MISSING else field.default):
            words += [f"--{field.name.replace('_', '-')}", str(value)]
    return shlex.join(words)
