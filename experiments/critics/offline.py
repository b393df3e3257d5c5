"""Every objective on every manipulation family: how well its critic orders, tells and follows
episodes it never saw.

    python -m experiments.critics.offline --work FOLDER [--families A,B] [--seeds 0,1] [--cameras
    front,side]

A family's demonstrations are those of `roborew collect --behaviors expert stall undo --episodes 13`
(expert and stall, 19 of each, where nothing can be undone), embedded once for all objectives by the
encoder that `roborew fit` would learn from them. The test_episodes episodes, 30 in all, are others, from
other starts. ``--cameras`` are those that the critics see, side by side. A row a family, seed,
objective and choice of cameras goes to ``offline.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from experiments.critics.tables import Rows
from roborew import (
    Clip,
    CollectConfig,
    Critic,
    CriticConfig,
    EncoderConfig,
    FitConfig,
    Scores,
    read_demonstrations,
)
from roborew.config import parse_settings
from roborew.data import side_by_side
from roborew.data.demonstration import Demonstration
from roborew.evaluation import forward_and_reversed, score_with_sanity_baselines
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels
from roborew.registry import critics, encoders
from roborew.types import Video
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.fit import embed_demonstrations, fit_objective
from roborew.workflows.fit.critic_metrics import critic_metrics
from roborew_envs import make_task
from roborew_envs.experts.behaviors import available_behaviors

FAMILIES = (
    "DrawerOpen", "Press", "DoorOpen", "Reach", "DrawerClose", "Push", "PickPlace", "TapTurn", "Sweep", "Stack",
    "PegInsert", "Tidy",
)  # fmt: skip
BEHAVIORS = ("expert", "stall", "undo")
NOISY = ("expert", "noisy", "random")
"""What else may be shown: the experts' surroundings instead of their failures."""
CAMERA = "front"
"""What is seen unless more is asked for."""
FIT_EPISODES, TEST_EPISODES, TEST_SEED = 39, 30, 1
"""Of all behaviors together."""
FIGURES = {
    "spearman_per_episode": "Spearman (per episode)",
    "spearman_pooled": "Spearman (pooled)",
    "spearman_on_regressions": "Spearman on regressions",
    "pearson_on_regressions": "Pearson on regressions",
    "success_auroc": "success AUROC",
    "cycle_voc": "Cycle-VOC",
}
BOUNDS = {"spearman_pooled_ci_low": "CI low", "spearman_pooled_ci_high": "CI high"}
NUM_RESAMPLES = 500
"""Of their bootstrap over episodes."""
ENCODER_STEPS = 500
"""Gradient steps of `conv` where nothing else is said: all rows were made with so many."""
BASELINES = ("clock", "static")
TRUTH = "truth"
ROWS = Rows(
    Path(__file__).with_name("offline.csv"),
    ("family", "seed", "critic", "cameras"),
    (*FIGURES, *BOUNDS, "encoder_seconds", "objective_seconds"),
)


def encoder_config(name: str = "conv", settings: Sequence[str] = ()) -> EncoderConfig:
    """An encoder, and how long it learns if the settings, as key=value, do not say."""
    options = parse_settings(encoders.load(name), settings)
    return EncoderConfig(name, {"steps": ENCODER_STEPS, **options} if name == "conv" else options)


@dataclass(frozen=True, kw_only=True)
class DemonstrationSet:
    """Demonstrations of a family.

    Attributes:
        work: folder in which they are kept.
        episodes: of all behaviors together.
        seed: of their starts.
        shown: behaviors.
        cameras: joined by commas.
    """

    work: Path
    family: str
    episodes: int = FIT_EPISODES
    seed: int = 0
    shown: Sequence[str] = BEHAVIORS
    cameras: str = CAMERA

    @property
    def path(self) -> Path:
        """Where they lie, or will."""
        shown = () if self.shown == BEHAVIORS else self.shown
        seen = () if self.cameras == CAMERA else self.cameras.split(",")
        return (
            self.work
            / "demos"
            / "-".join([self.family, *shown, *seen, str(self.episodes), str(self.seed)])
        )

    def read(self) -> Sequence[Demonstration]:
        """As `roborew collect` writes them, made if they are not there."""
        task = f"roborew/{self.family}-v0"
        known = available_behaviors(make_task(task))
        shown = tuple(name for name in self.shown if name in known)
        cameras = tuple(self.cameras.split(","))
        config = CollectConfig(
            behaviors=shown, episodes=self.episodes // len(shown), seed=self.seed, cameras=cameras
        )  # fmt: skip
        return read_demonstrations(collect_demonstrations(task, config, self.path))


