"""Progress from subtasks, marked or found: what `sarm` learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roborew.critics.dataset.subtasks import segment_jointly
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, by_instruction
from roborew.learning.labels import progress_labels
from roborew.learning.sampling import Indices

MIN_STAGE_SHARE = 0.02
"""Of the task that a subtask counts for."""


def label_by_stages(
    examples: Sequence[Example], num_stages: int, labels: str = "auto"
) -> tuple[list[Example], NDArray[np.float32]]:
    """Examples with progress from their subtasks, and where the subtasks end.

    Args:
        examples: some of them successes.
        num_stages: subtasks that are looked for where none are marked.
        labels: "auto" keeps progress labels where there are any; "time" drops them, and all that
            are no successes.

    Returns:
        The examples, and progress at the subtasks' ends, shape (num_stages + 1,), from 0 to 1: a
        subtask counts for its mean share of the successes.
    """
    if labels == "time":
        examples = [replace(example, progress=None) for example in examples]
    successes = [example for example in examples if example.success is not False]
    if not successes:
        raise InvalidInputError(
            "sarm: expected at least one success to find subtasks in; got none."
        )

    cuts = _stage_cuts(successes, num_stages)
    ends = _stage_ends(successes, cuts)
    labeled: list[Example] = []
    for example in successes if labels == "time" else examples:
        if example.name in cuts and example.progress is None:
            progress = _interpolated(cuts[example.name], ends)
            labeled.append(replace(example, progress=progress))
        else:
            labeled.append(example)
    return labeled, ends


def _interpolated(cuts: Indices, ends: NDArray[np.float32]) -> NDArray[np.float32]:
    """Progress (T,) that rises evenly within each subtask."""
    length = int(cuts[-1])
    # The last subtask ends with the last frame, not one past it.
    bounds = cuts.copy()
    bounds[-1] = length - 1
    progress = np.interp(np.arange(length), bounds, ends)
    return progress.astype(np.float32)


def _stage_ends(successes: Sequence[Example], cuts: Mapping[str, Indices]) -> NDArray[np.float32]:
    """Progress at the subtasks' ends, shape (num_stages + 1,): their mean shares, summed up."""
    progress_at_cuts: list[NDArray[np.float32]] = []
    for example in successes:
        labels = progress_labels(example)
        # The last cut is one past the last frame.
        indices = np.minimum(cuts[example.name], len(labels) - 1)
        progress_at_cuts.append(labels[indices])

    mean_progress = np.nan_to_num(np.mean(progress_at_cuts, axis=0))
    # No subtask counts for nothing: how far it is divides by its share.
    shares = np.maximum(np.diff(mean_progress), MIN_STAGE_SHARE)
    cumulative = np.cumsum(shares) / shares.sum()
    ends = np.concatenate([[0.0], cumulative]).astype(np.float32)
    # A sum of rounded shares may miss 1.
    ends[-1] = 1.0
    return ends


def _stage_cuts(successes: Sequence[Example], num_stages: int) -> dict[str, Indices]:
    """Where each success is cut: as marked, where all are marked alike, otherwise as its sentence's
    frames say."""
    markings: set[tuple[str, ...]] = set()
    for example in successes:
        markings.add(tuple(name for name, _, _ in example.stages))
    marked_alike = len(markings) == 1 and len(markings.pop()) == num_stages
    if marked_alike:
        return {example.name: _marked_cuts(example) for example in successes}

    cuts: dict[str, Indices] = {}
    for group in by_instruction(successes).values():
        frames = [_until_done(example) for example in group]
        segmentations = segment_jointly(frames, num_stages)
        for example, cut in zip(group, segmentations, strict=True):
            cuts[example.name] = cut
    return cuts


def _marked_cuts(example: Example) -> Indices:
    """First frames of the marked subtasks, and one past the last frame."""
    # The first subtask begins with the episode, wherever its mark does.
    later_starts = [start for _, start, _ in example.stages[1:]]
    cuts = [0, *later_starts, len(example.features)]
    return np.array(cuts)


def _until_done(example: Example) -> NDArray[np.float32]:
    """Frames up to the first one of the highest label: a goal that is held is no subtask."""
    labels = progress_labels(example)
    done = int(np.nanargmax(labels))
    return example.features[: done + 1]
