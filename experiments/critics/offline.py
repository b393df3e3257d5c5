"""Every objective on every manipulation family: how well its critic orders, tells and follows episodes it never saw.

    python -m experiments.critics.offline --work FOLDER [--families A,B] [--seeds 0,1]

A family's demonstrations are those of `roborew demos --behaviours expert,stall,undo --episodes 13` (expert and stall,
19 of each, where nothing can be undone), embedded once for all objectives by the encoder that `roborew fit` would learn
from them. The judged episodes, 30 in all, are others, from other starts. A row a family, seed and objective goes to
``offline.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from experiments.critics.tables import Rows
from roborew.card import figures, there_and_back
from roborew.critics.critic import Critic
from roborew.critics.labels import progress_labels
from roborew.critics.objective import Example
from roborew.data.demonstration import Demonstration
from roborew.data.demonstrations import read_demonstrations
from roborew.demos import DemosConfig
from roborew.demos.recording import record_demonstrations
from roborew.evaluation import score_with_nulls
from roborew.fitting import Embedded, FitConfig, embed, fit_objective
from roborew.registry import critics
from roborew.types import Clip, Scores
from roborew_envs import make_task
from roborew_envs.experts import behaviours

FAMILIES = (
    "DrawerOpen", "Press", "DoorOpen", "Reach", "DrawerClose", "Push", "PickPlace", "TapTurn", "Sweep", "Stack",
    "PegInsert", "Tidy",
)  # fmt: skip
BEHAVIOURS = ("expert", "stall", "undo")
NOISY = ("expert", "noisy", "random")
"""What else may be shown: the experts' surroundings instead of their failures."""
FIT_EPISODES, TEST_EPISODES, TEST_SEED = 39, 30, 1
"""Of all behaviours together."""
FIGURES = {
    "order": "order", "pooled": "order of all frames", "undo": "order where progress is lost again",
    "auroc": "success AUROC", "cycle_voc": "Cycle-VOC",
}  # fmt: skip
BOUNDS = {"pooled_low": "95 % from", "pooled_high": "95 % to"}
DRAWS = 500
"""Of their bootstrap over episodes."""
NULLS = ("clock", "static")
TRUTH = "truth"
ROWS = Rows(
    Path(__file__).with_name("offline.csv"),
    ("family", "seed", "critic"),
    (*FIGURES, *BOUNDS, "encoder_seconds", "objective_seconds"),
)


def demonstrations_path(work: Path, family: str, episodes: int, seed: int, shown: Sequence[str] = BEHAVIOURS) -> Path:
    """Where the set of some behaviours lies."""
    return work / "demos" / "-".join([family, *(() if shown == BEHAVIOURS else shown), str(episodes), str(seed)])


def demonstrations(
    work: Path, family: str, episodes: int, seed: int, shown: Sequence[str] = BEHAVIOURS
) -> Sequence[Demonstration]:
    """The set as `roborew demos` writes it, made if it is not there."""
    out = demonstrations_path(work, family, episodes, seed, shown)
    task = f"roborew/{family}-v0"
    known = behaviours(make_task(task))
    shown = tuple(name for name in shown if name in known)
    config = DemosConfig(behaviours=shown, episodes=episodes // len(shown), seed=seed)
    return read_demonstrations(record_demonstrations(task, config, out))


class Judged:
    """Episodes that no critic of the family was fitted to."""

    def __init__(self, shown: Sequence[Demonstration], goal: np.ndarray) -> None:
        self.examples = [_example(one) for one in shown]
        self.clips = [Clip(frames=one.video(), instruction=one.instruction, goal=goal) for one in shown]
        pairs = zip(self.clips, self.examples, strict=True)
        self.cycles = [there_and_back(clip, example) for clip, example in pairs if example.success]

    def by(self, critic: Critic) -> dict[str, float | None]:
        """Figures of a critic."""
        blind = [clip if critic.spec.needs_goal else replace(clip, goal=None) for clip in self.clips + self.cycles]
        return self.measured(critic.score(blind))

    def by_nulls(self, critic: Critic) -> dict[str, dict[str, float | None]]:
        """Figures of what knows nothing."""
        blind = [replace(clip, goal=None) for clip in self.clips + self.cycles]
        scored = score_with_nulls(critic, blind, ["do nothing at all"] * len(blind))
        return {name: self.measured(scored[name]) for name in NULLS}

    def by_truth(self) -> dict[str, float | None]:
        """Figures of the simulator itself: what a perfect critic would get."""
        labels = [progress_labels(example) for example in self.examples]
        places = [
            replace(clip, frames=np.arange(len(label), dtype=np.uint8)[:, None, None, None].repeat(3, 3))
            for clip, label in zip(self.clips, labels, strict=True)
        ]
        rows = list(zip(places, self.examples, labels, strict=True))
        curves = labels + [label[there_and_back(p, e).frames[:, 0, 0, 0]] for p, e, label in rows if e.success]
        return self.measured([Scores(curve, np.ones(len(curve), np.bool_)) for curve in curves])

    def measured(self, scores: Sequence[Scores]) -> dict[str, float | None]:
        """Figures of scores of the clips and then of the cycles."""
        count = len(self.examples)
        found = figures(scores[:count], self.examples, scores[count:], draws=DRAWS)
        return {name: found[what].value for name, what in (FIGURES | BOUNDS).items()}


def _example(one: Demonstration) -> Example:
    empty = np.zeros((one.length, 1), np.float32)
    return Example(
        name=one.name, instruction=one.instruction, text=empty[0], features=empty, progress=one.progress,
        success=one.succeeded, quality=one.quality,
    )  # fmt: skip


def family_rows(work: Path, family: str, seed: int) -> None:
    """Fit and judge every objective that has no row yet."""
    missing = [name for name in (*critics, *NULLS, TRUTH) if (family, seed, name) not in ROWS]
    if not missing:
        return
    goal = next(one for one in demonstrations(work, family, FIT_EPISODES, 0) if one.succeeded).video()[-1]
    judged = Judged(demonstrations(work, family, TEST_EPISODES, TEST_SEED), goal)
    if TRUTH in missing:
        ROWS.add({"family": family, "seed": seed, "critic": TRUTH, **judged.by_truth()})
    fits = [name for name in missing if name in critics]
    embedded = embedded_family(work, family, seed) if fits else None
    for name in fits:
        assert embedded is not None
        fitted = fit_objective(embedded, FitConfig(critic=name, seed=seed))
        if name == "progress" and "clock" in missing:
            for null, row in judged.by_nulls(fitted.critic).items():
                ROWS.add({"family": family, "seed": seed, "critic": null, **row})
        seconds = {"encoder_seconds": fitted.seconds["encoder"], "objective_seconds": fitted.seconds["objective"]}
        row = judged.by(fitted.critic) | seconds
        ROWS.add({"family": family, "seed": seed, "critic": name, **row})
        print(family, seed, name, {what: value and round(value, 3) for what, value in row.items()}, flush=True)


def embedded_family(work: Path, family: str, seed: int) -> Embedded:
    """The family's demonstrations, embedded."""
    return embed(demonstrations(work, family, FIT_EPISODES, 0), FitConfig(seed=seed))


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.critics.offline", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="where demonstrations are kept")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--seeds", default="0")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in map(int, options.seeds.split(",")):
        for family in options.families.split(","):
            family_rows(options.work, family, seed)


if __name__ == "__main__":
    main()
