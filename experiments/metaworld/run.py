"""Agents of Meta-World: paid by a critic that was fitted to demonstrations without progress labels, or by
the truth, with the same demonstrations in the replay.

    python -m experiments.metaworld.run --work FOLDER [--tasks drawer-open-v3] [--seeds 0]
    [--rewards critic critic-refit sparse sparse-50 env] [--swap-negatives 20] [--encoder-steps 500]
    [--refit-replay forget]
    [-- further words of `roborew train`]

Needs `pip install -e ".[metaworld]"`. Of each task a set is collected, `COUNT` episodes of every
behavior from the same starts, and a critic is fitted to it. Every agent is `sac` with the first
`COUNT` experts of the set in half of each batch; an action is repeated for four steps. A row a run goes
to ``results.csv`` beside this file; a run whose row is there is not run again, and one that was
interrupted goes on.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.agents.run import (
    ENCODER_STEPS,
    IMITATING_SAC,
    PAY_EACH_STATE,
    add_encoder_steps,
    agents_parser,
    parse_arguments,
    roborew,
    train,
    without,
)
from experiments.critics.tables import Rows
from roborew.data.reading import read_demonstrations

TASKS = (
    "drawer-close-v3",
    "drawer-open-v3",
    "sweep-into-v3",
    "window-open-v3",
    "button-press-topdown-v3",
)
BEHAVIORS = ("expert", "noisy", "near_miss", "stall", "random")
COUNT = 20
"""Episodes of each behavior."""
ACTION_REPEAT = 4
HORIZON = 150
"""Steps of an episode; an expert needs 45 to 91."""
WHOLE = ("--to-horizon", "--expert-successes")
"""Films go on in their success, and show what it is to hold a goal, and to lose it; experts are those
that hold it to the end."""
DECISIONS = 38
"""Actions of an episode."""
STEPS = 10_000
"""Actions of a whole run: 40,000 steps of the simulator."""
CAMERAS = ("corner4", "corner")
"""Two near views, from opposite sides: the hand hides no object from both."""
KEYS = (
    "task",
    "reward",
    "cameras",
    "swap_negatives",
    "encoder_steps",
    "refit_replay",
    "seed",
    "settings",
)
FIGURES = (
    "demonstrations",
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "success_at_horizon_without_detector",
    "success_at_any_time_without_detector",
    "true_return",
    "cloning_success",
    "cloning_return",
    "limit_beside_cloning",
    "expert_success",
    "labeled_episodes",
    "steps",
    "minutes",
)
RESULTS = Path(__file__).with_name("results.csv")
AGENT = (
    *IMITATING_SAC,
    *("--env.horizon", str(HORIZON), "--env.action-repeat", str(ACTION_REPEAT)),
)
REFIT = ("--num-refits", "2", "--refit-episodes", "25")


def reward_words(
    reward: str,
    critic: Path,
    demonstrations: Path,
    num_steps: int = STEPS,
    decisions: int = DECISIONS,
) -> list[str]:
    """Words of `roborew train` for a reward of this experiment.

    Args:
        reward: ``critic``; ``critic-refit``, two refits with 25 episodes each, labeled by frame, or, as
            ``critic-refit-episodes`` and ``critic-refit-ends``, by their success at any time or at
            their end; ``critic-bonus``, true success beside it; ``sparse``
            and ``sparse-N``, true success alone for the actions of N whole episodes; ``env``.
        critic: its folder.
        demonstrations: that it was fitted to.
        num_steps: actions of a whole run.
        decisions: actions of an episode.
    """
    words = ["--total-timesteps", str(num_steps)]
    if reward == "env":
        return [*words, "--reward", "env"]
    if reward.startswith("sparse"):
        episodes = reward.removeprefix("sparse").removeprefix("-")
        steps = str(int(episodes) * decisions) if episodes else str(num_steps)
        return ["--total-timesteps", steps, "--reward", "oracle-sparse"]
    words += ["--reward", str(critic), *PAY_EACH_STATE]
    if reward == "critic-bonus":
        return [*words, "--success-bonus", "1"]
    if reward.startswith("critic-refit"):
        labels = reward.removeprefix("critic-refit").removeprefix("-") or "frames"
        words += ["--refit", str(demonstrations), *REFIT, "--refit-labels", labels]
    return words


def demonstrations_of(work: Path, task: str, cameras: Sequence[str]) -> Path:
    """The set of a task, collected unless it is there."""
    folder = work / "sets" / _place(task, cameras)
    if not folder.exists():
        words = ["--episodes", str(COUNT), "--horizon", str(HORIZON), "--cameras", *cameras]
        # As the agent's frames are: a lossy codec halves colors, and objects are a few pixels large.
        exact = ["--codec", "lossless"]
        begin = ["collect", f"Meta-World/{task}", "--behaviors", *BEHAVIORS]
        roborew(*begin, *exact, *words, *WHOLE, "--out", str(folder))
    return folder


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How the critic of a task is fitted.

    Attributes:
        cameras: that it sees.
        swap_negatives: experts that are drawn again with the hand alone, as failures.
        encoder_steps: gradient steps of its encoder.
    """

    cameras: Sequence[str] = CAMERAS
    swap_negatives: int = 0
    encoder_steps: int = ENCODER_STEPS

    def place(self, task: str) -> str:
        """Name of the critic's folder."""
        swaps = [f"swaps-{self.swap_negatives}"] if self.swap_negatives else []
        return "-".join([_place(task, self.cameras), *swaps, f"steps-{self.encoder_steps}"])

    @property
    def words(self) -> list[str]:
        """Words of `roborew fit`: as many frames as the agent will see."""
        swaps = ["--swap-negatives", str(self.swap_negatives)] if self.swap_negatives else []
        fps = str(80 / ACTION_REPEAT)
        steps = ["--encoder.steps", str(self.encoder_steps)]
        return [*swaps, *steps, "--cameras", *self.cameras, "--fps", fps, "--threads", "1"]


