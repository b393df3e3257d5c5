"""Agents that learn from critics, beside agents that learn from the simulator's own dense reward.

    python -m experiments.critics.agents --work FOLDER [--seeds 0,1] [--shown stall] [--cameras
    front,side] [--refit] python -m experiments.critics.agents --work FOLDER --one

For each seed and family the critics are fitted to 39 demonstrations of that family and each pays an
agent of our own PPO for the same number of steps, by `roborew train` as a user types it. The
critics are shown experts, noisy experts and chance, with ``--shown misses`` near misses as well,
or, with ``--shown stall``, what `offline` shows them. ``--cameras`` are those that they see;
``--encoder mini`` fits them on the frozen picture layers of mini; ``--refit`` lets each run
refit its critic half way (`roborew train --refit`); ``--one`` fits `grm` on mini's layers to
one demonstration alone. A row a run goes to ``agents.csv``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from experiments.critics.offline import (
    BEHAVIORS,
    CAMERA,
    NOISY,
    TEST_EPISODES,
    TEST_SEED,
    DemonstrationSet,
    HeldOutEpisodes,
    encoder_config,
)
from experiments.critics.tables import Rows
from roborew import (
    CollectConfig,
    Critic,
    CriticConfig,
    EncoderConfig,
    FitConfig,
    read_demonstrations,
    spearman,
)
from roborew.data.demonstration import Demonstration
from roborew.evaluation import score_curve
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.evaluate import read_summary
from roborew.workflows.fit import embed_demonstrations, fit_objective

FAMILIES = ("DrawerOpen", "Press", "DrawerClose", "DoorOpen")
OBJECTIVES = ("robometer", "sarm", "bradley_terry", "clip_adapter", "ridge")
"""The five that order held-out episodes best, of different kinds."""
SHOWN = {"noise": NOISY, "stall": BEHAVIORS, "misses": ("expert", "noisy", "near_miss", "random")}
TRUTH = "oracle-dense"
TOTAL_TIMESTEPS = 60_000
"""Under a minute, where nothing else runs."""
INIT_STD = 1.0
"""As a rule; with 0.6 agents of most critics park where they cannot go straight on."""
ONE_FAMILIES = (*FAMILIES, "TapTurn", "Reach")
ONE = "grm, one demonstration"
FIRST_ONE = 100
"""Seed of the set that a single demonstration is from, plus the agent's."""
AFTER = 2
"""Frames of an expert's episode that are scored beyond its success: the truth stands still from
there on."""
KEYS = (
    "family",
    "seed",
    "reward",
    "behaviors",
    "cameras",
    "init_std",
    "refitted",
    "total_timesteps",
)
Key = tuple[str, int, str, str, str, float, int, int]
"""What names a row, in their order."""
ROWS = Rows(
    Path(__file__).with_name("agents.csv"),
    KEYS,
    (
        "expert_spearman", "true_success", "true_success_ci_low", "true_success_ci_high", "success_at_any_time",
        "false_success_rate", "minutes", "steps",
    ),
)  # fmt: skip


def run_agent(work: Path, key: Key, words: Sequence[str], **known: object) -> None:
    """Train and evaluate one agent in a process of its own and add its row."""
    if key in ROWS:
        return
    settings = dict(zip(KEYS, key, strict=True))
    name = "-".join(
        str(part).replace(", ", "-").replace(",", "-").replace(" ", "-")
        for part in key
        if part != ""
    )
    folder = work / "runs" / name
    if not (folder / "summary.json").exists():
        anew = [
            "--env", f"roborew/{settings['family']}-v0", "--total-timesteps", str(settings["total_timesteps"]),
            "--seed", str(settings["seed"]), "--agent.init-std", str(settings["init_std"]),
            "--out", str(work / "runs"), "--name", name, *words,
        ]  # fmt: skip
        further = ["--resume", str(folder)] if folder.exists() else anew
        command = [sys.executable, "-m", "roborew", "train", *further]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    summary = read_summary(folder)
    ROWS.add({**summary, **settings, **known})
    print(*key, summary["true_success"], round(summary["minutes"], 1), flush=True)


