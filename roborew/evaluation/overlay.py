"""Draw into a rollout's pictures what the viewer must know: the instruction, the score, the truth,
true success."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from roborew.data.video import write_video
from roborew.errors import InvalidInputError
from roborew.evaluation.rollouts import Recording
from roborew.types import Frame, RewardSpec, Video, check_instruction, check_video

Colour = tuple[int, int, int]

PAPER: Colour = (17, 20, 26)
INK: Colour = (236, 239, 244)
FAINT: Colour = (64, 71, 84)
MUTED: Colour = (150, 158, 172)
SCORE: Colour = (255, 159, 67)
TRUTH: Colour = (72, 202, 228)
SUCCESS: Colour = (82, 208, 124)

WIDTH = 480
MARGIN = 14
PLOT_HEIGHT = 96
LEGEND_HEIGHT = 26
SMOOTH = 2
"""The plot is drawn this many times larger and reduced, as PIL draws lines without smoothing."""


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
    """

    instruction: str
    scores: Sequence[float | None]
    progress: Sequence[float] | None = None
    success: Sequence[bool] | None = None
    score_range: tuple[float, float] = (0.0, 1.0)
    title: str = ""

    def __post_init__(self) -> None:
        check_instruction(self.instruction)
        for name, truth in (("progress", self.progress), ("success", self.success)):
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
    known = [score for score in scores if score is not None] or [0.0]
    low, high = min(known), max(known)
    least = (spec.high - spec.low) / 20
    slack = max(0.0, (least if least < math.inf else 1e-6) - (high - low)) / 2
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


def draw_overlay(frames: Video, overlay: Overlay) -> Iterator[Frame]:
    """Enlarge each picture to 480 pixels and draw the story up to it; even sides, all frames of one
    size.

    Args:
        frames: shape (T, H, W, 3), uint8 RGB.

    Yields:
        T frames, shape (H', 480, 3), uint8 RGB: the instruction, the picture, and below it both
        curves until now.
    """
    if len(check_video(frames)) != len(overlay.scores):
        raise InvalidInputError(
            f"overlay: expected one entry per frame; got {len(overlay.scores)} for {len(frames)}."
        )
    header = _header(overlay.instruction)
    height = max(2, round(frames.shape[1] * WIDTH / frames.shape[2] / 2) * 2)
    plot = _Plot(overlay)
    canvas = Image.new("RGB", (WIDTH, header.height + height + PLOT_HEIGHT + LEGEND_HEIGHT), PAPER)
    canvas.paste(header, (0, 0))
    for step, frame in enumerate(frames):
        picture = Image.fromarray(frame).resize((WIDTH, height), Image.Resampling.LANCZOS)
        _badges(picture, overlay, step)
        canvas.paste(picture, (0, header.height))
        canvas.paste(plot.until(step), (0, header.height + height + LEGEND_HEIGHT))
        canvas.paste(_legend(overlay, step), (0, header.height + height))
        yield np.asarray(canvas).copy()


def write_overlay_video(
    path: str | Path,
    frames: Video,
    overlay: Overlay,
    fps: float,
    hold: float = 1.0,
    comment: str = "",
) -> Path:
    """Write the overlaid rollout to a new mp4 and rest on its last picture for ``hold`` seconds.

    ``comment`` is kept in the file's header: how the frames were drawn.

    Raises:
        RunExistsError: the file exists; see `roborew.data.files.free_path`.
    """
    return write_video(
        path, _resting(draw_overlay(frames, overlay), round(hold * fps)), fps, comment=comment
    )


def _resting(frames: Iterator[Frame], repeats: int) -> Iterator[Frame]:
    last: Frame | None = None
    for last in frames:
        yield last
    if last is not None:
        for _ in range(repeats):
            yield last


