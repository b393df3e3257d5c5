"""The card of a critic: what it was made from, and how it does on episodes it never saw, beside its
nulls."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roborew import __version__
from roborew.critics.critic import GOALS, Critic
from roborew.evaluation import (
    Measure,
    auroc,
    average,
    cycle_voc,
    gain,
    pearson,
    score_curve,
    score_with_sanity_baselines,
    spearman,
    terminal_value,
    truth_figure,
)
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels
from roborew.types import Clip, Scores
from roborew.workflows.fit import Fitted
from roborew.workflows.fit.examples import list_goal_images

DEFAULT_WRONG_INSTRUCTION = "do nothing at all"
"""What the wrong-instruction null asks for where the set has one sentence only."""
BOOTSTRAP_RESAMPLES = 200
"""Of a bootstrap interval."""
MIN_REGRESSION = 0.3
"""Progress is lost again in an episode that ends by more than this below its best."""
MAX_PANELS = 6
"""Kinds of episodes in the card's picture, at most."""
Table = Mapping[str, Mapping[str, Measure]]
PICTURE = "card.png"


def write(fitted: Fitted, folder: Path, source: str, command: str) -> Table:
    """Judge a critic on its test episodes and write it with its card and picture into a new folder.

    Args:
        folder: must not exist.
        source: what the demonstrations were read from.
        command: that made the critic.

    Raises:
        RunExistsError: the folder exists.
    """
    table = evaluate_critic(fitted, fitted.split.test)
    shown = picture(fitted)
    beside = {} if shown is None else {PICTURE: shown}
    given = fitted.config.goal_images
    beside |= {
        f"{GOALS}/{path.name}": path.read_bytes()
        for path in (list_goal_images(given) if given else ())
    }
    fitted.critic.save_pretrained(folder, card(fitted, source, command, table), beside)
    return table


def evaluate_critic(fitted: Fitted, names: Sequence[str]) -> Table:
    """Figures of the critic and of its nulls on some of the episodes; order is with the labels, or
    with time.

    Args:
        names: of the episodes, usually the test part of the split.
    """
    examples, clips = _clips_of(fitted, names)
    if not examples:
        return {}
    clips += [
        forward_and_reversed(clip, e)
        for clip, e in zip(clips, examples, strict=True)
        if e.success is not False
    ]
    scored = score_with_sanity_baselines(
        fitted.critic, clips, _alternate(clips, partial(_wrong_instructions, fitted))
    )
    if any(unseen.paraphrases for unseen in fitted.unseen.values()):
        same = _alternate(
            clips, lambda sentence: fitted.unseen[sentence].paraphrases or (sentence,)
        )
        scored["paraphrase"] = fitted.critic.score(
            [replace(clip, instruction=other) for clip, other in zip(clips, same, strict=True)]
        )
    count, (own, *_) = len(examples), scored
    return {
        name: critic_metrics(
            scores[:count],
            examples,
            scores[count:],
            resamples=BOOTSTRAP_RESAMPLES if name == own else 0,
        )
        for name, scores in scored.items()
    }


def picture(fitted: Fitted) -> bytes | None:
    """Score and truth on a test episode of each kind, as a PNG; None where no episode was held
    out."""
    examples, clips = _clips_of(fitted, fitted.split.test)
    kinds = {
        (e.instruction, e.quality or e.success): row for row, e in reversed([*enumerate(examples)])
    }
    rows = sorted(kinds.values())[:MAX_PANELS]
    if not rows:
        return None
    curves = [score_curve(score) for score in fitted.critic.score([clips[row] for row in rows])]
    panels = {
        f"{examples[row].name}: {examples[row].instruction}": (
            curve,
            progress_labels(examples[row]),
        )
        for row, curve in zip(rows, curves, strict=True)
    }
    spec, said = fitted.critic.spec, np.concatenate(curves)
    known = said[np.isfinite(said)]
    bounds = (
        (float(known.min()), float(known.max()))
        if known.size and np.ptp(known) > 0
        else (spec.low, spec.high)
    )
    return truth_figure(panels, bounds)


