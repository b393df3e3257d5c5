"""From demonstrations to a critic with its card: embedded, split, fitted, calibrated, judged beside its nulls.

What is not as it should be ends in one error before anything is written, or follows a rule:

| demonstrations | what happens |
|---|---|
| none; two of one name; of one or two frames | error |
| a video that is missing, damaged, or has other frames than promised | error |
| videos of another size or rate than the same camera's elsewhere in the set, or than the other cameras' rate | error |
| pictures of several cameras in other sizes | each is read at the size of the first |
| key frames, or stages, out of order, overlapping or outside the video | error |
| success said twice and differently; a success that ends below 0.1 of progress; a failure that ends at 1 | error |
| progress as well as key frames | progress counts |
| all frames alike while progress changes, or in a success whose progress is not known | error |
| no success, and no progress that changes | error |
| no success, but progress | an error of critics that learn from successes only |
| no failure | an error of `adversarial` |
| fewer than five of a kind | all of them are fitted; if so of each kind, nothing is calibrated, and the card says so |

A fitted critic scores clips of one frame, of frames alike and of any size; of several cameras, see `side_by_side`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import tyro

from roborew.critics.calibration import calibrated
from roborew.critics.critic import Critic
from roborew.critics.encoder import Encoder, Footage
from roborew.critics.ensemble import make_objective
from roborew.critics.labels import progress_labels
from roborew.critics.objective import Example, Refreshable, Report
from roborew.critics.side_by_side import SideBySide
from roborew.data.demonstration import Demonstration
from roborew.data.thinning import kept_frames
from roborew.errors import InvalidInputError
from roborew.footage import Wording, chosen_cameras, example_of, footage_of, given_goals
from roborew.options import keyword_options, parse_options
from roborew.registry import critics, encoders
from roborew.seeding import Seeds
from roborew.splitting import Split, Unseen, kinds_of, split_names, unseen_sentences
from roborew.stopwatch import Stopwatch

LEAST_GAIN = 0.05
"""Least difference in progress between any two frames that are learned from."""
Say = Callable[[str, float], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How a critic is made. The same configuration and demonstrations give the same critic on the same machine."""

    critic: str = "progress"
    """A name of `roborew list critics`."""
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting of the critic as key=value; may be given several times."""
    members: int = 1
    """So many critics are fitted, of different seed and to samples of the episodes drawn with replacement; where they
    disagree there is no score."""
    encoder: str = "conv"
    """A name of `roborew list encoders`."""
    encoder_option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting of the encoder as key=value; may be given several times."""
    cache: Path | None = None
    """Folder in which the embeddings of a pretrained tower are kept for the next fit."""
    camera: str | None = None
    """Which camera of the demonstrations, the first if not given; or several, separated by commas, or "all": their
    pictures are set side by side."""
    fps: float | None = None
    """Learn from about so many frames of each second, and score at the same rate; from every frame if not given."""
    seed: int = 0
    """Of the split, the weights and the order."""
    held_out: float = 0.2
    """Share of the episodes kept for judging, and as much again for validation."""
    goal_images: Path | None = None
    """Folder with pictures of the goal, drawn, edited or photographed: learned from in place of the ends of successes,
    by critics that learn from pictures of the goal. No success is needed then."""
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
class Fitted:
    """A critic and how it came to be.

    Attributes:
        config: as asked for.
        split: which episode was used for what.
        unseen: sentences that were held out, by instruction.
        examples: all of them, embedded.
        footage: their pictures, in the same order.
        seconds: wall-clock time by part: "reading", "encoder", "embedding", "objective".
        figures: what the encoder, where it was learned, and the objective reported last, by name.
    """

    critic: Critic
    config: FitConfig
    split: Split
    unseen: Mapping[str, Unseen]
    examples: tuple[Example, ...]
    footage: tuple[Footage, ...]
    seconds: dict[str, float]
    figures: dict[str, float] = field(default_factory=dict[str, float])


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
        visited: episodes of an agent that learned from an earlier critic. They are split like demonstrations and have
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
        unseen: sentences that are held out, by instruction.
        examples: the demonstrations, then what an agent visited.
        footage: their pictures, in the same order.
        visited: names of the latter.
        seconds: wall-clock time by part: "reading", "encoder", "embedding".
        figures: what the encoder reported last, by name; empty where it was not learned.
    """

    encoder: Encoder
    words: tuple[str, ...]
    cameras: tuple[str, ...]
    aspect: float
    split: Split
    unseen: Mapping[str, Unseen]
    examples: tuple[Example, ...]
    footage: tuple[Footage, ...]
    visited: frozenset[str]
    seconds: dict[str, float]
    figures: dict[str, float]


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
    make_objective(config.critic, config.option, config.members)  # what cannot be is said before anything is read
    _check_goals(config)
    seeds, clock, figures = Seeds(config.seed), Stopwatch(), dict[str, float]()
    words = _with(config.encoder_option, [f"seed={seeds.integer('encoder')}"])
    encoder: Encoder = make(**{"device": config.device, **_cache(make, config), **parse_options(make, words)})
    everything = [*demonstrations, *visited]
    kinds = kinds_of(everything)
    cameras = chosen_cameras(everything, config.camera)
    kept = [kept_frames(one.length, one.fps, config.fps) for one in everything]
    split = split_names(kinds, config.held_out, seeds.generator("split"))
    unseen = unseen_sentences(everything, config.held_out if split.test else 0.0, seeds.generator("sentences"))
    wording = Wording(encoder, unseen)
    read = zip(_counted(everything, "episodes read", say), kept, strict=True)
    with clock.time("reading"):
        footage = [footage_of(one, cameras, at, wording) for one, at in read]
    height, width = footage[0].frames.shape[1:3]
    aspect = width / len(cameras) / height
    if len(cameras) > 1:
        encoder = SideBySide(encoder, cameras, aspect)
    chosen = set(split.fit)
    with clock.time("encoder"):
        learned_from = [one for one, told in zip(footage, everything, strict=True) if told.name in chosen]
        encoder.learn(learned_from, _keeping(figures, say))
    with clock.time("embedding"):
        vectors = [encoder.encode(one.frames) for one in _counted(footage, "episodes embedded", say)]
        goals = given_goals(config.goal_images, encoder, everything)
    return Embedded(
        encoder=encoder,
        words=tuple(words),
        cameras=cameras,
        aspect=aspect,
        split=split,
        unseen=unseen,
        examples=tuple(example_of(*row) for row in zip(everything, footage, vectors, kept, goals, strict=True)),
        footage=tuple(footage),
        visited=frozenset(one.name for one in visited),
        seconds=clock.seconds,
        figures=figures,
    )


def fit_objective(embedded: Embedded, config: FitConfig, say: Say | None = None) -> Fitted:
    """Fit the objective of a configuration to what `embed` made with it; errors as of `fit_critic`."""
    figures, clock = dict(embedded.figures), Stopwatch()
    seeded = [f"seed={Seeds(config.seed).integer('critic')}"]
    objective = make_objective(config.critic, _with(config.option, seeded), config.members)

    report = _keeping(figures, say)
    split, by_name = embedded.split, {example.name: example for example in embedded.examples}
    chosen, held = ([by_name[name] for name in part] for part in (split.fit, split.validation))
    if config.goal_images is None:
        _check_gain(chosen)
    with clock.time("objective"):
        if embedded.visited and isinstance(objective, Refreshable):
            shown = [example for example in chosen if example.name not in embedded.visited]
            objective.refresh(shown, [example for example in chosen if example.name in embedded.visited], report)
        else:
            objective.fit(chosen, held, report)
        calibration = calibrated(objective, held) if config.calibrate else None
    recipe = {
        "objective": _with(config.option, seeded),
        "members": config.members,
        "encoder_name": config.encoder,
        "encoder": list(embedded.words),
        "cameras": list(embedded.cameras),
        "sentences": list(dict.fromkeys(example.instruction for example in embedded.examples)),
        "fps": config.fps,
        "aspect": embedded.aspect,
    }
    return Fitted(
        critic=Critic(config.critic, objective, embedded.encoder, recipe, calibration),
        config=config,
        split=split,
        unseen=embedded.unseen,
        examples=embedded.examples,
        footage=embedded.footage,
        seconds=embedded.seconds | clock.seconds,
        figures=figures,
    )


def _check_goals(config: FitConfig) -> None:
    """Pictures of the goal are given to a critic that learns from them."""
    able = [name for name in critics if critics.load(name).traits.learns_goals]
    if config.goal_images is not None and config.critic not in able:
        raise InvalidInputError(
            f"goal_images: {config.critic!r} does not learn from pictures of the goal. Able to: {', '.join(able)}."
        )


def _check_gain(examples: Sequence[Example]) -> None:
    """Whatever the method, it learns from what gets further."""
    labels = np.concatenate([progress_labels(example) for example in examples])
    if np.nanmax(labels) - np.nanmin(labels) < LEAST_GAIN:
        failed = sum(example.success is False for example in examples)
        raise InvalidInputError(
            f"fit: expected a success, or progress labels that change; got {len(examples)} demonstrations to fit, "
            f"{failed} of them failures, whose progress is {np.nanmin(labels):.2f} wherever it is known. Add a "
            "success, or label progress."
        )


def _keeping(figures: dict[str, float], say: Say | None) -> Report:
    """Pass figures on, and keep the last of each name that is no count."""

    def report(what: str, value: float) -> None:
        if ", of " not in what:
            figures[what] = value
        (say or _silently)(what, value)

    return report


def _silently(what: str, value: float) -> None:
    pass


def _with(words: Sequence[str], defaults: Sequence[str]) -> list[str]:
    given = {word.partition("=")[0] for word in words}
    return [*words, *(default for default in defaults if default.partition("=")[0] not in given)]


def _cache(make: Callable[..., Encoder], config: FitConfig) -> dict[str, Path]:
    """Where embeddings are kept; no setting of the critic, which is to be used elsewhere too."""
    if config.cache is None:
        return {}
    if "cache" not in keyword_options(make):
        raise InvalidInputError(f"cache: expected an encoder that is not fitted, 'tower'; got {config.encoder!r}.")
    return {"cache": config.cache}


def _counted(things: Sequence[T], what: str, say: Say | None) -> Iterator[T]:
    """Give the things one by one, and say how many are done."""
    for number, thing in enumerate(things, start=1):
        yield thing
        (say or _silently)(f"{what}, of {len(things)}", number)
