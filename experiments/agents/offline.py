"""Agents that learn from mixed demonstrations alone, told apart by a learned reward.

    python -m experiments.agents.offline --work FOLDER [--tasks Press-v0 DrawerOpen-v0]
    [--seeds 0 1 2 3 4] [--methods iql bc] [--reward critic] [--count 20]

The demonstrations of a task are those of `roborew collect ENV --behaviors expert noisy near_miss
stall --episodes COUNT`, from starts that no evaluation has: one part of four shows how it is done.
They are paid once by the reward, by default a critic of `roborew fit` that saw the pictures of
another such set, and then taken by every agent, which is evaluated without the reward over 100
starts. A row an agent goes to ``offline.csv`` beside this file; one whose row is there is
not trained again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import perf_counter

from experiments.agents.run import agents_parser, parse_arguments, roborew
from experiments.critics.tables import Rows
from roborew.agents.demonstrations import DemonstrationEpisode, LearnsFromDemonstrations
from roborew.agents.offline.iql import IQL
from roborew.evaluation import evaluate
from roborew.workflows.evaluate import evaluation_seeds
from roborew.workflows.factories import make_agent, make_env
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.rewards import load_model
from roborew.workflows.train.cameras import choose_cameras
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.demonstrations import paid_episodes, read_agent_demonstrations
from roborew.workflows.train.loop import torch_threads
from roborew.workflows.train.resolve import resolve, resolve_for_reward
from roborew.workflows.trained import agent_policy

TASKS = ("Press-v0", "DrawerOpen-v0", "Push-v0", "PickPlace-v0")
BEHAVIORS = ("expert", "noisy", "near_miss", "stall")
KEYS = ("task", "method", "reward", "count", "seed")
FIGURES = (
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "success_at_any_time",
    "steps",
    "minutes",
)
RESULTS = Path(__file__).with_name("offline.csv")
CRITIC_SEED = 100
"""Of the starts that a critic is fitted to."""
CLONE_STEPS = 2_400
"""Gradient steps of each clone: as many as `iql` makes when its values are learned."""
METHODS = {
    "iql": AgentConfig("iql"),
    "bc": AgentConfig("bc"),
    "bc-progress": AgentConfig("bc", {"weighting": "progress"}),
    "bc-successes": AgentConfig("bc"),
}
"""The last one is told which demonstrations succeed, and clones these alone."""


@dataclass(frozen=True, slots=True)
class PaidSet:
    """The demonstrations of a task, as its reward pays them.

    Attributes:
        config: of a run that learns from them.
        episodes: all of them.
        successes: numbers of those that succeed.
    """

    config: TrainConfig
    episodes: Sequence[DemonstrationEpisode]
    successes: Sequence[int]

    def of(self, method: str) -> list[DemonstrationEpisode]:
        """The episodes that a method is given."""
        if method != "bc-successes":
            return list(self.episodes)
        return [self.episodes[number] for number in self.successes]


def collect(work: Path, task: str, count: int, seed: int = 0) -> Path:
    """The set of a task, collected once."""
    path = work / "demos" / f"{task}-{count}-{seed}"
    if not path.exists():
        words = ["--behaviors", *BEHAVIORS, "--episodes", str(count), "--seed", str(seed)]
        roborew("collect", f"roborew/{task}", *words, "--out", str(path))
    return path


def fit(work: Path, task: str, count: int) -> Path:
    """The critic of a task, fitted once, to a set of its own."""
    path = work / "critics" / f"{task}-{count}"
    if not path.exists():
        demos = collect(work, task, count, CRITIC_SEED)
        roborew("fit", str(demos), "--threads", "1", "--out", str(path))
    return path


def pay(demos: Path, task: str, reward: str) -> PaidSet:
    """Pay a set as `roborew train` would."""
    config = TrainConfig(env=EnvConfig(f"roborew/{task}"), reward=RewardConfig(reward), demos=demos)
    config = resolve(config)
    model = load_model(config)
    config = resolve_for_reward(config, None if model is None else model.spec)
    config = replace(config, env=replace(config.env, cameras=choose_cameras(config, model)))
    demonstrations = read_agent_demonstrations(demos, None, failures=True)
    episodes = paid_episodes(config, demonstrations, model)
    successes = [number for number, one in enumerate(demonstrations) if one.succeeded]
    return PaidSet(config, episodes, successes)


def learn(paid: PaidSet, method: str, seed: int) -> dict[str, object]:
    """Train an agent on a paid set and evaluate it; its figures."""
    config = replace(paid.config, agent=METHODS[method], seed=seed)
    seeds = evaluation_seeds(100)
    began = perf_counter()
    with closing(make_env(config, len(seeds))) as env:
        agent = make_agent(config, env)
        assert isinstance(agent, LearnsFromDemonstrations)
        agent.use_demonstrations(paid.of(method))
        agent.learn(env, IQL.train_timesteps if method == "iql" else CLONE_STEPS)
        minutes = (perf_counter() - began) / 60
        result = evaluate(env, agent_policy(agent, len(seeds)), seeds)
    return {
        "true_success": result.true_success,
        "true_success_ci_low": result.interval.low,
        "true_success_ci_high": result.interval.high,
        "success_at_any_time": result.success_at_any_time,
        "steps": agent.steps,
        "minutes": minutes,
    }


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = agents_parser(__doc__, TASKS, "iql", RESULTS)
    parser.set_defaults(seeds=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--reward", default="critic", help="or one of `roborew train`")
    parser.add_argument("--count", type=int, default=20, help="demonstrations of each behavior")
    options = parse_arguments(parser, words)
    rows = Rows(options.results, KEYS, FIGURES)

    @cache
    def paid_set(task: str) -> PaidSet:
        demos = collect(options.work, task, options.count)
        if options.reward == "critic":
            return pay(demos, task, str(fit(options.work, task, options.count)))
        return pay(demos, task, options.reward)

    # Seeds outside, so that every task has a first figure early.
    for seed in options.seeds:
        for task in options.tasks:
            for method in options.methods:
                # What is paid changes nothing of a clone without weights.
                reward = options.reward if method in ("iql", "bc-progress") else "none"
                key = (task, method, reward, options.count, seed)
                if key in rows:
                    continue
                with torch_threads(1):
                    figures = learn(paid_set(task), method, seed)
                rows.add({**figures, **dict(zip(KEYS, key, strict=True))})
                print(*key, figures["true_success"], flush=True)


if __name__ == "__main__":
    main()
