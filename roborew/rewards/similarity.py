"""How near embeddings are to each other: the formulas of the rewards on pretrained encoders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError

Vectors = NDArray[np.float64]
MIN_GOAL_BASELINE_DISTANCE = 1e-6
"""A goal and a baseline nearer than this are the same to the model."""


def normalize(vectors: NDArray[np.floating]) -> Vectors:
    """Return vectors (..., D) at length 1, in float64.

    Raises:
        InvalidScoreError: one of them has length 0.
    """
    exact = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(exact, axis=-1, keepdims=True)
    if not lengths.all():
        raise InvalidScoreError(
            "an embedding is zero and has no direction: the weights are not those of this model."
        )
    return exact / lengths


def alpha_sweep(
    x: Vectors, goal: Vectors, baseline: Vectors | None, alphas: Sequence[float]
) -> Vectors:
    """Goal-baseline regularization (VLM-RM, arXiv:2310.12921) for several alphas, shape (A, N), in
    [-1, 1].

    Published: ``R = 1 - |M (x - g)|^2 / 2`` with ``M = alpha P + (1 - alpha) I`` and P the
    projection on ``d = g - b``. As P is a projection, with ``u = x - g`` this is
    ``R = 1 - ((1 - alpha)^2 |u|^2 + (1 - (1 - alpha)^2) (u d)^2 / |d|^2) / 2``: no D x D matrix,
    and two numbers a picture serve every alpha.

    Args:
        x: pictures, (N, D).
        goal: g, (D,).
        baseline: b, (D,); may be left out where every alpha is 0.
        alphas: in [0, 1].

    Raises:
        InvalidInputError: an alpha out of range, no baseline, or one equal to the goal, which gives
            no direction.
    """
    keep = 1 - np.asarray(alphas, np.float64)[:, None]
    if not bool(((keep >= 0) & (keep <= 1)).all()):
        raise InvalidInputError(f"alpha: expected numbers in [0, 1]; got {list(alphas)}.")
    if baseline is None and bool((keep < 1).any()):
        raise InvalidInputError(
            "alpha: above 0 it needs a baseline, such as baseline='a humanoid robot'."
        )
    u = x - goal
    squared_distance = (u**2).sum(axis=1)
    squared_projection = np.zeros(len(x))
    if baseline is not None:
        squared_projection = _squared_projection(u, goal - baseline)
    weight = keep**2
    return 1 - (weight * squared_distance + (1 - weight) * squared_projection) / 2


def _squared_projection(u: Vectors, d: Vectors) -> Vectors:
    """``(u d)^2 / |d|^2`` for each of u, (N, D)."""
    if np.linalg.norm(d) < MIN_GOAL_BASELINE_DISTANCE:
        raise InvalidInputError(
            "baseline: the model reads goal and baseline as the same, so there is no direction "
            "from one to the other; let the baseline describe what is seen before the goal is "
            "reached."
        )
    return (u @ d) ** 2 / (d @ d)


def goal_baseline(x: Vectors, goal: Vectors, baseline: Vectors | None, alpha: float) -> Vectors:
    """`alpha_sweep` for one alpha, shape (N,)."""
    return alpha_sweep(x, goal, baseline, [alpha])[0]


def goal_probability(x: Vectors, goals: Vectors, baselines: Vectors, temperature: float) -> Vectors:
    """Probability of the goals among all texts, shape (N,) (Baumli et al. 2023, arXiv:2312.09187).

    ``p = sum over goals of exp(x g / temperature)``, divided by the same sum over goals and baselines.

    Args:
        x: pictures, (N, D).
        goals: each sentence of the goal, (G, D), of length 1.
        baselines: what else the picture may show, (L, D), of length 1.
        temperature: above 0.
    """
    texts = np.concatenate([goals, baselines])
    logits = x @ texts.T / temperature
    # Less the largest, so that exp cannot overflow at a low temperature.
    largest = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - largest)
    goal_powers = powers[:, : len(goals)]
    return goal_powers.sum(axis=1) / powers.sum(axis=1)
