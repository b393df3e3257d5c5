"""Agents that learn from critics, beside agents that learn from the simulator's own dense reward.

    python -m experiments.critics.agents --work FOLDER [--seeds 0,1] [--shown stall] [--encoder mini] [--refresh]
    python -m experiments.critics.agents --work FOLDER --one

For each seed and family the critics are fitted to 39 demonstrations of that family and each pays an agent of our own
PPO for the same number of steps, by `roborew train` as a user types it. The critics are shown experts, noisy experts
and chance, or, with ``--shown stall``, what `offline` shows them. ``--encoder mini`` fits them on the frozen picture
layers of mini; ``--refresh`` lets each run refresh its critic half way (`roborew train --refresh`); ``--one`` fits
`hop` on mini's layers to one demonstration alone. A row a run goes to ``agents.csv``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from experiments.critics.offline import (
    BEHAVIOURS,
    FIT_EPISODES,
    NOISY,
    TEST_EPISODES,
    TEST_SEED,
    Judged,
    demonstrations,
    demonstrations_path,
)
from experiments.critics.tables import Rows
from roborew.data.demonstration import Demonstration
from roborew.data.demonstrations import read_demonstrations
from roborew.demos import DemosConfig
from roborew.demos.recording import record_demonstrations
from roborew.evaluation import score_curve, spearman
from roborew.fitting import FitConfig, embed, fit_objective

FAMILIES = ("DrawerOpen", "Press", "DrawerClose", "DoorOpen")
OBJECTIVES = ("progress", "stages", "preference", "ranking_clip", "ridge")
"""The five that order held-out episodes best, of different kinds."""
SHOWN = {"noise": NOISY, "stall": BEHAVIOURS}
TRUTH = "true-dense"
STEPS = 60_000
EXPLORATION = 1.0
"""First standard deviation of actions: with 0.6 agents of most critics park where they cannot go straight on."""
ONE_FAMILIES = (*FAMILIES, "TapTurn", "Reach")
ONE = "hop, one demonstration"
FIRST_ONE = 100
"""Seed of the set that a single demonstration is from, plus the agent's."""
AFTER = 2
"""Frames of an expert's episode that are judged beyond its success: the truth stands still from there on."""
ROWS = Rows(
    Path(__file__).with_name("agents.csv"),
    ("family", "seed", "reward", "shown", "exploration", "refreshed"),
    (
        "expert_order", "true_success", "true_success_low", "true_success_high", "success_at_any_time",
        "false_claim_rate", "minutes", "steps",
    ),
)  # fmt: skip


def run_agent(
    work: Path, family: str, seed: int, reward: str, shown: str, words: Sequence[str], **known: object
) -> None:
    """Train and judge one agent in a process of its own and add its row."""
    refreshed = int("--refresh" in words)
    name = f"{family}-{seed}-{reward.replace(', ', '-').replace(' ', '-')}-{shown}-{EXPLORATION:g}-{refreshed}"
    folder = work / "runs" / name
    if not (folder / "summary.json").exists():
        command = [
            sys.executable, "-m", "roborew", "train", "--env", f"roborew/{family}-v0", "--steps", str(STEPS), "--seed",
            str(seed), "--exploration", str(EXPLORATION), "--out", str(work / "runs"), "--name", name, *words,
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    summary = json.loads((folder / "summary.json").read_text())
    told = {"family": family, "seed": seed, "reward": reward, "shown": shown, "refreshed": refreshed}
    ROWS.add({**summary, **told, **known, "exploration": EXPLORATION})
    print(family, seed, reward, shown, refreshed, summary["true_success"], round(summary["minutes"], 1), flush=True)


def from_demonstrations(
    work: Path, family: str, seed: int, names: Sequence[str], shown: str, refresh: bool, encoder: str
) -> None:
    """Agents on critics that were fitted to the family's demonstrations."""
    said = {name: name if encoder == "conv" else f"{name}, {encoder}" for name in names}
    names = [name for name in names if (family, seed, said[name], shown, EXPLORATION, int(refresh)) not in ROWS]
    at = {name: work / "critics" / f"{family}-{seed}-{shown}-{name}-{encoder}" for name in names}
    if missing := [name for name in names if not at[name].exists()]:
        seen = demonstrations(work, family, FIT_EPISODES, 0, SHOWN[shown])
        embedded = embed(seen, FitConfig(encoder=encoder, seed=seed))
        for name in missing:
            fit_objective(embedded, FitConfig(critic=name, encoder=encoder, seed=seed)).critic.save_pretrained(at[name])
    again = demonstrations_path(work, family, FIT_EPISODES, 0, SHOWN[shown])
    for name in names:
        words = ("--reward", str(at[name]), *(("--refresh", str(again)) if refresh else ()))
        run_agent(work, family, seed, said[name], shown, words)


def from_one(work: Path, family: str, seed: int, refresh: bool) -> None:
    """An agent on a critic that has seen one demonstration, another for each seed."""
    if (family, seed, ONE, "expert", EXPLORATION, int(refresh)) in ROWS:
        return
    out = work / "demos" / f"{family}-one-{seed}"
    config = DemosConfig(behaviours=("expert",), episodes=1, seed=FIRST_ONE + seed)
    one = list(read_demonstrations(record_demonstrations(f"roborew/{family}-v0", config, out)))
    how = FitConfig(critic="hop", encoder="mini", held_out=0.0, seed=seed)
    fitted = fit_objective(embed(one, how), how)
    path = work / "critics" / f"{family}-{seed}-one"
    if not path.exists():
        fitted.critic.save_pretrained(path)
    experts = [each for each in demonstrations(work, family, TEST_EPISODES, TEST_SEED) if each.quality == "success"]
    orders = [expert_order(fitted.critic, each) for each in experts]
    known = {"expert_order": sum(orders) / len(orders)}
    again = ("--refresh", str(out)) if refresh else ()
    run_agent(work, family, seed, ONE, "expert", ("--reward", str(path), *again), **known)


def expert_order(critic: object, one: Demonstration) -> float:
    """Spearman of scores with true progress, up to `AFTER` frames beyond success."""
    judged = Judged([one], one.video()[-1])
    success = one.success
    assert success is not None and one.progress is not None
    stop = int(success.argmax()) + 1 + AFTER
    clip = replace(judged.clips[0], frames=judged.clips[0].frames[:stop], goal=None)
    value = spearman(score_curve(critic.score([clip])[0]), one.progress[:stop]).value  # type: ignore[attr-defined]
    return 0.0 if value is None else value


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.critics.agents", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="where demonstrations, critics and runs are kept")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--families", help="some of them, separated by commas")
    parser.add_argument("--shown", choices=SHOWN, default="noise", help="beside experts")
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--encoder", default="conv", help="of the critics; mini is frozen")
    parser.add_argument("--refresh", action="store_true")
    parser.add_argument("--one", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    families = ONE_FAMILIES if options.one else FAMILIES
    chosen = families if options.families is None else options.families.split(",")
    for seed in map(int, options.seeds.split(",")):
        for family in chosen:
            if options.one:
                from_one(options.work, family, seed, options.refresh)
            else:
                names = options.objectives.split(",")
                from_demonstrations(options.work, family, seed, names, options.shown, options.refresh, options.encoder)
                if (family, seed, TRUTH, "", EXPLORATION, 0) not in ROWS:
                    run_agent(options.work, family, seed, TRUTH, "", ("--reward", TRUTH))


if __name__ == "__main__":
    main()
