"""From demonstrations to a critic with its card: embedded, split, fitted, calibrated, judged beside its nulls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roborew.critics.calibration import ENOUGH, Calibration
from roborew.critics.critic import Critic
from roborew.critics.encoder import Encoder, Footage
from roborew.critics.ensemble import make_objective
from roborew.critics.labels import from_key_frames, progress_labels
from roborew.critics.objective import Example, Objective, Query
from roborew.data.demonstration import Demonstration
from roborew.errors import InvalidInputError
from roborew.options import parse_options
from roborew.registry import encoders
from roborew.seeding import Seeds
from roborew.types import Frame, Video

LARGEST = 256
"""Longer side of a frame that is learned from, at most [pixels]."""
Say = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How a critic is made. The same configuration and demonstrations give the same critic on the same machine."""

    critic: str = "progress"
    """A name of `roborew list critics`."""
    option: tuple[str, ...] = ()
    """Settings of the critic as key=value."""
    members: int = 1
    """So many critics of different seed and data order are fitted; where they disagree there is no score."""
    encoder: str = "conv"
    """A name of `roborew list encoders`."""
    encoder_option: tuple[str, ...] = ()
    """Settings of the encoder as key=value."""
    camera: str | None = None
    """Which camera of the demonstrations; the first if not given."""
    seed: int = 0
    """Of the split, the weights and the order."""
    held_out: float = 0.2
    """Share of the episodes kept for judging, and as much again for validation."""
    calibrate: bool = True
    """Turn scores into calibrated progress on the validation episodes, where they carry labels."""
    threads: int = 1
    """Threads of torch: two are faster on a quiet machine, and much slower on a busy one."""
    device: str = "cpu"
    """Where the encoder runs, a torch device name."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InvalidInputError(f"threads: expected a whole number of at least 1; got {self.threads}.")
        if not (math.isfinite(self.held_out) and 0 <= self.held_out < 0.5):
            raise InvalidInputError(f"held_out: expected a share in [0, 0.5); got {self.held_out}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Names of episodes, by what they are for."""

    fit: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A critic and how it came to be.

    Attributes:
        config: as asked for.
        split: which episode was used for what.
        examples: all of them, embedded.
        footage: their pictures, in the same order.
        seconds: wall-clock time by part: "reading", "encoder", "embedding", "objective".
        figures: what the parts reported last, by name.
    """

    critic: Critic
    config: FitConfig
    split: Split
    examples: tuple[Example, ...]
    footage: tuple[Footage, ...]
    seconds: dict[str, float]
    figures: dict[str, float] = field(default_factory=dict[str, float])


def split_names(labels: dict[str, str], held_out: float, rng: np.random.Generator) -> Split:
    """Deal episodes to fitting, validation and test, grade by grade, so that each part has every kind.

    Args:
        labels: name of an episode -> its grade or kind.
        held_out: share for validation and, again, for test; at least one each where there are three or more of a kind.
        rng: decides who goes where.
    """
    parts: dict[str, list[str]] = {"fit": [], "validation": [], "test": []}
    for grade in sorted(set(labels.values())):
        names = [name for name, label in labels.items() if label == grade]
        rng.shuffle(names)
        kept = round(held_out * len(names)) if len(names) >= 3 else 0
        kept = max(kept, 1) if held_out > 0 and len(names) >= 3 else kept
        parts["test"] += names[:kept]
        parts["validation"] += names[kept : 2 * kept]
        parts["fit"] += names[2 * kept :]
    return Split(**{name: tuple(sorted(part)) for name, part in parts.items()})


def fit_critic(demonstrations: Sequence[Demonstration], config: FitConfig, say: Say | None = None) -> Fitted:
    """Fit a critic to demonstrations.

    Args:
        demonstrations: at least one; names differ.
        config: how.
        say: called with every figure of the fit as it goes.

    Raises:
        UnknownNameError: no such critic, encoder or setting.
        InvalidInputError: fewer demonstrations than needed, no such camera, or what the critic needs is missing.
        CorruptFileError: a video is damaged.
    """
    make = encoders.load(config.encoder)
    seeds, figures, clock = Seeds(config.seed), dict[str, float](), _Clock()
    seeded = [f"seed={seeds.integer('critic')}"]
    objective = make_objective(config.critic, _with(config.option, seeded), config.members)
    encoder_words = _with(config.encoder_option, [f"seed={seeds.integer('encoder')}"])
    encoder: Encoder = make(**{"device": config.device, **parse_options(make, encoder_words)})

    def report(what: str, value: float) -> None:
        figures[what] = value
        if say is not None:
            say(what, value)

    with clock.timing("reading"):
        footage = [_footage(one, config.camera, encoder) for one in demonstrations]
    split = split_names(_kinds(demonstrations), config.held_out, seeds.generator("split"))
    chosen = set(split.fit)
    with clock.timing("encoder"):
        encoder.learn([f for f, d in zip(footage, demonstrations, strict=True) if d.name in chosen], report)
    with clock.timing("embedding"):
        vectors = _encoded(encoder, [one.frames for one in footage])
    examples = [_example(*row) for row in zip(demonstrations, footage, vectors, strict=True)]
    by_name = {example.name: example for example in examples}
    with clock.timing("objective"):
        objective.fit([by_name[n] for n in split.fit], [by_name[n] for n in split.validation], report)
        held = [by_name[name] for name in split.validation]
        calibration = _calibration(objective, held) if config.calibrate else None
    recipe = {
        "objective": _with(config.option, seeded),
        "members": config.members,
        "encoder_name": config.encoder,
        "encoder": encoder_words,
    }
    return Fitted(
        critic=Critic(config.critic, objective, encoder, recipe, calibration),
        config=config,
        split=split,
        examples=tuple(examples),
        footage=tuple(footage),
        seconds=clock.seconds,
        figures=figures,
    )


class _Clock:
    """Wall-clock time by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timing(self, part: str) -> _Part:
        return _Part(self.seconds, part)


