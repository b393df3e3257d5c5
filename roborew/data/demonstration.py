"""One demonstration as a critic sees it, wherever it comes from: frames on demand, words, and what
truth is known."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roborew.data.pictures import side_by_side
from roborew.data.subsample import subsample_indices, subsample_times
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.short_repr import fields_repr
from roborew.types import BoolArray, FloatArray, Frame, Video, check_instruction, stack_frames

MIN_FRAMES = 3
"""Fewer show no order."""
MIN_SUCCESS_PROGRESS = 0.1
"""A success ends with at least so much progress."""
RENAMED_NOTES = {"behaviour": "behavior"}
"""Keys of notes as sets of roborew 0.0 spell them -> as they are called now."""


def current_notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes under their present keys.

    >>> current_notes({"behaviour": "stall", "seed": 3})
    {'behavior': 'stall', 'seed': 3}
    """
    return {RENAMED_NOTES.get(key, key): value for key, value in notes.items()}


class Span(NamedTuple):
    """A stretch of frames in one stage.

    Attributes:
        name: of the stage.
        start: its first frame.
        stop: one past its last frame.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """An episode to learn from.

    Attributes:
        name: unique in its set.
        instruction: the goal as a sentence.
        paraphrases: other sentences that mean the same; none if not known.
        wrong_instructions: sentences that a success of this goal does not fulfil; none if not
            known.
        length: number of frames T, at least `MIN_FRAMES`.
        fps: frames per second.
        cameras: names, the main one first.
        progress: shape (T,), truth or a recorded curve in [0, 1]; None if not known.
        success: shape (T,), whether the goal holds in each frame; None if not known.
        succeeded: whether the episode ends in success; None if not known.
        quality: ``failure``, ``partial``, ``suboptimal``, ``success`` or the set's own word; None
            if not known.
        stages: in order, without overlap; None if not known.
        keyframes: frames at which something is reached, rising; None if not known.
        onset: the frame from which a failed episode gains nothing; None if it succeeds, or not
            known.
        observations: shape (T, D), what an agent sees in each frame; None if not known.
        actions: shape (T, A), what was done in each frame; that of the last one repeats the one
            before; None if not known.
        rewards: shape (T,), what the environment paid for the action in each frame; None if not
            known.
        notes: whatever else the set says.
        source: camera -> its frames from the start; `frames` checks what they give.
        timestamps: gives when the frames are shown [s], shape (T,); None where the rate is constant.
    """

    __repr__ = fields_repr

    name: str
    instruction: str
    length: int
    fps: float
    cameras: tuple[str, ...]
    source: Callable[[str], Iterator[Frame]]
    paraphrases: tuple[str, ...] = ()
    wrong_instructions: tuple[str, ...] = ()
    progress: FloatArray | None = None
    success: BoolArray | None = None
    succeeded: bool | None = None
    quality: str | None = None
    stages: tuple[Span, ...] | None = None
    keyframes: tuple[int, ...] | None = None
    onset: int | None = None
    observations: FloatArray | None = None
    actions: FloatArray | None = None
    rewards: FloatArray | None = None
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timestamps: Callable[[], NDArray[np.float64]] | None = None

    def __post_init__(self) -> None:
        if self.length < MIN_FRAMES:
            raise InvalidInputError(
                f"{self.name}: a demonstration of {self.length} frames; expected at least "
                f"{MIN_FRAMES}, to show an "
                "order. Leave it out."
            )
        self._check_sentences()
        self._check_curves()
        self._check_end()
        self._check_marks()

    def _check_sentences(self) -> None:
        right = [check_instruction(sentence) for sentence in (self.instruction, *self.paraphrases)]
        if both := [
            sentence for sentence in self.wrong_instructions if check_instruction(sentence) in right
        ]:
            raise InvalidInputError(
                f"{self.name}: {both[0]!r} is said to mean the same and to be wrong; leave one out."
            )

    def _check_curves(self) -> None:
        for name, curve in {"progress": self.progress, "success": self.success}.items():
            if curve is not None and curve.shape != (self.length,):
                raise InvalidInputError(
                    f"{self.name}: {name} has shape {curve.shape}; expected one entry for each of "
                    f"{self.length} frames."
                )
        if self.progress is not None and not ((self.progress >= 0) & (self.progress <= 1)).all():
            raise InvalidInputError(
                f"{self.name}: progress holds NaN or leaves [0, 1]; no scale is guessed."
            )

    def _check_end(self) -> None:
        """What is said of an episode's end must agree: its success, that of its last frame, and the
        progress there."""
        flag = None if self.success is None else bool(self.success[-1])
        end = None if self.progress is None else float(self.progress[-1])
        if self.succeeded is not None and flag is not None and flag != self.succeeded:
            raise InvalidInputError(
                f"{self.name}: contradictory labels: success is {self.succeeded} of the episode "
                f"and {flag} of its last "
                "frame. Correct one of them, or leave it out."
            )
        succeeded = flag if self.succeeded is None else self.succeeded
        if end is not None and (
            (succeeded is True and end < MIN_SUCCESS_PROGRESS) or (succeeded is False and end >= 1)
        ):
            raise InvalidInputError(
                f"{self.name}: contradictory labels: success is {succeeded} and progress ends at "
                f"{end:g}; expected at "
                f"least {MIN_SUCCESS_PROGRESS:g} of a success, and less than 1 of a failure. Correct one of "
                f"them, or leave it out."
            )

    def _check_marks(self) -> None:
        bounds = [bound for span in self.stages or () for bound in span[1:]]
        empty = [span for span in self.stages or () for _ in range(span.start >= span.stop)]
        if (
            empty
            or bounds != sorted(bounds)
            or not all(0 <= bound <= self.length for bound in bounds)
        ):
            raise InvalidInputError(
                f"{self.name}: expected stages in order, without overlap, inside {self.length} "
                f"frames; got "
                f"{[tuple(span) for span in self.stages or ()]}."
            )
        marks = [*(self.keyframes or ())]
        # The set: key frames rise strictly, so none comes twice.
        if marks != sorted(set(marks)) or not all(0 <= mark < self.length for mark in marks):
            raise InvalidInputError(
                f"{self.name}: expected key frames that rise, inside {self.length} frames; got "
                f"{marks}."
            )

    def frames(self, camera: str | None = None) -> Iterator[Frame]:
        """Decode one frame (H, W, 3), uint8 RGB, at a time.

        Args:
            camera: default: the first.

        Raises:
            InvalidInputError: no such camera.
            CorruptFileError: damaged, or another number of frames than was promised.
        """
        camera = camera or self.cameras[0]
        if camera not in self.cameras:
            raise InvalidInputError(
                f"{self.name}: no camera {camera!r}. Available: {', '.join(self.cameras)}."
            )
        return self._counted(camera)

    def _counted(self, camera: str) -> Iterator[Frame]:
        count = 0
        for frame in self.source(camera):
            count += 1
            # Counted on past the end, so that the message gives the true number.
            if count <= self.length:
                yield frame
        if count != self.length:
            raise CorruptFileError(
                f"{self.name}: {camera} holds {count} frames; expected {self.length}."
            )

    def sample_indices(self, fps: float | None) -> NDArray[np.int64]:
        """Numbers of the frames that are left at about ``fps`` frames of each second: by their times
        where the rate varies, see `roborew.data.subsample`."""
        times = None if fps is None or self.timestamps is None else self.timestamps()
        # A file may hold frames that an edit list hides.
        if times is None or len(times) != self.length:
            return subsample_indices(self.length, self.fps, fps)
        return subsample_times(times, self.fps, fps)

    def video(self, camera: str | None = None) -> Video:
        """All frames, shape (T, H, W, 3); errors as `frames`."""
        return stack_frames(self.frames(camera), self.length)

    def moments(
        self, cameras: Sequence[str], steps: Container[int] | None = None
    ) -> Iterator[Frame]:
        """Decode one frame at a time, the views of several cameras side by side; errors as `frames`.

        Args:
            cameras: from left to right.
            steps: numbers of the frames that are given, all if None. The others are decoded, too, so
                that a damaged film is told.
        """
        for step, views in enumerate(zip(*map(self.frames, cameras), strict=True)):
            if steps is None or step in steps:
                yield side_by_side(views)


def resolve_cameras(
    demonstrations: Sequence[Demonstration], cameras: str | None
) -> tuple[str, ...]:
    """Names of cameras: one, several separated by commas, "all", or the first if None.

    Raises:
        InvalidInputError: one is named twice, or a demonstration does not have it.
    """
    available = demonstrations[0].cameras
    names = available
    if cameras != "all":
        listed = (cameras or available[0]).split(",")
        names = tuple(name.strip() for name in listed)
    if len(set(names)) < len(names):
        raise InvalidInputError(f"camera: expected each camera once; got {', '.join(names)}.")
    for demonstration in demonstrations:
        missing = [name for name in names if name not in demonstration.cameras]
        if missing:
            raise InvalidInputError(
                f"{demonstration.name}: no camera {missing[0]!r}. Available: "
                f"{', '.join(demonstration.cameras)}. Name cameras that all demonstrations have."
            )
    return names
