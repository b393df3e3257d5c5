"""What is done about a score that never moved: said, and where it cannot matter any more, ended."""

from __future__ import annotations

import logging

from roborew.agents.rollout_report import RolloutReport
from roborew.errors import InvalidScoreError
from roborew.types import RewardModel
from roborew.workflows.fitness import never_saw
from roborew.workflows.rewards import RewardEnv
from roborew.workflows.train.config import TrainConfig
from roborew.wrappers import LearnedReward

logger = logging.getLogger(__name__)

EPISODES = 100
"""Episodes without a move of the score before anything is said of it, unless the user says."""
SHARE_OF_STEPS = 0.1
"""Share of a run's steps before anything is said: a hundred episodes may end after a step each."""


class Patience:
    """Watches whether the score moved in any episode so far.

    That it did not is no proof that it never will: a judge of five grades says the lowest one until
    the first is earned, and a sparse reward says zero until the first success, which may come after
    thousands of episodes. So a run ends by itself only where a later move would mean nothing either:
    where the model itself says that it never saw such a task (`roborew.workflows.fitness.never_saw`),
    after both `EPISODES` and `SHARE_OF_STEPS`, counted from the run's beginning. Any other run is
    warned of once, at the same point, and goes on. Who knows the reward better sets
    ``TrainConfig.patience``: so many episodes, or 0 for never, whatever the model.

    Args:
        config: of the run.
        model: the reward; None where the truth pays.
        env: that it pays in.
        first_step: environment steps before this session.
    """

    def __init__(
        self, config: TrainConfig, model: RewardModel | None, env: RewardEnv, first_step: int
    ) -> None:
        self._config = config
        self._env = env if isinstance(env, LearnedReward) else None
        self._episodes = 0
        self._is_over = False
        if config.patience is None:
            self._limit = EPISODES
            self._min_steps = SHARE_OF_STEPS * config.timesteps
            # What the score did before this session is not known.
            self._ends_run = never_saw(model, config.env.id) and first_step == 0
        else:
            self._limit = config.patience
            self._min_steps = 0.0
            self._ends_run = config.patience > 0

    def note(self, report: RolloutReport) -> InvalidScoreError | None:
        """Return why the run ends after this rollout, None where it goes on."""
        self._episodes += report.episodes
        is_early = self._episodes < self._limit or report.steps < self._min_steps
        if self._env is None or self._is_over or is_early:
            return None
        self._is_over = True
        if self._limit == 0 or self._env.score_moved:
            return None
        config = self._config
        still = (
            f"reward {config.reward.name!r} did not move in any of {self._episodes} episodes of "
            f"{config.env.id} ({report.steps:,} steps)"
        )
        remedy = (
            f"say {config.sentence!r} in other words, take another reward, or fit a critic to "
            "demonstrations"
        )
        if not self._ends_run:
            logger.warning("%s: an agent learns nothing until it does. Else %s.", still, remedy)
            return None
        return InvalidScoreError(
            f"{still}, so no agent can learn from it; training ends here, its checkpoint is kept. "
            f"Now {remedy}; --patience 0 trains on whatever it says."
        )
