"""Search without gradients by an evolving Gaussian: CMA-ES (Hansen 2016, arXiv:1604.00772)."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Evolution:
    """Ask for candidates, tell how good each is (more is better), and the Gaussian moves and
    stretches.

    Args:
        mean: shape (n,), where it begins.
        scale: shape (n,), how far each number is worth going at first.
        population: candidates of a generation.
        seed: of the candidates.

    Attributes:
        mean: shape (n,), the best guess.
    """

    def __init__(self, mean: FloatArray, scale: FloatArray, population: int, seed: int) -> None:
        self.mean, self._scale = np.array(mean, np.float64), np.array(scale, np.float64)
        self._population, self._rng = population, np.random.default_rng(seed)
        n, self._step, self._generation = len(self.mean), 1.0, 0
        ranks = np.log(population / 2 + 0.5) - np.log(np.arange(1, population // 2 + 1))
        self._weights = ranks / ranks.sum()
        self._mass = mass = 1 / float((self._weights**2).sum())
        self._follow, self._steady = (
            (4 + mass / n) / (n + 4 + 2 * mass / n),
            (mass + 2) / (n + mass + 5),
        )
        self._rank_one = 2 / ((n + 1.3) ** 2 + mass)
        self._rank_all = min(1 - self._rank_one, 2 * (mass - 2 + 1 / mass) / ((n + 2) ** 2 + mass))
        self._damping = 1 + 2 * max(0.0, sqrt((mass - 1) / (n + 1)) - 1) + self._steady
        self._usual = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        self._covariance, self._path, self._walk = np.eye(n), np.zeros(n), np.zeros(n)
        self._moves = np.zeros((population, n))

    def ask(self) -> FloatArray:
        """Candidates, shape (population, n)."""
        spread, self._axes = np.linalg.eigh(self._covariance)
        self._spread = np.sqrt(np.maximum(spread, 1e-12))
        self._moves = self._rng.standard_normal(self._moves.shape) * self._spread @ self._axes.T
        return self.mean + self._step * self._scale * self._moves

    def tell(self, scores: FloatArray) -> None:
        """How good each candidate of the last `ask` is, shape (population,)."""
        best = self._moves[np.argsort(-scores, kind="stable")[: len(self._weights)]]
        move = self._weights @ best
        self.mean = self.mean + self._step * self._scale * move
        self._generation += 1
        white = self._axes @ (self._axes.T @ move / self._spread)
        self._walk = (1 - self._steady) * self._walk + sqrt(
            self._steady * (2 - self._steady) * self._mass
        ) * white
        length = float(np.linalg.norm(self._walk)) / self._usual
        going = length / sqrt(1 - (1 - self._steady) ** (2 * self._generation)) < 1.4 + 2 / (
            len(move) + 1
        )
        self._path *= 1 - self._follow
        self._path += going * sqrt(self._follow * (2 - self._follow) * self._mass) * move
        kept = 1 - self._rank_one - self._rank_all
        self._covariance = (
            kept * self._covariance
            + self._rank_one * np.outer(self._path, self._path)
            + self._rank_all * (best.T * self._weights) @ best
        )
        self._step *= np.exp(self._steady / self._damping * (length - 1))
