"""An observation and its row say the same, and agents refuse what has no layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Dict

from roborew.agents.pixels.layout import ObservationLayout, observation_layout
from roborew.errors import InvalidInputError

PIXELS = Box(0, 255, (2, 3, 4, 5), np.uint8)
VECTOR = Box(-np.inf, np.inf, (7,), np.float32)


@pytest.mark.parametrize("vector_size", [0, 7])
def test_a_row_holds_pictures_and_vector_to_the_last_bit(vector_size: int) -> None:
    rng = np.random.default_rng(0)
    layout = ObservationLayout((2, 3, 4, 5), vector_size)
    observations = {"pixels": rng.integers(0, 256, (6, 2, 3, 4, 5)).astype(np.uint8)}
    vectors = rng.normal(size=(6, vector_size)).astype(np.float32)
    if vector_size:
        observations["vector"] = vectors
    rows = layout.rows(observations)
    pixels, vector = layout.split(torch.as_tensor(rows))
    np.testing.assert_array_equal(pixels.view(6, 2, 3, 4, 5), observations["pixels"])
    np.testing.assert_array_equal(vector, vectors)
    np.testing.assert_array_equal(layout.vector(rows), vectors)
    doubled = layout.with_vector(rows, 2 * vectors)
    np.testing.assert_array_equal(layout.vector(doubled), 2 * vectors)
    np.testing.assert_array_equal(doubled[:, :120], rows[:, :120])


def test_a_vector_alone_is_its_own_row() -> None:
    layout = observation_layout(VECTOR)
    rows = np.ones((2, 7), np.float32)
    assert layout.rows(rows) is rows and layout.vector(rows) is rows
    assert layout.with_vector(rows, 2 * rows)[0, 0] == 2


def test_nan_beside_a_picture_is_refused() -> None:
    layout = observation_layout(Dict({"pixels": PIXELS, "vector": VECTOR}))
    vector = np.zeros((2, 7), np.float32)
    vector[1, 3] = np.nan
    with pytest.raises(InvalidInputError, match=r"environment \[1\]"):
        layout.rows({"pixels": np.zeros((2, 2, 3, 4, 5), np.uint8), "vector": vector})


@pytest.mark.parametrize(
    "space",
    [
        Dict({"pixels": Box(0, 1, (2, 3, 4, 5), np.float32)}),
        Dict({"pixels": Box(0, 255, (3, 4, 5), np.uint8)}),
        Dict({"pixels": PIXELS, "touch": VECTOR}),
        Dict({"vector": VECTOR}),
        PIXELS,
    ],
)
def test_other_spaces_are_refused(space: Space[object]) -> None:
    with pytest.raises(InvalidInputError, match="observation space: expected"):
        observation_layout(space)
