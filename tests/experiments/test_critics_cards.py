"""The figures of a card are read as they stand, and put beside what an agent learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.critics import cards
from experiments.critics.tables import Rows
from roborew.data.reading import read_demonstrations
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.parts import CriticConfig, EncoderConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start

ENV = "roborew/Press-v0"
SUMMARY = {
    "environment": ENV, "agent": "ppo", "demonstrations": 0, "seed": 0, "steps": 9, "true_success": 0.5,
}  # fmt: skip


def test_a_run_that_a_critic_alone_pays_adds_a_row_with_the_figures_of_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows(tmp_path / "cards.csv", cards.KEYS, cards.FIGURES)
    monkeypatch.setattr(cards, "ROWS", rows)
    small = CollectConfig(behaviors=("expert", "random"), episodes=5, width=48, height=36)
    demos = collect_demonstrations(ENV, small, tmp_path / "demos")
    how = FitConfig(critic=CriticConfig("ridge"), encoder=EncoderConfig("mini"))
    fitted = fit_critic(list(read_demonstrations(demos)), how)
    critic, figures = write(fitted, tmp_path / "critic", "demos", "fit")
    alone = TrainConfig(env=EnvConfig(ENV), reward=RewardConfig(str(critic)))
    configs = {
        "alone": alone,
        "unfinished": alone,
        "refitted": replace(alone, refit=demos),
        "truth": replace(alone, reward=RewardConfig("oracle-dense")),
    }
    for name, config in configs.items():
        with start(config, tmp_path / "runs" / name) as run:
            if name != "unfinished":
                run.write_json("summary.json", SUMMARY)
    for _ in range(2):
        cards.main([str(tmp_path / "runs")])
    (row,) = rows.read()
    assert row["true_success"] == "0.5"
    for name in ("Spearman (pooled)", "success AUROC", "gain"):
        assert float(row[name]) == pytest.approx(figures["ridge"][name].value, abs=5e-4)


def test_the_figure_that_orders_the_agents_comes_first() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {**dict.fromkeys(cards.CARD_FIGURES, ""), "true_success": str(success)}
        | {"gain": str(success**2), "Cycle-VOC": str(rng.random()), "success AUROC": "1.0"}
        for success in np.linspace(0, 1, cards.FEWEST)
    ]
    rows[0]["rise of failures"] = "0.1"
    first, *others = cards.correlations(rows).splitlines()[2:]
    assert first == f"| gain | 1.00 (1.00 to 1.00) | {cards.FEWEST} |"
    # One critic has no order; one value throughout orders nothing.
    assert (
        len(others) == 2
        and others[-1] == f"| success AUROC | 0.00 (0.00 to 0.00) | {cards.FEWEST} |"
    )
