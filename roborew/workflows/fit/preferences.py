"""What somebody said of pieces of demonstrations, as critics and encoders learn from it.

Labels of pairs are about frames of two episodes: all of the episodes are fitted then, and nothing is
calibrated. What nobody could tell is left out; a tie says that neither piece is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from roborew.critics.objective import PreferenceObjective
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Preference, Segment, set_preferences
from roborew.errors import InvalidInputError
from roborew.learning.comparisons import FrameComparisons
from roborew.learning.episode_layout import EpisodeLayout
from roborew.learning.examples import EpisodeFrames
from roborew.registry import critics
from roborew.workflows.fit.config import FitConfig

if TYPE_CHECKING:
    from roborew.critics.dataset.preferences import SegmentComparison


def learns_preferences(critic: str) -> bool:
    """Whether a critic learns from which of two pieces somebody called the better one."""
    return issubclass(critics.load(critic), PreferenceObjective)


def preferences_for(demonstrations: Path, critic: str) -> list[Preference]:
    """What somebody said of the demonstrations in a folder, for a critic that learns from it; none for
    another one."""
    return set_preferences(demonstrations) if learns_preferences(critic) else []


def for_preferences(config: FitConfig, preferences: Sequence[Preference]) -> FitConfig:
    """The configuration with which preferences are fitted: no episode is held out, and a segment is
    as long as what was shown.

    Raises:
        InvalidInputError: the critic cannot learn from them, only some of the frames are to be
            fitted, or no label is left.
    """
    name = config.critic.name
    if not learns_preferences(name):
        able = [critic for critic in critics if learns_preferences(critic)]
        raise InvalidInputError(
            f"preferences: {name!r} does not learn from them. Able to: {', '.join(able)}."
        )
    if config.fps is not None:
        raise InvalidInputError(
            "fps: preferences are of single frames, of which some would be left out; leave it out."
        )
    labels = [preference for preference in preferences if preference.label is not None]
    if all(preference.label == 0.5 for preference in labels):
        raise InvalidInputError(
            f"preferences: expected one piece that is better than another; of {len(preferences)} "
            f"labels {len(labels)} are ties and the others none. Label more pairs."
        )
    lengths = sorted({preference.frames for preference in labels})
    if len(lengths) > 1:
        raise InvalidInputError(
            f"preferences: expected pieces of one length; got {lengths} frames. Keep one of them."
        )
    critic = config.critic.with_options({"segment_length": lengths[0]})
    return replace(config, critic=critic, held_out=0.0, calibrate=False)


def to_answers(
    preferences: Sequence[Preference], demonstrations: Sequence[Demonstration], config: FitConfig
) -> tuple[SegmentComparison, ...]:
    """The labels by the place of their episodes; those that nobody could give are left out.

    Raises:
        InvalidInputError: one is of an episode or a frame that there is not, or an episode is held
            out.
    """
    # Not when a command line is read: torch is slow to import.
    from roborew.critics.dataset.preferences import SegmentComparison

    if preferences and config.held_out:
        raise InvalidInputError("preferences: expected a configuration of for_preferences.")
    places = {demonstration.name: row for row, demonstration in enumerate(demonstrations)}
    users: dict[str, int] = {}
    answers: list[SegmentComparison] = []
    for preference in preferences:
        if preference.label is None:
            continue
        for episode, frame in preference.pair:
            if episode not in places or frame >= demonstrations[places[episode]].length:
                raise InvalidInputError(
                    f"preferences: one is of frame {frame} of {episode!r}, which is not among the "
                    f"{len(demonstrations)} demonstrations. Was the set changed since?"
                )
        answers.append(
            SegmentComparison(
                first=_place(preference.first, places),
                second=_place(preference.second, places),
                label=preference.label,
                user=users.setdefault(preference.by, len(users)),
            )
        )
    return tuple(answers)


def _place(segment: Segment, places: dict[str, int]) -> tuple[int, int]:
    episode, frame = segment
    return places[episode], frame


def to_comparisons(
    answers: Sequence[SegmentComparison], episodes: Sequence[EpisodeFrames], length: int
) -> FrameComparisons:
    """The answers by the rows of their frames, pieces of so many frames each."""
    pairs = np.array([[answer.first, answer.second] for answer in answers], np.int64)
    layout = EpisodeLayout([len(episode.frames) for episode in episodes])
    segments = layout.segment_rows(pairs[..., 0], pairs[..., 1], length)
    label = np.array([answer.label for answer in answers], np.float32)
    return FrameComparisons(segments, label)
