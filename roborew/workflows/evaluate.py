"""Evaluate a run: its agent over the evaluation episodes, beside a random and an expert policy, and
its learned reward against the truth, beside sanity baselines.

``true_success``, the figure that counts, is the simulator's truth at the end of an episode, and an
episode ends at the model's first predicted success or at the horizon: what the agent was trained
for. Beside it stand the truth where no predicted success ends an episode (at the horizon, and at
any time) and the share of first predicted successes that were true.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from roborew.agents.bc import BC
from roborew.bounds import check_whole_number
from roborew.config import to_json
from roborew.evaluation import (
    LABELS,
    Diagnosis,
    Evaluation,
    Measure,
    SanityBaseline,
    diagnose,
    evaluate,
    write_report,
)
from roborew.short_repr import fields_repr
from roborew.storage.atomic import explain_full_disk
from roborew.storage.json_files import read_json_object
from roborew.storage.run import RunDirectory
from roborew.storage.staging import check_writable, numbered, write_new
from roborew.workflows.baseline_policies import expert_policy, random_policy
from roborew.workflows.factories import make_env
from roborew.workflows.reward_check import NUM_CHECK_EPISODES, check_reward
from roborew.workflows.rewards import RewardEnv, make_reward_env
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.demonstrations import clone_of_demonstrations
from roborew.workflows.train.loop import torch_threads
from roborew.workflows.trained import Trained, load_trained

FIRST_SEED = 10_000_000_000
"""Evaluation episodes start from this seed on; training takes its own below 2**31 + num_envs."""
NUM_EPISODES = 100
MAX_NUM_ENVS = 100
"""Episodes that run side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvaluation:
    """All that was measured of one agent.

    Attributes:
        trained: the agent and where it comes from.
        agent: its episodes, each ended by the model's first predicted success or by the horizon.
        without_detector: the same starts; no predicted success ends an episode, nothing is scored.
        random: uniform actions, evaluated as ``agent``.
        cloning: what cloning the run's demonstrations alone reaches, evaluated as ``agent``; None
            without demonstrations, or where the agent itself is such a clone.
        expert: the scripted expert, evaluated as ``agent``; None where the task has none.
        sanity_baselines: the model on the agent's own episodes, and what only looks like progress;
            empty without a model.
        reward_metrics: the model against the truth, by the keys of `roborew.evaluation.LABELS`;
            empty without a model.
    """

    __repr__ = fields_repr

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
    cloning: Evaluation | None
    sanity_baselines: Sequence[SanityBaseline]
    reward_metrics: Mapping[str, Measure]

    @property
    def was_never_scored(self) -> bool:
        """Whether the model was asked for scores of the agent's episodes and gave not one."""
        scores = [score for episode in self.agent.episodes for score in episode.scores]
        return bool(scores) and all(score is None for score in scores)

    def summary(self) -> dict[str, Any]:
        """The figures of the evaluated episodes; see the module for what they mean."""
        trained = self.trained
        config = trained.config
        return {
            "environment": config.env.id,
            "instruction": config.sentence,
            "reward": config.reward.name,
            "agent": config.agent.name,
            "seed": config.seed,
            "demonstrations": config.num_demos or 0,
            "labeled_episodes": trained.labeled_episodes,
            "steps": trained.steps,
            "minutes": trained.wall / 60,
            "sps": trained.steps / trained.wall,
            "stochastic": config.evaluation.stochastic,
            **self.agent.summary(),
            **self._success_figures(),
            **self._return_figures(),
            **self._limits(),
        }

    def diagnoses(self) -> dict[str, Diagnosis]:
        """What held the agent back, beside each policy that knows the task, by name; empty where no
        learned reward pays."""
        if self.trained.model is None:
            return {}
        references = {"cloning": self.cloning, "expert": self.expert}
        diagnoses = {
            name: diagnose(self.agent, reference)
            for name, reference in references.items()
            if reference is not None
        }
        return {name: one for name, one in diagnoses.items() if one is not None}

    def _limits(self) -> dict[str, str | None]:
        diagnoses = self.diagnoses()
        return {
            f"limit_beside_{name}": diagnoses[name].limit if name in diagnoses else None
            for name in ("cloning", "expert")
        }

    def _return_figures(self) -> dict[str, float | None]:
        """Mean returns by the environment's own reward, which every environment tells."""
        policies = {
            "random_return": self.random,
            "expert_return": self.expert,
            "cloning_return": self.cloning,
            "true_return_without_detector": self.without_detector,
        }
        return {
            name: None if policy is None else policy.true_return
            for name, policy in policies.items()
        }

    def _success_figures(self) -> dict[str, float | None]:
        if self.agent.successes is None:
            return dict.fromkeys(_SUCCESS_FIGURES)
        predicted = self.agent.predicted_successes
        precision = (predicted - self.agent.false_successes) / predicted if predicted else None
        expert = None if self.expert is None else self.expert.true_success
        cloning = None if self.cloning is None else self.cloning.true_success
        values = (
            self.random.true_success,
            expert,
            cloning,
            precision,
            self.without_detector.true_success,
            self.without_detector.success_at_any_time,
        )
        return dict(zip(_SUCCESS_FIGURES, values, strict=True))

    def full_summary(self) -> dict[str, Any]:
        """The content of ``summary.json``: `summary` and the metrics of the learned reward."""
        summary = self.summary()
        for name, measure in self.reward_metrics.items():
            summary[name] = measure.value
        # Without a model nothing is predicted, and 0 false successes would say nothing.
        has_reward = self.trained.model is not None and self.agent.successes is not None
        interval = self.agent.false_success_interval
        summary["false_success_ci_low"] = interval.low if has_reward else None
        summary["false_success_ci_high"] = interval.high if has_reward else None
        return summary

    def reward_table(self) -> dict[str, float | None]:
        """The learned reward's metrics under the names that tables show."""
        return {LABELS[name]: measure.value for name, measure in self.reward_metrics.items()}

    def rows(self) -> dict[str, Evaluation]:
        """The evaluated policies by name, the agent first."""
        rows = {self.trained.config.agent.name: self.agent, "random": self.random}
        if self.cloning is not None:
            rows["cloning"] = self.cloning
        return rows if self.expert is None else {**rows, "expert": self.expert}


