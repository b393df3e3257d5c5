"""Progress-weighted cloning (RA-BC of SARM, Chen et al. 2025, arXiv:2509.25358, equations 8 and 9): a
frame counts by the progress that a reward model sees from it on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError

MIN_GAIN = 0.01
"""Gain in progress above which a frame counts in full, as in LeRobot."""
EPSILON = 1e-6
"""Least standard deviation of gains, as in LeRobot."""
UNKNOWN_WEIGHT = 1.0
"""Of a frame of which no gain is known, as in LeRobot."""


def progress_weights(
    scores: Sequence[NDArray[np.floating]], horizon: int, min_gain: float = MIN_GAIN
) -> list[NDArray[np.float32]]:
    """Return what each frame counts in [0, 1], shape (T,), for the scores of episodes, each (T,).

    ``r_t = p_(t + horizon) - p_t``, at most to the episode's last frame; with their mean m, at
    least 0, and standard deviation s over all frames

    ``w_t = 1 if r_t > min_gain; clip((r_t - m + 2 s) / (4 s), 0, 1) if 0 <= r_t <= min_gain; 0 if
    r_t < 0``.

    Args:
        scores: progress of each frame; between frames that were not scored, NaN, it is taken to
            change evenly. Of an episode without any two scores nothing is known.
        horizon: frames from now to then, in LeRobot the chunk of a policy.
        min_gain: progress.

    Raises:
        InvalidInputError: nothing is known of any frame.
    """
    gains = [_gains(_filled(episode), horizon) for episode in scores]
    together = np.concatenate(gains)
    valid = together[np.isfinite(together)]
    if not len(valid):
        raise InvalidInputError(
            "progress weights: the reward scored no two frames of any demonstration, so no gain is "
            "known; take a reward that scores frame by frame."
        )
    mean, std = max(float(valid.mean()), 0.0), max(float(valid.std()), EPSILON)
    return [_weights(gain, mean, std, min_gain) for gain in gains]


def normalize_weights(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return weights, shape (N,), with a mean of 1.

    Raises:
        InvalidInputError: all are 0, or some negative, NaN or infinite.
    """
    mean = weights.mean(dtype=np.float64)
    if not (np.isfinite(mean) and mean > 0 and (weights >= 0).all()):
        raise InvalidInputError(
            f"weights of demonstrations: expected numbers from 0 up, not all 0; got {weights.min():g} "
            f"to {weights.max():g}. The reward sees progress nowhere: take another one, or clone "
            "without weights."
        )
    return (weights / mean).astype(np.float32)


def _filled(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores of all frames, shape (T,); beyond the first and last one that was given: NaN."""
    valid = np.flatnonzero(np.isfinite(scores))
    if len(valid) < 2:
        return np.full(len(scores), np.nan)
    frames = np.arange(len(scores))
    return np.interp(frames, valid, scores[valid], left=np.nan, right=np.nan)


def _gains(progress: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    frames = np.arange(len(progress))
    later = np.minimum(frames + horizon, len(progress) - 1)
    return progress[later] - progress


def _weights(
    gains: NDArray[np.float64], mean: float, std: float, min_gain: float
) -> NDArray[np.float32]:
    soft = np.clip((gains - mean + 2 * std) / (4 * std + EPSILON), 0, 1)
    weights = np.where(gains > min_gain, 1.0, soft)
    weights = np.where(gains < 0, 0.0, weights)
    return np.where(np.isfinite(gains), weights, UNKNOWN_WEIGHT).astype(np.float32)
