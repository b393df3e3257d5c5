"""What is learned from demonstrations: their pictures, reduced and side by side, and what is known
of each, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roborew.data import read_picture, side_by_side
from roborew.data.demonstration import MIN_FRAMES, Demonstration
from roborew.encoders.base import Encoder
from roborew.errors import InvalidInputError
from roborew.learning.examples import EpisodeFrames, Example, Report
from roborew.learning.labels import hold_success, progress_from_key_frames, progress_from_success
from roborew.types import BoolArray, Frame, Video, stack_frames
from roborew.workflows.fit.split import HeldOutInstructions

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MAX_SIDE_PIXELS = 256
"""Longer side of a picture that is learned from, at most."""
FRAMES_BETWEEN_REPORTS = 100
"""Frames of one film that are read before it is said again how many there are."""
MAX_STATIC_FRAMES = 8
"""A frame may look like one of at most so many before it."""
MAX_STATIC_RATIO = 0.01
"""Two frames look alike where less than this share of their pixels differ..."""
MIN_PIXEL_CHANGE = 8
"""... by more than this, of 255."""
MIN_VISIBLE_PROGRESS = 0.1
"""Progress of an episode in which something must be seen to change."""


class InstructionEmbedder:
    """Sentences embedded, each once.

    Args:
        encoder: that embeds them.
        held_out: those that are held out, by instruction.
    """

    def __init__(self, encoder: Encoder, held_out: Mapping[str, HeldOutInstructions]) -> None:
        # Many demonstrations share their sentences, and a text tower takes its time.
        self._embed = cache(encoder.encode_text)
        self._held_out = set[str]()
        for sentences in held_out.values():
            self._held_out.update(sentences.paraphrases, sentences.wrong)

    def of(self, demonstration: Demonstration) -> dict[str, Any]:
        """Its sentence and the others that it is learned with."""
        # A failure may do what another sentence says.
        negatives = demonstration.wrong_instructions
        if demonstration.succeeded is False:
            negatives = ()
        return {
            "text_embedding": self._embed(demonstration.instruction),
            "paraphrase_embeddings": self._embed_fitted(demonstration.paraphrases),
            "negative_embeddings": self._embed_fitted(negatives),
        }

    def _embed_fitted(self, sentences: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        """Embed those of the sentences that are not held out."""
        return tuple(self._embed(text) for text in sentences if text not in self._held_out)


def load_episode_frames(
    demonstration: Demonstration,
    cameras: Sequence[str],
    indices: NDArray[np.int64],
    embedder: InstructionEmbedder,
    say: Report | None = None,
) -> EpisodeFrames:
    """Some frames of some cameras, side by side at the size of the first one's, with the labels:
    the demonstration's own progress, otherwise from key frames, otherwise from success where that is
    told of each frame.

    A long film says now and then how many frames were read.

    Raises:
        InvalidInputError: too few frames are left, or nothing is seen to change while progress
            does.
        CorruptFileError: a video is damaged.
    """
    if len(indices) < MIN_FRAMES:
        raise InvalidInputError(
            f"{demonstration.name}: expected at least {MIN_FRAMES} frames; {len(indices)} of "
            f"{demonstration.length} are left. Give more fps."
        )
    progress = _progress(demonstration)
    success = _reached(demonstration)
    episode = EpisodeFrames(
        frames=_frames(demonstration, cameras, indices, say),
        **embedder.of(demonstration),
        progress=None if progress is None else progress[indices],
        success=None if success is None else success[indices],
    )
    _check_moving(demonstration, episode.frames, episode.progress)
    return episode


def _frames(
    demonstration: Demonstration,
    cameras: Sequence[str],
    indices: NDArray[np.int64],
    say: Report | None,
) -> Video:
    """The frames at some indices, reduced, the views side by side."""
    selected = set(indices.tolist())
    frames = _small_frames(demonstration, cameras, selected)
    if say is not None:
        frames = _with_reports(frames, f"frames of {demonstration.name}, of {len(indices)}", say)
    # Into one array: small frames between large ones that are gone leave memory in pieces.
    return stack_frames(frames, len(indices))


def _small_frames(
    demonstration: Demonstration, cameras: Sequence[str], selected: set[int]
) -> Iterator[Frame]:
    """The selected frames as `_frames` has them, reduced one by one: a whole episode at full size
    may not fit in memory."""
    videos = map(demonstration.frames, cameras)
    for index, views in enumerate(zip(*videos, strict=True)):
        if index in selected:
            yield side_by_side([downscale(view) for view in views])


def _with_reports(frames: Iterator[Frame], name: str, say: Report) -> Iterator[Frame]:
    for number, frame in enumerate(frames, start=1):
        yield frame
        if number % FRAMES_BETWEEN_REPORTS == 0:
            say(name, number)


def list_goal_images(folder: Path) -> list[Path]:
    """The pictures in a folder, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES)