_SUCCESS_FIGURES = (
    "random_success",
    "expert_success",
    "cloning_success",
    "predicted_success_precision",
    "success_at_horizon_without_detector",
    "success_at_any_time_without_detector",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFiles:
    """Where an evaluation was written to."""

    evaluation: Path
    report: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that was trained and evaluated.

    Attributes:
        path: its folder.
        summary: the figures of ``summary.json``.
        report: the page to open in a browser.
        evaluation: all that was measured.
    """

    __repr__ = fields_repr

    path: Path
    summary: Mapping[str, Any]
    report: Path
    evaluation: RunEvaluation


def finish_run(run: RunDirectory) -> FinishedRun:
    """Evaluate a trained run over as many episodes as it asks for, and write its summary, evaluation
    and report.

    Raises:
        RoborewError: as `evaluate_run` and `write_evaluation`.
    """
    config = run.config(TrainConfig)
    result = evaluate_run(run, config.evaluation.episodes)
    summary = result.full_summary()
    run.write_json("summary.json", summary)
    written = write_evaluation(run, result)
    return FinishedRun(path=run.path, summary=summary, report=written.report, evaluation=result)


def read_summary(run: Path) -> dict[str, Any]:
    """Read the ``summary.json`` of a finished run, keys of earlier releases under today's names.

    Raises:
        InvalidInputError: the run has not been evaluated.
        CorruptFileError: it is no JSON object.
    """
    content = read_json_object(run / "summary.json")
    return {RunEvaluation.RENAMED.get(name, name): value for name, value in content.items()}


def evaluate_run(
    run: RunDirectory, episodes: int = NUM_EPISODES, stochastic: bool | None = None
) -> RunEvaluation:
    """Evaluate the agent of a run's last checkpoint over evaluation episodes that are the same for every
    run.

    Raises:
        InvalidInputError: no checkpoint yet, or fewer than one episode.
        OSError: the folder of the run cannot be written.
    """
    seeds = evaluation_seeds(episodes)
    trained = load_trained(run)
    if stochastic is not None:
        trained = trained.evaluated(stochastic)
    check_writable(run.path)
    run.metrics()  # a curve that the report could not show is said before the work
    with torch_threads(trained.config.threads):
        return _evaluate_run(trained, seeds)


def _evaluate_run(trained: Trained, seeds: list[int]) -> RunEvaluation:
    config = trained.config
    # More simulations than episodes would only stand idle.
    num_envs = min(MAX_NUM_ENVS, len(seeds))
    with closing(make_reward_env(config, num_envs, trained.model)) as env:
        # All policies from the same starts: what differs is the policy.
        agent = evaluate(env, trained.policy(num_envs), seeds)
        random = evaluate(env, random_policy(env, config.seed), seeds)
        policy = expert_policy(env, config)
        expert = None if policy is None else evaluate(env, policy, seeds)
        cloning = _evaluate_clone(trained, env, seeds)
    # Without the reward no predicted success ends an episode, and nothing need be drawn.
    with closing(make_env(config, num_envs)) as env:
        without_detector = evaluate(env, trained.policy(num_envs), seeds)
    check = check_reward(trained, agent, seeds[:NUM_CHECK_EPISODES])
    return RunEvaluation(
        trained=trained,
        agent=agent,
        without_detector=without_detector,
        random=random,
        expert=expert,
        cloning=cloning,
        sanity_baselines=check.sanity_baselines,
        reward_metrics=check.metrics,
    )


def _evaluate_clone(trained: Trained, env: RewardEnv, seeds: list[int]) -> Evaluation | None:
    """What the demonstrations of the run reach without the agent."""
    agent = trained.agent
    is_plain_clone = isinstance(agent, BC) and agent.config.weighting == "none"
    if trained.config.demos is None or is_plain_clone:
        return None
    clone = clone_of_demonstrations(trained.config, env)
    return evaluate(env, clone.policy(env.num_envs), seeds)


def evaluation_seeds(episodes: int) -> list[int]:
    """The fixed list of starts.

    Raises:
        InvalidInputError: fewer than one episode, or far too many.
    """
    check_whole_number("episodes", episodes)
    return [FIRST_SEED + i for i in range(episodes)]


def write_evaluation(run: RunDirectory, result: RunEvaluation) -> WrittenFiles:
    """Write a new ``evaluation.json`` and a new ``report.html`` into the run, beside older ones.

    Raises:
        DiskFullError: the disk is full.
    """
    # Only a written evaluation loads what draws figures.
    from roborew.workflows.run_report import REPORT_BYTES, report_content

    text = json.dumps(to_json(_content(result))) + "\n"
    then = f"`roborew evaluate {shlex.quote(str(run.path))}`"
    with explain_full_disk(run.path, REPORT_BYTES + len(text), then):
        evaluation = write_new(numbered(run.path / "evaluation.json"), text)
        content = report_content(run, result, evaluation.name)
        report = write_report(numbered(run.path / "report.html"), content)
    return WrittenFiles(evaluation=evaluation, report=report)


def _content(result: RunEvaluation) -> dict[str, Any]:
    """What ``evaluation.json`` holds: the summary, and every episode of every policy."""
    evaluations = {
        "agent": result.agent,
        "without_detector": result.without_detector,
        "random": result.random,
    }
    for name in ("expert", "cloning"):
        evaluation = getattr(result, name)
        if evaluation is not None:
            evaluations[name] = evaluation
    diagnoses = {name: asdict(diagnosis) for name, diagnosis in result.diagnoses().items()}
    content: dict[str, Any] = {"summary": result.summary(), "diagnoses": diagnoses}
    for name, evaluation in evaluations.items():
        episodes = [asdict(episode) for episode in evaluation.episodes]
        content[name] = {"summary": evaluation.summary(), "episodes": episodes}
    return content
