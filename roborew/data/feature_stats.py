"""Statistics of data sets as LeRobot keeps them: per episode, merged over episodes.

Numbers: one entry a dimension. Pictures: one entry a colour channel, scaled to [0, 1], over a
sample of frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.types import Frame

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NUM_HISTOGRAM_BINS = 5000
MIN_SUBSAMPLED_SIDE = 300
"""Pictures with a longer side of at least this are thinned [pixels]."""
SUBSAMPLED_SIDE = 150
"""The longer side that they are thinned to, about [pixels]."""

FeatureStats = dict[str, NDArray[np.float64]]
"""``min``, ``max``, ``mean``, ``std``, `QUANTILES`: shape (D,); ``count``: shape (1,)."""


def array_stats(values: NDArray[np.generic]) -> FeatureStats:
    """Statistics of finite numbers (T,) or (T, ...), over time."""
    columns = values.reshape(len(values), -1).astype(np.float64)
    stats: FeatureStats = {
        "min": columns.min(axis=0),
        "max": columns.max(axis=0),
        "mean": columns.mean(axis=0),
        "std": columns.std(axis=0),
        "count": np.array([len(values)], np.float64),
    }
    for name, share in QUANTILES.items():
        stats[name] = np.array([_quantile(column, share) for column in columns.T])
    return stats


def _quantile(values: NDArray[np.float64], share: float) -> float:
    """Read off a histogram of `NUM_HISTOGRAM_BINS` bins, linear inside a bin."""
    low = float(values.min())
    high = float(values.max())
    largest = max(abs(low), abs(high))
    # Below this a bin would be thinner than the distance of two floats, and its edges equal.
    if high - low <= 2 * NUM_HISTOGRAM_BINS * np.spacing(largest):
        return low

    counts, edges = np.histogram(values, NUM_HISTOGRAM_BINS, (low, high))
    cumulative = np.cumsum(counts)
    rank = share * len(values)
    i = int(np.searchsorted(cumulative, rank))
    count = counts[i]
    inside = (rank - cumulative[i] + count) / count
    width = edges[i + 1] - edges[i]
    return float(edges[i] + inside * width)


def aggregate_stats(parts: Sequence[FeatureStats]) -> FeatureStats:
    """Statistics of all parts together: exact but for the quantiles, of which the outermost is
    kept.

    Mean and variance are weighted by count; a quantile up to the median is the smallest of the
    parts', one above it the largest.
    """
    stacked = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    weights = stacked["count"] / stacked["count"].sum()
    mean = (weights * stacked["mean"]).sum(axis=0)
    # Within the parts and between them: the law of total variance.
    variance = (weights * (stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2)).sum(axis=0)
    merged: FeatureStats = {
        "min": stacked["min"].min(axis=0),
        "max": stacked["max"].max(axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": stacked["count"].sum(axis=0),
    }
    for name, share in QUANTILES.items():
        merged[name] = stacked[name].min(axis=0) if share <= 0.5 else stacked[name].max(axis=0)
    return merged


def sample_indices(length: int) -> NDArray[np.int64]:
    """The frames of an episode that its picture statistics rest on: all up to 100, then ever fewer.

    >>> len(sample_indices(49)), len(sample_indices(1000))
    (49, 177)
    """
    count = max(min(100, length), min(int(length**0.75), 10_000))
    return np.round(np.linspace(0, length - 1, count)).astype(np.int64)


class RunningImageStats:
    """Statistics of one camera over one episode, frame by frame, in constant memory.

    Levels are whole numbers 0 to 255, so that counting each one gives every figure exactly.
    """

    def __init__(self, length: int) -> None:
        """Expect ``length`` frames."""
        self._indices = set(sample_indices(length).tolist())
        self._levels = np.zeros((3, 256), np.int64)
        self._num_frames = 0
        self._num_sampled = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame (H, W, 3)."""
        if self._num_frames in self._indices:
            longest = max(frame.shape[:2])
            step = longest // SUBSAMPLED_SIDE if longest >= MIN_SUBSAMPLED_SIDE else 1
            channels = np.moveaxis(frame[::step, ::step], 2, 0)
            for channel, pixels in enumerate(channels):
                self._levels[channel] += np.bincount(pixels.ravel(), minlength=256)
            self._num_sampled += 1
        self._num_frames += 1

    def result(self) -> FeatureStats:
        """The statistics, shape (3,), in [0, 1]."""
        scale = np.arange(256) / 255
        share = self._levels / self._levels.sum(axis=1, keepdims=True)
        mean = share @ scale
        # Rounding may leave E[x^2] - E[x]^2 of a frame of one color just below 0.
        variance = np.maximum(share @ scale**2 - mean**2, 0.0)
        stats: FeatureStats = {
            "min": scale[np.argmax(share > 0, axis=1)],
            # Read backwards, as argmax gives the first level that occurs.
            "max": scale[255 - np.argmax(share[:, ::-1] > 0, axis=1)],
            "mean": mean,
            "std": np.sqrt(variance),
            "count": np.array([self._num_sampled], np.float64),
        }
        cumulative = np.cumsum(share, axis=1)
        for name, quantile in QUANTILES.items():
            # The tolerance: a sum of shares that is 0.1 in truth may come out just below.
            stats[name] = scale[np.argmax(cumulative >= quantile - 1e-12, axis=1)]
        return stats