def _clips_of(fitted: Fitted, names: Sequence[str]) -> tuple[list[Example], list[Clip]]:
    """Some of the episodes, and what the critic sees of them."""
    rows = [
        (e, f)
        for e, f in zip(fitted.examples, fitted.episode_frames, strict=True)
        if e.name in set(names)
    ]
    clips = [
        Clip(
            frames=footage.frames,
            instruction=example.instruction,
            goal_image=_goal_image(fitted.critic, fitted, example),
        )
        for example, footage in rows
    ]
    return [example for example, _ in rows], clips


def _alternate(clips: Sequence[Clip], others: Callable[[str], Sequence[str]]) -> list[str]:
    """For each clip one of the other sentences of its own, in turn."""
    known = [others(clip.instruction) for clip in clips]
    return [sentences[row % len(sentences)] for row, sentences in enumerate(known)]


def _wrong_instructions(fitted: Fitted, sentence: str) -> Sequence[str]:
    """What the sentence's success does not fulfil: sentences that were held out, otherwise another
    one of the set."""
    others = [other for other in fitted.unseen if other != sentence]
    return fitted.unseen[sentence].wrong or others or (DEFAULT_WRONG_INSTRUCTION,)


def forward_and_reversed(clip: Clip, example: Example) -> Clip:
    """The clip up to where its progress is highest for the first time, then played back to its
    start."""
    labels = progress_labels(example)
    top = max(1, int(np.nanargmax(labels)))
    return replace(clip, frames=np.concatenate([clip.frames[: top + 1], clip.frames[:top][::-1]]))


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
        cycles: of clips played `forward_and_reversed`.
        draws: of the bootstrap over episodes that bounds the order of all frames; 0: no bounds.
    """
    curves = [score_curve(score) for score in scores]
    labels = [progress_labels(example) for example in examples]
    ends = [terminal_value(curve) for curve in curves]
    good = [
        end.value
        for end, e in zip(ends, examples, strict=True)
        if end.value is not None and e.success
    ]
    bad = [
        end.value
        for end, e in zip(ends, examples, strict=True)
        if end.value is not None and e.success is False
    ]
    known = [pair for pair in zip(curves, labels, strict=True) if np.isfinite(pair[1]).all()]
    backs = [(curve, label) for curve, label in known if label.max() - label[-1] > MIN_REGRESSION]
    low, high = _bootstrap_interval(curves, labels, resamples)
    return {
        "Spearman (per episode)": average(spearman(*pair) for pair in known),
        "Spearman (pooled)": spearman(np.concatenate(curves), np.concatenate(labels)),
        "CI low": low,
        "CI high": high,
        "Spearman on regressions": average(spearman(*pair) for pair in backs),
        "Pearson on regressions": average(pearson(*pair) for pair in backs),
        "success AUROC": auroc(good, bad),
        "Cycle-VOC": average(cycle_voc(score_curve(score)) for score in cycle_scores),
        "gain": average(gain(curve) for curve in curves),
        "final score on successes": average(
            end for end, e in zip(ends, examples, strict=True) if e.success
        ),
        "abstained": Measure(float(np.isnan(np.concatenate(curves)).mean())),
    }


def _bootstrap_interval(
    curves: Sequence[NDArray[np.float64]], labels: Sequence[NDArray[np.float32]], resamples: int
) -> tuple[Measure, Measure]:
    """Bounds of the order of all frames: 95 % percentiles over episodes drawn with replacement."""
    rng, found = np.random.default_rng(0), list[float]()
    for _ in range(resamples if len(curves) > 1 else 0):
        rows = [int(row) for row in rng.integers(len(curves), size=len(curves))]
        value = spearman(
            np.concatenate([curves[r] for r in rows]), np.concatenate([labels[r] for r in rows])
        ).value
        found.append(0.0 if value is None else value)
    if not found:
        return Measure(None), Measure(None)
    low, high = np.quantile(found, [0.025, 0.975])
    return Measure(float(low)), Measure(float(high))


def card(fitted: Fitted, source: str, command: str, table: Table) -> str:
    """The card as Markdown.

    Args:
        source: what the demonstrations were read from.
        command: that made the critic.
        table: from `judged`, on the test episodes.
    """
    split, critic = fitted.split, fitted.critic
    labelled = sum(example.progress is not None for example in fitted.examples)
    frames = sum(len(example.features) for example in fitted.examples)
    sentences = "; ".join(dict.fromkeys(example.instruction for example in fitted.examples))
    parts = f"{len(split.fit)} to fit, {len(split.validation)} to validate and calibrate, {len(split.test)} to test"
    seconds = ", ".join(f"{part} {value:.1f}" for part, value in fitted.seconds.items())
    versions = ", ".join(
        [f"roborew {__version__}", *(f"{name} {version(name)}" for name in ("torch", "numpy"))]
    )
    ends = [example.success for example in fitted.examples if example.name in split.test]
    settings = {what: ", ".join(critic.recipe[what]) for what in ("objective", "encoder")}
    given = fitted.config.goal_images and len(list_goal_images(fitted.config.goal_images))
    lines = [
        f"# Critic `{critic.name}`",
        "",
        f"Made by `{command}`.",
        "",
        f"- demonstrations: {source}, {len(fitted.examples)} episodes, {frames} frames; "
        f"progress labelled in {labelled}, otherwise time within a success",
        f"- sentences: {sentences}; {_language_coverage(fitted)}",
        f"- cameras, side by side: {', '.join(critic.recipe['cameras'])}; "
        f"{critic.recipe['fps'] or 'all'} frames of a second",
        f"- split by episode: {parts}",
        *(
            [
                f"- pictures of the goal: {given} given, in {GOALS}/, in place of the ends of "
                f"successes"
            ]
            if given
            else []
        ),
        f"- encoder: `{fitted.config.encoder}` ({critic.encoder.identity})",
        f"- objective: `{critic.name}` ({critic.spec.paper}); "
        f"{'calibrated on the validation episodes' if critic.calibration else 'not calibrated'}",
        f"- settings: objective `{settings['objective']}`, members {critic.recipe['members']}; "
        f"encoder `{settings['encoder']}`; others as the version's defaults",
        f"- seed {fitted.config.seed}; seconds: {seconds}",
        f"- versions: {versions}, Python {platform.python_version()}",
        "",
        "## On episodes it never saw",
        "",
        "Means over the test episodes. Spearman's correlation is with the labels, within an "
        "episode and pooled",
        "over all frames; where an episode's progress hardly changes, the one within it is "
        "little but noise.",
        "Cycle-VOC is of successes played up to where they are done, and back. Wrong instructions "
        "and paraphrases are",
        "sentences that were not fitted, where the set has any. The interval (95 %) of the "
        "pooled one is a bootstrap",
        f"over test episodes; the AUROC is of {ends.count(True)} successes and "
        f"{ends.count(False)} failures; abstained",
        "is the share of frames without a score, as where an ensemble's members disagree.",
        "",
        *_table(table),
        "",
        *([f"![Score and truth on a test episode of each kind]({PICTURE})", ""] if table else []),
        "A clock that knows nothing also has a good order on successes: trust a critic where it "
        "beats the nulls.",
    ]
    return "\n".join(lines) + "\n"


def _language_coverage(fitted: Fitted) -> str:
    """What the critic can know of sentences."""
    shown = [example for example in fitted.examples if example.name in fitted.split.fit]
    same, wrong = (
        max(len(e.paraphrase_embeddings) for e in shown),
        max(len(e.negative_embeddings) for e in shown),
    )
    if not wrong and len(fitted.unseen) == 1:
        return (
            "fitted to one sentence and to none that is wrong: it does not read what is asked for"
        )
    held = [(len(unseen.paraphrases), len(unseen.wrong)) for unseen in fitted.unseen.values()]
    judges = f"{sum(one for one, _ in held)} and {sum(other for _, other in held)} others"
    return (
        f"fitted with up to {same} paraphrases and {wrong} wrong sentences each, judged by {judges}"
    )


def _table(table: Table) -> list[str]:
    if not table:
        return ["No episode was held out: nothing is known."]
    heads = list(next(iter(table.values())))
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for name, row in table.items():
        cells = (f"{m.value:.3f}" if m.value is not None else "–" for m in row.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _goal_image(critic: Critic, fitted: Fitted, example: Example) -> np.ndarray | None:
    """A goal picture for critics that need one: the last frame of another success, never the
    episode's own."""
    if not critic.spec.needs_goal_image:
        return None
    others = (
        footage.frames[-1]
        for other, footage in zip(fitted.examples, fitted.episode_frames, strict=True)
        if other.name in fitted.split.fit
        and other.success is not False
        and other.instruction == example.instruction
    )
    return next(others, None)
