"""An objective fitted to embedded demonstrations, and calibrated: a critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roborew.config import format_options
from roborew.critics.calibration import fit_calibration
from roborew.critics.critic import Critic
from roborew.critics.ensemble import make_objective
from roborew.critics.objective import Objective, PreferenceObjective, Refittable
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Preference
from roborew.errors import InvalidInputError
from roborew.learning.examples import EpisodeFrames, Example, Report
from roborew.learning.labels import progress_labels
from roborew.seeding import Seeds
from roborew.stopwatch import Stopwatch
from roborew.workflows.fit.config import FitConfig
from roborew.workflows.fit.embed import (
    EmbeddedDemonstrations,
    Say,
    embed_demonstrations,
    keeping,
    with_defaults,
    with_every_setting,
)
from roborew.workflows.fit.preferences import for_preferences
from roborew.workflows.fit.split import HeldOutInstructions, Split

MIN_PROGRESS_RANGE = 0.05
"""Least difference in progress between any two frames that are learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A critic and how it came to be.

    Attributes:
        config: as asked for.
        split: which episode was used for what.
        unseen: sentences that were held out, by instruction.
        demonstrations: all of them.
        examples: the same, embedded.
        episode_frames: their pictures, in the same order.
        seconds: wall-clock time by part: "reading", "encoder", "embedding", "objective".
        figures: what the encoder, where it was learned, and the objective reported last, by name.
    """

    critic: Critic
    config: FitConfig
    split: Split
    unseen: Mapping[str, HeldOutInstructions]
    demonstrations: tuple[Demonstration, ...]
    examples: tuple[Example, ...]
    episode_frames: tuple[EpisodeFrames, ...]
    seconds: dict[str, float]
    figures: dict[str, float] = field(default_factory=dict[str, float])


def fit_critic(
    demonstrations: Sequence[Demonstration],
    config: FitConfig,
    say: Say | None = None,
    visited: Sequence[Demonstration] = (),
    preferences: Sequence[Preference] = (),
    start: Critic | None = None,
) -> Fitted:
    """Fit a critic to demonstrations.

    Args:
        demonstrations: at least one; names differ.
        config: how.
        say: called with every figure of the fit as it goes.
        visited: episodes of an agent that learned from an earlier critic. They are split like
            demonstrations and have the labels that they carry; a critic with a way of its own to
            learn from them (`Refittable`) uses that.
        preferences: what somebody said of pieces of the episodes. A critic that can learn from that
            (`PreferenceObjective`) learns from nothing else then; see `for_preferences`.
        start: a critic of the same configuration whose weights learning goes on from. Of what is
            learned from, about half is then what was visited: the rest it has seen before.

    Raises:
        UnknownNameError: no such critic, encoder or setting.
        InvalidInputError: fewer demonstrations than needed, no such camera, or what the critic
            needs is missing.
        CorruptFileError: a video is damaged.
    """
    if preferences:
        config = for_preferences(config, preferences)
    embedded = embed_demonstrations(demonstrations, config, say, visited, preferences, start)
    return fit_objective(embedded, config, say)


def fit_objective(
    embedded: EmbeddedDemonstrations, config: FitConfig, say: Say | None = None
) -> Fitted:
    """Fit the objective of a configuration to what `embed_demonstrations` made with it; errors as
    of `fit_critic`."""
    clock = Stopwatch()
    figures = dict(embedded.figures)
    report = keeping(figures, say)
    seeded = [f"seed={Seeds(config.seed).integer('critic')}"]
    settings = with_defaults(format_options(config.critic.options), seeded)
    objective = make_objective(config.critic.name, settings, config.ensemble_size)
    if embedded.start is not None:
        objective.load_state_dict(embedded.start.objective.state_dict())
    by_name = {example.name: example for example in embedded.examples}
    training = [by_name[name] for name in embedded.names_to_fit]
    validation = [by_name[name] for name in embedded.split.validation]
    if config.goal_images is None and not embedded.answers:
        _check_gain(training)
    with clock.time("objective"):
        _learn(objective, embedded, training, validation, report)
        # On validation episodes: those that were fitted get scores better than any new one.
        calibration = fit_calibration(objective, validation) if config.calibrate else None
    recipe = _recipe(embedded, config, settings)
    return Fitted(
        critic=Critic(config.critic.name, objective, embedded.encoder, recipe, calibration),
        config=config,
        split=embedded.split,
        unseen=embedded.held_out_instructions,
        demonstrations=embedded.demonstrations,
        examples=embedded.examples,
        episode_frames=embedded.episode_frames,
        seconds=embedded.seconds | clock.seconds,
        figures=figures,
    )


def _learn(
    objective: Objective,
    embedded: EmbeddedDemonstrations,
    training: Sequence[Example],
    validation: Sequence[Example],
    report: Report,
) -> None:
    """Let an objective learn in the way that suits what is there."""
    if embedded.answers and isinstance(objective, PreferenceObjective):
        objective.learn(embedded.examples, embedded.answers, report)
    elif embedded.visited and isinstance(objective, Refittable):
        # What an agent visited is no demonstration: such a critic tells it from one.
        demonstrations = [one for one in training if one.name not in embedded.visited]
        visited = [one for one in training if one.name in embedded.visited]
        objective.refit(demonstrations, visited, report)
    else:
        objective.fit(training, validation, report)


def _recipe(
    embedded: EmbeddedDemonstrations, config: FitConfig, settings: list[str]
) -> dict[str, Any]:
    """What a saved critic says of how it was made, and needs to be fitted again."""
    sentences = dict.fromkeys(example.instruction for example in embedded.examples)
    return {
        "objective": with_every_setting(config.critic, settings),
        "members": config.ensemble_size,
        "encoder_name": config.encoder.name,
        "encoder": with_every_setting(config.encoder, embedded.encoder_options),
        "cameras": list(embedded.cameras),
        "sentences": list(sentences),
        "fps": config.fps,
        "swap_negatives": config.swap_negatives,
        "aspect": embedded.aspect,
    }


def _check_gain(examples: Sequence[Example]) -> None:
    """Whatever the method, it learns from what gets further."""
    labels = np.concatenate([progress_labels(example) for example in examples])
    lowest = np.nanmin(labels)
    if np.nanmax(labels) - lowest < MIN_PROGRESS_RANGE:
        failures = sum(example.success is False for example in examples)
        raise InvalidInputError(
            f"fit: expected a success, or progress labels that change; got {len(examples)} "
            f"demonstrations to fit, {failures} of them failures, whose progress is {lowest:.2f} "
            "wherever it is known. Add a success, or label progress."
        )
