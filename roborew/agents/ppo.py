"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) over one vector
environment.

The agent sees an environment and nothing else: whatever pays the reward stays behind
`VectorEnv.step`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.advantage import compute_gae
from roborew.agents.env_checks import (
    ActionScale,
    box_size,
    check_finite,
    require_disabled_autoreset,
    reset_where,
)
from roborew.agents.network import ActorCritic
from roborew.agents.normalization import RewardNormalizer, RunningMeanStd
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.rollout_buffer import RolloutBuffer
from roborew.agents.rollout_report import Callback, EpisodeStatistics
from roborew.agents.torch_state import (
    Arrays,
    from_optimizer,
    from_tensors,
    load_optimizer,
    to_tensors,
)
from roborew.errors import InvalidInputError
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import under, with_prefix

__all__ = ["PPO", "PPOConfig"]


class PPO:
    """An agent for flat observations and bounded flat actions.

    Its networks are small: on a CPU that also simulates and draws, ``torch.set_num_threads(1)`` is
        fastest.

    Args:
        observation_space: of one environment, a Box of shape (D,).
        action_space: of one environment, a bounded Box of shape (A,); the policy works in [-1, 1].
        config: see `PPOConfig`.
        seed: of the weights, the exploration and the first reset.

    Attributes:
        steps: environment steps so far, over all environments.
    """

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
        inputs = box_size(observation_space, "observation")
        self._scale = ActionScale(action_space)
        self._generator = torch.Generator().manual_seed(seed)
        self._network = ActorCritic(
            inputs,
            self._scale.size,
            self.config.hidden_dim,
            self.config.initial_std,
            self._generator,
        ).to(self.config.device)
        self._optimizer = torch.optim.Adam(
            self._network.parameters(), lr=self.config.learning_rate, eps=1e-5
        )
        self._observation_stats = RunningMeanStd(inputs)
        self._reward_normalizer: RewardNormalizer | None = None
        self._env: VectorEnv[Any, Any, Any] | None = None
        self._observations: NDArray[np.float32] | None = None
        self._episodes = EpisodeStatistics(0)

    def act(
        self, observations: NDArray[np.floating], deterministic: bool = True
    ) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of shape (n, D); nothing is learned from
        them.

        Without ``deterministic`` the actions are drawn from the policy with the agent's own
        generator.
        """
        mean, _ = self._evaluate(self._normalize(check_finite(observations, "observation")))
        return self._scale.to_environment(mean if deterministic else self._explore(mean))

    def values(self, observations: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the critic's values, shape (n,), of observations of shape (n, D)."""
        return self._evaluate(self._normalize(observations))[1].cpu().numpy()

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
            watch, before = Stopwatch(), self.steps
            rollout = self._collect(env, watch)
            with watch.time("updating"):
                self._set_learning_rate(before, total_steps)
                losses = self._update(rollout)
                self._bound_noise(total_steps)
            report = self._episodes.report(self.steps, watch.seconds, losses)
            self._episodes.clear()
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return everything that exact continuation needs beside the environment's own state.

        Returns:
            Arrays (weights, optimiser moments, normalisers, generator, running episodes) and a
            JSON-able dictionary.
        """
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "network": from_tensors(self._network.state_dict()),
            "optimiser": from_optimizer(self._optimizer),
            "observations": self._observation_stats.state_dict(),
            "generator": from_tensors({"state": self._generator.get_state()}),
        }
        if self._observations is not None:
            parts["episodes"] = {
                "observations": self._observations.copy(),
                "totals": self._episodes.totals.copy(),
            }
        if self._reward_normalizer is not None:
            parts["rewards"] = self._reward_normalizer.state_dict()
        arrays = {
            key: value
            for prefix, part in parts.items()
            for key, value in with_prefix(part, f"{prefix}/").items()
        }
        return arrays, {
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
        if dict(meta["config"]) != asdict(self.config):
            raise InvalidInputError(
                f"PPO.load_state: the state is of {meta['config']}, this agent of "
                f"{asdict(self.config)}; "
                "make the agent with PPOConfig(**meta['config'])."
            )
        try:
            self._network.load_state_dict(to_tensors(under(arrays, "network/")))
        except RuntimeError as error:
            raise InvalidInputError(
                f"PPO.load_state: the weights do not fit these spaces: {error}"
            ) from error
        load_optimizer(self._optimizer, under(arrays, "optimiser/"))
        self._observation_stats.load_state_dict(under(arrays, "observations/"))
        self._generator.set_state(to_tensors(arrays)["generator/state"])
        self.steps, self.seed, self._env = int(meta["steps"]), int(meta["seed"]), None
        self._observations = None
        if "episodes/observations" in arrays:
            self._observations = arrays["episodes/observations"].copy()
            self._begin(len(self._observations))
            self._episodes.totals = arrays["episodes/totals"].copy()
        if self._reward_normalizer is not None:
            self._reward_normalizer.load_state_dict(under(arrays, "rewards/"))

    def _begin(self, num_envs: int) -> None:
        self._episodes = EpisodeStatistics(num_envs)
        self._reward_normalizer = (
            RewardNormalizer(num_envs, self.config.gamma) if self.config.normalize_rewards else None
        )

    def _enter(self, env: VectorEnv[Any, Any, Any]) -> None:
        require_disabled_autoreset(env)
        known = self._env is None or self._env is env
        if self._observations is None or not known:
            self._observations = check_finite(env.reset(seed=self.seed)[0], "observation")
            self._begin(env.num_envs)
        if len(self._observations) != env.num_envs:
            raise InvalidInputError(
                f"PPO.learn: the loaded state has {len(self._observations)} environments, this "
                f"one {env.num_envs}; "
                "continue with the same number, or make a new agent."
            )
        self._env = env

    def _collect(self, env: VectorEnv[Any, Any, Any], watch: Stopwatch) -> RolloutBuffer:
        rollout = RolloutBuffer(self.config.n_steps, env.num_envs)
        for _ in range(self.config.n_steps):
            with watch.time("acting"):
                actions = self._act_and_keep(rollout)
            with watch.time("environment"):
                observations, rewards, terminated, truncated, infos = env.step(
                    self._scale.to_environment(actions)
                )
            with watch.time("acting"):
                final = check_finite(observations, "observation")
                cut = truncated & ~terminated
                bootstrap = np.zeros(env.num_envs)
                if cut.any():
                    bootstrap[cut] = self.values(final[cut])
                done = np.asarray(terminated | truncated)
                rollout.close(rewards, bootstrap, done, infos.get("true_reward"))
                self._episodes.add_finals(infos, done)
            with watch.time("environment"):
                self._observations = reset_where(env, done, final)
            self.steps += env.num_envs
        if getattr(env, "deferred", False):
            with watch.time("environment"):
                rollout.rewards[:] = cast(Any, env).flush()
        return self._finish(rollout)

    def _act_and_keep(self, rollout: RolloutBuffer) -> Tensor:
        assert self._observations is not None
        if self.config.normalize_observations:
            self._observation_stats.update(self._observations)
        normalised = self._normalize(self._observations)
        mean, values = self._evaluate(normalised)
        actions = self._explore(mean)
        with torch.no_grad():
            log_probability = self._network.log_probability(mean, actions)
        rollout.open(normalised, actions, log_probability, values)
        return actions

    def _finish(self, rollout: RolloutBuffer) -> RolloutBuffer:
        check_finite(rollout.rewards, "reward", env_axis=1)
        for rewards, true_rewards, done in zip(
            rollout.rewards, rollout.true_rewards, rollout.done, strict=True
        ):
            self._episodes.add_step(rewards, true_rewards, done)
        if self._reward_normalizer is not None:
            rollout.rewards = self._reward_normalizer(rollout.rewards, rollout.done)
        assert self._observations is not None
        values = np.concatenate([rollout.values, self.values(self._observations)[None]])
        next_values = np.where(rollout.done, rollout.bootstrap, values[1:])
        rollout.advantages = compute_gae(
            rollout.rewards,
            rollout.values,
            next_values,
            rollout.done,
            self.config.gamma,
            self.config.gae_lambda,
        )
        return rollout

    def _normalize(self, observations: NDArray[np.floating]) -> NDArray[np.float32]:
        if self.config.normalize_observations:
            return self._observation_stats.normalize(observations)
        return np.asarray(observations, dtype=np.float32)

    def _evaluate(self, normalised: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self._network(torch.as_tensor(normalised).to(self.config.device))

    def _explore(self, mean: Tensor) -> Tensor:
        noise = torch.randn(mean.shape, generator=self._generator).to(mean.device)
        with torch.no_grad():
            return mean + noise * torch.exp(self._network.log_std)

    def _set_learning_rate(self, before: int, total_steps: int) -> None:
        left = 1.0 - before / total_steps if self.config.schedule == "linear" else 1.0
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * left

    def _bound_noise(self, total_steps: int) -> None:
        first, last = self.config.initial_std, min(self.config.final_std, self.config.initial_std)
        bound = first * (last / first) ** min(1.0, self.steps / total_steps)
        with torch.no_grad():
            self._network.log_std.clamp_(max=math.log(bound))

    def _update(self, rollout: RolloutBuffer) -> dict[str, float]:
        samples = rollout.samples(self.config.device)
        history: list[Tensor] = []
        for minibatch in self._minibatches(samples):
            loss, diagnostics = self._loss(*minibatch)
            if self.config.target_kl is not None and diagnostics[2] > 1.5 * self.config.target_kl:
                break
            self._optimizer.zero_grad(set_to_none=True)
            cast(Any, loss).backward()
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), self.config.max_grad_norm)
            cast(Any, self._optimizer).step()
            history.append(diagnostics)
        means = torch.stack(history).mean(dim=0) if history else torch.full((4,), torch.nan)
        std = float(self._network.log_std.detach().exp().mean())
        names = ("policy_loss", "value_loss", "approx_kl", "clip_fraction")
        return dict(zip(names, map(float, means), strict=True)) | {
            "std": std,
            "entropy_loss": -float(self._network.entropy().detach()),
        }

    def _minibatches(self, samples: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
        count = len(samples[0])
        for _ in range(self.config.n_epochs):
            order = torch.randperm(count, generator=self._generator).to(samples[0].device)
            shuffled = [part[order] for part in samples]
            for start in range(0, count, self.config.batch_size):
                yield tuple(part[start : start + self.config.batch_size] for part in shuffled)

    def _loss(
        self,
        observations: Tensor,
        actions: Tensor,
        old: Tensor,
        advantages: Tensor,
        returns: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The clipped objective (equation 7) and the critic's error, with what they were made
        of."""
        config = self.config
        mean, values = self._network(observations)
        log_ratio = self._network.log_probability(mean, actions) - old
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - config.clip_range, 1 + config.clip_range)
        policy = -torch.minimum(ratio * advantages, clipped * advantages).mean()
        value = (values - returns).square().mean()
        loss = policy + config.vf_coef * value - config.ent_coef * self._network.entropy()
        with (
            torch.no_grad()
        ):  # k3 of http://joschu.net/blog/kl-approx.html: unbiased and never negative
            kl = (ratio - 1 - log_ratio).mean()
            outside = ((ratio - 1).abs() > config.clip_range).float().mean()
            return loss, torch.stack([policy, value, kl, outside])
