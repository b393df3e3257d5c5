"""The plot below a video: score and true progress up to now, on fixed axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Point = tuple[float, float]

PAPER: Color = (17, 20, 26)
INK: Color = (236, 239, 244)
FAINT: Color = (64, 71, 84)
MUTED: Color = (150, 158, 172)
SCORE: Color = (255, 159, 67)
TRUTH: Color = (72, 202, 228)
SUCCESS: Color = (82, 208, 124)

WIDTH = 480
MARGIN = 14
PLOT_HEIGHT = 96
SUPERSAMPLING = 2
"""The plot is drawn this many times larger and reduced, as PIL draws lines without smoothing."""
DOT_RADIUS = 3


class Curves(Protocol):
    """What is plotted, T entries each; see `roborew.evaluation.overlay.Overlay`."""

    @property
    def scores(self) -> Sequence[float | None]:
        """Scores, None where there is none."""
        ...

    @property
    def progress(self) -> Sequence[float] | None:
        """True progress in [0, 1]."""
        ...

    @property
    def success(self) -> Sequence[bool] | None:
        """True success."""
        ...

    @property
    def times(self) -> Sequence[float] | None:
        """When they are shown [s], from 0; None where they are steps."""
        ...

    @property
    def score_range(self) -> tuple[float, float]:
        """Lowest and highest score of the plot."""
        ...


class Plot:
    """Both curves on fixed axes; the axes are drawn once, each step adds one stroke per curve."""

    def __init__(self, curves: Curves, width: int = WIDTH) -> None:
        """Draw the axes of a plot of so many pixels in width."""
        self._curves = curves
        self._width = width
        self._image = Image.new("RGB", (width * SUPERSAMPLING, PLOT_HEIGHT * SUPERSAMPLING), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._last_score: Point | None = None
        self._draw_axes()

    def _draw_axes(self) -> None:
        # Where the truth is known, the labels are its range: the viewer compares scores to it.
        has_truth = self._curves.progress is not None
        low, high = (0.0, 1.0) if has_truth else self._curves.score_range
        self._draw_level(0.0, f"{low:.3g}")
        self._draw_level(0.5, "")
        self._draw_level(1.0, f"{high:.3g}")

    def _draw_level(self, level: float, label: str) -> None:
        left = self._x(0)
        right = (self._width - MARGIN) * SUPERSAMPLING
        y = self._y(level)
        self._draw.line((left, y, right, y), fill=FAINT, width=SUPERSAMPLING)
        font = load_font(11 * SUPERSAMPLING)
        label_at = (MARGIN * SUPERSAMPLING, y)
        # "lm": the label's middle is at the height of its line.
        self._draw.text(label_at, label, MUTED, font, anchor="lm")

    def draw_step(self, step: int) -> Image.Image:
        """The plot with the curves up to ``step``; to be called for every step in order."""
        self._mark_success(step)
        truth = self._extend_truth(step)
        self._extend_score(step)
        image = self._image.reduce(SUPERSAMPLING)
        if truth is not None:
            _dot(image, truth, TRUTH)
        if self._last_score is not None:
            _dot(image, self._last_score, SCORE)
        return image

    def _extend_score(self, step: int) -> None:
        score = self._curves.scores[step]
        if score is None:
            return
        low, high = self._curves.score_range
        # The plot's height stands for the range, whatever the unit of the score.
        level = (score - low) / (high - low)
        point = (self._x(step), self._y(level))
        if self._last_score is not None:
            self._draw.line((self._last_score, point), fill=SCORE, width=2 * SUPERSAMPLING)
        self._last_score = point

    def _mark_success(self, step: int) -> None:
        """A line where the task becomes truly done."""
        success = self._curves.success
        if success is None or step == 0:
            return
        # Only where it begins: success may come and go, and a line at every step would hide both.
        if success[step] and not success[step - 1]:
            x = self._x(step)
            bottom = self._y(0)
            top = self._y(1)
            self._draw.line((x, bottom, x, top), fill=SUCCESS, width=SUPERSAMPLING)

    def _extend_truth(self, step: int) -> Point | None:
        """Draw the truth's stroke to ``step``; where it stands now, None if it is not known."""
        progress = self._curves.progress
        if progress is None:
            return None
        truth = (self._x(step), self._y(progress[step]))
        if step:
            before = (self._x(step - 1), self._y(progress[step - 1]))
            self._draw.line((before, truth), fill=TRUTH, width=2 * SUPERSAMPLING)
        return truth

    def _x(self, step: int) -> float:
        times = self._curves.times or range(len(self._curves.scores))
        share = times[step] / (times[-1] or 1)
        # Room for the labels on the left.
        return SUPERSAMPLING * (3.5 * MARGIN + share * (self._width - 4.5 * MARGIN))

    def _y(self, level: float) -> float:
        inside = PLOT_HEIGHT - 2 * MARGIN
        clipped = min(1.0, max(0.0, level))
        return SUPERSAMPLING * (PLOT_HEIGHT - MARGIN - clipped * inside)


def _dot(plot: Image.Image, point: Point, color: Color) -> None:
    # Drawn on the reduced plot: the large one keeps its strokes, and a dot would stay as a trail.
    x = point[0] / SUPERSAMPLING
    y = point[1] / SUPERSAMPLING
    upper_left = (x - DOT_RADIUS, y - DOT_RADIUS)
    lower_right = (x + DOT_RADIUS, y + DOT_RADIUS)
    draw = ImageDraw.Draw(plot)
    draw.ellipse((upper_left, lower_right), fill=color)


@cache
def load_font(size: int) -> Font:
    """The font that comes with PIL, so that pictures are the same on every machine."""
    return ImageFont.load_default(size)
