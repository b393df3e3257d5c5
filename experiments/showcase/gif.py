"""Write ``videos/tasks.gif``: four tasks side by side, the score of `mini` and true progress below.

python -m experiments.showcase.gif [--out FOLDER]

Nothing is trained here: scripted experts and a pretrained policy act, and `mini` scores what it
sees of them. One expert undoes its work, so that the score has to fall again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from roborew import Clip
from roborew.evaluation.overlay import Overlay
from roborew.evaluation.overlay_plot import (
    INK,
    MARGIN,
    PAPER,
    PLOT_HEIGHT,
    SCORE,
    SUCCESS,
    TRUTH,
    Color,
    Plot,
    load_font,
)
from roborew.rewards.mini import Mini
from roborew.types import Video
from roborew_envs import Task, make_task
from roborew_envs.experts.behaviors import Behavior
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.rendering.renderer import Quality, Renderer

VIDEOS = Path(__file__).parents[2] / "videos"
QUALITY: Quality = "full"
WIDTH, HEIGHT = 316, 237
"""Size of a tile's picture [pixels]."""
HEADER_HEIGHT, LEGEND_HEIGHT = 30, 20
"""Heights of the sentence above and of the legend below a picture [pixels]."""
SCORED_WIDTH, SCORED_HEIGHT = 96, 72
"""Size of the frames that `mini` scores, as in training [pixels]."""
NUM_FRAMES = 128
FRAME_MS = 80
"""How long a frame is shown [ms]: the desk's tasks run at half their speed."""
REST_FRAMES = 9
"""Frames for which an episode's last picture stays."""
FRAMES_AFTER_SUCCESS = 4
NUM_COMMON_COLORS, NUM_RARE_COLORS = 160, 88
GAP = 6
"""Between the tiles of a row [pixels]."""


@dataclass(frozen=True, slots=True)
class Show:
    """Episodes of one task, played one after the other."""

    task_id: str
    episodes: tuple[tuple[Behavior, int], ...]
    """Behavior and seed of each; the start follows from the seed."""


SHOWS = (
    Show("roborew/Push-v0", (("slow", 0), ("slow", 5))),
    Show("roborew/Press-v0", (("slow", 4), ("slow", 5), ("slow", 3))),
    Show("roborew/DrawerOpen-v0", (("undo", 1), ("slow", 1))),
    Show("roborew/Cheetah-v0", (("expert", 0),)),
)
"""Two tiles in each of two rows."""


def tile_frames(show: Show) -> list[Image.Image]:
    """`NUM_FRAMES` pictures of a tile: longer episodes are thinned evenly, the last picture of shorter
    ones stays."""
    task = make_task(show.task_id)
    pictures: list[Image.Image] = []
    for behavior, seed in show.episodes:
        episode = collect_episodes(task, behavior, [seed])[0]
        pictures += list(_episode_tiles(task, episode))
        pictures += [pictures[-1]] * REST_FRAMES
    moving = len(pictures) - REST_FRAMES
    most = NUM_FRAMES - REST_FRAMES
    if moving > most:
        pictures = [pictures[i] for i in np.linspace(0, moving - 1, most).astype(int)]
    return pictures + [pictures[-1]] * (NUM_FRAMES - len(pictures))


