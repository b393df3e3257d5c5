"""A judge that knows the truth, and is wrong about a tenth of the pairs and silent about another, teaches
agents from nothing.

    python -m experiments.judges.teach --work FOLDER [--tasks DrawerOpen,Press,Push] [--seeds 0,1,2]
        [--encoder mini] [--selection disagreement] [--labels 3000] [--action-repeat 2] [--steps N]
        [--by keys] [--pictures 8]

One run after another by `roborew train --reward preference`, as a user types it, against a server on
this machine (`oracle`); one that was interrupted is resumed. A row a run goes to ``teach.csv``. With
``--by keys`` a person labels: at each stop keys that say what the judge would are pressed from a file,
and the row goes to ``keys.csv``. With ``--pictures 8`` it puts so many pictures in order at once, and the
row goes to ``orders.csv``. ``--selection ladder`` is GoalLadder (arXiv:2506.16396), with its critic.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.critics.tables import Rows
from experiments.judges.keys import press_keys
from experiments.judges.oracle import TIE_MARGIN, Oracle, serving, true_progress
from roborew.cli import main as roborew
from roborew.data.preferences import PREFERENCES, Preference, Segment, read_preferences
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import NUM_EPISODES, evaluate_run, read_summary
from roborew.workflows.label.asking import ANSWERS

TASKS = {"DrawerOpen": 360_000, "Press": 360_000, "Push": 1_440_000}
"""Actions."""
SCORED_STEPS = {"DrawerOpen": 4, "Press": 4, "Push": 8}
"""A frame is drawn and paid for after so many steps of the simulator."""
HOLDING = 0.1
"""Reward a step for a score of one, so that what was reached is worth holding."""
PAIRS_PER_QUESTION = 16
ROUNDS = 8
TEACHING_SHARE = 1 / 3
"""Of the steps, within which the judge is asked; after each round the agent begins anew."""
PORTS = {"DrawerOpen": 8971, "Press": 8972, "Push": 8973}
"""Of seed 0, the next ones ten further each. Always the same: a run that is resumed asks where it asked
before."""
KEYS = ("task", "seed", "encoder", "selection", "pairs", "action_repeat", "total_timesteps")
Key = tuple[str, int, str, str, int, int, int]
"""What names a row, in their order."""
FIGURES = (
    "labels", "ties", "right", "true_success", "true_success_ci_low", "true_success_ci_high",
    "success_at_any_time", "likeliest_success", "spearman_per_episode", "minutes",
)  # fmt: skip
ROWS = {
    "judge": Rows(Path(__file__).with_name("teach.csv"), KEYS, FIGURES),
    "keys": Rows(Path(__file__).with_name("keys.csv"), KEYS, FIGURES),
}
ORDERS = Rows(
    Path(__file__).with_name("orders.csv"), (*KEYS, "pictures"), (*FIGURES, "questions", "shown")
)
"""Of runs whose judge puts pictures in order; ``shown``: pictures in all questions."""
JUDGES = {
    "judge": "--judge openai --judge.model oracle --judge.base-url {url}",
    "keys": "--judge person",
}
"""Who labels -> the words of the command that say so."""
CRITICS = {"ladder": "goal_ladder"}
"""What is fitted to the labels of a selection that was published with a critic of its own."""


def run(work: Path, key: Key, by: str = "judge", pictures: int = 2) -> None:
    """Train and evaluate one agent, and add its row."""
    rows, row_key = (ROWS[by], key) if pictures == 2 else (ORDERS, (*key, pictures))
    if row_key in rows:
        return
    name = "-".join(map(str, row_key)).lower()
    # Each in a folder of its own: another task may show the very same picture.
    folder = work / (name if by == "judge" else f"{by}-{name}") / "run"
    if not (folder / "summary.json").exists():
        oracle = Oracle(folder.parent)
        with serving(oracle, PORTS[key[0]] + 10 * key[1]) as url:
            judge = JUDGES[by].format(url=url).split()
            train(folder, [*words_of(key, pictures), *judge], oracle)
    named = dict(zip(rows.keys, row_key, strict=True))
    likeliest = evaluate_run(RunDirectory.open(folder), NUM_EPISODES, stochastic=False)
    row = {
        **read_summary(folder),
        "likeliest_success": likeliest.agent.true_success,
        **label_figures(folder),
        **cost_of(folder, pictures),
        **named,
    }
    rows.add(row)
    print(by, *row_key, row["true_success"], row["labels"], flush=True)


def words_of(key: Key, pictures: int) -> list[str]:
    """What a user types for a run, but for the judge."""
    task, seed, encoder, selection, pairs, action_repeat, steps = key
    form = ["--reward.pairs-per-question", str(PAIRS_PER_QUESTION)]
    if pictures > 2:
        form = ["--reward.pictures-per-question", str(pictures)]
    return [
        "--env", f"roborew/{task}-v0", "--seed", str(seed), "--total-timesteps", str(steps),
        "--reward", "preference", *form, "--reward.num-rounds", str(ROUNDS),
        "--reward.teaching-share", str(TEACHING_SHARE), "--reward.restart-agent", "True",
        "--reward.num-labels", str(pairs), "--reward.selection", selection,
        "--reward.critic", CRITICS.get(selection, "bradley_terry"),
        "--reward.encoder", encoder, "--env.action-repeat", str(action_repeat),
        "--score-every", str(SCORED_STEPS[task] // action_repeat),
        "--shaping", "progress-delta", "--shaping.raw-coef", str(HOLDING), "--evaluation.stochastic",
    ]  # fmt: skip


def cost_of(folder: Path, pictures: int) -> dict[str, int]:
    """Questions that were asked, each in both orders, and pictures in them, where these are put in
    order."""
    answers = folder / "preferences" / ANSWERS
    questions = len(answers.read_bytes().splitlines()) if answers.is_file() else 0
    return {"questions": questions, "shown": questions * pictures}


def train(folder: Path, words: Sequence[str], oracle: Oracle) -> None:
    """Train until the end; where the run stops for a person, one presses keys."""
    begin = ["train", *words, "--out", str(folder.parent), "--name", folder.name]
    resume = ["train", "--resume", str(folder)]
    code = roborew(resume if folder.exists() else begin)
    while code and press_keys(folder / "preferences", oracle):
        code = roborew(resume)
    if code:
        raise SystemExit(code)


def label_figures(folder: Path) -> dict[str, float]:
    """How many labels there are, how many say that two pictures are alike, and how many of the others
    are right."""
    truth = true_progress(folder / "preferences")
    said = read_preferences(folder / "preferences" / PREFERENCES)
    labels = [one for one in said if one.label is not None]
    told_apart = [one for one in labels if one.label != 0.5]
    right = [is_right(one, truth) for one in told_apart]
    return {
        "labels": len(labels),
        "ties": len(labels) - len(told_apart),
        "right": float(np.mean(right)),
    }


def is_right(label: Preference, truth: dict[Segment, float]) -> bool:
    """Whether the picture that was called the better one is so by more than a tie."""
    gap = truth[label.second] - truth[label.first]
    return abs(gap) >= TIE_MARGIN and (gap > 0) == (label.label == 1.0)


def main(words: Sequence[str] | None = None) -> None:
    """Run what is not in the table yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--selection", default="disagreement")
    parser.add_argument("--labels", type=int, default=3000, help="pairs that are asked about")
    parser.add_argument("--action-repeat", type=int, default=2, choices=(1, 2, 4))
    parser.add_argument("--by", default="judge", choices=ROWS)
    parser.add_argument("--pictures", type=int, default=2, help="that are put in order; 2: pairs")
    parser.add_argument("--steps", type=int, help="in place of each task's own")
    chosen = parser.parse_args(words)
    for seed in map(int, chosen.seeds.split(",")):
        for task in chosen.tasks.split(","):
            steps = chosen.steps or TASKS[task]
            how = (chosen.encoder, chosen.selection, chosen.labels, chosen.action_repeat)
            key = (task, seed, *how, steps)
            run(chosen.work, key, chosen.by, chosen.pictures)


if __name__ == "__main__":
    main()
