"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) over one vector
environment.

The agent sees an environment and nothing else: whatever pays the reward stays behind
`VectorEnv.step`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, ClassVar, cast

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.env_checks import (
    ActionScale,
    check_finite,
    require_disabled_autoreset,
    reset_where,
    rewards_are_deferred,
)
from roborew.agents.flat_adam import FlatAdam
from roborew.agents.network import PolicyValueNetwork, current_parameters
from roborew.agents.normalization import RewardNormalizer, RunningMeanStd
from roborew.agents.pixels.encoder import PixelFeatures, PixelPolicyValueNetwork
from roborew.agents.pixels.layout import Observations, observation_layout
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.ppo_loss import SampleLosses, write_gradients
from roborew.agents.rollout_buffer import RolloutBuffer, Samples
from roborew.agents.rollout_report import Callback, EpisodeStatistics
from roborew.agents.torch_state import (
    Arrays,
    current_names,
    from_tensors,
    join_parts,
    load_weights,
    require_same_settings,
    to_tensors,
)
from roborew.errors import InvalidInputError
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix

__all__ = ["PPO", "PPOConfig"]


class PPO:
    """An agent for flat observations, or pictures, and bounded flat actions.

    Its networks are small: on a CPU that also simulates and draws, ``torch.set_num_threads(1)`` is
        fastest.

    Args:
        observation_space: of one environment, a Box of shape (D,), or a Dict with pictures, see
            `roborew.agents.pixels.layout`.
        action_space: of one environment, a bounded Box of shape (A,); the policy works in [-1, 1].
        config: see `PPOConfig`.
        seed: of the weights, the exploration and the first reset.

    Attributes:
        steps: environment steps so far, over all environments.
    """

    __repr__ = agent_repr

    pixels_options: ClassVar[Mapping[str, int]] = MappingProxyType({"n_epochs": 4})
    """Settings of a run from pictures that does not name them: a pass over a rollout costs more than
    to play it."""

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: PPOConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or PPOConfig()
        self.seed = seed
        self.steps = 0
        self._layout = observation_layout(observation_space)
        self._scale = ActionScale(action_space)
        self._generator = torch.Generator().manual_seed(seed)
        self._network = self._new_network().to(self.config.device)
        self._optimizer = FlatAdam(self._network, self.config.learning_rate, eps=1e-5)
        self._observation_stats = RunningMeanStd(self._layout.vector_size)
        self._reward_normalizer: RewardNormalizer | None = None
        self._env: VectorEnv[Any, Any, Any] | None = None
        self._observations: NDArray[Any] | None = None
        self._episodes = EpisodeStatistics(0)

    def act(self, observations: Observations, deterministic: bool = True) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of n environments; nothing is learned from
        them.

        Without ``deterministic`` the actions are drawn from the policy with the agent's own
        generator.
        """
        mean, _ = self._evaluate(self._normalize(self._layout.rows(observations)))
        return self._scale.to_environment(mean if deterministic else self._explore(mean))

    def values(self, observations: Observations) -> NDArray[np.float32]:
        """Return the values, shape (n,), of observations of n environments."""
        return self._values(self._layout.rows(observations))

    @property
    def encoder(self) -> PixelFeatures | None:
        """What reads pictures, where there are any; it learns with the rest."""
        network = self._network
        return network.features if isinstance(network, PixelPolicyValueNetwork) else None

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Learn in ``env`` until `steps` reaches ``total_steps`` or ``callback`` returns False.

        Called again with the same environment, or after `load_state_dict` with an environment restored
        to the same moment, it goes on in the running episodes; a new environment is reset first.

        Args:
            env: a vector environment with ``autoreset_mode=AutoresetMode.DISABLED``. One with a
                true attribute ``deferred`` pays each rollout through ``flush() -> rewards (T, N)``.
            total_steps: counted over all environments since the agent was made.
            callback: called after each rollout and its update.

        Raises:
            InvalidInputError: another autoreset mode, a reward or observation that is NaN or
                infinite.
        """
        self._enter(env)
        while self.steps < total_steps:
            watch = Stopwatch()
            steps_before = self.steps
            rollout = self._collect(env, watch)
            with watch.time("updating"):
                self._set_learning_rate(steps_before, total_steps)
                losses = self._update(rollout)
                self._bound_noise(total_steps)
            report = self._episodes.report(self.steps, watch.seconds, losses)
            self._episodes.clear()
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return everything that exact continuation needs beside the environment's own state.

        Returns:
            Arrays (weights, optimizer moments, normalizers, generator, running episodes) and a
            JSON-able dictionary.
        """
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "network": from_tensors(self._network.state_dict()),
            "optimizer": self._optimizer.state_dict(),
            "observations": self._observation_stats.state_dict(),
            "generator": from_tensors({"state": self._generator.get_state()}),
        }
        # Before the first `learn` there are no running episodes to keep.
        if self._observations is not None:
            parts["episodes"] = {
                "observations": self._observations.copy(),
                **self._episodes.get_state(),
            }
        if self._reward_normalizer is not None:
            parts["rewards"] = self._reward_normalizer.state_dict()
        return join_parts(parts), {
            "agent": "ppo",
            "steps": self.steps,
            "seed": self.seed,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        require_same_settings(meta, self.config, "PPO")
        arrays = current_names(arrays)
        tensors = to_tensors(select_prefix(arrays, "network/"))
        load_weights(self._network, current_parameters(tensors), "PPO")
        self._optimizer.load_state_dict(select_prefix(arrays, "optimizer/"))
        self._observation_stats.load_state_dict(select_prefix(arrays, "observations/"))
        self._generator.set_state(to_tensors(arrays)["generator/state"])
        self.steps = int(meta["steps"])
        self.seed = int(meta["seed"])
        self._env = None
        self._observations = None
        if "episodes/observations" in arrays:
            self._observations = arrays["episodes/observations"].copy()
            self._begin(len(self._observations))
            self._episodes.set_state(select_prefix(arrays, "episodes/"))
        if self._reward_normalizer is not None:
            self._reward_normalizer.load_state_dict(select_prefix(arrays, "rewards/"))

    def _begin(self, num_envs: int) -> None:
        self._episodes = EpisodeStatistics(num_envs)
        self._reward_normalizer = (
            RewardNormalizer(num_envs, self.config.gamma) if self.config.normalize_rewards else None
        )

    def _enter(self, env: VectorEnv[Any, Any, Any]) -> None:
        require_disabled_autoreset(env)
        # After `load_state_dict` it is None: the caller has restored the environment itself.
        is_same_env = self._env is None or self._env is env
        if self._observations is None or not is_same_env:
            self._observations = self._layout.rows(env.reset(seed=self.seed)[0])
            self._begin(env.num_envs)
        if len(self._observations) != env.num_envs:
            raise InvalidInputError(
                f"PPO.learn: the loaded state has {len(self._observations)} environments, this "
                f"one {env.num_envs}; "
                "continue with the same number, or make a new agent."
            )
        self._env = env

    def _collect(self, env: VectorEnv[Any, Any, Any], watch: Stopwatch) -> RolloutBuffer:
        """Act for ``n_steps`` steps and return the rollout with its advantages."""
        rollout = RolloutBuffer(self.config.n_steps, env.num_envs)
        for _ in range(self.config.n_steps):
            self._collect_step(env, rollout, watch)
            self.steps += env.num_envs
        if rewards_are_deferred(env):
            with watch.time("environment"):
                rollout.rewards[:] = cast(Any, env).flush()
        self._finish(rollout)
        return rollout

    def _collect_step(
        self, env: VectorEnv[Any, Any, Any], rollout: RolloutBuffer, watch: Stopwatch
    ) -> None:
        assert self._observations is not None
        with watch.time("acting"):
            if self.config.normalize_observations:
                self._observation_stats.update(self._layout.vector(self._observations))
            normalized = self._augment(self._normalize(self._observations))
            mean, values = self._evaluate(normalized)
            actions = self._explore(mean)
        with watch.time("environment"):
            action = self._scale.to_environment(actions)
            final, rewards, terminated, truncated, infos = env.step(action)
        with watch.time("acting"):
            final = self._layout.rows(final)
            # A time limit is no termination: the value of the state it cut off still counts.
            cut = truncated & ~terminated
            bootstrap = np.zeros(env.num_envs)
            if cut.any():
                bootstrap[cut] = self._values(final[cut])
            done = np.asarray(terminated | truncated)
            true_rewards = infos.get("true_reward")
            rollout.add(
                normalized,
                actions,
                mean,
                values,
                rewards=rewards,
                true_rewards=true_rewards,
                bootstrap=bootstrap,
                done=done,
            )
            self._episodes.add_finals(infos, done)
        with watch.time("environment"):
            self._observations = reset_where(env, done, final, self._layout.rows)

    def _finish(self, rollout: RolloutBuffer) -> None:
        """Count the episodes of a full rollout and compute its advantages."""
        # Only here: deferred rewards are NaN until the flush, so no single step can be checked.
        check_finite(rollout.rewards, "reward", env_axis=1)
        for t in range(self.config.n_steps):
            self._episodes.add_step(rollout.rewards[t], rollout.true_rewards[t], rollout.done[t])
        if self._reward_normalizer is not None:
            rollout.rewards = self._reward_normalizer(rollout.rewards, rollout.done)
        assert self._observations is not None
        last_values = self._values(self._observations)
        rollout.compute_advantages(last_values, self.config.gamma, self.config.gae_lambda)

    def _new_network(self) -> PolicyValueNetwork:
        config = self.config
        heads = (self._scale.size, config.hidden_dim, config.init_std, self._generator)
        if self._layout.stack is None:
            return PolicyValueNetwork(self._layout.vector_size, *heads)
        return PixelPolicyValueNetwork(self._layout, *heads)

    def _normalize(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of the layout with normalized vectors."""
        vector = self._layout.vector(rows)
        if self.config.normalize_observations:
            vector = self._observation_stats.normalize(vector)
        return self._layout.with_vector(rows, np.asarray(vector, dtype=np.float32))

    def _augment(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows with pictures moved at random. The policy acts on what is learned from, or the ratio of
        its probabilities would compare two pictures."""
        if self._layout.stack is None:
            return rows
        return self._layout.shifted(torch.as_tensor(rows), self._generator).numpy()

    def _values(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        return self._evaluate(self._normalize(rows))[1].cpu().numpy()

    def _evaluate(self, normalized: NDArray[Any]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self._network(torch.as_tensor(normalized).to(self.config.device))

    def _explore(self, mean: Tensor) -> Tensor:
        # Drawn on the CPU, so that a seed means the same on every device.
        noise = torch.randn(mean.shape, generator=self._generator).to(mean.device)
        with torch.no_grad():
            return mean + noise * torch.exp(self._network.log_std)

    def _set_learning_rate(self, steps: int, total_steps: int) -> None:
        remaining = 1.0
        if self.config.schedule == "linear":
            remaining = 1.0 - steps / total_steps
        self._optimizer.learning_rate = self.config.learning_rate * remaining

    def _bound_noise(self, total_steps: int) -> None:
        """Clamp the standard deviation to a bound that falls by equal factors."""
        first = self.config.init_std
        last = min(self.config.final_std, first)
        done = min(1.0, self.steps / total_steps)
        bound = first * (last / first) ** done
        with torch.no_grad():
            self._network.log_std.clamp_(max=math.log(bound))

    def _update(self, rollout: RolloutBuffer) -> dict[str, float]:
        """Minimize the loss over the rollout; return the means of its parts over all samples."""
        config = self.config
        samples = rollout.samples(config.device, self._network.log_prob)
        losses: list[SampleLosses] = []
        for batch in self._batches(samples):
            self._optimizer.zero_grad()
            batch_losses = write_gradients(self._network, batch, config)
            # Checked before the step: the batch that shows the policy has gone too far is not used.
            if config.target_kl is not None and batch_losses.approx_kl() > 1.5 * config.target_kl:
                break
            self._optimizer.step(config.max_grad_norm)
            losses.append(batch_losses)
        report = SampleLosses.mean_parts(losses, config.clip_range)
        report["std"] = float(self._network.log_std.detach().exp().mean())
        report["entropy_loss"] = -float(self._network.entropy().detach())
        return report

    def _batches(self, samples: Samples) -> Iterator[Samples]:
        """``n_epochs`` passes over the samples, each in an order of its own."""
        batch_size = self.config.batch_size
        for _ in range(self.config.n_epochs):
            order = torch.randperm(len(samples), generator=self._generator)
            shuffled = samples[order.to(samples.observations.device)]
            for start in range(0, len(samples), batch_size):
                yield shuffled[start : start + batch_size]
