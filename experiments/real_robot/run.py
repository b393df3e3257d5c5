"""Critics of a real robot from a single demonstration: fitted on one episode of three cameras, they
score the other.

    python -m experiments.real_robot.run --data FOLDER

``FOLDER`` holds two or more episodes as Robo-Dopamine keeps them (`roborew.data.key_frames`);
progress is that of the key frames. Each episode is fitted on alone, every other one is scored. Rows
go to ``results.csv``, curves to ``curves.jpg``, and the table of means to the screen. The clips
themselves are not part of the project.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot
from numpy.typing import NDArray

from experiments.critics.offline import encoder_config
from roborew import (
    CriticConfig,
    FitConfig,
    RewardModel,
    RoborewError,
    read_demonstrations,
    spearman,
)
from roborew.config import parse_settings
from roborew.data.demonstration import Demonstration
from roborew.errors import InvalidInputError
from roborew.evaluation import Clock, TransformClips, kendall_tau_a, score_curve, terminal_value
from roborew.evaluation.baselines import static
from roborew.learning.labels import progress_from_key_frames
from roborew.registry import critics
from roborew.types import Frame
from roborew.workflows.fit import embed_demonstrations, fit_objective
from roborew.workflows.fit.examples import downscale
from roborew.workflows.score import SampledVideo, sample_video, score_video

HERE = Path(__file__).parent
CRITICS = ("robometer", "grm", "vlac_pairs", "ridge")
KEY, FIGURES = (
    ("fitted", "scored", "critic", "seed", "scorer"),
    ("spearman", "kendall", "final_score"),
)
Row = dict[str, Any]
Curves = dict[
    tuple[str, str], list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]
]
"""(scored episode, critic) -> of each seed seconds, key-frame progress and scores."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of episodes with annotated_keyframes.json"
    )
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder for results.csv and curves.jpg"
    )
    parser.add_argument("--critics", nargs="+", default=list(CRITICS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cameras", nargs="+", default=["all"], help="as of `roborew fit`")
    parser.add_argument(
        "--fps", type=float, default=5.0, help="frames of a second that are learned from and scored"
    )
    parser.add_argument("--encoder-settings", nargs="+", default=[], help="as key=value")
    parser.add_argument(
        "--critic-settings", nargs="+", default=[], help="of every critic, as key=value"
    )
    return parser.parse_args(words)


def episodes(folder: Path) -> list[Demonstration]:
    """Episodes with key frames.

    Raises:
        InvalidInputError: fewer than two.
    """
    found = [one for one in read_demonstrations(folder) if one.keyframes]
    if len(found) < 2:
        raise InvalidInputError(
            f"{folder}: expected two episodes with key frames; got {len(found)}. The clips are "
            f"Robo-Dopamine's "
            "(dataset/example_raw_data); bring a copy."
        )
    return [_remembered(one) for one in found]


def _remembered(one: Demonstration) -> Demonstration:
    """The same, its pictures decoded once and kept as small as fitting makes them."""

    @cache
    def pictures(camera: str) -> list[Frame]:
        return [downscale(frame) for frame in one.frames(camera)]

    return replace(one, source=lambda camera: iter(pictures(camera)))


def run(chosen: argparse.Namespace) -> Iterator[tuple[list[Row], Curves]]:
    """Rows and curves of each seed and direction, as they come."""
    found = episodes(chosen.data)
    videos = {one.name: _sampled_video(one, chosen) for one in found}
    for seed in chosen.seeds:
        for fitted, scored in permutations(found, 2):
            yield _direction(fitted, scored, videos[scored.name], seed, chosen)


def _sampled_video(one: Demonstration, chosen: argparse.Namespace) -> SampledVideo:
    """The episode's videos, read as `roborew score --cameras` reads them."""
    folder = (
        chosen.data if (chosen.data / f"{one.cameras[0]}.mp4").is_file() else chosen.data / one.name
    )
    cameras = one.cameras if chosen.cameras == ["all"] else chosen.cameras
    first, *others = (folder / f"{camera}.mp4" for camera in cameras)
    return sample_video(first, chosen.fps, others)


def _direction(
    fitted: Demonstration,
    scored: Demonstration,
    video: SampledVideo,
    seed: int,
    chosen: argparse.Namespace,
) -> tuple[list[Row], Curves]:
    config = FitConfig(
        seed=seed,
        cameras=tuple(chosen.cameras),
        fps=chosen.fps,
        encoder=encoder_config(settings=chosen.encoder_settings),
    )
    embedded = embed_demonstrations([fitted], config)
    truth = progress_from_key_frames(scored.length, scored.keyframes or ())[video.indices]
    rows, curves = list[Row](), Curves()
    for name in chosen.critics:
        part = CriticConfig(name, parse_settings(critics.load(name), chosen.critic_settings))
        critic = fit_objective(embedded, replace(config, critic=part)).critic
        scorers: dict[str, RewardModel] = {
            "critic": critic,
            "static": TransformClips(critic, "static", static),
            "clock": Clock(),
        }
        for scorer, model in scorers.items():
            curve = score_curve(score_video(model, video, scored.instruction).scores)
            key = dict(zip(KEY, (fitted.name, scored.name, name, seed, scorer), strict=True))
            rows.append(key | figures(curve, truth))
            if scorer == "critic":
                curves[scored.name, name] = [
                    (video.indices / video.fps, truth.astype(np.float64), curve)
                ]
    return rows, curves


def figures(curve: NDArray[np.float64], truth: NDArray[np.float32]) -> Row:
    """Order with key-frame progress, 0 for a flat curve, and the score in the end."""
    measures = (spearman(curve, truth), kendall_tau_a(truth, curve), terminal_value(curve))
    return dict(zip(FIGURES, (one.value for one in measures), strict=True))


def table(rows: Sequence[Row]) -> list[str]:
    """Means over seeds, with the lowest and the highest of them, as Markdown."""
    lines = [f"| {' | '.join([*KEY[:3], 'scorer', *FIGURES])} |", f"|{'---|' * 7}"]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["fitted"], row["scored"], row["critic"], row["scorer"]), []).append(
            row
        )
    for key, group in groups.items():
        cells = [
            _cell([float(row[figure]) for row in group if row[figure] not in (None, "")])
            for figure in FIGURES
        ]
        lines.append(f"| {' | '.join([*key, *cells])} |")
    return lines


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{float(np.mean(values)):.3f} ({min(values):.3f} to {max(values):.3f})"