def from_demonstrations(options: argparse.Namespace, family: str, seed: int) -> None:
    """Agents on critics that were fitted to the family's demonstrations."""
    work, shown, cameras, encoder = options.work, options.shown, options.cameras, options.encoder
    settings = tuple(options.encoder_settings)
    how = FitConfig(
        encoder=encoder_config(encoder, settings),
        seed=seed,
        cameras=tuple(cameras.split(",")),
    )
    seen = DemonstrationSet(work=work, family=family, shown=SHOWN[shown], cameras=cameras)
    keys: dict[str, Key] = {}
    for name in options.objectives.split(","):
        said = ", ".join([name, *([encoder] if encoder != "conv" else []), *settings])
        keys[name] = (
            family,
            seed,
            said,
            shown,
            cameras,
            options.init_std,
            int(options.refit),
            options.steps,
        )
    made = "-".join([cameras.replace(",", "-"), encoder, *settings])
    at = {name: work / "critics" / f"{family}-{seed}-{shown}-{name}-{made}" for name in keys}
    if missing := [name for name, key in keys.items() if key not in ROWS and not at[name].exists()]:
        embedded = embed_demonstrations(seen.read(), how)
        for name in missing:
            fit_objective(embedded, replace(how, critic=CriticConfig(name))).critic.save_pretrained(
                at[name]
            )
    refit = ("--refit", str(seen.path)) if options.refit else ()
    for name, key in keys.items():
        run_agent(work, key, ("--reward", str(at[name]), *refit))


def from_one(options: argparse.Namespace, family: str, seed: int) -> None:
    """An agent on a critic that has seen one demonstration, another for each seed."""
    work = options.work
    key = (
        family,
        seed,
        ONE,
        "expert",
        CAMERA,
        options.init_std,
        int(options.refit),
        options.steps,
    )
    if key in ROWS:
        return
    out = work / "demos" / f"{family}-one-{seed}"
    config = CollectConfig(behaviors=("expert",), episodes=1, seed=FIRST_ONE + seed)
    one = list(read_demonstrations(collect_demonstrations(f"roborew/{family}-v0", config, out)))
    how = FitConfig(
        critic=CriticConfig("grm"), encoder=EncoderConfig("mini"), held_out=0.0, seed=seed
    )
    fitted = fit_objective(embed_demonstrations(one, how), how)
    path = work / "critics" / f"{family}-{seed}-one"
    if not path.exists():
        fitted.critic.save_pretrained(path)
    others = DemonstrationSet(
        work=work, family=family, episodes=TEST_EPISODES, seed=TEST_SEED
    ).read()
    experts = [each for each in others if each.quality == "success"]
    correlations = [expert_spearman(fitted.critic, each) for each in experts]
    known = {"expert_spearman": sum(correlations) / len(correlations)}
    refit = ("--refit", str(out)) if options.refit else ()
    run_agent(work, key, ("--reward", str(path), *refit), **known)


def expert_spearman(critic: Critic, one: Demonstration) -> float:
    """Spearman of scores with true progress, up to `AFTER` frames beyond success."""
    episodes = HeldOutEpisodes([one], one.video()[-1])
    success = one.success
    assert success is not None and one.progress is not None
    stop = int(success.argmax()) + 1 + AFTER
    clip = replace(episodes.clips[0], frames=episodes.clips[0].frames[:stop], goal_image=None)
    value = spearman(score_curve(critic.score([clip])[0]), one.progress[:stop]).value
    return 0.0 if value is None else value


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.critics.agents", description=__doc__
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="where demonstrations, critics and runs are kept"
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--families", help="some of them, separated by commas")
    parser.add_argument("--shown", choices=SHOWN, default="noise", help="beside experts")
    parser.add_argument(
        "--cameras", default=CAMERA, help="that the critics see, separated by commas"
    )
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--encoder", default="conv", help="of the critics; mini is frozen")
    parser.add_argument(
        "--encoder-settings", nargs="+", default=[], help="settings of the encoder as key=value"
    )
    parser.add_argument("--steps", type=int, default=TOTAL_TIMESTEPS, help="of each agent")
    parser.add_argument(
        "--init-std", type=float, default=INIT_STD, help="first standard deviation of actions"
    )
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--one", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    families = ONE_FAMILIES if options.one else FAMILIES
    chosen = families if options.families is None else options.families.split(",")
    for seed in map(int, options.seeds.split(",")):
        for family in chosen:
            if options.one:
                from_one(options, family, seed)
            else:
                from_demonstrations(options, family, seed)
                key = (family, seed, TRUTH, "", "", options.init_std, 0, options.steps)
                run_agent(options.work, key, ("--reward", TRUTH))


if __name__ == "__main__":
    main()