def _episode_tiles(task: Task, episode: TaskEpisode) -> Iterator[Image.Image]:
    length = _shown_length(episode)
    scored = _render(task, episode.qpos[:length], SCORED_WIDTH, SCORED_HEIGHT, "fast")
    scores = Mini().score([Clip(frames=scored, instruction=task.instruction)])[0]
    overlay = Overlay(
        instruction=task.instruction,
        scores=[float(value) for value in scores.value],
        progress=episode.progress[:length].tolist(),
        success=episode.success[:length].tolist(),
    )
    plot = Plot(overlay, WIDTH)
    frames = _render(task, episode.qpos[:length], WIDTH, HEIGHT, QUALITY)
    for step, frame in enumerate(frames):
        tile = Image.new(
            "RGB", (WIDTH, HEADER_HEIGHT + HEIGHT + LEGEND_HEIGHT + PLOT_HEIGHT), PAPER
        )
        tile.paste(Image.fromarray(frame), (0, HEADER_HEIGHT))
        tile.paste(plot.draw_step(step), (0, HEADER_HEIGHT + HEIGHT + LEGEND_HEIGHT - MARGIN // 2))
        _draw_text(tile, overlay, step)
        yield tile


def _shown_length(episode: TaskEpisode) -> int:
    """States until shortly after the success that stays; all of them where it does not."""
    if not episode.success[-1]:
        return len(episode.success)
    first_success = int(np.argmax(episode.success))
    return min(len(episode.success), first_success + 1 + FRAMES_AFTER_SUCCESS)


def _render(task: Task, qpos: np.ndarray, width: int, height: int, quality: Quality) -> Video:
    with Renderer(task.model, width, height, quality) as renderer:
        return renderer.render(qpos, task.cameras[0], task.visual_overrides(qpos))


def _draw_text(tile: Image.Image, overlay: Overlay, step: int) -> None:
    """The sentence above the picture; what the curves say now below it."""
    draw = ImageDraw.Draw(tile)
    sentence = f"“{overlay.instruction}”"
    draw.text((WIDTH / 2, HEADER_HEIGHT / 2), sentence, INK, load_font(14), anchor="mm")
    assert overlay.progress is not None and overlay.success is not None
    entries: list[tuple[float, Color, str]] = [
        (MARGIN, SCORE, f"score {overlay.scores[step]:.2f}"),
        (106, TRUTH, f"true progress {overlay.progress[step]:.2f}"),
    ]
    middle = HEADER_HEIGHT + HEIGHT + LEGEND_HEIGHT / 2 + 2
    font = load_font(12)
    for left, color, text in entries:
        draw.rectangle((left, middle - 1, left + 12, middle + 1), color)
        draw.text((left + 18, middle), text, INK, font, anchor="lm")
    if overlay.success[step]:
        draw.text((WIDTH - MARGIN, middle), "success", SUCCESS, font, anchor="rm")


def compose(tiles: Sequence[Image.Image]) -> Image.Image:
    """Four tiles in two rows."""
    width, height = tiles[0].size
    canvas = Image.new("RGB", (2 * width + GAP, 2 * height), PAPER)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, 2)
        canvas.paste(tile, (column * (width + GAP), row * height))
    return canvas


def write_gif(path: Path, frames: Sequence[Image.Image]) -> None:
    """Write a GIF that loops, all frames in one palette, so that what rests costs nothing."""
    palette = _palette(np.concatenate([np.asarray(frame) for frame in frames[::16]]))
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    reduced[0].save(
        path,
        save_all=True,
        append_images=reduced[1:],
        duration=FRAME_MS,
        loop=0,
        optimize=True,
        disposal=1,
    )


def _palette(pixels: np.ndarray) -> Image.Image:
    """A picture that holds the palette: shades of what is common, and what is rare."""
    picture = Image.fromarray(pixels)
    # Medians drop rare colors, such as the drawer's inside; maximum coverage has no shades of wood.
    common = picture.quantize(NUM_COMMON_COLORS, Image.Quantize.MEDIANCUT).getpalette()
    rare = picture.quantize(NUM_RARE_COLORS, Image.Quantize.MAXCOVERAGE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common[: 3 * NUM_COMMON_COLORS], *rare[: 3 * NUM_RARE_COLORS]])
    return palette


def describe(gif: Path) -> None:
    """Tell in the manifest beside the GIF where it comes from; entries of other files stay."""
    manifest = gif.with_name("manifest.json")
    entries = json.loads(manifest.read_text("utf-8")) if manifest.is_file() else []
    episodes = [
        {"environment": show.task_id, "behavior": behavior, "seed": seed}
        for show in SHOWS
        for behavior, seed in show.episodes
    ]
    entry = {
        "gif": gif.name,
        "command": "python -m experiments.showcase.gif",
        "reward": "mini",
        "drawing": QUALITY,
        "episodes": episodes,
    }
    others = [other for other in entries if other.get("gif") != gif.name]
    manifest.write_text(json.dumps([*others, entry], indent=1) + "\n", "utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=VIDEOS, help="folder of the GIF and its entry in manifest.json"
    )
    options = parser.parse_args()
    tiles = [tile_frames(show) for show in SHOWS]
    frames = [compose(row) for row in zip(*tiles, strict=True)]
    path: Path = options.out / "tasks.gif"
    write_gif(path, frames)
    describe(path)
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