def write(out: Path, rows: Sequence[Row], curves: Curves) -> None:
    """Rows as CSV, curves as a picture."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*KEY, *FIGURES], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    mpl.use("Agg")
    scored = list(dict.fromkeys(episode for episode, _ in curves))
    figure, axes = pyplot.subplots(
        1, len(scored), figsize=(4.5 * len(scored), 2.8), sharey=True, squeeze=False
    )
    for axis, episode in zip(axes[0], scored, strict=True):
        for (of, critic), seeds in curves.items():
            if of == episode:
                seconds, truth, _ = seeds[0]
                values = np.stack([curve for _, _, curve in seeds])
                (line,) = axis.plot(seconds, values.mean(0), label=critic, linewidth=1)
                axis.fill_between(
                    seconds,
                    values.min(0),
                    values.max(0),
                    color=line.get_color(),
                    alpha=0.2,
                    linewidth=0,
                )
                axis.plot(seconds, truth, color="black", linewidth=1, label=None)
        axis.set(title=f"scored: {episode}", xlabel="seconds", ylim=(-0.05, 1.05))
    axes[0, 0].set_ylabel("score (black: key frames)")
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out / "curves.jpg", dpi=90, pil_kwargs={"quality": 80})
    pyplot.close(figure)


def main(words: Sequence[str] | None = None) -> int:
    chosen = arguments(words)
    torch.set_num_threads(1)
    rows, curves = list[Row](), Curves()
    try:
        for more, drawn in run(chosen):
            rows += more
            for key, value in drawn.items():
                curves.setdefault(key, []).extend(value)
            write(chosen.out, rows, curves)
            print(f"{len(rows)} rows", file=sys.stderr, flush=True)
    except RoborewError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(table(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
