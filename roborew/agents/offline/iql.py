"""Implicit Q-learning (Kostrikov et al. 2021, arXiv:2110.06169): from demonstrations alone, good and
bad ones, the moves that lead to more reward than others in such a state are cloned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.bc import BC, BCConfig
from roborew.agents.demonstrations import DemonstrationEpisode, check_demonstrations, check_paid
from roborew.agents.env_checks import box_size, require_disabled_autoreset
from roborew.agents.offline.chunk_policy import ChunkPolicy
from roborew.agents.offline.transitions import (
    Transitions,
    chunk_returns,
    paid_rewards,
    return_range,
)
from roborew.agents.offline.values import LOSS_PARTS, ChunkValues
from roborew.agents.rollout_report import Callback, EpisodeStatistics, RolloutReport
from roborew.agents.torch_state import Arrays, join_parts, require_same_settings
from roborew.bounds import check_setting
from roborew.errors import InvalidInputError
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix

WHOLE_NUMBERS = (
    "chunk_size",
    "num_critics",
    "hidden_dim",
    "value_hidden_dim",
    "batch_size",
    "report_every",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IQLConfig:
    """Settings of `IQL`."""

    chunk_size: int = 4
    """Actions that are predicted, and valued, at once."""
    ensemble_decay: float = 0.01
    """Temporal ensembling of the chunks, as of `bc`."""
    gamma: float = 0.97
    """Discount of the reward one step later, in [0, 1]: the less, the more it counts to be quick."""
    expectile: float = 0.8
    """Which value of a state is learned, in (0, 1): 0.5 is the mean over what was done there, towards
    1 the best of it."""
    beta: float = 10.0
    """How much more a better chunk counts: exp(beta A), for an advantage A in shares of the range of
    the returns; 0 is plain cloning."""
    max_weight: float = 100.0
    """Most that one chunk counts beside one of no advantage in its state."""
    focus: float = 2.0
    """How much more a chunk counts from an episode that was paid more: exp(beta focus R), for the return
    R of its episode in shares of the range of the returns (trajectory weighting, Hong et al. 2023,
    arXiv:2306.13085); 0 weighs all episodes the same, as the paper of IQL does."""
    value_share: float = 1 / 3
    """Share of the gradient steps in which values are learned, in (0, 1), before the chunks are
    cloned."""
    num_critics: int = 2
    """Values of chunks in the ensemble, of which the least counts."""
    tau: float = 0.005
    """Share of the way that the target network goes after each gradient step, in (0, 1]."""
    value_learning_rate: float = 1e-3
    """Step size of Adam, of the values."""
    value_hidden_dim: int = 128
    """Units of each of the two hidden layers, of the values."""
    learning_rate: float = 1e-3
    """Step size of Adam in cloning, at the start; it falls to 0 along a line."""
    hidden_dim: int = 256
    """Units of each of the two hidden layers, of what acts."""
    batch_size: int = 256
    """Samples of one gradient step."""
    report_every: int = 500
    """Gradient steps between two reports."""

    def __post_init__(self) -> None:
        for name in WHOLE_NUMBERS:
            check_setting(self, name, getattr(self, name) >= 1, "a whole number of at least 1")
        for name in ("learning_rate", "value_learning_rate", "max_weight"):
            check_setting(self, name, getattr(self, name) > 0, "a positive number")
        for name in ("expectile", "value_share"):
            check_setting(self, name, 0 < getattr(self, name) < 1, "a number between 0 and 1")
        check_setting(self, "gamma", 0 <= self.gamma <= 1, "a number in [0, 1]")
        check_setting(self, "tau", 0 < self.tau <= 1, "a number in (0, 1]")
        for name in ("beta", "focus"):
            check_setting(self, name, getattr(self, name) >= 0, "a number from 0 up")


class IQL:
    """Learns values from paid demonstrations, then clones their chunks by what each is worth beyond
    its state; it needs `use_demonstrations` before it learns.

    Where all demonstrations are paid the same nothing is better than anything else, and it is `BC`.

    Args:
        observation_space: of one environment, a Box of shape (D,).
        action_space: of one environment, a bounded Box of shape (A,).
        config: see `IQLConfig`.
        seed: of the weights and of the order of samples.
    """

    __repr__ = agent_repr

    offline: ClassVar[bool] = True
    """It learns without the environment; steps are gradient steps."""
    train_timesteps: ClassVar[int] = 3_600
    """Gradient steps if a run does not say."""
    takes_failures: ClassVar[bool] = True
    """Demonstrations that fail are of use."""
    needs_failures: ClassVar[bool] = True
    """Where all succeed there is nothing to tell apart."""
    needs_rewards = True

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: IQLConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or IQLConfig()
        self.seed = seed
        self._spaces = (observation_space, action_space)
        config = self.config
        clone_config = BCConfig(
            chunk_size=config.chunk_size,
            ensemble_decay=config.ensemble_decay,
            hidden_dim=config.hidden_dim,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            report_every=config.report_every,
        )
        self._clone = BC(observation_space, action_space, clone_config, seed)
        actions = config.chunk_size * box_size(action_space, "action")
        self._values = ChunkValues(
            (box_size(observation_space, "observation"), actions),
            hidden_dim=config.value_hidden_dim,
            num_critics=config.num_critics,
            learning_rate=config.value_learning_rate,
            tau=config.tau,
            expectile=config.expectile,
            batch_size=config.batch_size,
            seed=seed,
        )
        self._transitions: Transitions | None = None
        self._has_differences = False

    @property
    def steps(self) -> int:
        """Gradient steps so far; no step of an environment is made."""
        return self._values.steps + self._clone.steps

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Take over the demonstrations.

        Raises:
            InvalidInputError: they do not fit the spaces, or were not paid.
        """
        check_demonstrations(episodes, *self._spaces)
        check_paid(episodes, "iql")
        self._clone.use_demonstrations(episodes)
        spread = return_range(episodes)
        self._has_differences = spread > 0
        self._transitions = self._prepare(episodes, spread if spread > 0 else 1.0)

    def act(
        self, observations: NDArray[np.floating], deterministic: bool = True
    ) -> NDArray[np.float32]:
        """Return the first action of each predicted chunk, shape (n, A), for observations (n, D);
        nothing is drawn, so ``deterministic`` changes nothing."""
        return self._clone.act(observations, deterministic)

    def policy(self, num_envs: int) -> ChunkPolicy:
        """Return a policy that remembers the chunks of ``num_envs`` running episodes."""
        return self._clone.policy(num_envs)

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Make gradient steps until `steps` reaches ``total_steps`` or ``callback`` returns False.

        Args:
            env: is not stepped.
            total_steps: gradient steps since the agent was made, `IQLConfig.value_share` of them for
                the values.
            callback: called every ``report_every`` gradient steps.

        Raises:
            InvalidInputError: no demonstrations were given, or another autoreset mode.
        """
        require_disabled_autoreset(env)
        if self._transitions is None:
            raise InvalidInputError(
                "iql: there is nothing to learn from; name a set of demonstrations with --demos, or "
                "call use_demonstrations first."
            )
        value_steps = int(self.config.value_share * total_steps)
        if not self._learn_values(self._transitions, value_steps, callback):
            return
        self._clone.weigh(self.weights())

        def with_values(report: RolloutReport) -> bool | None:
            if callback is None:
                return None
            return callback(replace(report, steps=self.steps))

        self._clone.learn(env, total_steps - self._values.steps, with_values)

    def weights(self) -> NDArray[np.float32]:
        """What each sample of the demonstrations counts, shape (samples,):
        ``min(exp(beta A), max_weight) exp(beta focus R)``; 1 where all are paid the same.

        The second factor is the same for all of an episode. A value of the state in its place, which is
        less the further away success is, would leave the beginnings of long episodes out.

        Raises:
            InvalidInputError: no demonstrations were given.
        """
        if self._transitions is None:
            raise InvalidInputError("iql: no demonstrations were given.")
        if not self._has_differences:
            return np.ones(len(self._transitions.returns), dtype=np.float32)
        config = self.config
        advantages = self._values.advantages(self._transitions)
        # Bounded before exp: a large number would overflow.
        bounded = np.minimum(config.beta * advantages, np.log(config.max_weight))
        exponents = bounded + config.beta * config.focus * self._transitions.episode_returns
        return np.exp(exponents - exponents.max()).astype(np.float32)

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return weights, optimizer moments, normalization and generators, and a JSON-able
        dictionary."""
        clone, clone_meta = self._clone.state_dict()
        arrays = join_parts({"clone": clone, "values": self._values.state_dict()})
        return arrays, {
            "agent": "iql",
            "steps": self.steps,
            "value_steps": self._values.steps,
            "seed": self.seed,
            "clone": clone_meta,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        require_same_settings(meta, self.config, "IQL")
        self._clone.load_state_dict(select_prefix(arrays, "clone/"), meta["clone"])
        self._values.load_state_dict(select_prefix(arrays, "values/"), int(meta["value_steps"]))
        self.seed = int(meta["seed"])

    def _learn_values(self, data: Transitions, until: int, callback: Callback | None) -> bool:
        """Learn values until so many steps; whether the callback lets it go on."""
        nothing_played = EpisodeStatistics(0)
        while self._values.steps < until:
            watch = Stopwatch()
            count = min(self.config.report_every, until - self._values.steps)
            with watch.time("updating"):
                losses = torch.stack([self._values.update(data) for _ in range(count)])
            report = nothing_played.report(self.steps, watch.seconds, _mean_losses(losses))
            if callback is not None and callback(report) is False:
                return False
        return True

    def _prepare(
        self, episodes: Sequence[DemonstrationEpisode], reward_scale: float
    ) -> Transitions:
        config = self.config
        observations, chunks = self._clone.samples()
        parts = [chunk_returns(episode, config.chunk_size, config.gamma) for episode in episodes]
        totals = [np.full(len(one.actions), paid_rewards(one).sum()) for one in episodes]
        following = np.concatenate([part.following for part in parts])
        return Transitions(
            observations=observations,
            chunks=chunks.flatten(start_dim=1),
            returns=_tensor(np.concatenate([part.returns for part in parts]) / reward_scale),
            following=_tensor(self._clone.normalize(following)),
            discounts=_tensor(np.concatenate([part.discounts for part in parts])),
            episode_returns=np.concatenate(totals) / reward_scale,
        )


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


def _mean_losses(losses: Tensor) -> dict[str, float]:
    """The mean of each of `LOSS_PARTS`, from shape (steps, parts)."""
    means = losses.mean(dim=0)
    return {name: float(mean) for name, mean in zip(LOSS_PARTS, means, strict=True)}
