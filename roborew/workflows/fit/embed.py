"""Demonstrations read, split, and turned into vectors that objectives are fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from roborew.config import (
    default_options,
    format_options,
    keyword_options,
    parse_options,
    parse_settings,
)
from roborew.critics.ensemble import make_objective
from roborew.critics.recipe import MACHINE_SETTINGS
from roborew.data.demonstration import Demonstration, resolve_cameras
from roborew.data.preferences import Preference
from roborew.encoders.base import ComparingEncoder, Encoder
from roborew.encoders.multi_view import MultiViewEncoder
from roborew.errors import InvalidInputError
from roborew.learning.devices import check_devices
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
)
from roborew.workflows.fit.preferences import to_answers, to_comparisons
from roborew.workflows.fit.split import (
    HeldOutInstructions,
    Split,
    hold_out_instructions,
    split_episodes,
    strata_of,
    with_half_visited,
    without_short,
)
from roborew.workflows.parts import PartConfig

if TYPE_CHECKING:
    from roborew.critics.critic import Critic
    from roborew.critics.dataset.preferences import SegmentComparison

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
        names_to_fit: of the episodes to learn from; one that counts more stands there oftener.
        start: whose weights learning goes on from, see `fit_critic`.
        held_out_instructions: sentences that are held out, by instruction.
        demonstrations: as they were read, then what an agent visited, then `swap_pairs`.
        examples: the same, embedded.
        episode_frames: their pictures, in the same order.
        visited: names of what an agent visited.
        answers: what somebody said of pieces of the examples; none where nobody was asked.
        seconds: wall-clock time by part: "reading", "encoder", "embedding".
        figures: what the encoder reported last, by name; empty where it was not learned.
    """

    encoder: Encoder
    encoder_options: tuple[str, ...]
    cameras: tuple[str, ...]
    aspect: float
    split: Split
    names_to_fit: tuple[str, ...]
    start: Critic | None
    held_out_instructions: Mapping[str, HeldOutInstructions]
    demonstrations: tuple[Demonstration, ...]
    examples: tuple[Example, ...]
    episode_frames: tuple[EpisodeFrames, ...]
    visited: frozenset[str]
    answers: tuple[SegmentComparison, ...]
    seconds: dict[str, float]
    figures: dict[str, float]


def embed_demonstrations(
    demonstrations: Sequence[Demonstration],
    config: FitConfig,
    say: Say | None = None,
    visited: Sequence[Demonstration] = (),
    preferences: Sequence[Preference] = (),
    start: Critic | None = None,
) -> EmbeddedDemonstrations:
    """Read demonstrations, split them, let the encoder learn from those to be fitted, and embed all
    of them.

    Arguments and errors as of `fit_critic`.
    """
    _check_config(config)
    seeds = Seeds(config.seed)
    all_demonstrations = without_short([*demonstrations, *visited], config.fps)
    answers = to_answers(preferences, all_demonstrations, config)
    encoder, encoder_options = _make_encoder(config, seeds)
    clock, figures = Stopwatch(), dict[str, float]()
    with clock.time("reading"):
        recordings = _read(all_demonstrations, config, encoder, seeds, say)
    if len(recordings.cameras) > 1:
        encoder = MultiViewEncoder(encoder, recordings.cameras, recordings.aspect)
    names = recordings.split.fit
    if start is not None:
        encoder.load_state_dict(start.encoder.state_dict())
        names = with_half_visited(names, {one.name for one in visited})
    with clock.time("encoder"):
        _learn(encoder, recordings, names, answers, config, keeping(figures, say))
    with clock.time("embedding"):
        examples = _embed(recordings, config, encoder, say)
    return EmbeddedDemonstrations(
        encoder=encoder,
        encoder_options=tuple(encoder_options),
        cameras=recordings.cameras,
        aspect=recordings.aspect,
        split=recordings.split,
        names_to_fit=names,
        start=start,
        held_out_instructions=recordings.held_out_instructions,
        demonstrations=tuple(recordings.demonstrations),
        examples=examples,
        episode_frames=recordings.episode_frames,
        visited=frozenset(demonstration.name for demonstration in visited),
        answers=answers,
        seconds=clock.seconds,
        figures=figures,
    )


