"""How a critic does on episodes that it never saw, beside its sanity baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.evaluation import (
    Measure,
    auroc,
    average,
    cycle_voc,
    forward_and_reversed,
    gain,
    pearson,
    rise,
    rise_share,
    score_curve,
    score_with_sanity_baselines,
    spearman,
    terminal_value,
)
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels, success_labels
from roborew.types import Clip, Frame, Scores
from roborew.workflows.fit.fit import Fitted
from roborew.workflows.fit.swap import swap_shares

DEFAULT_WRONG_INSTRUCTION = "do nothing at all"
"""The wrong instruction where the set has one sentence only."""
BOOTSTRAP_RESAMPLES = 200
MIN_REGRESSION = 0.3
"""An episode regresses if it ends by more than this below its highest progress."""
Curves = Sequence[NDArray[np.float64]]
Labels = Sequence[NDArray[np.float32]]
Table = Mapping[str, Mapping[str, Measure]]
"""Critic or baseline to metric to value."""


def evaluate_critic(fitted: Fitted, names: Sequence[str]) -> Table:
    """Metrics of the critic and of its sanity baselines on some of the episodes.

    Correlations are with the progress labels, or with time where there are none.

    Args:
        names: of the episodes, usually the test part of the split.
    """
    examples, clips = held_out_clips(fitted, names)
    if not examples:
        return {}
    # One batch for clips and cycles: a model that batches its frames sees each of them once.
    all_clips = clips + _cycles(clips, examples)
    wrong = _alternate(all_clips, partial(_wrong_instructions, fitted))
    scored = score_with_sanity_baselines(fitted.critic, all_clips, wrong)
    if any(unseen.paraphrases for unseen in fitted.unseen.values()):
        paraphrases = _alternate(all_clips, partial(_paraphrases, fitted))
        pairs = zip(all_clips, paraphrases, strict=True)
        reworded = [replace(clip, instruction=paraphrase) for clip, paraphrase in pairs]
        scored["paraphrase"] = fitted.critic.score(reworded)
    critic_name = next(iter(scored))
    count = len(examples)
    swap = swap_shares(fitted, examples, clips)
    table: dict[str, Mapping[str, Measure]] = {}
    for name, scores in scored.items():
        is_critic = name == critic_name
        resamples = BOOTSTRAP_RESAMPLES if is_critic else 0
        metrics = critic_metrics(scores[:count], examples, scores[count:], resamples)
        table[name] = metrics | (swap if is_critic else dict.fromkeys(swap, Measure(None)))
    return table


def held_out_clips(fitted: Fitted, names: Sequence[str]) -> tuple[list[Example], list[Clip]]:
    """Some of the episodes, and what the critic sees of them."""
    examples: list[Example] = []
    clips: list[Clip] = []
    chosen = set(names)
    for example, episode_frames in zip(fitted.examples, fitted.episode_frames, strict=True):
        if example.name in chosen:
            goal_image = _goal_image(fitted, example)
            clip = Clip(
                frames=episode_frames.frames, instruction=example.instruction, goal_image=goal_image
            )
            examples.append(example)
            clips.append(clip)
    return examples, clips


def _cycles(clips: Sequence[Clip], examples: Sequence[Example]) -> list[Clip]:
    return [
        forward_and_reversed(clip, progress_labels(example))
        for clip, example in zip(clips, examples, strict=True)
        if example.success is not False
    ]


def critic_metrics(
    scores: Sequence[Scores],
    examples: Sequence[Example],
    cycle_scores: Sequence[Scores] = (),
    resamples: int = 0,
) -> dict[str, Measure]:
    """Order, success, cycle consistency, gain and abstentions over episodes.

    Args:
        scores: of each example.
        examples: with what is known of them.
        cycle_scores: of clips played `forward_and_reversed`.
        resamples: of the bootstrap over episodes for the interval of the pooled Spearman; 0: none.
    """
    curves = [score_curve(score) for score in scores]
    labels = [progress_labels(example) for example in examples]
    ends = [terminal_value(curve) for curve in curves]
    success_ends = _ends_where(ends, examples, success=True)
    failure_ends = _ends_where(ends, examples, success=False)
    low, high = _bootstrap_interval(curves, labels, resamples)
    all_scores = np.concatenate(curves)
    return {
        **_order_metrics(curves, labels),
        "CI low": low,
        "CI high": high,
        **_regression_metrics(curves, labels),
        "success AUROC": auroc(_values(success_ends), _values(failure_ends)),
        "Cycle-VOC": average(cycle_voc(score_curve(score)) for score in cycle_scores),
        "gain": average(gain(curve) for curve in curves),
        "rise of failures": rise_of_failures(curves, examples),
        "final score on successes": average(success_ends),
        "abstained": Measure(float(np.isnan(all_scores).mean())),
    }


def rise_of_failures(curves: Sequence[NDArray[Any]], examples: Sequence[Example]) -> Measure:
    """The share of a success's rise that episodes reach which never reach the goal.

    Args:
        curves: a score, or labels, of each example.
        examples: with what is known of their ends.
    """
    successes: list[Measure] = []
    failures: list[Measure] = []
    for curve, example in zip(curves, examples, strict=True):
        if example.success is True:
            successes.append(rise(curve))
        # What was reached and undone again has risen rightly.
        elif example.success is False and not (success_labels(example, 1.0) == 1).any():
            failures.append(rise(curve))
    return rise_share(failures, successes)


def _ends_where(
    ends: Sequence[Measure], examples: Sequence[Example], success: bool
) -> list[Measure]:
    """Final scores of the successes or of the failures; episodes of unknown end are neither."""
    return [end for end, e in zip(ends, examples, strict=True) if e.success is success]


def _order_metrics(curves: Curves, labels: Labels) -> dict[str, Measure]:
    per_episode = [spearman(scores, progress) for scores, progress in _labeled(curves, labels)]
    return {
        "Spearman (per episode)": average(per_episode),
        "Spearman (pooled)": spearman(np.concatenate(curves), np.concatenate(labels)),
    }


def _regression_metrics(curves: Curves, labels: Labels) -> dict[str, Measure]:
    """Correlations on the episodes that lose progress again: time explains these least."""
    regressions = [
        (scores, progress)
        for scores, progress in _labeled(curves, labels)
        if progress.max() - progress[-1] > MIN_REGRESSION
    ]
    ranks = [spearman(scores, progress) for scores, progress in regressions]
    # Half of a regression may be rest, where ranks are noise: Pearson weighs what moved.
    values = [pearson(scores, progress) for scores, progress in regressions]
    return {
        "Spearman on regressions": average(ranks),
        "Pearson on regressions": average(values),
    }


def _labeled(
    curves: Curves, labels: Labels
) -> list[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """The curves whose progress is known at every frame, each with it."""
    pairs = zip(curves, labels, strict=True)
    return [(scores, progress) for scores, progress in pairs if np.isfinite(progress).all()]


def _values(measures: Sequence[Measure]) -> list[float]:
    return [measure.value for measure in measures if measure.value is not None]


def _bootstrap_interval(curves: Curves, labels: Labels, resamples: int) -> tuple[Measure, Measure]:
    """95 % percentile interval of the pooled Spearman, episodes resampled with replacement."""
    if not resamples or len(curves) < 2:
        return Measure(None), Measure(None)
    rng = np.random.default_rng(0)
    correlations: list[float] = []
    for _ in range(resamples):
        # Whole episodes: the frames within one depend on each other.
        sample = rng.integers(len(curves), size=len(curves))
        rows = [int(row) for row in sample]
        scores = np.concatenate([curves[row] for row in rows])
        progress = np.concatenate([labels[row] for row in rows])
        value = spearman(scores, progress).value
        correlations.append(0.0 if value is None else value)
    low, high = np.quantile(correlations, [0.025, 0.975])
    return Measure(float(low)), Measure(float(high))


def _alternate(clips: Sequence[Clip], sentences_of: Callable[[str], Sequence[str]]) -> list[str]:
    """For each clip one of the sentences that belong to its own, in turn."""
    chosen: list[str] = []
    for row, clip in enumerate(clips):
        sentences = sentences_of(clip.instruction)
        chosen.append(sentences[row % len(sentences)])
    return chosen


def _paraphrases(fitted: Fitted, instruction: str) -> Sequence[str]:
    return fitted.unseen[instruction].paraphrases or (instruction,)


def _wrong_instructions(fitted: Fitted, instruction: str) -> Sequence[str]:
    """Sentences that a success does not fulfil: held-out ones, otherwise the set's others."""
    held_out = fitted.unseen[instruction].wrong
    if held_out:
        return held_out
    rest = [sentence for sentence in fitted.unseen if sentence != instruction]
    return rest or (DEFAULT_WRONG_INSTRUCTION,)


def _goal_image(fitted: Fitted, example: Example) -> Frame | None:
    """A goal picture for critics that need one: the last frame of another success, never the
    episode's own."""
    if not fitted.critic.spec.needs_goal_image:
        return None
    for donor, episode_frames in zip(fitted.examples, fitted.episode_frames, strict=True):
        same_task = donor.instruction == example.instruction and donor.success is not False
        if same_task and donor.name in fitted.split.fit:
            return episode_frames.frames[-1]
    return None
