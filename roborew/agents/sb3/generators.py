"""The global generators, lent to an agent: Stable-Baselines3 draws from these alone."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class LentGenerators:
    """Keeps an agent's states of the generators of torch, numpy and Python, which are those of the
    process only while they are lent."""

    def __init__(self) -> None:
        self.states = current_states()

    @contextmanager
    def lent(self) -> Generator[None]:
        """Let the process draw from the agent's states inside the block; its own are as before
        then."""
        outside = current_states()
        _set_states(self.states)
        try:
            yield
        finally:
            self.states = current_states()
            _set_states(outside)


def current_states() -> Arrays:
    """Return the states of the process's generators."""
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - SB3 draws from it
    version, words, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state().numpy().copy(),
        "numpy_keys": np.array(keys),
        "numpy_rest": np.array([position, has_gauss, gauss], np.float64),
        "python_words": np.array(words, np.int64),
        "python_rest": np.array([version, python_gauss is not None, python_gauss or 0.0]),
    }


def _set_states(states: Mapping[str, NDArray[Any]]) -> None:
    torch.set_rng_state(torch.as_tensor(states["torch"].copy()))
    position, has_gauss, gauss = states["numpy_rest"].tolist()
    keys = states["numpy_keys"]
    np.random.set_state(  # noqa: NPY002
        ("MT19937", keys, int(position), int(has_gauss), gauss)
    )
    version, has_python_gauss, python_gauss = states["python_rest"].tolist()
    words = tuple(states["python_words"].tolist())
    random.setstate((int(version), words, python_gauss if has_python_gauss else None))
