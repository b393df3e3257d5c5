"""Statistics of data sets against numpy's own, and their merging against the whole."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.data.feature_stats import (
    NUM_HISTOGRAM_BINS,
    QUANTILES,
    RunningImageStats,
    aggregate_stats,
    array_stats,
    sample_indices,
)


def test_numbers_have_the_statistics_that_numpy_finds() -> None:
    values = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    found = array_stats(values)
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["std"], values.std(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found["min"], values.min(axis=0))
    np.testing.assert_array_equal(found["max"], values.max(axis=0))
    assert found["count"].tolist() == [500]
    width = np.ptp(values, axis=0) / NUM_HISTOGRAM_BINS
    for name, share in QUANTILES.items():
        exact = np.quantile(values, share, axis=0, method="inverted_cdf")
        assert (np.abs(found[name] - exact) <= width).all()


@pytest.mark.parametrize(
    "values", [np.full(7, 3.5), np.array([1e9]), np.array([1e9, 1e9 + 1e-6]), np.array([True])]
)
def test_a_constant_is_all_of_its_quantiles(values: np.ndarray) -> None:
    """A histogram of 5000 bins cannot be cut where floats lie closer than that."""
    found = array_stats(values)
    assert all(found[name] == pytest.approx(float(values[0])) for name in QUANTILES)


def test_merging_parts_gives_the_whole() -> None:
    values = np.random.default_rng(1).normal(size=(90, 2))
    parts, whole = (
        aggregate_stats(
            [array_stats(values[:20]), array_stats(values[20:50]), array_stats(values[50:])]
        ),
        array_stats(values),
    )
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-12)
    assert (parts["q10"] <= whole["q10"]).all() and (parts["q50"] <= whole["q50"]).all()
    assert (parts["q90"] >= whole["q90"]).all()


def test_pictures_have_statistics_by_channel_in_zero_to_one() -> None:
    frames = np.random.default_rng(2).integers(0, 256, (12, 20, 30, 3), np.uint8)
    frames[..., 1] //= 4
    statistics = RunningImageStats(len(frames))
    for frame in frames:
        statistics.add(frame)
    found, scaled = statistics.result(), frames.reshape(-1, 3) / 255
    for name, exact in {
        "mean": scaled.mean(0),
        "std": scaled.std(0),
        "min": scaled.min(0),
        "max": scaled.max(0),
    }.items():
        np.testing.assert_allclose(found[name], exact, atol=1e-9)
    for name, share in QUANTILES.items():
        np.testing.assert_allclose(
            found[name], np.quantile(scaled, share, axis=0, method="inverted_cdf"), atol=1e-9
        )
    assert found["count"].tolist() == [12]


def test_long_episodes_and_large_pictures_are_thinned() -> None:
    assert [len(sample_indices(length)) for length in (1, 99, 500, 1000, 10_000)] == [
        1,
        99,
        105,
        177,
        1000,
    ]
    assert (sample_indices(1000)[0], sample_indices(1000)[-1]) == (0, 999)
    statistics = RunningImageStats(1)
    frame = np.zeros((300, 400, 3), np.uint8)
    frame[1::2] = 255  # falls between the pixels of every second line
    statistics.add(frame)
    assert statistics.result()["max"].tolist() == [0, 0, 0]
