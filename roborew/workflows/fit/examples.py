"""What is learned from demonstrations: their pictures, reduced and side by side, and what is known
of each, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from roborew.learning.examples import EpisodeFrames, Example
from roborew.learning.labels import progress_from_key_frames
from roborew.types import Frame, Video
from roborew.workflows.fit.split import HeldOutInstructions

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MAX_SIDE_PIXELS = 256
"""Longer side of a picture that is learned from, at most."""
MAX_STATIC_FRAMES = 8
"""A frame may look like one of at most so many before it."""
MAX_STATIC_RATIO = 0.01
"""Two frames look alike where less than this share of their pixels differ..."""
MIN_PIXEL_CHANGE = 8
"""... by more than this, of 255."""
MIN_VISIBLE_PROGRESS = 0.1
"""Progress of an episode in which something must be seen to change."""


def resolve_cameras(demonstrations: Sequence[Demonstration], asked: str | None) -> tuple[str, ...]:
    """Names of the cameras that are asked for: one, several separated by commas, "all", or the
    first if None.

    Raises:
        InvalidInputError: one is named twice, or a demonstration does not have it.
    """
    known = demonstrations[0].cameras
    names = (
        known if asked == "all" else tuple(part.strip() for part in (asked or known[0]).split(","))
    )
    if len(set(names)) < len(names):
        raise InvalidInputError(f"camera: expected each camera once; got {', '.join(names)}.")
    for one in demonstrations:
        if missing := [name for name in names if name not in one.cameras]:
            raise InvalidInputError(
                f"{one.name}: no camera {missing[0]!r}. Available: {', '.join(one.cameras)}. Name "
                f"cameras that all "
                "demonstrations have."
            )
    return names


class InstructionEmbedder:
    """Sentences embedded, each once.

    Args:
        encoder: that embeds them.
        held_out: those that are held out, by instruction.
    """

    def __init__(self, encoder: Encoder, held_out: Mapping[str, HeldOutInstructions]) -> None:
        self._embed = cache(encoder.encode_text)
        self._held_out = set[str]()
        for sentences in held_out.values():
            self._held_out.update(sentences.paraphrases, sentences.wrong)

    def of(self, one: Demonstration) -> dict[str, Any]:
        """Its sentence and the others that it is learned with."""
        # A failure may do what another sentence says.
        negatives = () if one.succeeded is False else one.wrong_instructions
        return {
            "text_embedding": self._embed(one.instruction),
            "paraphrase_embeddings": self._embed_fitted(one.paraphrases),
            "negative_embeddings": self._embed_fitted(negatives),
        }

    def _embed_fitted(self, sentences: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        """Embed those of the sentences that are not held out."""
        return tuple(self._embed(text) for text in sentences if text not in self._held_out)


def load_episode_frames(
    one: Demonstration,
    cameras: Sequence[str],
    kept: NDArray[np.int64],
    wording: InstructionEmbedder,
) -> EpisodeFrames:
    """Some frames of some cameras, side by side at the size of the first one's, with the labels:
    progress as it is given, otherwise from key frames.

    Raises:
        InvalidInputError: too few frames are left, or nothing is seen to change while progress
            does.
        CorruptFileError: a video is damaged.
    """
    if len(kept) < MIN_FRAMES:
        raise InvalidInputError(
            f"{one.name}: expected at least {MIN_FRAMES} frames; {len(kept)} of {one.length} are "
            f"left. Give more fps."
        )
    steps = set(kept.tolist())
    progress = _progress(one)
    views = zip(*map(one.frames, cameras), strict=True)
    pictures = list[Frame]()
    for step, step_views in enumerate(views):
        if step in steps:
            pictures.append(side_by_side([downscale(view) for view in step_views]))
    episode = EpisodeFrames(
        frames=np.stack(pictures),
        **wording.of(one),
        progress=None if progress is None else progress[kept],
        success=None if one.success is None else one.success[kept],
    )
    _check_moving(one, episode.frames, episode.progress)
    return episode


def list_goal_images(folder: Path) -> list[Path]:
    """The pictures in a folder, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES)