def _learn(
    encoder: Encoder,
    recordings: _Recordings,
    names: Sequence[str],
    answers: Sequence[SegmentComparison],
    config: FitConfig,
    report: Report,
) -> None:
    """Let an encoder learn from what was said of pieces of the episodes, or from their labels."""
    if not (answers and isinstance(encoder, ComparingEncoder)):
        # From the episodes to fit alone: one that saw the test pictures would flatter the critic.
        encoder.learn(recordings.episodes(names), report)
        return
    length = config.critic.typed_options()["segment_length"]
    comparisons = to_comparisons(answers, recordings.episode_frames, length)
    encoder.learn_comparisons(recordings.episode_frames, comparisons, report)


def _check_config(config: FitConfig) -> None:
    """Refuse what cannot be fitted before anything is read, which may take minutes."""
    config.encoder.factory()
    settings = format_options(config.critic.options)
    make_objective(config.critic.name, settings, config.ensemble_size)
    _check_goals(config)


def _make_encoder(config: FitConfig, seeds: Seeds) -> tuple[Encoder, list[str]]:
    """The encoder, and its settings as key=value."""
    factory = config.encoder.factory()
    seed = seeds.integer("encoder")
    words = with_defaults(format_options(config.encoder.options), [f"seed={seed}"])
    # Settings of the user come last: they win over the defaults of the workflow.
    defaults = {"device": config.device, **_cache(factory, config)}
    options = defaults | parse_options(factory, words)
    check_devices(str(options["device"]))
    encoder: Encoder = factory(**options)
    return encoder, words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recordings:
    """Demonstrations as they were read, with all that is decided before embedding."""

    demonstrations: Sequence[Demonstration]
    episode_frames: tuple[EpisodeFrames, ...]
    indices: Sequence[NDArray[np.int64]]
    cameras: tuple[str, ...]
    split: Split
    held_out_instructions: Mapping[str, HeldOutInstructions]

    @property
    def aspect(self) -> float:
        """Width of one picture divided by its height."""
        height, width = self.episode_frames[0].frames.shape[1:3]
        return width / len(self.cameras) / height

    def episodes(self, names: Sequence[str]) -> list[EpisodeFrames]:
        """The episodes of these names, in the order of the demonstrations."""
        counts = Counter(names)
        pairs = zip(self.demonstrations, self.episode_frames, strict=True)
        return [
            episode for demonstration, episode in pairs for _ in range(counts[demonstration.name])
        ]


def _read(
    demonstrations: Sequence[Demonstration],
    config: FitConfig,
    encoder: Encoder,
    seeds: Seeds,
    say: Say | None,
) -> _Recordings:
    strata = strata_of(demonstrations)
    cameras = resolve_cameras(demonstrations, ",".join(config.cameras) or None)
    split = split_episodes(strata, config.held_out, seeds.generator("split"))
    # Without test episodes nobody would look at held-out sentences: all are fitted.
    held_out_ratio = config.held_out if split.test else 0.0
    held_out = hold_out_instructions(demonstrations, held_out_ratio, seeds.generator("sentences"))
    embedder = InstructionEmbedder(encoder, held_out)
    all_indices: list[NDArray[np.int64]] = []
    all_frames: list[EpisodeFrames] = []

    def read(demonstration: Demonstration) -> None:
        indices = demonstration.sample_indices(config.fps)
        all_indices.append(indices)
        episode = load_episode_frames(demonstration, cameras, indices, embedder, say)
        all_frames.append(episode)

    for demonstration in _counted(demonstrations, "episodes read", say):
        read(demonstration)
    pairs = _swap_pairs(demonstrations, split, cameras, config)
    for demonstration in pairs:
        read(demonstration)
    split = replace(split, fit=(*split.fit, *(demonstration.name for demonstration in pairs)))
    return _Recordings(
        demonstrations=[*demonstrations, *pairs],
        episode_frames=tuple(all_frames),
        indices=all_indices,
        cameras=cameras,
        split=split,
        held_out_instructions=held_out,
    )


