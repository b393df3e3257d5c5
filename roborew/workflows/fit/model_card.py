"""The card of a critic: what it was made from, and how it does on held-out episodes beside its
sanity baselines."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roborew import __version__
from roborew.config import default_options
from roborew.critics.critic import GOALS, Critic
from roborew.evaluation import Measure, score_curve, truth_figure
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels
from roborew.storage.names import check_file_name
from roborew.storage.staging import Target, numbered
from roborew.workflows.fit.critic_metrics import (
    Table,
    evaluate_critic,
    held_out_clips,
    rise_of_failures,
)
from roborew.workflows.fit.examples import list_goal_images
from roborew.workflows.fit.fit import Fitted
from roborew.workflows.fit.swap import describe_swap
from roborew.workflows.fit.swap_films import HAND_ALONE
from roborew.workflows.parts import EncoderConfig
from roborew.wrappers import SuccessDetector

LEAST_AUROC = 0.95
"""Success AUROC on unseen episodes below which a critic is said not to tell success. Of critics at 0.63
to 0.69 agents learned to do something else (experiments/suites); most reach 1."""
MAX_PANELS = 6
"""Kinds of episodes in the card's picture, at most."""
PICTURE = "card.png"
METRICS_NOTE = """\
Means over the test episodes. Spearman's correlation is with the progress labels, within an episode
and pooled over all frames; where an episode's progress hardly changes, the one within it is little
but noise. The CI (95 %) of the pooled one is a bootstrap over test episodes. Regressions are
episodes that lose progress again. Cycle-VOC is of successes played up to where they are done, and
back. Wrong instructions and paraphrases are sentences that were not fitted, where the set has any.
A rise is an episode's highest score minus its first; that of failures is of those that never reach the
goal, and in the swap test an expert's episode is drawn with the hand, or the objects, moving alone:
each is a share of a success's rise, to be small for the hand and large for the objects."""
BASELINES_NOTE = """\
A clock that sees nothing also has a high Spearman on successes: trust a critic where it beats the
sanity baselines."""


def default_folders(demonstrations: Path) -> Iterator[Path]:
    """Folders below ``critics`` with the name of what a critic is fitted to, to choose a free one
    from.

    Raises:
        InvalidInputError: that name cannot be a folder's.
    """
    # Resolved, since the name of "." or ".." is another one.
    name = check_file_name(demonstrations.resolve().stem, "name of the demonstrations")
    return numbered(Path("critics") / name)


def write(fitted: Fitted, folder: Target, source: str, command: str) -> tuple[Path, Table]:
    """Evaluate a critic on its test episodes and write it with its card and picture into a new
    folder, which is returned with the figures.

    Args:
        folder: must not exist; of several the first one that is free is taken.
        source: what the demonstrations were read from.
        command: that made the critic.

    Raises:
        RunExistsError: the folder exists.
    """
    table = evaluate_critic(fitted, fitted.split.test)
    # Goal pictures are copied, so that the critic can be refitted when their folder is gone.
    files: dict[str, bytes] = {}
    figure = picture(fitted)
    if figure is not None:
        files[PICTURE] = figure
    for path in _goal_images(fitted):
        files[f"{GOALS}/{path.name}"] = path.read_bytes()
    text = card(fitted, source, command, table)
    return fitted.critic.save_pretrained(folder, text, files), table


def picture(fitted: Fitted) -> bytes | None:
    """Score and truth on a test episode of each kind, as a PNG; None where no episode was held
    out."""
    examples, clips = held_out_clips(fitted, fitted.split.test)
    rows = _first_of_each_kind(examples)[:MAX_PANELS]
    if not rows:
        return None
    scores = fitted.critic.score([clips[row] for row in rows])
    curves = [score_curve(row_scores) for row_scores in scores]
    panels: dict[str, tuple[NDArray[np.float64], NDArray[np.float32]]] = {}
    for row, curve in zip(rows, curves, strict=True):
        example = examples[row]
        name = f"{example.name}: {example.instruction}"
        panels[name] = (curve, progress_labels(example))
    # One range for all: a flat curve beside a steep one should look flat.
    plot_range = _plot_range(fitted.critic, np.concatenate(curves))
    return truth_figure(panels, plot_range)