def embed_goal_images(
    folder: Path | None, encoder: Encoder, shown: Sequence[Demonstration]
) -> Sequence[NDArray[np.float32] | None]:
    """The picture of the goal that is given for each episode, embedded, (D,); in turn, where there
    are fewer pictures; None each without a folder.

    Raises:
        InvalidInputError: no picture, more of them than episodes, or several goals.
        CorruptFileError: one cannot be read.
    """
    if folder is None:
        return [None] * len(shown)
    pictures, asked = (
        [downscale(read_picture(path)) for path in list_goal_images(folder)],
        {e.instruction for e in shown},
    )
    if not pictures or len(pictures) > len(shown) or len(asked) > 1:
        raise InvalidInputError(
            f"goal_images: expected a folder with pictures ({', '.join(PICTURES)}) of one goal, "
            f"at most one each of "
            f"{len(shown)} episodes; got {len(pictures)} in {folder}, for {len(asked)} "
            f"instructions."
        )
    vectors = [encoder.encode(picture[None])[0] for picture in pictures]
    return [vectors[row % len(vectors)] for row in range(len(shown))]


def make_example(
    one: Demonstration,
    episode: EpisodeFrames,
    features: NDArray[np.float32],
    kept: NDArray[np.int64],
    goal: NDArray[np.float32] | None = None,
) -> Example:
    """The demonstration as an objective sees it; of its stages those of which frames are left. Its
    goal is the picture that is given, otherwise the end of a success."""
    features.flags.writeable = False
    spans = [(span.name, *np.searchsorted(kept, span[1:]).tolist()) for span in one.stages or ()]
    return Example(
        name=one.name,
        instruction=one.instruction,
        text_embedding=episode.text_embedding,
        paraphrase_embeddings=episode.paraphrase_embeddings,
        negative_embeddings=episode.negative_embeddings,
        static_since=static_since(episode.frames),
        features=features,
        progress=episode.progress,
        success=one.succeeded,
        quality=one.quality,
        stages=tuple(span for span in spans if span[1] < span[2]),
        goal_embedding=features[-1] if goal is None and one.succeeded is not False else goal,
    )


def static_since(frames: Video) -> NDArray[np.int64]:
    """Of each frame the earliest of the `MAX_STATIC_FRAMES` before it from which less than `MAX_STATIC_RATIO` of its
    pixels differ, and so for all between them, shape (T,); the frame itself where the one before it
    differs more (VLAC, arXiv:2509.15937)."""
    earliest = np.arange(len(frames))
    for at in range(1, len(frames)):
        first = max(at - MAX_STATIC_FRAMES, 0)
        for before in range(at - 1, first - 1, -1):
            change = np.abs(frames[at].astype(np.int16) - frames[before]).max(axis=2)
            if (change > MIN_PIXEL_CHANGE).mean() >= MAX_STATIC_RATIO:
                break
            earliest[at] = before
    return earliest


def _progress(one: Demonstration) -> NDArray[np.float32] | None:
    if one.progress is None and one.keyframes:
        return progress_from_key_frames(one.length, one.keyframes)
    return one.progress


def _check_moving(one: Demonstration, frames: Video, progress: NDArray[np.float32] | None) -> None:
    """A robot may stand still; but a picture that never changes cannot show progress."""
    gains = (
        one.succeeded is not False
        if progress is None
        else float(np.ptp(progress)) >= MIN_VISIBLE_PROGRESS
    )
    if gains and all(np.array_equal(frame, frames[0]) for frame in frames):
        raise InvalidInputError(
            f"{one.name}: expected pictures that change as progress does; all {len(frames)} "
            f"frames are the same. Is "
            "the camera covered? Leave the episode out, or choose another camera."
        )


def downscale(frame: Frame) -> Frame:
    """The frame, reduced to `MAX_SIDE_PIXELS` pixels on its longer side if it is larger: an hour of film
    must fit in memory."""
    height, width = frame.shape[:2]
    share = MAX_SIDE_PIXELS / max(height, width)
    if share >= 1:
        return frame
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))
