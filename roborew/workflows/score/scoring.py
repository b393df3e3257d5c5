"""One video after another through a reward model, frame by frame as it is decoded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roborew.critics.critic import Critic
from roborew.data import Moment
from roborew.errors import InvalidInputError
from roborew.evaluation import score_curve
from roborew.rewards.mini import Mini
from roborew.rewards.vlm.base import describe_cost
from roborew.storage.names import check_file_name
from roborew.types import FloatArray, Frame, RewardModel, RewardSpec, Scores, stack_frames
from roborew.workflows.fitness import fitted_to
from roborew.workflows.score.sources import FilmSource, SampledVideo, Source
from roborew.workflows.score.states import sampled_clip, states_for
from roborew.workflows.score.stream import holds_frames, score_frames

MAX_ASPECT_RATIO = 1.5
"""A picture may be so many times wider or narrower than those that a model was fitted to."""
MIN_SIDE_PIXELS = 32
"""Pictures with a shorter side show little to any model."""
Observe = Callable[[float], None]
"""Called with the time of a frame that has come [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredVideo:
    """One video under one reward model.

    Attributes:
        name: of the files that are written of it.
        path: of the video.
        spec: of the model.
        instruction: the goal.
        indices: shape (T,), int64: the frames of the video that were scored.
        times: shape (T,), float64: when they are shown [s].
        fps: of the video, frames per second on average.
        size: height and width of its frames [pixels].
        scores: T entries.
        seconds: wall-clock time of scoring.
    """

    name: str
    path: Path
    spec: RewardSpec
    instruction: str
    indices: NDArray[np.int64]
    times: NDArray[np.float64]
    fps: float
    size: tuple[int, int]
    scores: Scores
    seconds: float

    @property
    def score_curve(self) -> NDArray[np.float64]:
        """Shape (T,), NaN where the model abstained."""
        return score_curve(self.scores)

    @property
    def curve(self) -> list[float | None]:
        """T scores, None where the model abstained."""
        pairs = zip(self.scores.value.tolist(), self.scores.valid.tolist(), strict=True)
        return [value if valid else None for value, valid in pairs]


class _Reading:
    """Frames of a source on their way to a model, and what is known of them when they are through."""

    def __init__(self, moments: Iterator[Moment], observe: Observe | None = None) -> None:
        self._moments = moments
        self._observe = observe
        self.indices: list[int] = []
        self.times: list[float] = []
        self.size = (0, 0)

    def frames(self) -> Iterator[Frame]:
        for moment in self._moments:
            self.indices.append(moment.index)
            self.times.append(moment.time)
            self.size = (moment.frame.shape[0], moment.frame.shape[1])
            if self._observe is not None:
                self._observe(moment.time)
            yield moment.frame


def sample_video(path: Path, fps: float | None = None, views: Sequence[Path] = ()) -> SampledVideo:
    """Read a video, whole or thinned to about ``fps`` frames per second; its last frame is always
    kept.

    Args:
        path: of the video.
        fps: frames per second that are kept; all if not given.
        views: the same moments seen by other cameras, whose pictures are set side by side with
            those of the video.

    Raises:
        InvalidInputError: no such file, ``fps`` not above 0, views of other moments, or more frames
            than fit in memory.
        CorruptFileError: it cannot be decoded.
    """
    return sample_source(FilmSource(name=path.stem, path=path, views=tuple(views)), fps)


def sample_source(
    source: Source, fps: float | None, observe: Observe | None = None
) -> SampledVideo:
    """Read a source as `sample_video` does; ``observe`` hears of each frame."""
    count = source.count_frames(fps)
    reading = _Reading(source.moments(fps), observe)
    frames = stack_frames(reading.frames(), count)
    indices = np.array(reading.indices, np.int64)
    times = np.array(reading.times, np.float64)
    return SampledVideo(source.path, frames, indices, source.fps, times, source)


def score_source(
    model: RewardModel,
    source: Source,
    instruction: str,
    goal_image: Frame | None = None,
    fps: float | None = None,
    observe: Observe | None = None,
) -> ScoredVideo:
    """Score a video while it is decoded.

    Args:
        model: that scores.
        source: what is scored.
        instruction: the goal as a sentence.
        goal_image: for a model that needs one.
        fps: about so many frames of each second; all if not given.
        observe: hears of each frame.

    Raises:
        InvalidInputError: an invalid goal or none, or more frames than memory holds.
        CorruptFileError: the video is damaged.
    """
    _check_goal_image(model, goal_image)
    _check_memory(model, source, fps)
    began = time.perf_counter()
    reading = _Reading(source.moments(fps), observe)

    def states() -> FloatArray | None:
        return states_for(model, source, reading.indices)

    scores = score_frames(model, reading.frames(), instruction, goal_image, states)
    model.spec.check_range(scores, str(source.path))
    return ScoredVideo(
        name=source.name,
        path=source.path,
        spec=model.spec,
        instruction=instruction,
        indices=np.array(reading.indices, np.int64),
        times=np.array(reading.times, np.float64),
        fps=source.fps,
        size=reading.size,
        scores=scores,
        seconds=time.perf_counter() - began,
    )


def score_video(
    model: RewardModel, sampled: SampledVideo, instruction: str, goal_image: Frame | None = None
) -> ScoredVideo:
    """Score the frames of one video.

    Raises:
        InvalidInputError: the goal breaks the rule, or the model needs a goal picture and there is
            none.
    """
    _check_goal_image(model, goal_image)
    began = time.perf_counter()
    (scores,) = model.score([sampled_clip(model, sampled, instruction, goal_image)])
    seconds = time.perf_counter() - began
    model.spec.check_range(scores, str(sampled.path))
    return scored_video(model, sampled, instruction, scores, seconds)


def scored_video(
    model: RewardModel, sampled: SampledVideo, instruction: str, scores: Scores, seconds: float
) -> ScoredVideo:
    """What a model said of a sampled video."""
    height, width = sampled.frames.shape[1:3]
    return ScoredVideo(
        name=sampled.path.stem,
        path=sampled.path,
        spec=model.spec,
        instruction=instruction,
        indices=sampled.indices,
        times=sampled.times,
        fps=sampled.fps,
        size=(height, width),
        scores=scores,
        seconds=seconds,
    )


def _check_goal_image(model: RewardModel, goal_image: Frame | None) -> None:
    if model.spec.needs_goal_image and goal_image is None:
        raise InvalidInputError(
            f"{model.spec.name} compares with a picture of the goal: give one with --goal-image."
        )


def _check_memory(model: RewardModel, source: Source, fps: float | None) -> None:
    # Only a model that holds every frame needs room for all of them.
    if holds_frames(model):
        source.count_frames(fps)


def resolve_instruction(model: RewardModel, instruction: str | None) -> str:
    """The sentence to score under: ``instruction``, or the only one that a critic was fitted to.

    Raises:
        InvalidInputError: no instruction, and the model knows of no sentence, or of several.
    """
    if instruction is not None:
        return instruction
    sentences = list(model.sentences) if isinstance(model, Critic) else []
    if len(sentences) == 1:
        return sentences[0]
    fitted = f" It was fitted to: {'; '.join(map(repr, sentences))}." if sentences else ""
    raise InvalidInputError(
        f"instruction: reward {model.spec.name!r} needs a sentence; say with --instruction what should be "
        f"done.{fitted}"
    )


def check_output_names(names: Sequence[str], rewards: Sequence[str]) -> None:
    """Raise where what is written of videos, under names made of theirs and of the rewards', cannot
    be files; scoring may take long, so it is said before.

    Raises:
        InvalidInputError: a name is too long, or holds characters that are not printed.
    """
    for name in names:
        check_file_name(f"{name}.{'+'.join(rewards)}", f"{name}: name of its scores")


def describe_judge_cost(
    model: RewardModel, sources: Sequence[Source], fps: float | None
) -> str | None:
    """Return a sentence on what scoring videos asks of a reward's judge, None for a reward that
    asks none."""
    if describe_cost(model, []) is None:
        return None
    return describe_cost(model, [source.count_frames(fps) for source in sources])


def describe_flat(model: RewardModel, scored: ScoredVideo) -> str | None:
    """Return a sentence where the scores of a video do not move, None where they do."""
    values = scored.scores.value[scored.scores.valid]
    if len(values) < 2 or model.spec.moves(float(values.min()), float(values.max())):
        return None
    origin = fitted_to(model)
    return (
        f"the score does not move, so it tells nothing of this video{origin and f'; {origin}'}. Say it "
        "in other words, take another reward, or fit a critic to such videos"
    )


def describe_mismatch(model: RewardModel, scored: ScoredVideo, num_views: int) -> str | None:
    """Return a sentence where the frames of a video look unlike those that a model was fitted to,
    None where they do not, or nobody knows."""
    height, width = scored.size
    width //= num_views
    size = f"{width} x {height} pixels"
    if min(height, width) < MIN_SIDE_PIXELS:
        return f"its frames of {size} show little; the scores may mean nothing"
    fitted = model.aspect if isinstance(model, (Critic, Mini)) else None
    if fitted is None or abs(math.log(width / height / fitted)) <= math.log(MAX_ASPECT_RATIO):
        return None
    return (
        f"its frames of {size} are {width / height:.2f} times as wide as high, those that "
        f"{model.spec.name} was fitted to {fitted:.2f} times: the scores may mean nothing. Crop the "
        f"video, or fit a critic to such videos"
    )
