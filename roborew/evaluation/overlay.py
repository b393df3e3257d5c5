"""Draw into a rollout's pictures what the viewer must know: the instruction, the score, the truth,
true success."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from roborew.data.video import write_video
from roborew.errors import InvalidInputError
from roborew.evaluation.overlay_plot import (
    INK,
    MARGIN,
    MUTED,
    PAPER,
    PLOT_HEIGHT,
    SCORE,
    SUCCESS,
    TRUTH,
    WIDTH,
    Color,
    Font,
    Plot,
    load_font,
)
from roborew.evaluation.rollouts import Recording
from roborew.storage.staging import Target
from roborew.types import Frame, RewardSpec, check_instruction, check_video

HEADER_FONT_SIZE = 19
HEADER_LINE_HEIGHT = 24
LEGEND_HEIGHT = 26
LEGEND_MIDDLE = 14
LEGEND_COLUMNS = (MARGIN, 190)
"""Left end of each entry: wide enough for the longest text of the one before."""
MAX_HEADER_LINES = 3
PILL_HEIGHT = 26
MAX_ZOOM = 20
"""A plot spans at least one part in so many of a finite score range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What is drawn beside T pictures.

    Attributes:
        instruction: the goal as a sentence, at the top.
        scores: T entries, None where nothing was scored or the model abstained.
        progress: the truth in [0, 1], T entries; None where nobody knows it.
        success: the truth, T entries; None where nobody knows it.
        score_range: lowest and highest score of the plot, finite; see `score_range`.
        title: one line for the corner of the picture, for example the seed; may be empty.
        times: when the pictures are shown [s], from 0, T entries; None where they are steps.
    """

    instruction: str
    scores: Sequence[float | None]
    progress: Sequence[float] | None = None
    success: Sequence[bool] | None = None
    score_range: tuple[float, float] = (0.0, 1.0)
    title: str = ""
    times: Sequence[float] | None = None

    def __post_init__(self) -> None:
        check_instruction(self.instruction)
        entries = {"progress": self.progress, "success": self.success, "times": self.times}
        for name, truth in entries.items():
            if truth is not None and len(truth) != len(self.scores):
                raise InvalidInputError(
                    f"overlay: expected {len(self.scores)} entries of {name}; got {len(truth)}."
                )
        low, high = self.score_range
        if not -math.inf < low < high < math.inf:
            raise InvalidInputError(
                f"overlay: expected score_range (low, high), low < high; got {self.score_range}."
            )


def score_range(spec: RewardSpec, scores: Sequence[float | None]) -> tuple[float, float]:
    """Lowest and highest score of a plot.

    Progress is shown in its whole range. Similarities, distances and odds never reach the ends of
    theirs: what the curve spans is shown, but no less than a twentieth of a finite range, so that
        no noise looks like progress.
    """
    if spec.low >= 0 and spec.high < math.inf:
        return spec.low, spec.high
    valid = [score for score in scores if score is not None] or [0.0]
    low = min(valid)
    high = max(valid)
    full_range = spec.high - spec.low
    # A constant curve of an unbounded score needs some range too, however small.
    min_range = 1e-6
    if full_range < math.inf:
        min_range = full_range / MAX_ZOOM
    missing_range = max(0.0, min_range - (high - low))
    slack = missing_range / 2
    return low - slack, high + slack


def recording_overlay(
    recording: Recording, instruction: str, spec: RewardSpec | None = None
) -> Overlay:
    """The story of a recording under a model, if any; its seed is the title."""
    episode = recording.episode
    scored = dict(zip(episode.score_steps, episode.scores, strict=True))
    scores = [scored.get(step) for step in range(episode.length + 1)]
    return Overlay(
        instruction=instruction,
        progress=episode.progress if math.isfinite(episode.final_progress) else None,
        success=episode.success,
        scores=scores,
        score_range=(0.0, 1.0) if spec is None else score_range(spec, scores),
        title=f"seed {episode.seed}",
    )


def draw_overlay(frames: Iterable[Frame], overlay: Overlay) -> Iterator[Frame]:
    """Enlarge each picture to 480 pixels and draw the story up to it; even sides, all frames of one
    size.

    Args:
        frames: T pictures of one size, (H, W, 3), uint8 RGB, as they come.

    Yields:
        T frames, shape (H', 480, 3), uint8 RGB: the instruction, the picture, and below it both
        curves until now.
    """
    header = _header(overlay.instruction)
    plot = Plot(overlay)
    canvas: Image.Image | None = None
    height = 0
    count = 0
    for step, frame in enumerate(frames):
        count = step + 1
        if canvas is None:
            check_video(frame[None])
            # Video codecs want even sides.
            height = max(2, round(frame.shape[0] * WIDTH / frame.shape[1] / 2) * 2)
            canvas = Image.new(
                "RGB", (WIDTH, header.height + height + LEGEND_HEIGHT + PLOT_HEIGHT), PAPER
            )
            canvas.paste(header, (0, 0))
        if count > len(overlay.scores):
            break
        legend_top = header.height + height
        picture = Image.fromarray(frame).resize((WIDTH, height), Image.Resampling.LANCZOS)
        _draw_badges(picture, overlay, step)
        canvas.paste(picture, (0, header.height))
        canvas.paste(_legend(overlay, step), (0, legend_top))
        canvas.paste(plot.draw_step(step), (0, legend_top + LEGEND_HEIGHT))
        yield np.asarray(canvas).copy()
    if count != len(overlay.scores):
        raise InvalidInputError(
            f"overlay: expected one entry per frame; got {len(overlay.scores)} for {count}."
        )


def write_overlay_video(
    path: Target,
    frames: Iterable[Frame],
    overlay: Overlay,
    fps: float,
    hold: float = 1.0,
    comment: str = "",
) -> Path:
    """Write the overlaid rollout to a new mp4 and rest on its last picture for ``hold`` seconds.

    Pictures are shown at the overlay's times where it has them, else at ``fps``. ``comment`` is kept
    in the file's header: how the frames were drawn.

    Raises:
        RunExistsError: the file exists; see `roborew.storage.staging.numbered`.
    """
    repeats = round(hold * fps)
    times: list[float] | None = None
    if overlay.times is not None:
        rest = [overlay.times[-1] + number / fps for number in range(1, repeats + 1)]
        times = [*overlay.times, *rest]
    pictures = _resting(draw_overlay(frames, overlay), repeats)
    return write_video(path, pictures, fps, comment=comment, times=times)


def _resting(frames: Iterator[Frame], repeats: int) -> Iterator[Frame]:
    # Frames come one by one and are not stored: the last is known only when they end.
    last: Frame | None = None
    for last in frames:
        yield last
    if last is not None:
        for _ in range(repeats):
            yield last


def _header(instruction: str) -> Image.Image:
    """The instruction, wrapped to a few lines; what does not fit ends in an ellipsis."""
    font = load_font(HEADER_FONT_SIZE)
    lines = _wrapped(instruction, font, WIDTH - 2 * MARGIN)
    if len(lines) > MAX_HEADER_LINES:
        lines = lines[:MAX_HEADER_LINES]
        lines[-1] = f"{lines[-1][:-1]}…"
    height = 18 + HEADER_LINE_HEIGHT * len(lines)
    # Video codecs want even sides.
    even_height = height + height % 2
    header = Image.new("RGB", (WIDTH, even_height), PAPER)
    draw = ImageDraw.Draw(header)
    top = 8
    for line in lines:
        draw.text((MARGIN, top), line, INK, font)
        top += HEADER_LINE_HEIGHT
    return header


def _wrapped(text: str, font: Font, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _legend(overlay: Overlay, step: int) -> Image.Image:
    legend = Image.new("RGB", (WIDTH, LEGEND_HEIGHT), PAPER)
    draw = ImageDraw.Draw(legend)
    font = load_font(13)
    entries = _legend_entries(overlay, step)
    # Without a true progress the score moves into the first column.
    for x, (color, text) in zip(LEGEND_COLUMNS, entries, strict=False):
        swatch = (x, LEGEND_MIDDLE - 1, x + 14, LEGEND_MIDDLE + 2)
        draw.rounded_rectangle(swatch, 1, color)
        draw.text((x + 21, LEGEND_MIDDLE), text, INK, font, anchor="lm")
    right_end = (WIDTH - MARGIN, LEGEND_MIDDLE)
    now = f"step {step}" if overlay.times is None else f"{overlay.times[step]:.2f} s"
    draw.text(right_end, now, MUTED, font, anchor="rm")
    return legend


def _legend_entries(overlay: Overlay, step: int) -> list[tuple[Color, str]]:
    """The truth at this step and the latest score, each with the color of its curve."""
    entries: list[tuple[Color, str]] = []
    if overlay.progress is not None:
        entries.append((TRUTH, f"true progress  {overlay.progress[step]:.2f}"))
    # Between scored steps the last score still stands, as it does for the reward.
    scores = [score for score in overlay.scores[: step + 1] if score is not None]
    if scores:
        entries.append((SCORE, f"score  {scores[-1]:.2f}"))
    return entries


def _draw_badges(picture: Image.Image, overlay: Overlay, step: int) -> None:
    draw = ImageDraw.Draw(picture)
    font = load_font(14)
    if overlay.title:
        width = _pill_width(overlay.title, font)
        _draw_pill(draw, (MARGIN, 12), width, overlay.title, INK, PAPER, font)
    if overlay.success is not None and overlay.success[step]:
        text = "true success"
        width = _pill_width(text, font)
        _draw_pill(draw, (WIDTH - MARGIN - width, 12), width, text, PAPER, SUCCESS, font)


def _pill_width(text: str, font: Font) -> float:
    return font.getlength(text) + 20


def _draw_pill(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    width: float,
    text: str,
    ink: Color,
    paper: Color,
    font: Font,
) -> None:
    """A rounded label whose upper left corner is at ``corner``."""
    left, top = corner
    right = left + width
    bottom = top + PILL_HEIGHT
    radius = PILL_HEIGHT // 2
    draw.rounded_rectangle((left, top, right, bottom), radius, paper)
    middle = (left + width / 2, top + radius)
    draw.text(middle, text, ink, font, anchor="mm")
