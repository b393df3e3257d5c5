"""Agents that see pictures and what the robot knows of itself, nothing else of the simulator.

    python -m experiments.agents.pixels --work FOLDER [--agent bc | residual | sac] [--reward oracle-dense]
    [--count 50] [--tasks Reach-v0 Press-v0] [--seeds 0 1 2] [--encoder-steps 500] [-- further words of `roborew train`]

``--count`` is how many demonstrations the agent gets, those of `experiments.agents.demonstrations`;
0 for none. ``--reward critic`` is the critic of `experiments.agents.learned`, whose two cameras the agent then
sees by, too. A row a run goes to ``pixels.csv`` beside
this file; a run whose row is there is not run again, and one that was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.agents.demonstrations import demonstration_words
from experiments.agents.learned import (
    FIGURES,
    HAND,
    HAND_CAMERAS,
    add_critic_options,
    fit_critic,
)
from experiments.agents.run import (
    PlannedRun,
    agents_parser,
    fill_table,
    parse_arguments,
)
from experiments.critics.tables import Rows

TASKS = ("Reach-v0", "Press-v0", "DrawerOpen-v0", "Push-v0")
KEYS = (
    "task",
    "agent",
    "reward",
    "demonstrations",
    "critic_episodes",
    "encoder_steps",
    "seed",
    "settings",
)
RESULTS = Path(__file__).with_name("pixels.csv")


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = agents_parser(__doc__, TASKS, "bc", RESULTS)
    parser.add_argument("--count", type=int, default=50, help="demonstrations")
    parser.add_argument("--reward", default="oracle-dense", help="or critic, or mini")
    add_critic_options(parser)
    options = parse_arguments(parser, words)
    settings = " ".join(options.settings)

    def words_of(task: str) -> list[str]:
        reward, cameras = options.reward, []
        if reward == "critic":
            cameras = HAND_CAMERAS
            reward = str(fit_critic(options, task, HAND, cameras))
        chosen = ["--observations", "pixels", "--reward", reward]
        return chosen + demonstration_words(options.work, task, options.count, cameras)

    def plan(task: str, seed: int) -> PlannedRun:
        # Where no critic pays, none is fitted.
        is_critic = options.reward == "critic"
        how = (options.critic_episodes, options.encoder_steps) if is_critic else ("", "")
        key = (task, options.agent, options.reward, options.count, *how, seed, settings)
        return key, lambda: words_of(task)

    fill_table(options, Rows(options.results, KEYS, FIGURES), plan)


if __name__ == "__main__":
    main()