class _Plot:
    """Both curves on fixed axes; the axes are drawn once, each step adds one stroke per curve."""

    def __init__(self, story: Overlay) -> None:
        self.story = story
        self.image = Image.new("RGB", (WIDTH * SMOOTH, PLOT_HEIGHT * SMOOTH), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.last_score: tuple[float, float] | None = None
        left, right = self._x(0), (WIDTH - MARGIN) * SMOOTH
        low, high = (0.0, 1.0) if story.progress is not None else story.score_range
        for level, label in ((0.0, f"{low:.3g}"), (0.5, ""), (1.0, f"{high:.3g}")):
            self.draw.line((left, self._y(level), right, self._y(level)), fill=FAINT, width=SMOOTH)
            self.draw.text(
                (MARGIN * SMOOTH, self._y(level)), label, MUTED, _font(11 * SMOOTH), anchor="lm"
            )

    def until(self, step: int) -> Image.Image:
        """The plot with the curves up to ``step``; to be asked for every step in order."""
        truth = self._until(step)
        score = self.story.scores[step]
        if score is not None:
            low, high = self.story.score_range
            point = (self._x(step), self._y((score - low) / (high - low)))
            if self.last_score is not None:
                self.draw.line((self.last_score, point), fill=SCORE, width=2 * SMOOTH)
            self.last_score = point
        shown = self.image.reduce(SMOOTH)
        if truth is not None:
            _dot(shown, truth, TRUTH)
        if self.last_score is not None:
            _dot(shown, self.last_score, SCORE)
        return shown

    def _until(self, step: int) -> tuple[float, float] | None:
        """Draw the truth's stroke to ``step``; where it stands now, None if it is not known."""
        success, progress = self.story.success, self.story.progress
        if step and success is not None and success[step] and not success[step - 1]:
            self.draw.line(
                (self._x(step), self._y(0), self._x(step), self._y(1)), fill=SUCCESS, width=SMOOTH
            )
        if progress is None:
            return None
        truth = (self._x(step), self._y(progress[step]))
        if step:
            self.draw.line(
                ((self._x(step - 1), self._y(progress[step - 1])), truth),
                fill=TRUTH,
                width=2 * SMOOTH,
            )
        return truth

    def _x(self, step: int) -> float:
        share = step / max(1, len(self.story.scores) - 1)
        return SMOOTH * (3.5 * MARGIN + share * (WIDTH - 4.5 * MARGIN))  # room for the labels

    def _y(self, level: float) -> float:
        inside = PLOT_HEIGHT - 2 * MARGIN
        return SMOOTH * (PLOT_HEIGHT - MARGIN - min(1.0, max(0.0, level)) * inside)


def _dot(plot: Image.Image, point: tuple[float, float], colour: Colour) -> None:
    x, y = point[0] / SMOOTH, point[1] / SMOOTH
    ImageDraw.Draw(plot).ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def _header(instruction: str) -> Image.Image:
    """The instruction, wrapped to at most three lines; what does not fit ends in an ellipsis."""
    font = _font(19)
    lines = _wrapped(instruction, font, WIDTH - 2 * MARGIN)
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2][:-1]}…"]
    height = 18 + 24 * len(lines)
    header = Image.new("RGB", (WIDTH, height + height % 2), PAPER)
    draw = ImageDraw.Draw(header)
    for row, line in enumerate(lines):
        draw.text((MARGIN, 8 + 24 * row), line, INK, font)
    return header


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _legend(story: Overlay, step: int) -> Image.Image:
    legend = Image.new("RGB", (WIDTH, LEGEND_HEIGHT), PAPER)
    draw, font = ImageDraw.Draw(legend), _font(13)
    entries = (
        [] if story.progress is None else [(TRUTH, f"true progress  {story.progress[step]:.2f}")]
    )
    known = [score for score in story.scores[: step + 1] if score is not None]
    if known:
        entries.append((SCORE, f"score  {known[-1]:.2f}"))
    for x, (colour, text) in zip((MARGIN, 190), entries, strict=False):
        draw.rounded_rectangle((x, 13, x + 14, 16), 1, colour)
        draw.text((x + 21, 14), text, INK, font, anchor="lm")
    draw.text((WIDTH - MARGIN, 14), f"step {step}", MUTED, font, anchor="rm")
    return legend


def _badges(picture: Image.Image, story: Overlay, step: int) -> None:
    draw, font = ImageDraw.Draw(picture), _font(14)
    if story.title:
        _pill(draw, (MARGIN, 12), story.title, INK, PAPER, font, right=False)
    if story.success is not None and story.success[step]:
        _pill(draw, (WIDTH - MARGIN, 12), "true success", PAPER, SUCCESS, font, right=True)


def _pill(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    ink: Colour,
    paper: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    *,
    right: bool,
) -> None:
    """A rounded label whose upper left (or right) corner is at ``corner``."""
    width = font.getlength(text) + 20
    left = corner[0] - width if right else corner[0]
    draw.rounded_rectangle((left, corner[1], left + width, corner[1] + 26), 13, paper)
    draw.text((left + width / 2, corner[1] + 13), text, ink, font, anchor="mm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
