"""Agents that are paid by a critic of pictures alone, with a few demonstrations or without.

    python -m experiments.agents.learned --work FOLDER [--agent residual | sac | self-imitation] [--count 20]
    [--tasks Push-v0 Stack-v0] [--seeds 0 1 2] [--encoder-steps 500] [-- further words of `roborew train`]

A critic is what `roborew fit` makes, by its defaults, of 40 episodes seen by two cameras: ten each of
experts, noisy experts, near misses and chance (``--critic-episodes``); where the whole body moves, with
stalls in place of near misses and seen by one. The agent sees the state and is told nothing of the truth.
``--count`` is how many experts it may use, those of `experiments.agents.demonstrations`; 0 for none.
A row a run goes to ``learned.csv`` beside this file; a run whose row is there is not run again, and
one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.agents.demonstrations import demonstration_words
from experiments.agents.run import (
    HAND_TASKS,
    IMITATING_SAC,
    PAY_EACH_STATE,
    PlannedRun,
    add_encoder_steps,
    agents_parser,
    camera_words,
    fill_table,
    parse_arguments,
    roborew,
    without,
)
from experiments.critics.tables import Rows

BODIES = {
    "Cheetah-v0": 500_000,
    "Hopper-v1": 400_000,
    "Walker-v1": 500_000,
    "Ant-v1": 500_000,
    "CartPole-v1": 130_000,
    "MountainCar-v0": 200_000,
    "HumanoidStand-v0": 500_000,
}
"""Tasks in which the whole body moves -> actions of a run."""
STEPS = 150_000
"""Actions of a run where a hand moves things."""
PAID_DEMONSTRATIONS = {
    "sac": (*IMITATING_SAC, *PAY_EACH_STATE, "--total-timesteps", "40000"),
    "self-imitation": (
        *(*PAY_EACH_STATE, "--num-envs", "16", "--score-every", "8"),
        *("--total-timesteps", "500000"),
    ),
}
"""Agent whose demonstrations are paid, too -> words of `roborew train`. `sac` has a gradient step an
action; what imitates whole episodes needs few of their states scored."""
TASKS = (*HAND_TASKS, *BODIES)
HAND = ["--behaviors", "expert", "noisy", "near_miss", "random"]
HAND_CAMERAS = ["front", "side"]
BODY = ["--behaviors", "expert", "noisy", "stall", "random"]
CRITIC_EPISODES = 10
"""Of each behavior, that a critic is fitted to."""
SUCCESS_FROM = "told"
"""What a critic learns success from: what is told of each frame. Of critics of before it was the progress,
from 0.95 on, and their rows say so."""
KEYS = (
    "task",
    "agent",
    "demonstrations",
    "critic_episodes",
    "encoder_steps",
    "success_from",
    "seed",
    "settings",
)
FIGURES = (
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "false_success_rate",
    "success_at_horizon_without_detector",
    "success_at_any_time_without_detector",
    "cloning_success",
    "steps",
    "minutes",
)
RESULTS = Path(__file__).with_name("learned.csv")


def add_critic_options(parser: argparse.ArgumentParser) -> None:
    """Ask how critics are fitted."""
    parser.add_argument(
        "--critic-episodes", type=int, default=CRITIC_EPISODES, help="of each behavior"
    )
    add_encoder_steps(parser)


def fit_critic(
    options: argparse.Namespace, task: str, behaviors: Sequence[str], cameras: Sequence[str]
) -> Path:
    """The critic of a task, fitted once.

    Args:
        options: name the folder of critics, and of what they are fitted to, and `add_critic_options`.
        task: id without its namespace.
        behaviors: words of `roborew collect` that say what is collected.
        cameras: that it sees; the environment's first if none.
    """
    views = camera_words(cameras)
    episodes, steps = str(options.critic_episodes), str(options.encoder_steps)
    path = options.work / "critics" / f"{task}-{episodes}-steps-{steps}"
    if not path.exists():
        collected = options.work / "collected" / f"{task}-{episodes}"
        if not collected.exists():
            words = [*behaviors, "--episodes", episodes, *views]
            roborew("collect", f"roborew/{task}", *words, "--out", str(collected))
        roborew("fit", str(collected), *views, "--encoder.steps", steps, "--out", str(path))
    return path


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = agents_parser(__doc__, TASKS, "residual", RESULTS)
    parser.add_argument("--count", type=int, default=20, help="demonstrations for the agent")
    add_critic_options(parser)
    options = parse_arguments(parser, words)
    settings = " ".join(options.settings)

    def words_of(task: str) -> list[str]:
        behaviors, cameras = (BODY, []) if task in BODIES else (HAND, HAND_CAMERAS)
        critic = fit_critic(options, task, behaviors, cameras)
        steps = ("--total-timesteps", str(BODIES.get(task, STEPS)))
        how_to_learn = PAID_DEMONSTRATIONS.get(options.agent, steps)
        # Where demonstrations are paid, the critic has to see them.
        seen = cameras if options.agent in PAID_DEMONSTRATIONS else []
        return [
            *("--reward", str(critic)),
            *without(how_to_learn, options.settings),
            *demonstration_words(options.work, task, options.count, seen),
        ]

    def plan(task: str, seed: int) -> PlannedRun:
        how = (options.critic_episodes, options.encoder_steps, SUCCESS_FROM)
        key = (task, options.agent, options.count, *how, seed, settings)
        return key, lambda: words_of(task)

    fill_table(options, Rows(options.results, KEYS, FIGURES), plan)


if __name__ == "__main__":
    main()
