"""Sanity baselines: scores that look like progress and are none, beside every score of every model.

| baseline | what it is | expected of a sound model |
|---|---|---|
| clock | t / (T - 1), no picture read | Spearman 1 with time; must be beaten on everything else |
| static | the first frame repeated | flat: Spearman 0, no gain |
| last frame | the last frame repeated | flat, and high from the first frame on a success: it sees, it does not count |
| blank | black frames | flat, low, best an abstention |
| wrong instruction | the same pictures, another sentence | flat and low: final value near 0 |

A model sees clips alone, so most baselines are the model itself on transformed clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from roborew.errors import InvalidInputError
from roborew.evaluation.grounding import gain
from roborew.evaluation.measure import Measure, average, score_curve
from roborew.evaluation.ordering import spearman, voc
from roborew.evaluation.success import terminal_value
from roborew.types import Clip, RewardModel, RewardSpec, Scores


class Clock:
    """The score that counts frames: t / (T - 1), from 0 to 1, and 0 for a single frame. It needs
    the whole clip."""

    # Not causal: t / (T - 1) needs the length of the whole clip, which no running episode has.
    spec = RewardSpec(
        name="clock",
        low=0.0,
        high=1.0,
        context=None,
        causal=False,
        needs_goal_image=False,
        predicts_success=False,
        paper="a sanity baseline: it reads no picture",
    )

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """The share of each clip that has passed; no picture and no sentence is read."""
        return [_clock_scores(len(clip.frames)) for clip in clips]


def _clock_scores(num_frames: int) -> Scores:
    shares = np.linspace(0, 1, num_frames, dtype=np.float32)
    valid = np.ones(num_frames, np.bool_)
    return Scores(shares, valid)


def static(clip: Clip) -> Clip:
    """The first frame repeated."""
    return clip.at(np.zeros(len(clip.frames), np.int64))


def last_frame(clip: Clip) -> Clip:
    """The last frame repeated."""
    return clip.at(np.full(len(clip.frames), len(clip.frames) - 1))


def blank(clip: Clip) -> Clip:
    """Black frames, and nothing known of the robot."""
    return replace(clip, frames=np.zeros_like(clip.frames), robot_states=None)


def forward_and_reversed(clip: Clip, progress: ArrayLike) -> Clip:
    """The clip up to its highest progress, the first time, then played back to its start: what
    Cycle-VOC is measured on.

    Args:
        progress: of each frame, shape (T,); NaN where it is unknown, at least one known.
    """
    # At least one step forward: a clip that is done at once would be a single frame, not a cycle.
    highest = int(np.nanargmax(progress))
    last = len(clip.frames) - 1
    top = min(max(1, highest), last)
    # Without the turning frame, which the way forward already shows.
    backward = np.arange(top)[::-1]
    return clip.at(np.concatenate([np.arange(top + 1), backward]))


@dataclass(frozen=True, slots=True)
class TransformClips:
    """A reward model behind a transform of its clips, itself a reward model.

    >>> TransformClips(Clock(), "static", static).spec.name
    'clock on static'
    """

    model: RewardModel
    name: str
    transform: Callable[[Clip], Clip]

    @property
    def spec(self) -> RewardSpec:
        """The model's promise under another name; not causal, as a transform may look ahead."""
        return replace(self.model.spec, name=f"{self.model.spec.name} on {self.name}", causal=False)

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """The model's scores of the transformed clips."""
        return self.model.score([self.transform(clip) for clip in clips])


NUM_SCORED_BASELINES = 4
"""Sanity baselines that are shown to the model: static, last frame, blank and wrong instruction."""


def score_with_sanity_baselines(
    model: RewardModel, clips: Sequence[Clip], wrong_instructions: Sequence[str]
) -> dict[str, list[Scores]]:
    """Score clips and all their sanity baselines, the model's own scores first under its name.

    Args:
        wrong_instructions: for each clip a sentence that its pictures do not fulfil.
    """
    if len(wrong_instructions) != len(clips) or not clips:
        raise InvalidInputError(
            f"sanity baselines: expected one wrong instruction per clip, at least one; "
            f"got {len(wrong_instructions)} for {len(clips)} clips."
        )
    # The pictures are the same: what the score loses is what it reads of the sentence.
    misled_clips = [
        replace(clip, instruction=wrong)
        for clip, wrong in zip(clips, wrong_instructions, strict=True)
    ]
    return {
        model.spec.name: model.score(clips),
        "clock": Clock().score(clips),
        "static": TransformClips(model, "static", static).score(clips),
        "last frame": TransformClips(model, "last frame", last_frame).score(clips),
        "blank": TransformClips(model, "blank", blank).score(clips),
        "wrong instruction": model.score(misled_clips),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SanityBaseline:
    """A model or a baseline over a set of clips, each number a mean over the clips to which it applies.

    Attributes:
        name: the model or the baseline.
        spearman: rank correlation with true progress, or with time where that is unknown.
        final: the terminal value, in the score's unit.
        gain: terminal minus initial value.
        abstention_rate: share of the frames without a score, in [0, 1].
    """

    name: str
    spearman: Measure
    final: Measure
    gain: Measure
    abstention_rate: float


def sanity_table(
    scored: Mapping[str, Sequence[Scores]], progress: Sequence[ArrayLike] | None = None
) -> list[SanityBaseline]:
    """Summarise what `score_with_sanity_baselines` returned.

    Args:
        progress: the true progress of each clip, shape (T,); without it the correlation is with time.
    """
    return [_row(name, scores, progress) for name, scores in scored.items()]


def _row(
    name: str, scores: Sequence[Scores], progress: Sequence[ArrayLike] | None
) -> SanityBaseline:
    curves = [score_curve(score) for score in scores]
    if progress is None:
        # The clip is taken for a success that rises to its end.
        correlations = [voc(curve) for curve in curves]
    else:
        pairs = zip(curves, progress, strict=True)
        correlations = [spearman(curve, truth) for curve, truth in pairs]
    return SanityBaseline(
        name=name,
        spearman=average(correlations),
        final=average(terminal_value(curve) for curve in curves),
        gain=average(gain(curve) for curve in curves),
        abstention_rate=float(np.isnan(np.concatenate(curves)).mean()),
    )
