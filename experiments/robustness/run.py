"""How much a reward still tells where the world looks otherwise.

    python -m experiments.robustness.run [--reward mini --reward critics/drawer] [--families
    DrawerOpen,Press]

The same episodes (experts, stalls and undoings, or what of these exists, from starts that no fit
has used) are drawn in every kind and strength of `roborew_envs.rendering.appearance`, each episode
in a look of its own, and scored. A row a reward,
family, kind and strength goes to ``results.csv``; rows of a reward and family that are measured
again are replaced.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from experiments.critics import report
from experiments.critics.tables import Rows
from roborew import Clip, RewardModel, load_reward
from roborew.learning.examples import Example
from roborew.workflows.fit.critic_metrics import critic_metrics
from roborew_envs import Task, make_task
from roborew_envs.experts.behaviors import available_behaviors
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.rendering.appearance import AppearanceSampler, kinds, strengths
from roborew_envs.rendering.renderer import Renderer

RESULTS = Path(__file__).with_name("results.csv")
FAMILIES = ("DrawerOpen", "Press", "Push")
SHOWN = ("expert", "stall", "undo")
FIRST_SEED, EPISODES = 40_000_000_000, 12
"""Of each behavior."""
OWN = ("own", "")
SUCCESS_THRESHOLD = 0.9
NUM_RESAMPLES = 300
FIGURES = {
    "spearman_pooled": "Spearman (pooled)",
    "spearman_pooled_ci_low": "CI low",
    "spearman_pooled_ci_high": "CI high",
    "success_auroc": "success AUROC",
}
KEY = ("reward", "family", "kind", "strength")
FIELDS = (*KEY, *FIGURES, "false_success_state_rate", "episodes")


@dataclass(frozen=True, slots=True)
class Played:
    """Episodes of one task and what is true of them."""

    task: Task
    episodes: tuple[TaskEpisode, ...]

    @classmethod
    def of(cls, family: str, count: int = EPISODES) -> Played:
        """Every behavior of `SHOWN` that the family has, ``count`` times."""
        task = make_task(f"roborew/{family}-v0")
        names = [name for name in SHOWN if name in available_behaviors(task)]
        rows = range(len(names))
        starts = [range(FIRST_SEED + row * count, FIRST_SEED + (row + 1) * count) for row in rows]
        played = [
            collect_episodes(task, name, seeds) for name, seeds in zip(names, starts, strict=True)
        ]
        return cls(task, tuple(one for group in played for one in group))

    @property
    def examples(self) -> list[Example]:
        """The episodes with their truth, as figures are made of."""
        none, said = np.zeros((0, 0), np.float32), self.task.instruction
        return [
            Example(
                name=f"{row}",
                instruction=said,
                text_embedding=none,
                features=none,
                progress=one.progress.astype(np.float32),
                success=bool(one.success[-1]),
            )
            for row, one in enumerate(self.episodes)
        ]

    def clips(self, kind: str, strength: str) -> Iterator[Clip]:
        """The episodes as they look, one after the other: pictures of all at once would be many."""
        looks = AppearanceSampler(
            self.task.model, f"{kind}:{strength}" if strength else "", 0, len(self.episodes)
        )
        with Renderer(self.task.model) as renderer:
            for row, one in enumerate(self.episodes):
                looks.sample_from_key(row, np.array([one.seed, row], np.uint64))
                painted = looks[np.full(len(one.qpos), row)].merge(
                    self.task.visual_overrides(one.qpos)
                )
                frames = renderer.render(one.qpos, self.task.cameras[0], painted)
                yield Clip(frames=frames, instruction=self.task.instruction)


def measured(reward: RewardModel, played: Played, kind: str, strength: str) -> dict[str, float]:
    """Figures of a reward under one look."""
    scores = [reward.score([clip])[0] for clip in played.clips(kind, strength)]
    found = critic_metrics(scores, played.examples, resamples=NUM_RESAMPLES)
    false_successes = [
        (np.asarray(each.success) >= SUCCESS_THRESHOLD) & ~one.success
        for each, one in zip(scores, played.episodes, strict=True)
        if each.success is not None
    ]
    return {
        **{name: found[what].value or 0.0 for name, what in FIGURES.items()},
        "false_success_state_rate": float(np.concatenate(false_successes).mean())
        if false_successes
        else float("nan"),
        "episodes": len(scores),
    }


def evaluate(name: str, family: str) -> list[dict[str, object]]:
    """Rows of a reward in a family: its own look, then every kind from mild to strong."""
    reward, played = load_reward(name), Played.of(family)
    rows: list[dict[str, object]] = []
    for kind, strength in [
        OWN,
        *((kind, strength) for kind in kinds() for strength in strengths()),
    ]:
        found = measured(reward, played, kind, strength)
        rows.append(
            {
                "reward": Path(name).name,
                "family": family,
                "kind": kind,
                "strength": strength,
                **found,
            }
        )
        print(
            family,
            Path(name).name,
            kind,
            strength,
            {k: round(v, 3) for k, v in found.items()},
            flush=True,
        )
    return rows


def keep(rows: Sequence[Mapping[str, object]], path: Path = RESULTS) -> None:
    """Write rows, each in the place of an earlier one of the same look."""
    for row in rows:
        Rows(path, KEY, FIELDS[len(KEY) :]).put(row)


def table(path: Path = RESULTS) -> str:
    """Spearman (pooled) by kind (down) and by reward, family and strength (across), in
    Markdown."""
    rows = Rows(path, KEY, FIELDS[len(KEY) :]).read()
    groups = list(dict.fromkeys((row["reward"], row["family"]) for row in rows))
    correlations = {
        kind: [[] for _ in groups] for kind in dict.fromkeys(row["kind"] for row in rows)
    }
    for row in rows:
        correlations[row["kind"]][groups.index((row["reward"], row["family"]))].append(
            f"{float(row['spearman_pooled']):.2f}"
        )
    head = ["looks", *(f"`{reward}`, {family}" for reward, family in groups)]
    return report.table(
        head, [[kind, *map(" / ".join, cells)] for kind, cells in correlations.items()]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--reward", action="append", help="a reward's name or a critic's folder; mini if not given"
    )
    parser.add_argument("--families", default=",".join(FAMILIES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.reward or ["mini"]:
        for family in options.families.split(","):
            keep(evaluate(name, family))
    print(table())


if __name__ == "__main__":
    main()
