"""The one path from frames to rewards, shared by the vector wrapper and the wrapper of a single
environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.shaping import ProgressDelta, Rewards, Shaping
from roborew.stopwatch import Stopwatch
from roborew.types import BoolArray, Frame, RewardModel, Video, check_instruction
from roborew.wrappers.episode_tracker import EpisodeTracker, StepMasks, StepRewards, SuccessDetector
from roborew.wrappers.scorer import FrameScorer

Draw = Callable[[NDArray[np.int64]], Video]
"""Draws the present state of some environments: indices (n,) -> frames (n, H, W, 3), uint8 RGB."""


class RewardOptions(TypedDict, total=False):
    """How scores become rewards; every entry may be left out."""

    shaping: Shaping
    """The law from successive scores to rewards, `ProgressDelta` with a scale of 5 by default."""
    score_every: int
    """Score every k-th step of an episode, its first frame and its last; 4 by default. History
    holds these."""
    success_detector: SuccessDetector | None
    """What a predicted success does; ``SuccessDetector()`` by default, None switches it off."""
    goal_image: Frame | None
    """Picture of the goal, shape (H, W, 3), uint8 RGB, for models that need one."""
    max_invalid_rate: float
    """Share of abstentions, in [0, 1], beyond which the run stops; 0.1 by default."""
    scoring: Literal["step", "rollout", "episode"]
    """``"step"`` (default) pays at once; ``"rollout"`` keeps the frames until `flush` scores them
    in one batch; ``"episode"`` scores each episode whole when it ends, and its last step is paid
    what all its steps are worth: for models that are not causal."""


class RewardEngine:
    """Draws the environments that are due, has the model score them and pays the shaped reward.

    Attributes:
        deferred: rewards are NaN until `flush`.
        seconds: wall-clock time spent under "drawing" and "scoring" [s].
    """

    def __init__(
        self, model: RewardModel, instruction: str, num_envs: int, **options: Unpack[RewardOptions]
    ) -> None:
        detector = options.get("success_detector", SuccessDetector())
        scoring, invalid = options.get("scoring", "step"), options.get("max_invalid_rate", 0.1)
        if scoring not in ("step", "rollout", "episode"):
            raise InvalidInputError(
                f"scoring: expected 'step', 'rollout' or 'episode'; got {scoring!r}."
            )
        if not 0 <= invalid <= 1:
            raise InvalidInputError(f"max_invalid_rate: expected a share in [0, 1]; got {invalid}.")
        if detector is not None and not model.spec.predicts_success:
            raise InvalidInputError(
                f"reward {model.spec.name!r} predicts no success: pass success_detector=None."
            )
        if detector is not None and scoring != "step":
            raise InvalidInputError(
                f"scoring={scoring!r} learns of a predicted success only after the {scoring}, too "
                f"late to end the episode: pass success_detector=None or scoring='step'."
            )
        self.deferred, self._whole = scoring == "rollout", scoring == "episode"
        self._watch = Stopwatch()
        self.ledger = EpisodeTracker(
            num_envs,
            options.get("shaping", ProgressDelta(scale=5.0)),
            options.get("score_every", 4),
            detector,
        )
        self._scorer = FrameScorer(
            model,
            check_instruction(instruction),
            options.get("goal_image"),
            num_envs,
            invalid,
            self._whole,
        )
        self._unpaid: list[StepMasks] = []

    @property
    def seconds(self) -> dict[str, float]:
        """Wall-clock time spent so far under "drawing" and "scoring" [s]."""
        return self._watch.seconds

    def restart(self, begun: BoolArray, draw: Draw) -> StepRewards:
        """Begin episodes where ``begun``, shape (N,), is True: their first frames are scored,
        nothing is paid."""
        return self._settle(self.ledger.restart(begun), draw)

    def advance(self, terminated: BoolArray, truncated: BoolArray, draw: Draw) -> StepRewards:
        """Pay one step; the environments, shape (N,), still show the states in which it ended."""
        return self._settle(self.ledger.advance(terminated, truncated), draw)

    def flush(self) -> Rewards:
        """Score what waits in one batch; return the rewards of the steps since the last flush,
        shape (T, N).

        Raises:
            InvalidInputError: the rewards were paid step by step already.
        """
        if not self.deferred:
            raise InvalidInputError(
                "flush: every step was paid at once; make the wrapper with scoring='rollout'."
            )
        payments = self._pay()
        rows, self._unpaid = self._unpaid, []
        steps = [payment.rewards for row, payment in zip(rows, payments, strict=True) if row.step]
        return np.stack(steps) if steps else np.zeros((0, len(self.ledger.ended)))

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return everything `set_state` needs; with ``scoring="rollout"`` call `flush` first."""
        if self._unpaid:
            raise InvalidInputError("snapshot: steps wait for their rewards; call flush() first.")
        return self._scorer.get_state() | self.ledger.get_state()

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        self._scorer.set_state(arrays)
        self.ledger.set_state(arrays)
        self._unpaid = []

    def _settle(self, row: StepMasks, draw: Draw) -> StepRewards:
        envs = np.flatnonzero(row.scored)
        if len(envs):
            with self._watch.time("drawing"):
                frames = draw(envs)
            self._scorer.keep(envs, frames, row.begun)
        if self._whole:
            with self._watch.time("scoring"):
                return self.ledger.pay_episodes(
                    row, self._scorer.score_episodes(row.acted & self.ledger.ended)
                )
        self._unpaid.append(row)
        if self.deferred:
            unknown = np.full(len(row.acted), np.nan)
            return StepRewards(
                unknown,
                unknown.astype(np.float32),
                np.zeros_like(row.acted),
                np.zeros_like(row.acted),
            )
        payment = self._pay()[0]
        self._unpaid = []
        return payment

    def _pay(self) -> list[StepRewards]:
        if not self._unpaid:
            return []
        with self._watch.time("scoring"):
            labels = self._scorer.score([row.scored for row in self._unpaid])
        return [
            self.ledger.pay(row, label) for row, label in zip(self._unpaid, labels, strict=True)
        ]
