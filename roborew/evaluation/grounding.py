"""Does the score listen to the sentence? The right instruction against wrong ones, on the same
pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from roborew.errors import InvalidInputError
from roborew.evaluation.measure import TOO_FEW, Measure
from roborew.evaluation.success import initial_value, terminal_value


@dataclass(frozen=True, slots=True)
class InstructionConfusion:
    """Instructions against videos.

    Attributes:
        margin: mean of the diagonal minus mean of the rest, in the scores' unit; higher is better.
        row_top1: share of instructions that score their own video strictly highest, in [0, 1].
        column_top1: share of videos that score highest, strictly, under their own instruction, in
            [0, 1].
    """

    margin: float
    row_top1: float
    column_top1: float


def confusion(final_values: ArrayLike) -> InstructionConfusion:
    """Summarise a matrix of final values.

    Args:
        final_values: shape (n, n), n >= 2, entry [i, j] = final value of video j under instruction
            i, all finite.
            A tie with the best wrong entry counts as wrong: a model that says one number for all is
                at 0, not at 1.

    >>> confusion([[0.75, 0.25], [0.5, 0.5]])
    InstructionConfusion(margin=0.25, row_top1=0.5, column_top1=1.0)
    """
    matrix = np.asarray(final_values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
        raise InvalidInputError(
            f"confusion: expected an (n, n) matrix with n >= 2; got shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise InvalidInputError(
            "confusion: got NaN or infinite entries; drop the clips on which the model abstained."
        )
    own = np.diag(matrix)
    off = ~np.eye(len(matrix), dtype=np.bool_)
    # The diagonal is taken out, so that an instruction never competes with itself.
    wrong = np.where(off, matrix, -np.inf)
    return InstructionConfusion(
        margin=float(own.mean() - matrix[off].mean()),
        row_top1=float((own > wrong.max(axis=1)).mean()),
        column_top1=float((own > wrong.max(axis=0)).mean()),
    )


def gain(values: ArrayLike) -> Measure:
    """Mean of the last 2 % of a curve minus mean of its first 2 %: what the clip earned under this
    instruction."""
    last = terminal_value(values)
    first = initial_value(values)
    failed = last.failed + first.failed
    if last.value is None or first.value is None:
        return Measure(None, TOO_FEW, failed)
    return Measure(last.value - first.value, "", failed)


@dataclass(frozen=True, slots=True)
class Grounding:
    """Task grounding over a set of clips.

    Attributes:
        accuracy: share of clips whose right instruction gains strictly more than every wrong one
            (TGA), in [0, 1].
        pairwise: share of (right, wrong) pairs won, ties counting 1/2, in [0, 1].
    """

    accuracy: float
    pairwise: float


def task_grounding(right_gains: ArrayLike, wrong_gains: ArrayLike) -> Grounding:
    """Task grounding accuracy.

    Args:
        right_gains: shape (n,), the gain of each clip under its right instruction.
        wrong_gains: shape (n, k), k >= 1, the gains of the same clips under wrong instructions.

    >>> task_grounding([0.8, 0.5], [[0.1, 0.2], [0.5, 0.0]])
    Grounding(accuracy=0.5, pairwise=0.875)
    """
    right = np.asarray(right_gains, dtype=np.float64)
    wrong = np.asarray(wrong_gains, dtype=np.float64)
    if right.ndim != 1 or wrong.ndim != 2 or len(right) != len(wrong) or 0 in wrong.shape:
        raise InvalidInputError(
            f"task_grounding: expected shapes (n,) and (n, k), none empty; got {right.shape} and "
            f"{wrong.shape}."
        )
    if not (np.isfinite(right).all() and np.isfinite(wrong).all()):
        raise InvalidInputError(
            "task_grounding: got NaN or infinite gains; drop the clips that have no gain."
        )
    ahead = right[:, None] - wrong
    # Strictly: a model that answers every sentence alike gains the same under all and scores 0.
    best = (ahead > 0).all(axis=1)
    pair_wins = np.where(ahead == 0, 0.5, ahead > 0)
    return Grounding(accuracy=float(best.mean()), pairwise=float(pair_wins.mean()))