def _swap_pairs(
    demonstrations: Sequence[Demonstration],
    split: Split,
    cameras: Sequence[str],
    config: FitConfig,
) -> Sequence[Demonstration]:
    """Experts drawn again, where that was asked for: only then a simulator is loaded."""
    if not config.swap_negatives:
        return ()
    from roborew.workflows.fit.swap_films import swap_pairs

    return swap_pairs(demonstrations, split.fit, cameras, config.swap_negatives)


def _embed(
    recordings: _Recordings, config: FitConfig, encoder: Encoder, say: Say | None
) -> tuple[Example, ...]:
    demonstrations = recordings.demonstrations
    episodes = recordings.episode_frames
    features: list[NDArray[np.float32]] = []
    for episode in _counted(episodes, "episodes embedded", say):
        features.append(encoder.encode(episode.frames))
    goals = embed_goal_images(config.goal_images, encoder, demonstrations)
    examples = map(make_example, demonstrations, episodes, features, recordings.indices, goals)
    return tuple(examples)


def _check_goals(config: FitConfig) -> None:
    """Refuse pictures of the goal for a critic that does not learn from them."""
    if config.goal_images is None or critics.load(config.critic.name).spec.learns_goal_images:
        return
    able = [name for name in critics if critics.load(name).spec.learns_goal_images]
    raise InvalidInputError(
        f"goal_images: {config.critic.name!r} does not learn from pictures of the goal. Able to: "
        f"{', '.join(able)}."
    )


def keeping(figures: dict[str, float], say: Say | None) -> Report:
    """Pass figures on, and keep the last of each name that is no count."""

    def report(name: str, value: float) -> None:
        # "steps, of 400" counts: only its progress is of interest, not its last value.
        if ", of " not in name:
            figures[name] = value
        if say is not None:
            say(name, value)

    return report


def with_defaults(words: Sequence[str], defaults: Sequence[str]) -> list[str]:
    """Settings as key=value, and the defaults of those that are not among them."""
    names = {word.partition("=")[0] for word in words}
    missing = [default for default in defaults if default.partition("=")[0] not in names]
    return [*words, *missing]


def with_every_setting(part: PartConfig, words: Sequence[str]) -> list[str]:
    """Settings of a part as key=value, and the defaults of all others, so that a later release cannot
    change what was fitted; but for where a machine computes and what it keeps."""
    factory = part.factory()
    # By their present names: a word may have that of an earlier release.
    choices = parse_settings(factory, words)
    lasting = [word for word in words if word.partition("=")[0] not in MACHINE_SETTINGS]
    defaults = default_options(factory).items()
    rest = {name: value for name, value in defaults if name not in {*choices, *MACHINE_SETTINGS}}
    return lasting + format_options(rest)


def _cache(make: Callable[..., Encoder], config: FitConfig) -> dict[str, Path]:
    """Where embeddings are kept; no setting of the critic, which is to be used elsewhere too."""
    if config.cache is None:
        return {}
    if "cache" not in keyword_options(make):
        raise InvalidInputError(
            f"cache: expected an encoder that is not fitted, 'pretrained'; got {config.encoder.name!r}."
        )
    return {"cache": config.cache}


def _counted(items: Sequence[T], name: str, say: Say | None) -> Iterator[T]:
    """Give the items one by one, and say how many are done."""
    for number, item in enumerate(items, start=1):
        yield item
        if say is not None:
            say(f"{name}, of {len(items)}", number)
