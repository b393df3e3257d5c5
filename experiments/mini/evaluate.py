"""The figures of the model card: `mini` on held-out episodes, sentences and looks.

    python -m experiments.mini.evaluate [--weights FOLDER]

Writes ``results.csv`` beside this file. Seeds, sentences and looks are none that `run` has used.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.mini.appearance import vary
from experiments.mini.language import KINDS, known_paraphrases, negatives, paraphrases
from experiments.mini.states import Scene, scenes
from roborew import Clip, Scores, spearman
from roborew.encoders.mini_network import SHIPPED
from roborew.evaluation import (
    Measure,
    auroc,
    average,
    cycle_voc,
    gain,
    score_with_sanity_baselines,
    terminal_value,
    wilson,
)
from roborew.rewards.mini import Mini
from roborew_envs import Task
from roborew_envs.experts.behaviors import available_behaviors
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.rendering.renderer import Overrides, Renderer

FIRST_SEED = 5_000_000
"""Seeds of the held-out episodes; training uses seeds below 2^20 and random ones in [2^20, 2^30) of
other streams."""
EPISODES = 25
BAD = ("stall", "near_miss", "wrong_object", "hover", "random")
OWN, HELD_OUT, SHIFTED = (
    "own look, own sentence",
    "own look, held-out sentences",
    "shifted look, held-out sentences",
)
HEADER = ("task", "metric", "condition", "value", "low", "high", "n")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of results.csv; low and high bound a share by Wilson's 95 % interval, empty for
    other figures."""

    task: str
    metric: str
    condition: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None

    @staticmethod
    def share(task: str, metric: str, condition: str, hits: Sequence[bool]) -> Row:
        bounds = wilson(sum(hits), len(hits))
        return Row(
            task, metric, condition, sum(hits) / len(hits), len(hits), bounds.low, bounds.high
        )

    def cells(self) -> list[str]:
        numbers = [f"{v:.4f}" if v is not None else "" for v in (self.value, self.low, self.high)]
        return [self.task, self.metric, self.condition, *numbers, str(self.n)]


