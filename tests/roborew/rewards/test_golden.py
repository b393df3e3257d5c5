"""The numbers are those of the golden file: a change that moves them is noticed, a swap of channels
above all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from roborew.types import FloatArray
from tests.golden.embeddings import GOLDEN, MADE_WITH, compute, frames

NAMES = sorted(load_file(GOLDEN))
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FloatArray]:
    return compute(frames(), tmp_path_factory.mktemp("towers"))


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FloatArray]:
    return compute(np.ascontiguousarray(frames()[..., ::-1]), tmp_path_factory.mktemp("swapped"))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_golden(name: str, now: dict[str, FloatArray]) -> None:
    assert sorted(now) == NAMES
    np.testing.assert_allclose(now[name], load_file(GOLDEN)[name], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_swapped_channels_are_not_golden(name: str, swapped: dict[str, FloatArray]) -> None:
    assert np.abs(swapped[name] - load_file(GOLDEN)[name]).max() > 10 * TOLERANCE


def test_the_file_says_what_made_it() -> None:
    assert GOLDEN.stat().st_size < 50_000
    with safe_open(Path(GOLDEN), "np") as file:
        assert set(file.metadata()) == set(MADE_WITH)
