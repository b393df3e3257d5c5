"""VLM-RM's humanoid poses, cart-pole and mountain car, with CLIP weights that you bring.

    python -m experiments.vlm_rm.run --pretrained laion2b_s34b_b79k --work FOLDER [--model ViT-B-32]
    [--only NAME ...]

Every run is one `roborew train`. A row a run goes to ``results.csv`` in the work folder; a run
whose row is there is not run again. Nothing starts before the weights have been read once.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.vlm_rm.tasks import PROMPTS
from roborew import RoborewError
from roborew.rewards.clip import ClipReward
from roborew.workflows.evaluate import read_summary

FIGURES = (
    "steps",
    "minutes",
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "episodes",
    "random_success",
)
SETTINGS = ("model", "pretrained", "alpha", "preprocessing", "agent")
KEY = ("task", *SETTINGS, "seed")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pretrained", help="open_clip tag, hf-hub:owner/name, or .safetensors file"
    )
    parser.add_argument(
        "--model", default="ViT-bigG-14", help="open_clip architecture, or folder of a whole model"
    )
    parser.add_argument("--revision", help="commit of the repository on the hub")
    parser.add_argument("--sha256", help="that the weight file must have")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the run directories and results.csv"
    )
    parser.add_argument("--only", choices=sorted(PROMPTS), nargs="+", default=sorted(PROMPTS))
    parser.add_argument(
        "--alpha", type=float, default=0.0, help="goal-baseline regularisation, 0 to 1"
    )
    parser.add_argument(
        "--preprocessing",
        choices=["model", "squash"],
        default="squash",
        help="squash is the paper's",
    )
    parser.add_argument("--agent", default="sb3-sac")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument(
        "--steps", type=int, help="of each run; the default of `roborew train` if not given"
    )
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(words)


def settings(chosen: argparse.Namespace, task: str) -> dict[str, str]:
    """The settings of the reward, by the names of its flags."""
    given = {"model": chosen.model, "alpha": chosen.alpha, "preprocessing": chosen.preprocessing}
    given["baseline"] = PROMPTS[task].baseline
    for name in ("pretrained", "revision", "sha256"):
        if getattr(chosen, name):
            given[name] = getattr(chosen, name)
    return {name: str(value) for name, value in given.items()}


def command(chosen: argparse.Namespace, task: str, seed: int, name: str) -> list[str]:
    """One training run as a user would type it: the score itself is paid, at every step."""
    words = [
        sys.executable,
        "-m",
        "roborew",
        "train",
        "--env",
        f"experiments.vlm_rm.tasks:vlm_rm/{task}",
    ]
    words += [
        "--instruction",
        PROMPTS[task].goal,
        "--reward",
        "clip",
        "--shaping",
        "raw",
        "--score-every",
        "1",
    ]
    for setting, value in settings(chosen, task).items():
        words += [f"--reward.{setting}", value]
    words += [
        "--agent",
        chosen.agent,
        "--num-envs",
        str(chosen.num_envs),
        "--device",
        chosen.device,
    ]
    words += ["--total-timesteps", str(chosen.steps)] if chosen.steps else []
    return [*words, "--seed", str(seed), "--out", str(chosen.work), "--name", name]


def require_weights(chosen: argparse.Namespace) -> None:
    """Read the weights once, so that what is missing is said now and not by the first of many runs.

    Raises:
        RoborewError: they cannot be had, or are not whole; the message says what to do.
    """
    ClipReward(
        model=chosen.model,
        pretrained=chosen.pretrained,
        revision=chosen.revision,
        sha256=chosen.sha256,
        device="cpu",
    )


def run_all(chosen: argparse.Namespace) -> None:
    """Run what has no row yet."""
    results = chosen.work / "results.csv"
    chosen.work.mkdir(parents=True, exist_ok=True)
    if not results.exists():
        results.write_text(",".join([*KEY, "goal", *FIGURES]) + "\n")
    with results.open(newline="") as file:
        done = {tuple(row[: len(KEY)]) for row in csv.reader(file)}
    for seed in chosen.seeds:
        for task in chosen.only:
            key = (task, *(str(getattr(chosen, name)) for name in SETTINGS), str(seed))
            if key in done:
                continue
            name = re.sub(r"[/:]+", "-", "-".join(["vlm_rm", *key]))
            subprocess.run(command(chosen, task, seed, name), check=True)
            summary = read_summary(chosen.work / name)
            with results.open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(
                    [*key, PROMPTS[task].goal, *(summary.get(figure) for figure in FIGURES)]
                )


def main(words: Sequence[str] | None = None) -> int:
    """Command line; returns 2 where the weights cannot be used."""
    chosen = arguments(words)
    try:
        require_weights(chosen)
    except RoborewError as error:
        print(f"nothing was run: {error}", file=sys.stderr)
        return 2
    run_all(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
