"""Agents that learn from critics, beside agents that learn from the simulator's own dense reward.

    python -m experiments.critics.agents --work FOLDER [--seeds 0,1] [--encoder mini] [--refresh] [--one]

For each seed and family the critics are fitted to demonstrations of that family (see `offline`) and each pays an agent
of our own PPO for the same number of steps, by `roborew train` as a user types it. ``--encoder mini`` fits them on the
frozen picture layers of mini; ``--refresh`` lets each run refresh its critic half way (`roborew train --refresh`);
``--one`` fits `hop` on mini's layers to one demonstration alone. A row a run goes to ``agents.csv``.
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

from experiments.critics.offline import FIT_EPISODES, TEST_EPISODES, TEST_SEED, Judged, demonstrations
from experiments.critics.tables import Rows
from roborew.data.demonstration import Demonstration
from roborew.data.demonstrations import read_demonstrations
from roborew.demos import DemosConfig
from roborew.demos.recording import record_demonstrations
from roborew.evaluation import score_curve, spearman
from roborew.fitting import FitConfig, embed, fit_objective

FAMILIES = ("DrawerOpen", "DoorOpen", "Press")
OBJECTIVES = ("progress", "stages", "preference", "ranking_clip", "vip")
"""The five that order held-out episodes best, of different kinds."""
REFRESHED = (*OBJECTIVES, "goal_classifier", "adversarial")
TRUTH = "true-dense"
STEPS = 60_000
ONE_FAMILIES = (*FAMILIES, "DrawerClose", "Reach")
ONE = "hop, one demonstration"
FIRST_ONE = 100
"""Seed of the set that a single demonstration is from, plus the agent's."""
AFTER = 2
"""Frames of an expert's episode that are judged beyond its success: the truth stands still from there on."""
ROWS = Rows(
    Path(__file__).with_name("agents.csv"),
    ("family", "seed", "reward", "refreshed"),
    (
        "expert_order", "true_success", "true_success_low", "true_success_high", "success_at_any_time",
        "false_claim_rate", "minutes", "steps",
    ),
)  # fmt: skip


def run_agent(work: Path, family: str, seed: int, reward: str, words: Sequence[str], **known: object) -> None:
    """Train and judge one agent in a process of its own and add its row."""
    refreshed = int("--refresh" in words)
    name = f"{family}-{seed}-{reward.replace(', ', '-').replace(' ', '-')}-{refreshed}"
    folder = work / "runs" / name
    if not (folder / "summary.json").exists():
        command = [
            sys.executable, "-m", "roborew", "train", "--env", f"roborew/{family}-v0", "--steps", str(STEPS), "--seed",
            str(seed), "--out", str(work / "runs"), "--name", name, *words,
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    summary = json.loads((folder / "summary.json").read_text())
    ROWS.add({**summary, "family": family, "seed": seed, "reward": reward, "refreshed": refreshed, **known})
    print(family, seed, reward, refreshed, known, summary["true_success"], round(summary["minutes"], 1), flush=True)


def critic_path(work: Path, family: str, seed: int, name: str, encoder: str) -> Path:
    """Where a critic lies."""
    return work / "critics" / f"{family}-{seed}-{name}{'' if encoder == 'conv' else '-' + encoder}"


def critics_of(work: Path, family: str, seed: int, names: Sequence[str], encoder: str) -> None:
    """Fit the critics that are not there yet."""
    missing = [name for name in names if not critic_path(work, family, seed, name, encoder).exists()]
    if not missing:
        return
    embedded = embed(demonstrations(work, family, FIT_EPISODES, 0), FitConfig(encoder=encoder, seed=seed))
    for name in missing:
        fitted = fit_objective(embedded, FitConfig(critic=name, encoder=encoder, seed=seed))
        path = critic_path(work, family, seed, name, encoder)
        if not path.exists():  # another process may have made it meanwhile: the same one
            fitted.critic.save_pretrained(path)


def from_demonstrations(work: Path, family: str, seed: int, names: Sequence[str], refresh: bool, encoder: str) -> None:
    """Agents on critics that were fitted to the family's demonstrations."""
    said = {name: name if encoder == "conv" else f"{name}, {encoder}" for name in names}
    names = [name for name in names if (family, seed, said[name], int(refresh)) not in ROWS]
    critics_of(work, family, seed, names, encoder)
    again = ("--refresh", str(work / "demos" / f"{family}-{FIT_EPISODES}-0")) if refresh else ()
    for name in names:
        path = critic_path(work, family, seed, name, encoder)
        run_agent(work, family, seed, said[name], ("--reward", str(path), *again))


def from_one(work: Path, family: str, seed: int, refresh: bool) -> None:
    """An agent on a critic that has seen one demonstration, another for each seed."""
    if (family, seed, ONE, int(refresh)) in ROWS:
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
    run_agent(work, family, seed, ONE, ("--reward", str(path), *again), **known)


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
                names = REFRESHED if options.refresh else OBJECTIVES
                from_demonstrations(options.work, family, seed, names, options.refresh, options.encoder)
                if not options.refresh and options.encoder == "conv" and (family, seed, TRUTH, 0) not in ROWS:
                    run_agent(options.work, family, seed, TRUTH, ("--reward", TRUTH))


if __name__ == "__main__":
    main()
