"""How typical a frame is of each step of the task: the few entries of its vector that tell the step
apart, one Gaussian each.

Unsupervised perceptual rewards (Sermanet et al., arXiv:1612.06699): nothing is trained, a few
successes are enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew.critics.dataset.subtasks import segment_recursively
from roborew.critics.objective import Query
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Features, Report, by_instruction
from roborew.types import RecurrentState, RewardSpec, Scores

MIN_STD_SHARE = 1e-3
"""Smallest standard deviation of an entry in one step, as a share of that over all frames."""
MIN_STD = 1e-6
"""The same for an entry that never changes."""
ARRAYS = ("text", "mean", "deviation", "chosen")


class Perceptual:
    """``score = sum_k 2^k typical_k / sum_k 2^k`` over the steps k from the second on, with
    ``typical_k = 1 / (1 + mean_i ((x_i - mean_ki) / std_ki)^2)`` over the entries i of step k.

    Each success is cut into ``num_stages`` steps where its frames change most. Per step, the
    entries that differ most between it and the rest are kept, and a Gaussian is fitted to each (the
    paper's section 3.2). Typical is quadratic near the mean as the Gaussian's logarithm, and in
    (0, 1].

    Args:
        seed: not used; nothing is random.
        num_stages: steps of the task.
        top_k: entries of a frame's vector that tell a step apart.
        std_coef: weight of standard deviations against the difference of means when entries are
            chosen.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="perceptual",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="Sermanet et al. 2016, arXiv:1612.06699",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "stages": "num_stages",
        "kept": "top_k",
        "spread": "std_coef",
    }

    def __init__(
        self, *, seed: int = 0, num_stages: int = 3, top_k: int = 32, std_coef: float = 1.0
    ) -> None:
        del seed
        if num_stages < 2 or top_k < 1 or not 0 <= std_coef < np.inf:
            raise InvalidInputError(
                "perceptual: expected num_stages >= 2, top_k >= 1 and std_coef of at least 0; "
                f"got {num_stages}, {top_k} and {std_coef}."
            )

        self._num_stages = num_stages
        self._top_k = top_k
        self._std_coef = std_coef
        # Of each of S fitted sentences: its vector (S, E); of its steps, (S, num_stages, D) each.
        self._text = np.zeros((0, 0), np.float32)
        self._mean = np.zeros((0, 0, 0), np.float32)
        self._std = self._mean
        self._mask = self._mean

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Fit the Gaussians of each sentence to its successes.

        Raises:
            InvalidInputError: no success, or none long enough to be cut.
        """
        successes = [example for example in examples if example.success is not False]
        if not successes:
            raise InvalidInputError(
                "perceptual: expected at least one success to learn from; got none."
            )

        texts, means = list[Features](), list[Features]()
        stds, masks = list[Features](), list[Features]()
        for group in by_instruction(successes).values():
            mean, std, mask = self._fit_stages(group)
            texts.append(group[-1].text_embedding)
            means.append(mean)
            stds.append(std)
            masks.append(mask)

        self._text = np.stack(texts)
        self._mean = np.stack(means)
        self._std = np.stack(stds)
        self._mask = np.stack(masks)
        entries_per_stage = self._mask.sum(-1)
        report("entries kept a step", float(entries_per_stage.mean()))

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself under the fitted sentence that is nearest to the query's."""
        scores: list[Scores] = []
        for query in queries:
            similarity = self._text @ query.text_embedding
            nearest = int(similarity.argmax())
            value = self._score(query.features, nearest)
            valid = np.ones(len(value), np.bool_)
            scores.append(Scores(value, valid))

        states: list[RecurrentState] = [{} for _ in queries]
        return scores, states

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The Gaussians, and which entries count."""
        arrays = (self._text, self._mean, self._std, self._mask)
        return dict(zip(ARRAYS, arrays, strict=True))

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved Gaussians."""
        expected = f"perceptual: expected arrays {', '.join(ARRAYS)} of float32"
        if set(arrays) != set(ARRAYS):
            raise CorruptFileError(f"{expected}; got {sorted(arrays)}.")
        if any(array.dtype != np.float32 for array in arrays.values()):
            raise CorruptFileError(f"{expected}; got other numbers.")

        text, mean, std, mask = (arrays[name] for name in ARRAYS)
        one_row_a_sentence = text.ndim == 2 and mean.ndim == 3 and len(text) == len(mean) > 0
        one_shape = mean.shape == std.shape == mask.shape
        if not one_row_a_sentence or not one_shape or not (std > 0).all():
            raise CorruptFileError("perceptual: the saved arrays do not fit one another.")

        self._text = text
        self._mean = mean
        self._std = std
        self._mask = mask

    def _fit_stages(self, examples: Sequence[Example]) -> tuple[Features, Features, Features]:
        """Means, standard deviations and masks of the entries that count, of every step of one
        sentence, each (num_stages, D)."""
        stages = self._frames_by_stage(examples)
        all_frames = np.concatenate(stages)
        # Few frames may agree by chance, and then any other would be impossible.
        min_std = MIN_STD_SHARE * all_frames.std(0) + MIN_STD

        means, stds, masks = list[Features](), list[Features](), list[Features]()
        for stage, frames in enumerate(stages):
            other_stages = stages[:stage] + stages[stage + 1 :]
            rest = np.concatenate(other_stages)
            mask = self._telling_entries(frames, rest)

            means.append(frames.mean(0))
            stds.append(frames.std(0) + min_std)
            masks.append(mask)

        mean = np.stack(means).astype(np.float32)
        std = np.stack(stds).astype(np.float32)
        return mean, std, np.stack(masks)

    def _frames_by_stage(self, examples: Sequence[Example]) -> list[Features]:
        """The frames of each step of one sentence, of all successes that are long enough."""
        pieces: list[list[Features]] = []
        for example in examples:
            cuts = segment_recursively(example.features, self._num_stages)
            piece = np.split(example.features, cuts[1:-1])
            # A short episode cannot be cut as often; the others say what its steps look like.
            if len(piece) == self._num_stages:
                pieces.append(piece)

        if not pieces:
            raise InvalidInputError(
                f"perceptual: no success of {examples[0].instruction!r} has "
                f"{2 * self._num_stages} frames, two for each "
                f"of {self._num_stages} steps; ask for fewer stages."
            )
        return [np.concatenate(frames) for frames in zip(*pieces, strict=True)]

    def _telling_entries(self, frames: Features, rest: Features) -> NDArray[np.float32]:
        """1 for the ``top_k`` entries that tell a step's frames best from the rest, otherwise 0,
        shape (D,)."""
        distance = np.abs(frames.mean(0) - rest.mean(0))
        overlap = self._std_coef * (frames.std(0) + rest.std(0))
        separation = np.asarray(distance - overlap, np.float32)

        # Stable, so that of equal entries the same are kept on every machine.
        best = np.argsort(-separation, kind="stable")[: self._top_k]
        mask = np.zeros(len(separation), np.float32)
        mask[best] = 1
        return mask

    def _score(self, frames: Features, sentence: int) -> NDArray[np.float32]:
        """Scores (T,) of frames (T, D) under a fitted sentence."""
        mean = self._mean[sentence]
        std = self._std[sentence]
        mask = self._mask[sentence]

        deviations = (frames[:, None] - mean) / std
        squares = np.square(deviations) * mask
        typical = 1 / (1 + squares.sum(2) / mask.sum(1))

        stage = np.arange(len(mask))
        # The first step is where an episode begins: to look like it is no progress.
        weights = 2.0**stage * (stage > 0)
        score = typical @ (weights / weights.sum())
        return np.clip(score, 0.0, 1.0).astype(np.float32)