@dataclass
class _Part:
    seconds: dict[str, float]
    name: str

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + time.perf_counter() - self.began


def _with(words: Sequence[str], defaults: Sequence[str]) -> list[str]:
    given = {word.partition("=")[0] for word in words}
    return [*words, *(default for default in defaults if default.partition("=")[0] not in given)]


def _kinds(demonstrations: Sequence[Demonstration]) -> dict[str, str]:
    kinds = {one.name: f"{one.instruction}/{one.quality or one.succeeded}" for one in demonstrations}
    if not demonstrations or len(kinds) != len(demonstrations):
        raise InvalidInputError(f"fit: expected demonstrations of different names; got {len(demonstrations)}.")
    return kinds


def _footage(one: Demonstration, camera: str | None, encoder: Encoder) -> Footage:
    return Footage(
        frames=np.stack([_small(frame) for frame in one.frames(camera)]),
        text=encoder.encode_text(one.instruction),
        progress=_progress(one),
        success=one.success,
    )


def _progress(one: Demonstration) -> NDArray[np.float32] | None:
    if one.progress is None and one.keyframes:
        return from_key_frames(one.length, one.keyframes)
    return one.progress


def _small(frame: Frame) -> Frame:
    """The frame, reduced to `LARGEST` pixels on its longer side if it is larger: an hour of film must fit in memory."""
    height, width = frame.shape[:2]
    share = LARGEST / max(height, width)
    if share >= 1:
        return frame
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))


def _encoded(encoder: Encoder, videos: Sequence[Video]) -> list[NDArray[np.float32]]:
    """All episodes in one call where their frames have one size."""
    if len({video.shape[1:] for video in videos}) > 1:
        return [encoder.encode(video) for video in videos]
    bounds = np.cumsum([len(video) for video in videos])[:-1]
    return np.split(encoder.encode(np.concatenate(videos)), bounds)


def _example(one: Demonstration, footage: Footage, features: NDArray[np.float32]) -> Example:
    features.flags.writeable = False
    return Example(
        name=one.name,
        instruction=one.instruction,
        text=footage.text,
        features=features,
        progress=footage.progress,
        success=one.succeeded,
        quality=one.quality,
        spans=tuple((span.name, span.start, span.stop) for span in one.stages or ()),
        goal=features[-1] if one.succeeded is not False else None,
    )


def _calibration(objective: Objective, validation: Sequence[Example]) -> Calibration | None:
    """None where validation has too few labelled frames, or the objective only orders finished episodes."""
    if not validation or not objective.traits.causal:
        return None
    own = objective.traits.needs_goal  # what can do without is never shown an episode's own end as its goal
    queries = [
        Query(features=e.features, instruction=e.instruction, text=e.text, goal=e.goal if own else None)
        for e in validation
    ]
    scores, _ = objective.extend(queries)
    value = np.concatenate([np.where(score.valid, score.value, np.nan) for score in scores])
    labels = np.concatenate([progress_labels(example) for example in validation])
    if np.isfinite(value + labels).sum() < ENOUGH:
        return None
    return Calibration.fitted(value, labels)
