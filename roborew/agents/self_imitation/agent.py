"""A clone of demonstrations that goes on learning from its own best episodes: those that the reward
values as it values the demonstrations (self-imitation, Oh et al. 2018, arXiv:1806.05635; filtered
cloning, as %BC of Chen et al. 2021, arXiv:2106.01345).

A learned reward need only tell good episodes from bad ones, for which its scale, its slope and its
detours do not matter; and nothing is learned that no episode that it valued has shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from roborew.agents.bc import BC, BCConfig
from roborew.agents.demonstrations import DemonstrationEpisode, check_paid
from roborew.agents.env_checks import (
    ActionScale,
    box_size,
    check_finite,
    check_observations,
    require_disabled_autoreset,
    require_paid_steps,
    reset_where,
)
from roborew.agents.offline.chunk_policy import ChunkPolicy
from roborew.agents.rollout_report import Callback, EpisodeStatistics
from roborew.agents.self_imitation.config import SelfImitationConfig
from roborew.agents.self_imitation.episodes import EpisodeRecorder, pack_episodes, unpack_episodes
from roborew.agents.torch_state import (
    Arrays,
    from_tensors,
    join_parts,
    require_same_settings,
    to_tensors,
)
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix

NOISE_RANGE = 30.0
"""Largest noise of an episode over the smallest."""


class SelfImitation:
    """An agent that needs `use_demonstrations`, paid by the reward it learns from, before it learns.

    Args:
        observation_space: of one environment, a Box of shape (D,).
        action_space: of one environment, a bounded Box of shape (A,).
        config: see `SelfImitationConfig`.
        seed: of the weights, the samples, the exploration and the first reset.

    Attributes:
        steps: environment steps so far, over all environments.
    """

    needs_rewards = True
    __repr__ = agent_repr

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: SelfImitationConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or SelfImitationConfig()
        self.seed = seed
        self.steps = 0
        self._observation_dim = box_size(observation_space, "observation")
        self._scale = ActionScale(action_space)
        clone_config = BCConfig(
            chunk_size=self.config.chunk_size, hidden_dim=self.config.hidden_dim
        )
        self._clone = BC(observation_space, action_space, clone_config, seed)
        self._generator = torch.Generator().manual_seed(seed)
        self._demonstrations: list[DemonstrationEpisode] = []
        self._best_episodes: list[DemonstrationEpisode] = []
        # Of the present round, good and bad.
        self._round_episodes: list[DemonstrationEpisode] = []
        self._running: RunningEpisodes | None = None
        self._env: VectorEnv[Any, Any, Any] | None = None

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Take over what is cloned, and what an episode has to be worth.

        Raises:
            InvalidInputError: they do not fit the spaces, or were not paid.
        """
        check_paid(episodes, "self-imitation")
        self._clone.use_demonstrations(episodes)
        self._demonstrations = list(episodes)

    def act(
        self, observations: NDArray[np.floating], deterministic: bool = True
    ) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of shape (n, D), as at the first step of
        an episode; without ``deterministic`` with as much noise as any episode has."""
        actions = self._scale.from_environment(self._clone.act(observations))
        return self._noisy(
            actions, np.full(len(actions), 0 if deterministic else self.config.noise)
        )

    def policy(self, num_envs: int) -> ChunkPolicy:
        """Return a policy that remembers the clone's chunks of ``num_envs`` running episodes."""
        return self._clone.policy(num_envs)

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Clone, then learn in ``env`` until `steps` reaches ``total_steps`` or ``callback`` returns
        False.

        Called again with the same environment, or after `load_state_dict` with an environment
        restored to the same moment, it goes on exactly; a new environment is reset first.

        Raises:
            InvalidInputError: no demonstrations were given; another autoreset mode, a reward or
                observation that is NaN or infinite, or an environment that pays only after a whole
                rollout.
        """
        require_paid_steps(env, "self-imitation")
        if self._clone.steps < self.config.clone_steps:
            self._clone.learn(env, self.config.clone_steps)
        running = self._enter(env)
        while self.steps < total_steps:
            watch = Stopwatch()
            losses: dict[str, float] = {}
            for _ in range(self.config.report_every):
                self._step(env, running, watch)
                if self.steps % self.config.round_steps < env.num_envs:
                    with watch.time("updating"):
                        losses = self._imitate(env)
                if self.steps >= total_steps:
                    break
            report = running.statistics.report(self.steps, watch.seconds, losses)
            running.statistics.clear()
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return everything that exact continuation needs beside the environment's own state."""
        clone, clone_meta = self._clone.state_dict()
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "clone": clone,
            "best": pack_episodes(self._best_episodes),
            "round": pack_episodes(self._round_episodes),
            "generator": from_tensors({"state": self._generator.get_state()}),
        }
        if self._running is not None:
            parts["running"] = self._running.state_dict()
        return join_parts(parts), {
            "agent": "self-imitation",
            "steps": self.steps,
            "seed": self.seed,
            "clone": clone_meta,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        require_same_settings(meta, self.config, "SelfImitation")
        self._best_episodes = unpack_episodes(select_prefix(arrays, "best/"))
        self._round_episodes = unpack_episodes(select_prefix(arrays, "round/"))
        if self._demonstrations and self._best_episodes:
            self._clone.use_demonstrations([*self._demonstrations, *self._best_episodes])
        self._clone.load_state_dict(select_prefix(arrays, "clone/"), meta["clone"])
        self._generator.set_state(to_tensors(arrays)["generator/state"])
        self.steps = int(meta["steps"])
        self.seed = int(meta["seed"])
        self._env, self._running = None, None
        running = select_prefix(arrays, "running/")
        if running:
            self._running = self._new_running(running["observations"])
            self._running.load_state_dict(running)

    def _enter(self, env: VectorEnv[Any, Any, Any]) -> RunningEpisodes:
        require_disabled_autoreset(env)
        # After `load_state_dict` it is None: the caller has restored the environment itself.
        is_same_env = self._env is None or self._env is env
        if self._running is None or not is_same_env:
            observations = check_observations(env.reset(seed=self.seed)[0])
            self._running = self._new_running(observations)
            self._running.noise = self._draw_noise(env.num_envs)
        self._env = env
        return self._running

    def _new_running(self, observations: NDArray[np.floating]) -> RunningEpisodes:
        num_envs = len(observations)
        recorder = EpisodeRecorder(self._observation_dim, self._scale.size, num_envs)
        return RunningEpisodes(observations, self._clone.policy(num_envs), recorder)

    def _step(
        self, env: VectorEnv[Any, Any, Any], running: RunningEpisodes, watch: Stopwatch
    ) -> None:
        """Act once in every environment, and keep the episodes that end well."""
        with watch.time("acting"):
            actions = self._noisy(running.chunks.predict(running.observations), running.noise)
        with watch.time("environment"):
            final, rewards, terminated, truncated, infos = env.step(actions)
        with watch.time("acting"):
            check_finite(rewards, "reward")
            check_observations(final)
            done = np.asarray(terminated | truncated)
            step = (running.observations, actions, rewards, final, done)
            self._round_episodes += running.recorder.add(*step)
            unknown = np.full(env.num_envs, np.nan)
            running.statistics.add_step(rewards, infos.get("true_reward", unknown), done)
            running.statistics.add_finals(infos, done)
        with watch.time("environment"):
            running.observations = reset_where(env, done, final)
        running.chunks.begin(done)
        running.noise = np.where(done, self._draw_noise(env.num_envs), running.noise)
        self.steps += env.num_envs

    def _imitate(self, env: VectorEnv[Any, Any, Any]) -> dict[str, float]:
        """Clone the demonstrations and the best episodes, on from the clone of before."""
        if not self._round_episodes:
            return {}
        own, demonstrated = _mean_return(self._round_episodes), _mean_return(self._demonstrations)
        least = own + self.config.min_return_share * (demonstrated - own)
        good = [episode for episode in self._round_episodes if _return(episode) >= least]
        self._best_episodes = [*self._best_episodes, *good][-self.config.buffer_episodes :]
        figures = {
            "best_share": len(good) / len(self._round_episodes),
            "best_episodes": float(len(self._best_episodes)),
            "least_return": least,
        }
        self._round_episodes = []
        self._clone.use_demonstrations([*self._demonstrations, *self._best_episodes])
        losses: list[float] = []
        self._clone.learn(
            env,
            self._clone.steps + self.config.refine_steps,
            lambda report: losses.append(report.losses["bc_loss"]),
        )
        return {"bc_loss": losses[-1], **figures}

    def _draw_noise(self, num_envs: int) -> NDArray[np.float32]:
        exponents = torch.rand(num_envs, generator=self._generator).numpy()
        return (self.config.noise * NOISE_RANGE ** (exponents - 1)).astype(np.float32)

    def _noisy(
        self, actions: NDArray[np.float32], noise: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Actions of the space, of actions in [-1, 1], shape (n, A), and the standard deviation of
        each row."""
        unit = torch.randn(actions.shape, generator=self._generator)
        spread = torch.as_tensor(noise, dtype=torch.float32)[:, None]
        return self._scale.to_environment(torch.as_tensor(actions) + spread * unit)


class RunningEpisodes:
    """What is known of the episodes that run side by side in N environments.

    Attributes:
        observations: shape (N, D), present.
        chunks: what the clone predicts.
        recorder: of their steps.
        noise: shape (N,), standard deviation of each episode's noise.
        statistics: of their returns.
    """

    def __init__(
        self, observations: NDArray[np.floating], chunks: ChunkPolicy, recorder: EpisodeRecorder
    ) -> None:
        self.observations = observations
        self.chunks = chunks
        self.recorder = recorder
        self.noise = np.zeros(len(observations), np.float32)
        self.statistics = EpisodeStatistics(len(observations))

    def state_dict(self) -> Arrays:
        """Return everything as arrays."""
        return join_parts(
            {
                "recorder": self.recorder.state_dict(),
                "statistics": self.statistics.get_state(),
            }
        ) | {
            "observations": self.observations.copy(),
            "chunks": self.chunks.history(),
            "noise": self.noise.copy(),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned."""
        self.recorder.load_state_dict(select_prefix(arrays, "recorder/"))
        self.statistics.set_state(select_prefix(arrays, "statistics/"))
        self.observations = arrays["observations"].copy()
        self.chunks.set_history(arrays["chunks"])
        self.noise = arrays["noise"].copy()


def _return(episode: DemonstrationEpisode) -> float:
    assert episode.rewards is not None
    return float(episode.rewards.sum())


def _mean_return(episodes: Sequence[DemonstrationEpisode]) -> float:
    return float(np.mean([_return(episode) for episode in episodes]))
