"""Does a critic's card tell whether an agent will learn from it?

    python -m experiments.critics.cards FOLDER [FOLDER ...]

Reads every finished run below the folders that a critic alone pays, one that was never refitted and
whose folder is still there: the figures of the critic's card, and the true success of the agent. A row a
run goes to ``cards.csv`` beside this file, in the place of an earlier one. Then prints for each figure
the rank correlation with true success over all rows of one agent, with an interval, the best first.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.critics.report import table
from experiments.critics.tables import Rows
from roborew.critics.critic import is_critic, read_config
from roborew.evaluation import spearman
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import read_summary
from roborew.workflows.train.config import TrainConfig

KEYS = ("environment", "run")
RUN_FIGURES = (
    "agent",
    "demonstrations",
    "seed",
    "steps",
    "true_success",
    "cloning_success",
    "false_success_rate",
)
CARD_FIGURES = (
    "Spearman (per episode)",
    "Spearman (pooled)",
    "success AUROC",
    "Cycle-VOC",
    "gain",
    "rise of failures",
    "final score on successes",
    "rise by the hand alone",
    "rise by the object alone",
)
"""As they stand over the table of a card."""
FIGURES = (*RUN_FIGURES, *CARD_FIGURES)
ROWS = Rows(Path(__file__).with_name("cards.csv"), KEYS, FIGURES)
MISSING = "–"
FEWEST = 6
"""Runs, below which a correlation says nothing."""
RESAMPLES = 2000


def card_figures(card: str, critic: str) -> dict[str, float]:
    """The figures of a card that have a number.

    Args:
        card: text of ``card.md``.
        critic: name of its row.
    """
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines()]
    (head,) = (line for line in lines if CARD_FIGURES[0] in line)
    (row,) = (line for line in lines if line and line[0] == critic)
    said = dict(zip(head, row, strict=True))
    return {name: float(said[name]) for name in CARD_FIGURES if said.get(name, MISSING) != MISSING}


def row_of(run: RunDirectory) -> Mapping[str, object] | None:
    """What a run adds to the table; None if no critic alone paid it, or it is not finished."""
    config = run.config(TrainConfig)
    critic = Path(config.reward.name)
    paid_otherwise = config.refit is not None or config.success_bonus is not None
    if paid_otherwise or not is_critic(critic) or not (run.path / "summary.json").exists():
        return None
    figures = card_figures((critic / "card.md").read_text(), read_config(critic)["critic"])
    return {**read_summary(run.path), **figures, "run": run.path.name}


def correlations(rows: Sequence[Mapping[str, str]]) -> str:
    """A table of the figures, the one first that tells most."""
    lines: list[tuple[float, list[str]]] = []
    for name in CARD_FIGURES:
        told = [row for row in rows if row[name]]
        figures, success = (
            np.array([float(row[column]) for row in told]) for column in (name, "true_success")
        )
        value = spearman(figures, success).value
        if len(told) >= FEWEST:
            low, high = interval(figures, success)
            cells = [name, f"{value:.2f} ({low:.2f} to {high:.2f})", str(len(told))]
            lines.append((-abs(value), cells))
    return table(["figure", "rank correlation", "runs"], [cells for _, cells in sorted(lines)])


def interval(figures: NDArray[np.float64], success: NDArray[np.float64]) -> list[float]:
    """Percentile interval (95 %) of a rank correlation over runs; it is 0 where all are alike."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(figures), (RESAMPLES, len(figures)))
    values = [spearman(figures[one], success[one]).value for one in drawn]
    return np.quantile(values, [0.025, 0.975]).tolist()


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args(words).folders:
        for path in sorted(folder.rglob("run.json")):
            row = row_of(RunDirectory.open(path.parent))
            if row is not None:
                ROWS.put(row)
    rows = ROWS.read()
    for agent in sorted({row["agent"] for row in rows}):
        print(f"\n{agent}\n\n{correlations([row for row in rows if row['agent'] == agent])}")


if __name__ == "__main__":
    main()