def critic_of(work: Path, task: str, fit: Fit) -> Path:
    """The critic of a task, fitted unless it is there.

    Args:
        work: folder of all sets, critics and runs.
        task: without its namespace.
        fit: how.
    """
    folder = work / "critics" / fit.place(task)
    if not folder.exists():
        demonstrations = demonstrations_of(work, task, fit.cameras)
        roborew("fit", str(demonstrations), *fit.words, "--out", str(folder))
    return folder


def _place(task: str, cameras: Sequence[str]) -> str:
    """Name of the folder of what shows a task from these cameras."""
    return "-".join([task, *cameras])


def num_experts(demonstrations: Path) -> int:
    """Experts in a set that end in success: some of Meta-World's own do not always."""
    found = read_demonstrations(demonstrations)
    return sum(one.notes["behavior"] == "expert" and bool(one.succeeded) for one in found)


def run(
    work: Path,
    task: str,
    reward: str,
    fit: Fit,
    seed: int,
    settings: Sequence[str],
    refit_replay: str,
) -> Mapping[str, object]:
    """Train and evaluate one agent; its summary."""
    demonstrations = demonstrations_of(work, task, fit.cameras)
    critic, place = Path(), _place(task, fit.cameras)
    if reward.startswith("critic"):
        critic, place = critic_of(work, task, fit), fit.place(task)
    replay = ["--refit-replay", refit_replay] if refit_replay else []
    extra = [word.strip("-") for word in (*replay, *settings)]
    name = "-".join([place, reward, str(seed), *extra])
    count = min(COUNT, num_experts(demonstrations))
    shown = ["--demos", str(demonstrations), "--num-demos", str(count)]
    begin = ["--env", f"Meta-World/{task}", "--seed", str(seed), *without(AGENT, settings), *shown]
    paid = reward_words(reward, critic, demonstrations)
    return train(work / "runs", name, [*begin, *paid, *replay, *settings])


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = agents_parser(__doc__, TASKS, "sac", RESULTS)
    parser.add_argument(
        "--rewards", nargs="+", default=["critic-refit", "sparse", "sparse-50", "env"]
    )
    parser.add_argument("--cameras", nargs="+", default=CAMERAS, help="that the critic sees")
    parser.add_argument("--swap-negatives", type=int, default=0, help="of `roborew fit`")
    add_encoder_steps(parser)
    parser.add_argument("--refit-replay", default="rescore", help="of `roborew train`")
    options = parse_arguments(parser, words)
    settings, cameras = shlex.join(options.settings), " ".join(options.cameras)
    fit = Fit(
        cameras=options.cameras,
        swap_negatives=options.swap_negatives,
        encoder_steps=options.encoder_steps,
    )
    rows = Rows(options.results, KEYS, FIGURES)
    # Seeds outside, so that every task has a first figure early.
    for seed in options.seeds:
        for reward in options.rewards:
            for task in options.tasks:
                # Where no critic pays, none is fitted.
                steps = fit.encoder_steps if reward.startswith("critic") else ""
                replay = options.refit_replay if "refit" in reward else ""
                how = (cameras, fit.swap_negatives, steps, replay)
                key = (task, reward, *how, seed, settings)
                if key in rows:
                    continue
                summary = run(options.work, task, reward, fit, seed, options.settings, replay)
                rows.add({**summary, **dict(zip(KEYS, key, strict=True))})
                print(*key, summary["true_success"], flush=True)


if __name__ == "__main__":
    main()