def pictures(
    renderer: Renderer, task: Task, episode: TaskEpisode, shift: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The frames of an episode under one look that is kept throughout; shift 0 is the model's own
    look."""
    looks = task.visual_overrides(episode.qpos)
    if shift:
        one = vary(task.model, rng, 1, shift)
        many = Overrides(
            {k: (i, np.repeat(v, len(episode.qpos), axis=0)) for k, (i, v) in one.fields.items()}
        )
        looks = many.merge(looks)
    return renderer.render(episode.qpos, task.cameras[0], looks)


def until_done(episode: TaskEpisode) -> TaskEpisode:
    """An expert's episode up to two steps after its success, as an agent's ends; the rest would be
    a still picture."""
    end = int(np.argmax(episode.success)) + 3 if episode.success.any() else len(episode.success)
    parts = {
        name: getattr(episode, name)[:end] for name in ("qpos", "progress", "success", "stage")
    }
    return replace(episode, actions=episode.actions[: end - 1], **parts)


def _value(measure: Measure) -> float:
    assert measure.value is not None, measure
    return measure.value


def evaluate_task(
    mini: Mini, scene: Scene, key: str, condition: str, shift: float, split: str
) -> list[Row]:
    """Figures of one task of the desk under one look, sentences from one split."""
    task, rng = scene.tasks[key], np.random.default_rng([7, len(condition)])
    seeds = range(FIRST_SEED, FIRST_SEED + EPISODES)
    names = [name for name in available_behaviors(task) if name in (*BAD, "expert", "undo")]
    episodes = {name: collect_episodes(task, name, seeds) for name in names}
    episodes["expert"] = [until_done(episode) for episode in episodes["expert"]]
    with Renderer(task.model) as renderer:
        clips = {
            name: [pictures(renderer, task, e, shift, rng) for e in group]
            for name, group in episodes.items()
        }
    sentences = (
        [task.instruction] * EPISODES
        if split == "own"
        else paraphrases(key, "held_out", rng, EPISODES)
    )
    scores = {
        name: mini.score(
            [Clip(frames=f, instruction=s) for f, s in zip(group, sentences, strict=True)]
        )
        for name, group in clips.items()
    }
    rows = []
    for name in ("expert", "undo"):
        if name in episodes:
            pairs = zip(scores[name], episodes[name], strict=True)
            order = average(spearman(score.value, episode.progress) for score, episode in pairs)
            rows.append(
                Row(key, f"Spearman (per episode), {name}", condition, _value(order), EPISODES)
            )
    there_and_back = [np.concatenate([s.value, s.value[-2::-1]]) for s in scores["expert"]]
    rows.append(
        Row(
            key,
            "Cycle-VOC, expert",
            condition,
            _value(average(map(cycle_voc, there_and_back))),
            EPISODES,
        )
    )
    good = [
        _value(terminal_value(s.value))
        for s, e in zip(scores["expert"], episodes["expert"], strict=True)
        if e.success[-1]
    ]
    bad = [
        _value(terminal_value(s.value))
        for name in names
        for s, e in zip(scores[name], episodes[name], strict=True)
        if not e.success[-1]
    ]
    rows.append(
        Row(key, "success AUROC", condition, _value(auroc(good, bad)), len(good) + len(bad))
    )
    false = [
        bool(predicted)
        for name in names
        for s, e in zip(scores[name], episodes[name], strict=True)
        for predicted in (np.asarray(s.success) >= 0.9) & ~e.success
    ]
    rows.append(Row.share(key, "false successes, scripted states", condition, false))
    own = [Clip(frames=f, instruction=task.instruction) for f in clips["expert"]]
    if condition == HELD_OUT:
        rows += grounding(
            mini, key, task.wrong_instructions, clips["expert"], scores["expert"], rng
        )
    if condition == OWN:
        rows += sanity_baselines(mini, key, task.wrong_instructions[0], own, episodes["expert"])
    return rows


def grounding(
    mini: Mini,
    key: str,
    own_wrong: Sequence[str],
    clips: Sequence[NDArray[np.uint8]],
    scores: Sequence[Scores],
    rng: np.random.Generator,
) -> list[Row]:
    """Share of expert clips whose right sentence gains more than each of ten wrong ones, kind by
    kind."""
    right = np.array([_value(gain(score.value)) for score in scores])
    rows: list[Row] = []
    for kind in ("own wrong sentences", *KINDS):
        wrong = (
            own_wrong
            if kind == "own wrong sentences"
            else negatives(key, kind, "held_out", rng, 10)
        )
        gains = [
            max(
                _value(gain(s.value))
                for s in mini.score([Clip(frames=ends(f), instruction=w) for w in wrong])
            )
            for f in clips
        ]
        rows.append(
            Row.share(
                key,
                f"right sentence gains most, against {kind}",
                HELD_OUT,
                (right > gains).tolist(),
            )
        )
    return rows


def ends(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first and the last frame: all that a gain depends on."""
    return frames[[0, -1]]


def sanity_baselines(
    mini: Mini, key: str, wrong: str, clips: list[Clip], episodes: list[TaskEpisode]
) -> list[Row]:
    """What the sanity baselines reach on the same expert episodes."""
    scored = score_with_sanity_baselines(mini, clips, [wrong] * len(clips))
    rows = []
    for name, group in scored.items():
        usable = [(s, e) for s, e in zip(group, episodes, strict=True) if s.valid.all()]
        if usable:
            order = average(spearman(s.value, e.progress) for s, e in usable)
            climb = average(gain(s.value) for s, _ in usable)
            rows.append(
                Row(
                    key, f"baseline {name}: Spearman (per episode)", OWN, _value(order), len(usable)
                )
            )
            rows.append(Row(key, f"baseline {name}: gain", OWN, _value(climb), len(usable)))
    return rows


def evaluate_states(mini: Mini, scene: Scene, key: str) -> list[Row]:
    """Figures on random states, for tasks without scripted behaviors too; sentences the
    environment holds out."""
    rng = np.random.default_rng([11, len(key)])
    qpos = scene.draw(rng, 600)
    task = scene.tasks[key]
    with Renderer(task.model) as renderer:
        frames = renderer.render(qpos, task.cameras[0], task.visual_overrides(qpos))
    still = np.zeros((len(qpos), task.model.nv))
    truth, success = task.progress(qpos, still), task.success(qpos, still)
    sentence = known_paraphrases(key, "held_out")[0]
    score = mini.score([Clip(frames=frames, instruction=sentence)])[0]
    error = float(np.abs(score.value - truth).mean())
    predicted = np.asarray(score.success) >= 0.9
    return [
        Row(
            key,
            "Spearman (pooled)",
            "random states",
            _value(spearman(score.value, truth)),
            len(qpos),
        ),
        Row(key, "mean absolute error of progress", "random states", error, len(qpos)),
        Row(
            key,
            "success AUROC",
            "random states",
            _value(auroc(score.value[success], score.value[~success])),
            len(qpos),
        ),
        Row.share(key, "false successes", "random states", (predicted & ~success).tolist()),
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)  # drawing has threads of its own
    mini, rows = Mini(weights=options.weights), []
    for scene in scenes():
        for key in scene.tasks:
            rows += evaluate_states(mini, scene, key)
            if "expert" in available_behaviors(scene.tasks[key]):
                rows += evaluate_task(mini, scene, key, OWN, 0.0, "own")
                rows += evaluate_task(mini, scene, key, HELD_OUT, 0.0, "held_out")
                rows += evaluate_task(mini, scene, key, SHIFTED, 2.0, "held_out")
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(row.cells() for row in rows)
    for row in rows:
        print(" | ".join(row.cells()))


if __name__ == "__main__":
    main()