class HeldOutEpisodes:
    """Episodes that no critic of the family was fitted to."""

    def __init__(
        self, shown: Sequence[Demonstration], goal: np.ndarray, cameras: str = CAMERA
    ) -> None:
        self.examples = [_example(one) for one in shown]
        self.clips = [
            Clip(frames=video(one, cameras), instruction=one.instruction, goal_image=goal)
            for one in shown
        ]
        pairs = zip(self.clips, self.examples, strict=True)
        self.cycles = [
            forward_and_reversed(clip, progress_labels(example))
            for clip, example in pairs
            if example.success
        ]

    def figures(self, critic: Critic) -> dict[str, float | None]:
        """Figures of a critic."""
        blind = [
            clip if critic.spec.needs_goal_image else replace(clip, goal_image=None)
            for clip in self.clips + self.cycles
        ]
        return self.figures_of(critic.score(blind))

    def baseline_figures(self, critic: Critic) -> dict[str, dict[str, float | None]]:
        """Figures of what knows nothing."""
        blind = [replace(clip, goal_image=None) for clip in self.clips + self.cycles]
        scored = score_with_sanity_baselines(critic, blind, ["do nothing at all"] * len(blind))
        return {name: self.figures_of(scored[name]) for name in BASELINES}

    def truth_figures(self) -> dict[str, float | None]:
        """Figures of the simulator itself: what a perfect critic would get."""
        labels = [progress_labels(example) for example in self.examples]
        places = [
            replace(
                clip, frames=np.arange(len(label), dtype=np.uint8)[:, None, None, None].repeat(3, 3)
            )
            for clip, label in zip(self.clips, labels, strict=True)
        ]
        rows = list(zip(places, self.examples, labels, strict=True))
        curves = labels + [
            label[forward_and_reversed(place, label).frames[:, 0, 0, 0]]
            for place, e, label in rows
            if e.success
        ]
        return self.figures_of([Scores(curve, np.ones(len(curve), np.bool_)) for curve in curves])

    def figures_of(self, scores: Sequence[Scores]) -> dict[str, float | None]:
        """Figures of scores of the clips and then of the cycles."""
        count = len(self.examples)
        found = critic_metrics(
            scores[:count], self.examples, scores[count:], resamples=NUM_RESAMPLES
        )
        return {name: found[what].value for name, what in (FIGURES | BOUNDS).items()}


def video(one: Demonstration, cameras: str) -> Video:
    """What some cameras saw, side by side as a critic of theirs sees it."""
    moments = zip(*map(one.frames, cameras.split(",")), strict=True)
    return np.stack([side_by_side(moment) for moment in moments])


def _example(one: Demonstration) -> Example:
    empty = np.zeros((one.length, 1), np.float32)
    return Example(
        name=one.name, instruction=one.instruction, text_embedding=empty[0], features=empty, progress=one.progress,
        success=one.succeeded, quality=one.quality,
    )  # fmt: skip


def family_rows(
    work: Path, family: str, seed: int, cameras: str, objectives: Sequence[str]
) -> None:
    """Fit and evaluate every objective that has no row yet."""
    missing = [
        name
        for name in (*objectives, *BASELINES, TRUTH)
        if (family, seed, name, cameras) not in ROWS
    ]
    fits = [name for name in missing if name in critics]
    if not fits:
        return
    shown = DemonstrationSet(work=work, family=family, cameras=cameras)
    test_set = replace(shown, episodes=TEST_EPISODES, seed=TEST_SEED)
    seen = shown.read()
    how = FitConfig(encoder=encoder_config(), seed=seed, cameras=tuple(cameras.split(",")))
    embedded = embed_demonstrations(seen, how)
    goal = video(next(one for one in seen if one.succeeded), cameras)[-1]
    test_episodes = HeldOutEpisodes(test_set.read(), goal, cameras)
    row = {"family": family, "seed": seed, "cameras": cameras}
    if TRUTH in missing:
        ROWS.add({**row, "critic": TRUTH, **test_episodes.truth_figures()})
    for name in fits:
        fitted = fit_objective(embedded, replace(how, critic=CriticConfig(name)))
        if name == "robometer" and "clock" in missing:
            for baseline, found in test_episodes.baseline_figures(fitted.critic).items():
                ROWS.add({**row, "critic": baseline, **found})
        seconds = {
            "encoder_seconds": fitted.seconds["encoder"],
            "objective_seconds": fitted.seconds["objective"],
        }
        found = test_episodes.figures(fitted.critic)
        ROWS.add({**row, "critic": name, **found, **seconds})
        print(
            family,
            seed,
            name,
            cameras,
            {what: value and round(value, 3) for what, value in found.items()},
            flush=True,
        )


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.critics.offline", description=__doc__
    )
    parser.add_argument("--work", type=Path, required=True, help="where demonstrations are kept")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--seeds", default="0")
    parser.add_argument(
        "--cameras", default=CAMERA, help="that the critics see, separated by commas"
    )
    parser.add_argument(
        "--objectives", default=",".join(critics), help="some of them, separated by commas"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in map(int, options.seeds.split(",")):
        for family in options.families.split(","):
            family_rows(options.work, family, seed, options.cameras, options.objectives.split(","))


if __name__ == "__main__":
    main()