def _first_of_each_kind(examples: Sequence[Example]) -> list[int]:
    """Row of the first example of each instruction and quality, in order."""
    rows: dict[tuple[str, str | bool | None], int] = {}
    for row, example in enumerate(examples):
        quality = example.quality or example.success
        kind = (example.instruction, quality)
        rows.setdefault(kind, row)
    return sorted(rows.values())


def _plot_range(critic: Critic, scores: NDArray[np.float64]) -> tuple[float, float]:
    finite = scores[np.isfinite(scores)]
    if finite.size and np.ptp(finite) > 0:
        return float(finite.min()), float(finite.max())
    # A flat curve spans nothing: the promised range keeps the axis from collapsing.
    return critic.spec.low, critic.spec.high


def card(fitted: Fitted, source: str, command: str, table: Table) -> str:
    """The card as Markdown.

    Args:
        source: what the demonstrations were read from.
        command: that made the critic.
        table: from `evaluate_critic`, on the test episodes.
    """
    lines = [f"# Critic `{fitted.critic.name}`", "", f"Made by `{command}`.", ""]
    facts = _facts(fitted, source)
    lines += [f"- {name}: {fact}" for name, fact in facts.items()]
    lines += ["", "## On episodes it never saw", "", METRICS_NOTE, _counts(fitted), ""]
    lines += _table(table)
    if table:
        warning = describe_weakness(table, fitted.config.encoder)
        lines += ["", warning] if warning else []
        lines += ["", describe_swap(table[next(iter(table))])]
        lines += ["", f"![Score and truth on a test episode of each kind]({PICTURE})"]
    lines += ["", BASELINES_NOTE]
    return "\n".join(lines) + "\n"


def describe_weakness(table: Table, encoder: EncoderConfig) -> str | None:
    """Return what to do about a critic that does not tell success on its test episodes; None where it
    does, or nobody knows.

    Args:
        table: from `evaluate_critic`; the critic's row comes first.
        encoder: of the critic.
    """
    if not table:
        return None
    auroc = table[next(iter(table))]["success AUROC"].value
    if auroc is None or auroc >= LEAST_AUROC:
        return None
    usual_steps = default_options(encoder.factory()).get("steps", 0)
    steps = encoder.typed_options().get("steps", usual_steps)
    longer = f", let its encoder learn longer (--encoder.steps {usual_steps})"
    return (
        f"Of an unseen success and an unseen failure it prefers the success in {auroc:.0%} of all pairs, "
        "where most critics do in all: an agent that it pays may learn something else. Show it more films"
        f"{longer if steps < usual_steps else ''}, or look from nearer."
    )


def _facts(fitted: Fitted, source: str) -> dict[str, str]:
    """What the critic was made from, by name."""
    critic = fitted.critic
    recipe = critic.recipe
    config = fitted.config
    facts = {
        "demonstrations": _demonstrations(fitted, source),
        "sentences": _sentences(fitted),
        "cameras, side by side": f"{', '.join(recipe['cameras'])}; {recipe['fps'] or 'all'} frames "
        "of a second",
        "split by episode": _split(fitted),
    }
    if goal_images := _goal_images(fitted):
        facts["pictures of the goal"] = (
            f"{len(goal_images)} given, in {GOALS}/, in place of the ends of successes"
        )
    settings = {part: ", ".join(recipe[part]) for part in ("objective", "encoder")}
    facts["encoder"] = f"`{config.encoder.name}` ({critic.encoder.identity})"
    facts["objective"] = f"`{critic.name}` ({critic.spec.paper}); {_calibration(critic)}"
    facts["settings"] = (
        f"objective `{settings['objective']}`, members {recipe['members']}; encoder "
        f"`{settings['encoder']}`; others as the version's defaults"
    )
    facts["seed"] = str(config.seed)
    facts["seconds"] = ", ".join(f"{part} {spent:.1f}" for part, spent in fitted.seconds.items())
    facts["versions"] = _versions()
    return facts


