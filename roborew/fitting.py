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
from roborew.critics.objective import Example, Objective, Query, Refreshable
from roborew.critics.side_by_side import SideBySide
from roborew.data import side_by_side
from roborew.data.demonstration import Demonstration
from roborew.errors import InvalidInputError
from roborew.options import parse_options
from roborew.registry import critics, encoders
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
    """Which camera of the demonstrations, the first if not given; or several, separated by commas, or "all": their
    pictures are set side by side."""
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


def fit_critic(
    demonstrations: Sequence[Demonstration],
    config: FitConfig,
    say: Say | None = None,
    visited: Sequence[Demonstration] = (),
) -> Fitted:
    """Fit a critic to demonstrations.

    Args:
        demonstrations: at least one; names differ.
        config: how.
        say: called with every figure of the fit as it goes.
        visited: episodes of an agent that learned from an earlier critic. They are demonstrations like any other, with
            the labels that they carry; a critic with a way of its own to learn from them (`Refreshable`) uses that.

    Raises:
        UnknownNameError: no such critic, encoder or setting.
        InvalidInputError: fewer demonstrations than needed, no such camera, or what the critic needs is missing.
        CorruptFileError: a video is damaged.
    """
    return fit_objective(embed(demonstrations, config, say, visited), config, say)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Demonstrations as an objective sees them; several may be fitted to the same.

    Attributes:
        encoder: learned.
        words: its settings as key=value.
        cameras: whose pictures lie side by side in a frame; usually one.
        aspect: width of one picture divided by its height.
        split: which demonstration is for what.
        examples: the demonstrations, then what an agent visited.
        footage: their pictures, in the same order.
        visited: how many of them an agent visited.
        seconds: wall-clock time by part: "reading", "encoder", "embedding".
    """

    encoder: Encoder
    words: tuple[str, ...]
    cameras: tuple[str, ...]
    aspect: float
    split: Split
    examples: tuple[Example, ...]
    footage: tuple[Footage, ...]
    visited: int
    seconds: dict[str, float]


def embed(
    demonstrations: Sequence[Demonstration],
    config: FitConfig,
    say: Say | None = None,
    visited: Sequence[Demonstration] = (),
) -> Embedded:
    """Read demonstrations, split them, let the encoder learn from those to be fitted, and embed all of them.

    Arguments and errors as of `fit_critic`.
    """
    make = encoders.load(config.encoder)
    critics.load(config.critic)  # a name that does not exist is said before anything is read
    seeds, clock = Seeds(config.seed), _Clock()
    words = _with(config.encoder_option, [f"seed={seeds.integer('encoder')}"])
    encoder: Encoder = make(**{"device": config.device, **parse_options(make, words)})
    everything = [*demonstrations, *visited]
    kinds = _kinds(everything)
    cameras = _cameras(everything, config.camera)
    with clock.timing("reading"):
        footage = [_footage(one, cameras, encoder) for one in everything]
    height, width = footage[0].frames.shape[1:3]
    aspect = width / len(cameras) / height
    if len(cameras) > 1:
        encoder = SideBySide(encoder, cameras, aspect)
    split = split_names(
        {one.name: kinds[one.name] for one in demonstrations}, config.held_out, seeds.generator("split")
    )
    chosen = {*split.fit, *(one.name for one in visited)}
    with clock.timing("encoder"):
        encoder.learn([f for f, d in zip(footage, everything, strict=True) if d.name in chosen], say or _silently)
    with clock.timing("embedding"):
        vectors = _encoded(encoder, [one.frames for one in footage])
    return Embedded(
        encoder=encoder,
        words=tuple(words),
        cameras=cameras,
        aspect=aspect,
        split=split,
        examples=tuple(_example(*row) for row in zip(everything, footage, vectors, strict=True)),
        footage=tuple(footage),
        visited=len(visited),
        seconds=clock.seconds,
    )


def fit_objective(embedded: Embedded, config: FitConfig, say: Say | None = None) -> Fitted:
    """Fit the objective of a configuration to what `embed` made with it; errors as of `fit_critic`."""
    figures, clock = dict[str, float](), _Clock()
    seeded = [f"seed={Seeds(config.seed).integer('critic')}"]
    objective = make_objective(config.critic, _with(config.option, seeded), config.members)

    def report(what: str, value: float) -> None:
        figures[what] = value
        if say is not None:
            say(what, value)

    split, by_name = embedded.split, {example.name: example for example in embedded.examples}
    chosen, held = ([by_name[name] for name in part] for part in (split.fit, split.validation))
    visited = embedded.examples[len(embedded.examples) - embedded.visited :]
    with clock.timing("objective"):
        if visited and isinstance(objective, Refreshable):
            objective.refresh(chosen, visited, report)
        else:
            objective.fit([*chosen, *visited], held, report)
        calibration = _calibration(objective, held) if config.calibrate else None
    recipe = {
        "objective": _with(config.option, seeded),
        "members": config.members,
        "encoder_name": config.encoder,
        "encoder": list(embedded.words),
        "cameras": list(embedded.cameras),
        "aspect": embedded.aspect,
    }
    return Fitted(
        critic=Critic(config.critic, objective, embedded.encoder, recipe, calibration),
        config=config,
        split=split,
        examples=embedded.examples,
        footage=embedded.footage,
        seconds=embedded.seconds | clock.seconds,
        figures=figures,
    )


def _silently(what: str, value: float) -> None:
    pass


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


def _cameras(demonstrations: Sequence[Demonstration], asked: str | None) -> tuple[str, ...]:
    """Names of the cameras, all of which every demonstration has."""
    known = demonstrations[0].cameras
    names = known if asked == "all" else tuple(part.strip() for part in (asked or known[0]).split(","))
    if len(set(names)) < len(names):
        raise InvalidInputError(f"camera: expected each camera once; got {', '.join(names)}.")
    for one in demonstrations:
        if missing := [name for name in names if name not in one.cameras]:
            raise InvalidInputError(
                f"{one.name}: no camera {missing[0]!r}. Available: {', '.join(one.cameras)}. Name cameras that all "
                "demonstrations have."
            )
    return names


def _footage(one: Demonstration, cameras: Sequence[str], encoder: Encoder) -> Footage:
    moments = zip(*(map(_small, one.frames(camera)) for camera in cameras), strict=True)
    return Footage(
        frames=np.stack([side_by_side(pictures) for pictures in moments]),
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
