"""Agents of Gymnasium-Robotics and dm_control, on the way that `experiments.metaworld` goes: collect, fit,
train.

    python -m experiments.suites.run --work FOLDER [--tasks FetchPush] [--seeds 0]
    [--rewards critic env] [--num-demos 20] [--encoder-steps 500] [-- further words of `roborew train`]

Needs `pip install -e ".[robotics]"` or ".[dm_control]", each in an environment of its own. A row a run
goes to ``results.csv`` beside this file; a run whose row is there is not run again, and one that was
interrupted goes on.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.agents.run import (
    IMITATING_SAC,
    add_encoder_steps,
    agents_parser,
    camera_words,
    parse_arguments,
    roborew,
    train,
    without,
)
from experiments.critics.tables import Rows
from experiments.metaworld.run import WHOLE, reward_words
from roborew.data.reading import read_demonstrations

DEMONSTRATIONS = 20
"""Experts in the replay of an agent."""
KEYS = ("task", "reward", "demonstrations", "encoder_steps", "seed", "settings")
FIGURES = (
    "true_return",
    "true_return_ci_low",
    "true_return_ci_high",
    "success_at_horizon_without_detector",
    "success_at_any_time_without_detector",
    "random_return",
    "cloning_return",
    "cloning_success",
    "labeled_episodes",
    "steps",
    "minutes",
)
RESULTS = Path(__file__).with_name("results.csv")


@dataclass(frozen=True, kw_only=True)
class SuiteTask:
    """A task and how it is played.

    Attributes:
        env: id.
        instruction: what it asks for.
        expert: function that knows how; None: an agent that the environment's own reward trained.
        behaviors: that are collected.
        episodes: of each behavior.
        cameras: that the critic sees; the environment's first if none.
        horizon: steps of an episode.
        action_repeat: steps that an action is repeated for.
        success_reward: reward of a step that counts as success; None where the suite tells it.
        steps: actions of a whole run.
    """

    env: str
    instruction: str
    expert: str | None
    behaviors: tuple[str, ...] = ("expert", "noisy", "stall", "random")
    episodes: int = 40
    cameras: tuple[str, ...] = ()
    horizon: int
    action_repeat: int = 1
    success_reward: float | None = None
    steps: int

    @property
    def success_words(self) -> list[str]:
        """What tells success, for `roborew collect`."""
        reward = self.success_reward
        return [] if reward is None else ["--success-reward", str(reward)]

    @property
    def env_words(self) -> list[str]:
        """The environment, for `roborew train`."""
        return [
            *("--env", self.env, "--instruction", self.instruction),
            *("--env.horizon", str(self.horizon), "--env.action-repeat", str(self.action_repeat)),
            *(word.replace("--", "--env.") for word in self.success_words),
        ]


REACHER = SuiteTask(
    env="dm_control/reacher-easy-v0",
    instruction="move the tip of the arm to the red ball",
    expert="experiments.suites.experts:reacher",
    horizon=120,
    action_repeat=4,
    success_reward=1.0,
    steps=6_000,
)
TASKS: Mapping[str, SuiteTask] = {
    "FetchReach": SuiteTask(
        env="experiments.suites.views:FetchReachNear-v4",
        instruction="move the gripper to the red ball",
        expert="experiments.suites.experts:fetch_reach",
        behaviors=("expert", "noisy", "stall", "wrong_goal", "random"),
        episodes=120,
        cameras=("default", "external_camera_0"),
        horizon=50,
        steps=4_000,
    ),
    "FetchPush": SuiteTask(
        env="experiments.suites.views:FetchPushNear-v4",
        instruction="push the black block to the red ball",
        expert="experiments.suites.experts:fetch_push",
        horizon=50,
        steps=8_000,
    ),
    "reacher-easy": REACHER,
    "reacher-hard": replace(REACHER, env="dm_control/reacher-hard-v0"),
    "finger-spin": SuiteTask(
        env="dm_control/finger-spin-v0",
        instruction="spin the body",
        expert=None,
        horizon=200,
        action_repeat=2,
        success_reward=1.0,
        steps=20_000,
    ),
    "cheetah-run": SuiteTask(
        env="dm_control/cheetah-run-v0",
        instruction="run forward",
        expert=None,
        behaviors=("expert", "noisy", "random"),
        horizon=400,
        action_repeat=4,
        success_reward=0.3,
        steps=10_000,
    ),
}


@dataclass(frozen=True)
class Bench:
    """Where everything of one task lies.

    Attributes:
        work: folder of sets, critics and runs.
        name: of the task.
        encoder_steps: gradient steps of the critic's encoder.
    """

    work: Path
    name: str
    encoder_steps: int

    @property
    def task(self) -> SuiteTask:
        """How it is played."""
        return TASKS[self.name]

    def expert(self) -> str:
        """The function, or the folder of a run on the environment's own reward, trained unless it is
        there."""
        if self.task.expert is not None:
            return self.task.expert
        name = self._run_name("env", 0, 0, [])
        train(self.work / "runs", name, self._train_words("env", 0, 0))
        return str(self.work / "runs" / name)

    def demonstrations(self) -> Path:
        """The set, collected unless it is there."""
        task, folder = self.task, self.work / "sets" / self.name
        if not folder.exists():
            words = ["--episodes", str(task.episodes), "--horizon", str(task.horizon)]
            views = camera_words(task.cameras)
            said = ["--instruction", task.instruction, "--expert", self.expert()]
            begin = ["collect", task.env, "--behaviors", *task.behaviors, *views, *said]
            roborew(*begin, *words, *WHOLE, *task.success_words, "--out", str(folder))
        return folder

    def critic(self) -> Path:
        """The critic, fitted unless it is there: to as many frames as the agent will see."""
        folder = self.work / "critics" / f"{self.name}-steps-{self.encoder_steps}"
        demonstrations = self.demonstrations()
        if not folder.exists():
            fps = read_demonstrations(demonstrations)[0].fps / self.task.action_repeat
            views = ["--cameras", "all"] if self.task.cameras else []
            steps = ["--encoder.steps", str(self.encoder_steps)]
            words = ["--fps", str(fps), "--threads", "1", "--out", str(folder)]
            roborew("fit", str(demonstrations), *views, *steps, *words)
        return folder

    def run(
        self, reward: str, count: int, seed: int, settings: Sequence[str]
    ) -> Mapping[str, object]:
        """Train and evaluate one agent; its summary."""
        name = self._run_name(reward, count, seed, settings)
        words = [*self._train_words(reward, count, seed, settings), *settings]
        return train(self.work / "runs", name, words)

    def _run_name(self, reward: str, count: int, seed: int, settings: Sequence[str]) -> str:
        extra = [word.strip("-") for word in settings]
        steps = [f"steps-{self.encoder_steps}"] if reward.startswith("critic") else []
        return "-".join([self.name, reward, *steps, f"demos-{count}-seed-{seed}", *extra])

    def _train_words(
        self, reward: str, count: int, seed: int, settings: Sequence[str] = ()
    ) -> list[str]:
        task = self.task
        critic = self.critic() if reward.startswith("critic") else Path()
        needs_set = count or reward.startswith("critic-refit")
        demonstrations = self.demonstrations() if needs_set else Path()
        decisions = task.horizon // task.action_repeat
        paid = reward_words(reward, critic, demonstrations, task.steps, decisions)
        seen = ["--demos", str(demonstrations), "--num-demos", str(count)] if count else []
        return [
            *task.env_words,
            "--seed",
            str(seed),
            *without(IMITATING_SAC, settings),
            *seen,
            *paid,
        ]


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = agents_parser(__doc__, list(TASKS), "sac", RESULTS)
    parser.add_argument("--rewards", nargs="+", default=["critic", "env", "critic-refit"])
    parser.add_argument("--num-demos", type=int, nargs="+", default=[DEMONSTRATIONS])
    add_encoder_steps(parser)
    options = parse_arguments(parser, words)
    rows = Rows(options.results, KEYS, FIGURES)
    # Seeds outside, so that every task has a first figure early.
    for seed in options.seeds:
        for name in options.tasks:
            for reward in options.rewards:
                for count in options.num_demos:
                    steps = options.encoder_steps if reward.startswith("critic") else ""
                    key = (name, reward, count, steps, seed, shlex.join(options.settings))
                    if key in rows:
                        continue
                    bench = Bench(options.work, name, options.encoder_steps)
                    summary = bench.run(reward, count, seed, options.settings)
                    rows.add({**summary, **dict(zip(KEYS, key, strict=True))})
                    print(*key, summary["true_return"], flush=True)


if __name__ == "__main__":
    main()