def embed_goal_images(
    folder: Path | None, encoder: Encoder, demonstrations: Sequence[Demonstration]
) -> Sequence[NDArray[np.float32] | None]:
    """The picture of the goal for each episode, embedded, (D,); in turn, where there are fewer
    pictures; None each without a folder.

    Raises:
        InvalidInputError: no picture, more of them than episodes, or several goals.
        CorruptFileError: one cannot be read.
    """
    num_episodes = len(demonstrations)
    if folder is None:
        return [None] * num_episodes
    pictures = [downscale(read_picture(path)) for path in list_goal_images(folder)]
    instructions = {demonstration.instruction for demonstration in demonstrations}
    if not 1 <= len(pictures) <= num_episodes or len(instructions) > 1:
        raise InvalidInputError(
            f"goal_images: expected a folder with pictures ({', '.join(PICTURES)}) of one goal, "
            f"at most one each of {num_episodes} episodes; got {len(pictures)} in {folder}, for "
            f"{len(instructions)} instructions."
        )
    vectors = [encoder.encode(picture[None])[0] for picture in pictures]
    return [vectors[row % len(vectors)] for row in range(num_episodes)]


def make_example(
    demonstration: Demonstration,
    episode: EpisodeFrames,
    features: NDArray[np.float32],
    indices: NDArray[np.int64],
    goal: NDArray[np.float32] | None = None,
) -> Example:
    """The demonstration as an objective sees it; of its stages those of which frames are left. Its
    goal is the picture of one, where there is one, otherwise the end of a success."""
    features.flags.writeable = False
    reached = _reached(demonstration)
    if goal is None and demonstration.succeeded is not False:
        goal = features[-1]
    return Example(
        name=demonstration.name,
        instruction=demonstration.instruction,
        text_embedding=episode.text_embedding,
        paraphrase_embeddings=episode.paraphrase_embeddings,
        negative_embeddings=episode.negative_embeddings,
        static_since=static_since(episode.frames),
        features=features,
        progress=episode.progress,
        success=demonstration.succeeded,
        reached=None if reached is None else reached[indices],
        quality=demonstration.quality,
        stages=_stages(demonstration, indices),
        goal_embedding=goal,
    )


def _stages(
    demonstration: Demonstration, indices: NDArray[np.int64]
) -> tuple[tuple[str, int, int], ...]:
    """The stages in rows of the frames that are left, without those that lost all of theirs."""
    stages: list[tuple[str, int, int]] = []
    for name, first, end in demonstration.stages or ():
        first_row = int(np.searchsorted(indices, first))
        end_row = int(np.searchsorted(indices, end))
        if first_row < end_row:
            stages.append((name, first_row, end_row))
    return tuple(stages)


def static_since(frames: Video) -> NDArray[np.int64]:
    """Of each frame the earliest of the `MAX_STATIC_FRAMES` before it from which less than
    `MAX_STATIC_RATIO` of its pixels differ, and so for all between them, shape (T,); the frame
    itself where the one before it differs more (VLAC, arXiv:2509.15937)."""
    earliest = np.arange(len(frames))
    for row in range(1, len(frames)):
        first = max(row - MAX_STATIC_FRAMES, 0)
        for before in range(row - 1, first - 1, -1):
            # int16, since a difference of uint8 wraps around.
            change = np.abs(frames[row].astype(np.int16) - frames[before]).max(axis=2)
            if (change > MIN_PIXEL_CHANGE).mean() >= MAX_STATIC_RATIO:
                break
            earliest[row] = before
    return earliest


def _progress(demonstration: Demonstration) -> NDArray[np.float32] | None:
    if demonstration.progress is not None:
        return demonstration.progress
    if demonstration.keyframes:
        return progress_from_key_frames(demonstration.length, demonstration.keyframes)
    reached = _reached(demonstration)
    return None if reached is None else progress_from_success(reached)


def _reached(demonstration: Demonstration) -> BoolArray | None:
    """Where the goal counts as reached, if success is told of each frame; None elsewhere."""
    if demonstration.success is None or demonstration.progress is not None:
        # Whoever tells progress, too, knows what springs back and what is lost.
        return demonstration.success
    return hold_success(demonstration.success, demonstration.succeeded)


def _check_moving(
    demonstration: Demonstration, frames: Video, progress: NDArray[np.float32] | None
) -> None:
    """A robot may stand still; but a picture that never changes cannot show progress."""
    if progress is None:
        gains = demonstration.succeeded is not False
    else:
        gains = float(np.ptp(progress)) >= MIN_VISIBLE_PROGRESS
    if gains and all(np.array_equal(frame, frames[0]) for frame in frames):
        raise InvalidInputError(
            f"{demonstration.name}: expected pictures that change as progress does; all "
            f"{len(frames)} frames are the same. Is the camera covered? Leave the episode out, or "
            "choose another camera."
        )


def downscale(frame: Frame) -> Frame:
    """The frame, reduced to `MAX_SIDE_PIXELS` pixels on its longer side if it is larger: an hour of
    video must fit in memory."""
    height, width = frame.shape[:2]
    factor = MAX_SIDE_PIXELS / max(height, width)
    if factor >= 1:
        return frame
    # A very flat picture keeps a row of pixels.
    small_width = max(1, round(width * factor))
    small_height = max(1, round(height * factor))
    image = Image.fromarray(frame)
    small = image.resize((small_width, small_height), Image.Resampling.BOX)
    return np.asarray(small)
