"""How embeddings of a picture and of a goal become a score: the formulas alone, in float64.

x is a picture's embedding of length 1; g and b are the means of the embeddings, of length 1, of the goal's sentences
and of those of the baseline. The means are not of length 1 again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError

Vectors = NDArray[np.float64]
NO_DIRECTION = 1e-6
"""A goal and a baseline nearer than this are the same to the model."""


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Return vectors (..., D) at length 1, in float64.

    Raises:
        InvalidScoreError: one of them has length 0.
    """
    exact = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(exact, axis=-1, keepdims=True)
    if not lengths.all():
        raise InvalidScoreError("an embedding is zero and has no direction: the weights are not those of this model.")
    return exact / lengths


def alpha_sweep(x: Vectors, goal: Vectors, baseline: Vectors | None, alphas: Sequence[float]) -> Vectors:
    """Goal-baseline regularisation (VLM-RM, arXiv:2310.12921) for several alphas, shape (A, N), in [-1, 1].

    Published: ``R = 1 - |M (x - g)|^2 / 2`` with ``M = alpha P + (1 - alpha) I`` and P the projection on ``d = g - b``.
    As P is a projection, with ``u = x - g`` this is
    ``R = 1 - ((1 - alpha)^2 |u|^2 + (1 - (1 - alpha)^2) (u d)^2 / |d|^2) / 2``: no D x D matrix, and two numbers a
    picture serve every alpha.

    Args:
        x: pictures, (N, D).
        goal: g, (D,).
        baseline: b, (D,); may be left out where every alpha is 0.
        alphas: in [0, 1].

    Raises:
        InvalidInputError: an alpha out of range, no baseline, or one equal to the goal, which gives no direction.
    """
    keep = 1 - np.asarray(alphas, np.float64)[:, None]
    if not bool(((keep >= 0) & (keep <= 1)).all()):
        raise InvalidInputError(f"alpha: expected numbers in [0, 1]; got {list(alphas)}.")
    u = x - goal
    along = np.zeros(len(x))
    if baseline is not None:
        d = goal - baseline
        if np.linalg.norm(d) < NO_DIRECTION:
            raise InvalidInputError(
                "baseline: the model reads goal and baseline as the same, so there is no direction from one to the "
                "other; let the baseline say what is seen before the goal is reached."
            )
        along = (u @ d) ** 2 / (d @ d)
    elif bool((keep < 1).any()):
        raise InvalidInputError("alpha: above 0 it needs a baseline, such as baseline='a humanoid robot'.")
    return 1 - (keep**2 * (u**2).sum(axis=1) + (1 - keep**2) * along) / 2


def goal_baseline(x: Vectors, goal: Vectors, baseline: Vectors | None, alpha: float) -> Vectors:
    """`alpha_sweep` for one alpha, shape (N,)."""
    return alpha_sweep(x, goal, baseline, [alpha])[0]


def goal_share(x: Vectors, goals: Vectors, others: Vectors, temperature: float) -> Vectors:
    """Probability of the goals among all texts, shape (N,) (Baumli et al. 2023, arXiv:2312.09187).

    ``p = sum over goals of exp(x g / temperature)``, divided by the same sum over goals and others.

    Args:
        x: pictures, (N, D).
        goals: each sentence of the goal, (G, D), of length 1.
        others: what else the picture may show, (L, D), of length 1.
        temperature: above 0.
    """
    logits = x @ np.concatenate([goals, others]).T / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers[:, : len(goals)].sum(axis=1) / powers.sum(axis=1)
