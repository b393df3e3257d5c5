"""How much a reward still tells where the world looks otherwise.

    python -m experiments.robustness.run [--reward mini --reward critics/drawer] [--families DrawerOpen,Press]

The same episodes (experts, stalls and undoings, or what of these exists, from starts that no fit has used) are drawn
in every kind and strength of `roborew_envs.appearance`, each episode in a look of its own, and scored. A row a reward,
family, kind and strength goes to ``results.csv``; rows of a reward and family that are measured again are replaced.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from roborew.evaluation import auroc, score_curve, spearman, terminal_value
from roborew.training.parts import open_reward
from roborew.types import Clip, RewardModel
from roborew_envs import Task, make_task
from roborew_envs.appearance import Looks, kinds, strengths
from roborew_envs.demonstrations import Episode, demonstrate
from roborew_envs.experts import behaviours
from roborew_envs.rendering import Renderer

RESULTS = Path(__file__).with_name("results.csv")
FAMILIES = ("DrawerOpen", "Press", "Push")
SHOWN = ("expert", "stall", "undo")
FIRST_SEED, EPISODES = 40_000_000_000, 12
"""Of each behaviour."""
OWN = ("own", "")
CLAIM = 0.9
DRAWS = 300
FIELDS = (
    "reward",
    "family",
    "kind",
    "strength",
    "order",
    "order_low",
    "order_high",
    "auroc",
    "false_claims",
    "episodes",
)


@dataclass(frozen=True, slots=True)
class Played:
    """Episodes of one task and what is true of them."""

    task: Task
    episodes: tuple[Episode, ...]

    @classmethod
    def of(cls, family: str, count: int = EPISODES) -> Played:
        """Every behaviour of `SHOWN` that the family has, ``count`` times."""
        task = make_task(f"roborew/{family}-v0")
        names = [name for name in SHOWN if name in behaviours(task)]
        rows = range(len(names))
        starts = [range(FIRST_SEED + row * count, FIRST_SEED + (row + 1) * count) for row in rows]
        played = [demonstrate(task, name, seeds) for name, seeds in zip(names, starts, strict=True)]
        return cls(task, tuple(one for group in played for one in group))

    def clips(self, kind: str, strength: str, goal: NDArray[np.uint8] | None = None) -> Iterator[Clip]:
        """The episodes as they look, one after the other: pictures of all at once would be many."""
        looks = Looks(self.task.model, f"{kind}:{strength}" if strength else "", 0, len(self.episodes))
        with Renderer(self.task.model) as renderer:
            for row, one in enumerate(self.episodes):
                looks.restore(row, np.array([one.seed, row], np.uint64))
                painted = looks[np.full(len(one.qpos), row)].merged(self.task.paint(one.qpos))
                frames = renderer.draw(one.qpos, self.task.cameras[0], painted)
                yield Clip(frames=frames, instruction=self.task.instruction, goal=goal)


def measured(reward: RewardModel, played: Played, kind: str, strength: str) -> dict[str, float]:
    """Figures of a reward under one look."""
    scores = [reward.score([clip])[0] for clip in played.clips(kind, strength)]
    curves, truths = [score_curve(each) for each in scores], [one.progress for one in played.episodes]
    low, high = _interval(curves, truths)
    ends: dict[bool, list[float]] = {True: [], False: []}
    for curve, one in zip(curves, played.episodes, strict=True):
        value = terminal_value(curve).value
        if value is not None:
            ends[bool(one.success[-1])].append(value)
    claims = [
        (np.asarray(each.success) >= CLAIM) & ~one.success
        for each, one in zip(scores, played.episodes, strict=True)
        if each.success is not None
    ]
    return {
        "order": _order(curves, truths),
        "order_low": low,
        "order_high": high,
        "auroc": auroc(ends[True], ends[False]).value or 0.0,
        "false_claims": float(np.concatenate(claims).mean()) if claims else float("nan"),
        "episodes": len(curves),
    }


def _order(curves: Sequence[NDArray[np.floating]], truths: Sequence[NDArray[np.floating]]) -> float:
    return spearman(np.concatenate(curves), np.concatenate(truths)).value or 0.0


def _interval(curves: Sequence[NDArray[np.floating]], truths: Sequence[NDArray[np.floating]]) -> tuple[float, float]:
    """95 % bootstrap interval of the order of all frames, over episodes."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(curves), size=len(curves)) for _ in range(DRAWS)]
    values = [_order([curves[i] for i in rows], [truths[i] for i in rows]) for rows in draws]
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def judge(name: str, family: str) -> list[dict[str, object]]:
    """Rows of a reward in a family: its own look, then every kind from mild to strong."""
    reward, played = open_reward(name), Played.of(family)
    rows: list[dict[str, object]] = []
    for kind, strength in [OWN, *((kind, strength) for kind in kinds() for strength in strengths())]:
        figures = measured(reward, played, kind, strength)
        rows.append({"reward": Path(name).name, "family": family, "kind": kind, "strength": strength, **figures})
        print(family, Path(name).name, kind, strength, {k: round(v, 3) for k, v in figures.items()}, flush=True)
    return rows


def keep(rows: Sequence[dict[str, object]], path: Path = RESULTS) -> None:
    """Write rows in place of those of the same reward and family."""
    known: list[dict[str, object]] = []
    if path.exists():
        with path.open(newline="") as file:
            known = list(csv.DictReader(file))
    replaced = {(row["reward"], row["family"]) for row in rows}
    kept = [row for row in known if (row["reward"], row["family"]) not in replaced]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        for row in [*kept, *rows]:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


def table(path: Path = RESULTS) -> str:
    """Order of all frames by kind (down) and by reward, family and strength (across), in Markdown."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    groups = list(dict.fromkeys((row["reward"], row["family"]) for row in rows))
    head = ["looks", *(f"`{reward}`, {family}" for reward, family in groups)]
    lines = [head, ["---"] * len(head)]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = [
            " / ".join(
                f"{float(r['order']):.2f}" for r in rows if (r["reward"], r["family"], r["kind"]) == (*group, kind)
            )
            for group in groups
        ]
        lines.append([kind, *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reward", action="append", help="a reward's name or a critic's folder; mini if not given")
    parser.add_argument("--families", default=",".join(FAMILIES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.reward or ["mini"]:
        for family in options.families.split(","):
            keep(judge(name, family))
    print(table())


if __name__ == "__main__":
    main()
