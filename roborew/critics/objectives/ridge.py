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

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


class Ridge:
    """Least squares with a penalty on [frame, sentence, 1]; the penalty is the one with the least
    error on the
    validation episodes. One frame at a time: it cannot be a clock.

    Args:
        seed: not used; nothing is random.
        l2: of squared weights, a share of the features' mean square; the best of a few if not
            given.
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

    RENAMED: ClassVar[Mapping[str, str]] = {
        "penalty": "l2",
    }

    def __init__(self, *, seed: int = 0, l2: float | None = None) -> None:
        del seed
        if l2 is not None and not l2 > 0:
            raise InvalidInputError(f"ridge: expected a penalty above 0; got {l2}.")
        self._penalty, self._weights = l2, np.zeros(0, np.float64)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Solve the normal equations.

        Raises:
            InvalidInputError: no frame is labelled.
        """
        inputs, targets = _table(examples)
        if not len(targets):
            raise InvalidInputError(
                "ridge: no frame has a progress label; give successes or labelled episodes."
            )
        held_in, held_out = (inputs, targets), _table(validation)
        if not len(held_out[1]):
            held_out = held_in
        gram, right = inputs.T @ inputs, inputs.T @ targets
        scale = float(np.trace(gram)) / len(gram)
        errors: dict[float, float] = {}
        solved: dict[float, NDArray[np.float64]] = {}
        for penalty in (self._penalty,) if self._penalty is not None else PENALTIES:
            solved[penalty] = np.asarray(
                np.linalg.solve(gram + penalty * scale * np.eye(len(gram)), right), np.float64
            )
            errors[penalty] = float(np.square(held_out[0] @ solved[penalty] - held_out[1]).mean())
            report(f"validation error, penalty {penalty:g}", errors[penalty])
        self._weights = solved[min(errors, key=errors.__getitem__)]

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself; nothing is remembered."""
        scores: list[Scores] = []
        for query in queries:
            value = np.clip(
                _inputs(query.features, query.text_embedding) @ self._weights, 0.0, 1.0
            ).astype(np.float32)
            scores.append(Scores(value, np.ones(len(value), np.bool_)))
        return scores, [{} for _ in queries]

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights."""
        return {"weights": self._weights}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights."""
        if (
            set(arrays) != {"weights"}
            or arrays["weights"].ndim != 1
            or arrays["weights"].dtype != np.float64
        ):
            raise CorruptFileError("ridge: expected one array, weights (D + E + 1,) of float64.")
        self._weights = arrays["weights"]


def _inputs(features: NDArray[np.float32], text: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = len(features)
    return np.hstack([features, np.tile(text, (rows, 1)), np.ones((rows, 1))]).astype(np.float64)


def _table(examples: Sequence[Example]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and targets of every labelled frame."""
    inputs: list[NDArray[np.float64]] = []
    targets: list[NDArray[np.float64]] = []
    for example in examples:
        labels = progress_labels(example)
        known = np.isfinite(labels)
        inputs.append(_inputs(example.features[known], example.text_embedding))
        targets.append(labels[known].astype(np.float64))
    return (
        (np.concatenate(inputs), np.concatenate(targets))
        if inputs
        else (np.zeros((0, 0)), np.zeros(0))
    )