def _demonstrations(fitted: Fitted, source: str) -> str:
    labeled = sum(example.progress is not None for example in fitted.examples)
    frames = sum(len(example.features) for example in fitted.examples)
    return (
        f"{source}, {len(fitted.examples)} episodes, {frames} frames; progress labeled in "
        f"{labeled}, otherwise time within a success"
    )


def _sentences(fitted: Fitted) -> str:
    instructions = dict.fromkeys(example.instruction for example in fitted.examples)
    return f"{'; '.join(instructions)}; {_language_coverage(fitted)}"


def _split(fitted: Fitted) -> str:
    split = fitted.split
    behaviors = [one.notes.get("behavior") for one in fitted.demonstrations]
    alone = behaviors.count(HAND_ALONE)
    note = (
        f" ({alone} experts among them twice more, whole and with the hand alone)" if alone else ""
    )
    return (
        f"{len(split.fit)} to fit{note}, {len(split.validation)} to validate and calibrate, "
        f"{len(split.test)} to test"
    )


def _calibration(critic: Critic) -> str:
    """How its scores were calibrated, and whether its chance of success can ever be believed."""
    calibration = critic.calibration
    if calibration is None:
        return "not calibrated"
    words = "calibrated on the validation episodes"
    if calibration.success is None or calibration.success.max() >= SuccessDetector().threshold:
        return words
    return (
        f"{words}, where its chance of success reaches {calibration.success.max():.2f} at most: an agent "
        f"that wants {SuccessDetector().threshold:g} never believes it. Validation needs nine frames of "
        "success above every failure; add successes, or train with a lower "
        "--success-detector.threshold"
    )


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy"))
    return f"roborew {__version__}, {packages}, Python {platform.python_version()}"


def _counts(fitted: Fitted) -> str:
    test = set(fitted.split.test)
    examples = [example for example in fitted.examples if example.name in test]
    ends = [example.success for example in examples]
    return (
        f"The AUROC is of {ends.count(True)} successes and {ends.count(False)} failures; abstained "
        "is the share of frames without a\nscore, as where an ensemble's members disagree."
        f"{_labeled_rise(examples)}"
    )


def _labeled_rise(examples: Sequence[Example]) -> str:
    """How far failures get by their own labels, where all of them have some: a right score rises as
    far."""
    share = rise_of_failures([progress_labels(example) for example in examples], examples)
    is_labeled = all(example.progress is not None for example in examples)
    if share.value is None or not is_labeled:
        return ""
    return f" By their labels\nfailures rise by {share.value:.3f} of a success's rise."


def _goal_images(fitted: Fitted) -> Sequence[Path]:
    folder = fitted.config.goal_images
    return list_goal_images(folder) if folder else ()


def _language_coverage(fitted: Fitted) -> str:
    """What the critic can know of sentences."""
    fit = set(fitted.split.fit)
    examples = [example for example in fitted.examples if example.name in fit]
    paraphrases = max(len(example.paraphrase_embeddings) for example in examples)
    negatives = max(len(example.negative_embeddings) for example in examples)
    if not negatives and len(fitted.unseen) == 1:
        return "fitted to one sentence and to no wrong one: it does not read the instruction"
    unseen = fitted.unseen.values()
    unseen_paraphrases = sum(len(sentences.paraphrases) for sentences in unseen)
    unseen_wrong = sum(len(sentences.wrong) for sentences in unseen)
    return (
        f"fitted with up to {paraphrases} paraphrases and {negatives} wrong sentences each, "
        f"evaluated on {unseen_paraphrases} and {unseen_wrong} others"
    )


def _table(table: Table) -> list[str]:
    if not table:
        return ["No episode was held out: nothing is known."]
    heads = list(next(iter(table.values())))
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for name, metrics in table.items():
        cells = " | ".join(_cell(metric) for metric in metrics.values())
        lines.append(f"| {name} | {cells} |")
    return lines


def _cell(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:.3f}"
