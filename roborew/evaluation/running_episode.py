"""One episode while a policy runs it: what was true of every state, and what a model said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from roborew.evaluation.episodes import Episode
from roborew.types import Frame


@dataclass(slots=True)
class RunningEpisode:
    """Entry t of progress and success belongs to the state after t steps."""

    seed: int
    success_known: bool = False
    """Whether the environment's infos had ``success`` at all."""
    progress: list[float] = field(default_factory=list[float])
    success: list[bool] = field(default_factory=list[bool])
    true_rewards: list[float] = field(default_factory=list[float])
    learned_rewards: list[float] = field(default_factory=list[float])
    scores: dict[int, tuple[float | None, bool]] = field(
        default_factory=dict[int, "tuple[float | None, bool]"]
    )
    """Step to score (None for an abstention) and whether success was predicted."""
    frames: dict[int, Frame] = field(default_factory=dict[int, Frame])

    @property
    def length(self) -> int:
        """Number of steps so far."""
        return len(self.progress) - 1

    def add_state(self, slot: int, infos: Mapping[str, Any]) -> None:
        """Add the truth, and the score if there is one, of a vector environment's slot."""
        self._add_truth(slot, infos)
        if "score" not in infos or not infos["score_valid"][slot]:
            return
        score = float(infos["score"][slot])
        predicted_success = bool(infos["terminated_by_success_detector"][slot])
        self.scores[self.length] = (score, predicted_success)

    def _add_truth(self, slot: int, infos: Mapping[str, Any]) -> None:
        progress = math.nan
        for name in ("progress", "measured_progress"):
            if name in infos:
                progress = float(infos[name][slot])
                break
        success = False
        if "success" in infos:
            success = bool(infos["success"][slot])
            self.success_known = True
        self.progress.append(progress)
        self.success.append(success)

    def add_rewards(self, slot: int, rewards: NDArray[Any], infos: Mapping[str, Any]) -> None:
        """Add the true reward of a step, and the learned one where that is what was paid."""
        if "true_reward" not in infos:
            self.true_rewards.append(float(rewards[slot]))
            return
        self.true_rewards.append(float(infos["true_reward"][slot]))
        self.learned_rewards.append(float(rewards[slot]))

    def truncate(self, length: int) -> None:
        """Forget what came after ``length`` steps."""
        # One state more than steps: the state before the first step has no reward.
        num_states = length + 1
        del self.progress[num_states:]
        del self.success[num_states:]
        del self.true_rewards[length:]
        late_steps = [step for step in self.scores if step > length]
        for step in late_steps:
            del self.scores[step]

    def finish(self) -> Episode:
        """The episode as it is kept."""
        steps = sorted(self.scores)
        values = [self.scores[step][0] for step in steps]
        return Episode(
            seed=self.seed,
            true_return=sum(self.true_rewards),
            learned_return=self._learned_return(values),
            progress=tuple(self.progress),
            success=tuple(self.success) if self.success_known else None,
            score_steps=tuple(steps),
            scores=tuple(values),
            predicted_success=tuple(self.scores[step][1] for step in steps),
        )

    def _learned_return(self, scores: list[float | None]) -> float | None:
        if self.learned_rewards:
            return sum(self.learned_rewards)
        # A model that paid nothing has no return: what it would have paid is the gain in score.
        valid = [score for score in scores if score is not None]
        return valid[-1] - valid[0] if valid else None
