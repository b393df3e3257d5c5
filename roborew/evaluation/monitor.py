"""A reward model that scores a policy's episodes without paying for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.evaluation.running_episode import RunningEpisode
from roborew.types import Clip, Frame, RewardModel, Scores, check_instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardMonitor:
    """A reward model that watches the episodes and is itself evaluated; the policy never sees it.

    Each episode is scored once, as one clip of its scored frames: the first, every
    ``score_every``-th and the last.
    """

    model: RewardModel
    instruction: str
    goal_image: Frame | None = None
    score_every: int = 4
    """Steps from one scored frame to the next."""
    success_threshold: float = 0.9
    """Success probability from which on the model predicts success, in (0, 1]."""
    terminate_on_success: bool = False
    """Count an episode as ended by its first predicted success."""

    def __post_init__(self) -> None:
        check_instruction(self.instruction)
        if self.score_every < 1 or not 0 < self.success_threshold <= 1:
            raise InvalidInputError(
                f"reward monitor: expected score_every >= 1 and success_threshold in (0, 1]; got "
                f"{self.score_every} and {self.success_threshold}."
            )

    def score(self, episodes: Sequence[RunningEpisode]) -> None:
        """Add the model's scores and predicted successes to episodes that have ended.

        Raises:
            InvalidInputError: the environment has paid a learned reward already.
            InvalidScoreError: the model returned other than one score per frame.
        """
        if any(episode.scores for episode in episodes):
            raise InvalidInputError(
                "evaluate: expected no reward monitor beside an environment that pays a learned "
                "reward."
            )
        steps = [self._scored_steps(episode) for episode in episodes]
        clips = [self._clip(episode, own) for episode, own in zip(episodes, steps, strict=True)]
        scores = self.model.score(clips)
        if [len(own) for own in scores] != [len(own) for own in steps]:
            raise InvalidScoreError(
                f"{self.model.spec.name}: expected one score for each frame of each clip."
            )
        for own_scores in scores:
            self.model.spec.check_range(own_scores)
        for episode, own_steps, own_scores in zip(episodes, steps, scores, strict=True):
            self._add_scores(episode, own_steps, own_scores)

    def _scored_steps(self, episode: RunningEpisode) -> list[int]:
        last = episode.length
        return [t for t in sorted(episode.frames) if t % self.score_every == 0 or t == last]

    def _clip(self, episode: RunningEpisode, steps: Sequence[int]) -> Clip:
        frames = np.stack([episode.frames[step] for step in steps])
        return Clip(frames=frames, instruction=self.instruction, goal_image=self.goal_image)

    def _add_scores(self, episode: RunningEpisode, steps: Sequence[int], scores: Scores) -> None:
        predicted = np.zeros(len(steps), np.bool_)
        if scores.success is not None:
            # An abstention predicts no success, whatever number stands in its place.
            predicted = scores.valid & (scores.success >= self.success_threshold)
        for row, step in enumerate(steps):
            value = None
            if scores.valid[row]:
                value = float(scores.value[row])
            predicted_success = bool(predicted[row])
            episode.scores[step] = (value, predicted_success)
        if self.terminate_on_success and predicted.any():
            first = int(predicted.argmax())
            episode.truncate(steps[first])
