"""A judge that knows the truth labels a fixed set, a critic learns from the labels alone, and `iql` from
the set that the critic pays.

    python -m experiments.judges.offline --work FOLDER [--task DrawerOpen] [--seeds 0]
        [--labels 250,1000] [--pictures 2,8]

The three commands of the tutorial, as a user types them, against a server on this machine (`oracle`).
``--pictures 8`` puts pictures in order in place of pairs. A row a critic goes to ``offline.csv``: how it
orders the frames of another set of the same behaviors, and what the agent reaches.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.critics.tables import Rows
from experiments.judges.oracle import Oracle, labeled_progress, serving
from experiments.judges.teach import is_right
from roborew import Clip, read_demonstrations
from roborew.cli import main as roborew
from roborew.critics.critic import Critic
from roborew.data.preferences import set_preferences
from roborew.evaluation.ordering import spearman
from roborew.workflows.evaluate import read_summary
from roborew.workflows.label.asking import ANSWERS

BEHAVIORS = ("expert", "noisy", "near_miss", "stall", "random")
EPISODES = 10
"""Of each behavior, in either set."""
PAIRS_PER_QUESTION = 16
KEYS = ("task", "seed", "pictures", "asked")
FIGURES = (
    "labels", "right", "questions", "spearman", "true_success", "true_success_ci_low",
    "true_success_ci_high", "cloning_success",
)  # fmt: skip
ROWS = Rows(Path(__file__).with_name("offline.csv"), KEYS, FIGURES)
Key = tuple[str, int, int, int]
"""What names a row; ``asked``: the labels that were asked for."""


def run(work: Path, key: Key) -> None:
    """Label, fit, train, and add the row."""
    if key in ROWS:
        return
    task, seed, pictures, count = key
    shown, unseen = (collected(work, task, number) for number in (2 * seed, 2 * seed + 1))
    folder = work / "-".join(map(str, key)).lower()
    demos, critic, agent = folder / "demos", folder / "critic", folder / "agent"
    if not demos.exists():
        shutil.copytree(shown, demos)
    label(demos, seed, pictures, count)
    if not critic.exists():
        words = ["--critic", "bradley_terry", "--ensemble-size", "3", "--encoder", "mini"]
        typed(["fit", str(demos), *words, "--seed", str(seed), "--out", str(critic)])
    if not (agent / "summary.json").exists():
        words = ["--env", f"roborew/{task}-v0", "--seed", str(seed), "--agent", "iql"]
        words += ["--demos", str(demos), "--reward", str(critic)]
        typed(["train", *words, "--out", str(folder), "--name", agent.name])
    figures = {"spearman": ordering(critic, unseen), **label_figures(demos)}
    row = {**read_summary(agent), **figures, **dict(zip(KEYS, key, strict=True))}
    ROWS.add(row)
    print(*key, row["spearman"], row["true_success"], flush=True)


def collected(work: Path, task: str, seed: int) -> Path:
    """A set of good and bad episodes."""
    folder = work / f"{task.lower()}-{seed}"
    if not folder.exists():
        words = ["--behaviors", *BEHAVIORS, "--episodes", str(EPISODES), "--seed", str(seed)]
        typed(["collect", f"roborew/{task}-v0", *words, "--out", str(folder)])
    return folder


def label(demos: Path, seed: int, pictures: int, count: int) -> None:
    """Let the judge label the set."""
    form = ["--pictures-per-question", str(pictures)]
    if pictures == 2:
        form = ["--pairs-per-question", str(PAIRS_PER_QUESTION)]
    with serving(Oracle(demos, sets=[demos])) as url:
        judge = ["--judge", "openai", "--judge.model", "oracle", "--judge.base-url", url]
        words = ["--pairs", str(count), "--seed", str(seed), *form, *judge]
        typed(["label", str(demos), *words])


def typed(words: Sequence[str]) -> None:
    """Run a command, and end with it where it fails."""
    code = roborew(words)
    if code:
        raise SystemExit(code)


def label_figures(demos: Path) -> dict[str, float]:
    """How many labels there are, which share of those that tell two pictures apart is right, and how
    many questions that took."""
    truth = labeled_progress(demos)
    labels = [one for one in set_preferences(demos) if one.label is not None]
    right = [is_right(one, truth) for one in labels if one.label != 0.5]
    questions = len((demos / ANSWERS).read_bytes().splitlines())
    return {"labels": len(labels), "right": float(np.mean(right)), "questions": questions}


def ordering(critic: Path, demos: Path) -> float | None:
    """The rank correlation of the critic's scores with the truth, over all frames of a set."""
    model = Critic.from_pretrained(critic)
    episodes = list(read_demonstrations(demos))
    clips = [Clip(frames=one.video(), instruction=one.instruction) for one in episodes]
    scores = np.concatenate([one.value for one in model.score(clips)])
    truth = np.array([*labeled_progress(demos).values()])
    return spearman(scores, truth).value


def main(words: Sequence[str] | None = None) -> None:
    """Run what is not in the table yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--task", default="DrawerOpen")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--labels", default="250,1000", help="pairs that are asked about")
    parser.add_argument("--pictures", default="2,8", help="in an order; 2: pairs")
    chosen = parser.parse_args(words)
    for seed in map(int, chosen.seeds.split(",")):
        for count in map(int, chosen.labels.split(",")):
            for pictures in map(int, chosen.pictures.split(",")):
                run(chosen.work, (chosen.task, seed, pictures, count))


if __name__ == "__main__":
    main()
