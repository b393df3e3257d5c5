"""Ridge regression from embedded frames to progress, in closed form: the cheap baseline that others
must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew.critics.objective import Query
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.labels import progress_labels
from roborew.types import RecurrentState, RewardSpec, Scores

L2_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties that are tried where none is given."""


class Ridge:
    """``w = argmin |X w - progress|^2 + l2 s |w|^2`` with rows ``X = [frame, sentence, 1]`` and the
    features' mean square ``s`` (Hoerl and Kennard 1970, section 2).

    The penalty is the one with the least error on the validation episodes. One frame at a time: it
    cannot be a clock.

    Args:
        seed: not used; nothing is random.
        l2: penalty of squared weights, a share of the features' mean square; the best of a few if
            not given.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="ridge",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="Hoerl and Kennard 1970, Technometrics 12(1)",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {"penalty": "l2"}

    def __init__(self, *, seed: int = 0, l2: float | None = None) -> None:
        del seed
        if l2 is not None and not l2 > 0:
            raise InvalidInputError(f"ridge: expected l2 above 0; got {l2}.")

        self._l2 = l2
        self._weights = np.zeros(0, np.float64)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Solve the normal equations.

        Raises:
            InvalidInputError: no frame is labeled.
        """
        inputs, targets = _labeled_frames(examples)
        if not len(targets):
            raise InvalidInputError(
                "ridge: no frame has a progress label; give successes or labelled episodes."
            )

        held_out_inputs, held_out_targets = _labeled_frames(validation)
        # Better the frames it was fitted to than no choice at all.
        if not len(held_out_targets):
            held_out_inputs = inputs
            held_out_targets = targets

        gram = inputs.T @ inputs
        moment = inputs.T @ targets
        dim = len(gram)
        # A share of the mean square: one grid fits encoders of any scale.
        mean_square = float(np.trace(gram)) / dim
        errors: dict[float, float] = {}
        solutions: dict[float, NDArray[np.float64]] = {}
        for l2 in L2_GRID if self._l2 is None else (self._l2,):
            regularized = gram + l2 * mean_square * np.eye(dim)
            weights = np.asarray(np.linalg.solve(regularized, moment), np.float64)
            residuals = held_out_inputs @ weights - held_out_targets

            solutions[l2] = weights
            errors[l2] = float(np.square(residuals).mean())
            report(f"validation error, penalty {l2:g}", errors[l2])

        best = min(errors, key=errors.__getitem__)
        self._weights = solutions[best]

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself; nothing is remembered."""
        scores: list[Scores] = []
        for query in queries:
            inputs = _inputs(query.features, query.text_embedding)
            progress = inputs @ self._weights
            progress = np.clip(progress, 0.0, 1.0)
            valid = np.ones(len(progress), np.bool_)
            scores.append(Scores(progress.astype(np.float32), valid))

        states: list[RecurrentState] = [{} for _ in queries]
        return scores, states

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights."""
        return {"weights": self._weights}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights."""
        weights = arrays.get("weights")
        expected = "ridge: expected one array, weights (D + E + 1,) of float64."
        if weights is None or len(arrays) != 1:
            raise CorruptFileError(expected)
        if weights.ndim != 1 or weights.dtype != np.float64:
            raise CorruptFileError(expected)
        self._weights = weights


def _inputs(features: NDArray[np.float32], text: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows [frame, sentence, 1], shape (T, D + E + 1)."""
    count = len(features)
    # In float64: normal equations square the condition number.
    sentences = np.tile(text, (count, 1))
    bias = np.ones((count, 1))
    return np.hstack([features, sentences, bias]).astype(np.float64)


def _labeled_frames(
    examples: Sequence[Example],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs (N, D + E + 1) and targets (N,) of every labeled frame."""
    inputs: list[NDArray[np.float64]] = []
    targets: list[NDArray[np.float64]] = []
    for example in examples:
        labels = progress_labels(example)
        labeled = np.isfinite(labels)
        frames = example.features[labeled]
        inputs.append(_inputs(frames, example.text_embedding))
        targets.append(labels[labeled].astype(np.float64))

    if not examples:
        return np.zeros((0, 0)), np.zeros(0)
    return np.concatenate(inputs), np.concatenate(targets)
