"""How typical a frame is of each step of the task: a few telling entries of its vector, one
Gaussian a step.

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
from roborew.learning.examples import Example, Features, Report
from roborew.types import RecurrentState, RewardSpec, Scores

SMALL = 1e-3
"""Least standard deviation, as a share of an entry's over all frames."""


class Perceptual:
    """Each success is cut into ``stages`` steps where its frames change most. Per step, the entries
    that differ most between it and the rest are kept, and a Gaussian is fitted to each. A frame's
    score is the mean over the steps from the second on of how typical it is of the step, a step
    counting for twice the one before it. Typical is 1 over 1 plus the mean square of the entries'
    deviations: quadratic near the mean as the Gaussian's logarithm, and in (0, 1].

    Args:
        seed: not used; nothing is random.
        num_stages: steps of the task.
        top_k: entries of a frame's vector that a step is told by.
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
                f"perceptual: expected stages >= 2, kept >= 1 and spread of at least 0; got "
                f"{num_stages}, {top_k}, {std_coef}."
            )
        self._stages, self._kept, self._spread = num_stages, top_k, std_coef
        self._text = np.zeros((0, 0), np.float32)
        self._mean = self._deviation = self._chosen = np.zeros((0, 0, 0), np.float32)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Fit the Gaussians of each sentence to its successes.

        Raises:
            InvalidInputError: no success, or none long enough to be cut.
        """
        good = [example for example in examples if example.success is not False]
        if not good:
            raise InvalidInputError(
                "perceptual: expected at least one success to learn from; got none."
            )
        rows = [
            self._steps([e for e in good if e.instruction == s])
            for s in dict.fromkeys(e.instruction for e in good)
        ]
        self._mean, self._deviation, self._chosen = (
            np.stack(each) for each in zip(*rows, strict=True)
        )
        texts = {example.instruction: example.text_embedding for example in good}
        self._text = np.stack(list(texts.values()))
        report("entries kept a step", float(self._chosen.sum(-1).mean()))

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself under the fitted sentence that is nearest to the one asked."""
        scores: list[Scores] = []
        for query in queries:
            value = self._score(query.features, int((self._text @ query.text_embedding).argmax()))
            scores.append(Scores(value, np.ones(len(value), np.bool_)))
        return scores, [{} for _ in queries]

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The Gaussians, and which entries tell."""
        return {
            "text": self._text,
            "mean": self._mean,
            "deviation": self._deviation,
            "chosen": self._chosen,
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved Gaussians."""
        names = ("text", "mean", "deviation", "chosen")
        if set(arrays) != set(names) or any(arrays[name].dtype != np.float32 for name in names):
            raise CorruptFileError(
                f"perceptual: expected arrays {', '.join(names)} of float32; got {sorted(arrays)}."
            )
        text, mean, deviation, chosen = (arrays[name] for name in names)
        fits = text.ndim == 2 and mean.ndim == 3 and len(text) == len(mean) > 0
        if (
            not fits
            or not mean.shape == deviation.shape == chosen.shape
            or not (deviation > 0).all()
        ):
            raise CorruptFileError("perceptual: the saved arrays do not fit one another.")
        self._text, self._mean, self._deviation, self._chosen = text, mean, deviation, chosen

    def _steps(self, examples: Sequence[Example]) -> tuple[NDArray[np.float32], ...]:
        """Means, deviations and chosen entries of every step of one sentence, each (stages, D)."""
        pieces = [
            np.split(e.features, segment_recursively(e.features, self._stages)[1:-1])
            for e in examples
        ]
        whole = [each for each in pieces if len(each) == self._stages]
        if not whole:
            raise InvalidInputError(
                f"perceptual: no success of {examples[0].instruction!r} has {2 * self._stages} "
                f"frames, two for each "
                f"of {self._stages} steps; ask for fewer stages."
            )
        steps = [np.concatenate([each[step] for each in whole]) for step in range(self._stages)]
        floor = SMALL * np.concatenate(steps).std(0) + 1e-6
        rows: list[tuple[NDArray[np.float32], ...]] = []
        for step, frames in enumerate(steps):
            rest = np.concatenate([other for number, other in enumerate(steps) if number != step])
            mean, deviation = frames.mean(0), frames.std(0) + floor
            telling = self._telling(frames, rest)
            chosen = np.zeros(len(mean), np.float32)
            chosen[np.argsort(-telling, kind="stable")[: self._kept]] = 1
            rows.append((mean, deviation, chosen))
        return tuple(np.stack(each).astype(np.float32) for each in zip(*rows, strict=True))

    def _telling(self, frames: Features, rest: Features) -> NDArray[np.float32]:
        """How well each entry tells a step's frames from the rest, shape (D,)."""
        apart = np.abs(frames.mean(0) - rest.mean(0))
        return np.asarray(apart - self._spread * (frames.std(0) + rest.std(0)), np.float32)

    def _score(self, frames: Features, task: int) -> NDArray[np.float32]:
        off = (
            np.square((frames[:, None] - self._mean[task]) / self._deviation[task])
            * self._chosen[task]
        )
        typical = 1 / (1 + off.sum(2) / self._chosen[task].sum(1))
        weights = 2.0 ** np.arange(len(self._mean[task])) * (np.arange(len(self._mean[task])) > 0)
        return np.clip(typical @ (weights / weights.sum()), 0.0, 1.0).astype(np.float32)
