"""Demonstrations read, split, and turned into vectors that objectives are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from roborew.config import format_options, keyword_options, parse_options
from roborew.critics.ensemble import make_objective
from roborew.data.demonstration import Demonstration
from roborew.data.subsample import subsample_indices
from roborew.encoders.base import Encoder
from roborew.encoders.multi_view import MultiViewEncoder
from roborew.errors import InvalidInputError
from roborew.learning.examples import EpisodeFrames, Example, Report
from roborew.registry import critics
from roborew.seeding import Seeds
from roborew.stopwatch import Stopwatch
from roborew.workflows.fit.config import FitConfig
from roborew.workflows.fit.examples import (
    InstructionEmbedder,
    embed_goal_images,
    load_episode_frames,
    make_example,
    resolve_cameras,
)
from roborew.workflows.fit.split import (
    HeldOutInstructions,
    Split,
    hold_out_instructions,
    split_episodes,
    strata_of,
)

Say = Callable[[str, float], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedDemonstrations:
    """Demonstrations as an objective sees them; several may be fitted to the same.

    Attributes:
        encoder: learned.
        encoder_options: its settings as key=value.
        cameras: whose pictures lie side by side in a frame; usually one.
        aspect: width of one picture divided by its height.
        split: which demonstration is for what.
        held_out_instructions: sentences that are held out, by instruction.
        examples: the demonstrations, then what an agent visited.
        episode_frames: their pictures, in the same order.
        visited: names of the latter.
        seconds: wall-clock time by part: "reading", "encoder", "embedding".
        figures: what the encoder reported last, by name; empty where it was not learned.
    """

    encoder: Encoder
    encoder_options: tuple[str, ...]
    cameras: tuple[str, ...]
    aspect: float
    split: Split
    held_out_instructions: Mapping[str, HeldOutInstructions]
    examples: tuple[Example, ...]
    episode_frames: tuple[EpisodeFrames, ...]
    visited: frozenset[str]
    seconds: dict[str, float]
    figures: dict[str, float]


def embed_demonstrations(
    demonstrations: Sequence[Demonstration],
    config: FitConfig,
    say: Say | None = None,
    visited: Sequence[Demonstration] = (),
) -> EmbeddedDemonstrations:
    """Read demonstrations, split them, let the encoder learn from those to be fitted, and embed all
    of them.

    Arguments and errors as of `fit_critic`.
    """
    make = config.encoder.factory()
    # What cannot be is an error before anything is read.
    settings = format_options(config.critic.options)
    make_objective(config.critic.name, settings, config.ensemble_size)
    _check_goals(config)
    seeds, clock, figures = Seeds(config.seed), Stopwatch(), dict[str, float]()
    seeded = [f"seed={seeds.integer('encoder')}"]
    words = with_defaults(format_options(config.encoder.options), seeded)
    encoder: Encoder = make(
        **{"device": config.device, **_cache(make, config), **parse_options(make, words)}
    )
    everything = [*demonstrations, *visited]
    kinds = strata_of(everything)
    cameras = resolve_cameras(everything, ",".join(config.cameras) or None)
    kept = [subsample_indices(one.length, one.fps, config.fps) for one in everything]
    split = split_episodes(kinds, config.held_out, seeds.generator("split"))
    unseen = hold_out_instructions(
        everything, config.held_out if split.test else 0.0, seeds.generator("sentences")
    )
    wording = InstructionEmbedder(encoder, unseen)
    read = zip(_counted(everything, "episodes read", say), kept, strict=True)
    with clock.time("reading"):
        episode_frames = [load_episode_frames(one, cameras, at, wording) for one, at in read]
    height, width = episode_frames[0].frames.shape[1:3]
    aspect = width / len(cameras) / height
    if len(cameras) > 1:
        encoder = MultiViewEncoder(encoder, cameras, aspect)
    chosen = set(split.fit)
    with clock.time("encoder"):
        learned_from = [
            one for one, told in zip(episode_frames, everything, strict=True) if told.name in chosen
        ]
        encoder.learn(learned_from, keeping(figures, say))
    with clock.time("embedding"):
        vectors = [
            encoder.encode(one.frames) for one in _counted(episode_frames, "episodes embedded", say)
        ]
        goals = embed_goal_images(config.goal_images, encoder, everything)
    return EmbeddedDemonstrations(
        encoder=encoder,
        encoder_options=tuple(words),
        cameras=cameras,
        aspect=aspect,
        split=split,
        held_out_instructions=unseen,
        examples=tuple(
            make_example(*row)
            for row in zip(everything, episode_frames, vectors, kept, goals, strict=True)
        ),
        episode_frames=tuple(episode_frames),
        visited=frozenset(one.name for one in visited),
        seconds=clock.seconds,
        figures=figures,
    )


def _check_goals(config: FitConfig) -> None:
    """Pictures of the goal are given to a critic that learns from them."""
    if config.goal_images is None or critics.load(config.critic.name).spec.learns_goal_images:
        return
    able = [name for name in critics if critics.load(name).spec.learns_goal_images]
    raise InvalidInputError(
        f"goal_images: {config.critic.name!r} does not learn from pictures of the goal. Able to: "
        f"{', '.join(able)}."
    )


def keeping(figures: dict[str, float], say: Say | None) -> Report:
    """Pass figures on, and keep the last of each name that is no count."""

    def report(what: str, value: float) -> None:
        if ", of " not in what:
            figures[what] = value
        (say or _silently)(what, value)

    return report


def _silently(what: str, value: float) -> None:
    """Say nothing."""


def with_defaults(words: Sequence[str], defaults: Sequence[str]) -> list[str]:
    """Settings as key=value, and the defaults of those that are not among them."""
    given = {word.partition("=")[0] for word in words}
    return [*words, *(default for default in defaults if default.partition("=")[0] not in given)]


def _cache(make: Callable[..., Encoder], config: FitConfig) -> dict[str, Path]:
    """Where embeddings are kept; no setting of the critic, which is to be used elsewhere too."""
    if config.cache is None:
        return {}
    if "cache" not in keyword_options(make):
        raise InvalidInputError(
            f"cache: expected an encoder that is not fitted, 'tower'; got {config.encoder.name!r}."
        )
    return {"cache": config.cache}


def _counted(things: Sequence[T], what: str, say: Say | None) -> Iterator[T]:
    """Give the things one by one, and say how many are done."""
    for number, thing in enumerate(things, start=1):
        yield thing
        (say or _silently)(f"{what}, of {len(things)}", number)
