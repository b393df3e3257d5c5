"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1801.01290) over one vector environment, with
demonstrations in half of every batch where there are any (RLPD, Ball et al. 2023,
arXiv:2302.02948)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.demonstrations import DemonstrationEpisode, check_demonstrations, check_paid
from roborew.agents.env_checks import (
    ActionScale,
    check_finite,
    require_disabled_autoreset,
    require_paid_steps,
    reset_where,
)
from roborew.agents.normalization import RunningMeanStd
from roborew.agents.pixels.encoder import PixelActor, PixelEncoder, PixelQEnsemble, Trunk
from roborew.agents.pixels.frame_store import FrameFile, FrameRing, FrameStore
from roborew.agents.pixels.layout import Observations, observation_layout
from roborew.agents.pixels.replay_buffer import PixelReplayBuffer
from roborew.agents.rollout_report import Callback, EpisodeStatistics
from roborew.agents.sac.config import SACConfig
from roborew.agents.sac.networks import Actor, QEnsemble
from roborew.agents.sac.replay_buffer import Batch, ReplayBuffer, fill_buffer
from roborew.agents.torch_state import (
    Arrays,
    from_optimizer,
    from_tensors,
    join_parts,
    load_optimizer,
    load_weights,
    require_same_settings,
    to_tensors,
)
from roborew.learning.optim import seeded_weights
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix

__all__ = ["SAC", "SACConfig"]

LOSS_PARTS = ("q_loss", "actor_loss", "temperature", "entropy", "q_value")


class SAC:
    """An agent for flat observations, or pictures, and bounded flat actions that learns from all it
    remembers.

    From pictures it learns as DrQ-v2 does: the critics' loss alone trains the convolutions, on
    pictures that are shifted at random.

    Args:
        observation_space: of one environment, a Box of shape (D,), or a Dict with pictures, see
            `roborew.agents.pixels.layout`.
        action_space: of one environment, a bounded Box of shape (A,); the policy works in [-1, 1].
        config: see `SACConfig`.
        seed: of the weights, the exploration, the samples and the first reset.

    Attributes:
        steps: environment steps so far, over all environments.
    """

    __repr__ = agent_repr

    needs_rewards = True
    pixels_options: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"batch_size": 128, "buffer_size": 100_000}
    )
    """Settings of a run from pictures that does not name them."""

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: SACConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or SACConfig()
        self.seed = seed
        self.steps = 0
        self._spaces = (observation_space, action_space)
        self._scale = ActionScale(action_space)
        self._layout = observation_layout(observation_space)
        self._encoder: PixelEncoder | None = None
        with seeded_weights(seed):
            self._make_networks()
        self._targets = deepcopy(self._critics).requires_grad_(False)
        self._log_temperature = torch.tensor(self.config.init_temperature).log().requires_grad_()
        self._optimizers = {
            "actor": self._adam(list(self._actor.parameters())),
            "critics": self._adam([*self._critics.parameters(), *self._encoder_parameters()]),
            "temperature": self._adam([self._log_temperature]),
        }
        self._generator = torch.Generator().manual_seed(seed)
        self._observation_stats = RunningMeanStd(self._layout.vector_size)
        self._replay: ReplayBuffer | None = None
        self._demonstrations: ReplayBuffer | None = None
        self._experience: ReplayBuffer | None = None
        self._pictures: Path | None = None
        self._env: VectorEnv[Any, Any, Any] | None = None
        self._observations: NDArray[Any] | None = None
        self._episodes = EpisodeStatistics(0)

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Put demonstrations, with what they were paid, into half of every batch.

        Raises:
            InvalidInputError: they do not fit the spaces, or were not paid.
        """
        self._demonstrations = self._buffer_of(episodes)
        if self._observation_stats.count == 0:
            for episode in episodes:
                rows = self._layout.rows(episode.observations)
                self._observation_stats.update(self._layout.vector(rows))

    def use_experience(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Sample from earlier episodes of its own, paid anew, as if they were still in the replay.

        Raises:
            InvalidInputError: they do not fit the spaces, or were not paid.
        """
        self._experience = self._buffer_of(episodes)

    def keep_pictures(self, path: Path) -> None:
        """Let the frames that are remembered lie in a file, and not in memory and checkpoints; called
        before `learn`, and before a saved state is loaded. An agent that observes none makes no file.

        Args:
            path: of the file, which the run keeps until it ends.
        """
        self._pictures = path

    def replay_bytes(self, num_envs: int, total_steps: int) -> int:
        """Return the memory that the replay will take after so many steps of all environments, without
        its pictures."""
        size = min(self.config.buffer_size, total_steps)
        return self._replay_of(size, num_envs, self._ring(0, 0)).num_bytes

    def picture_bytes(self, num_envs: int, total_steps: int) -> int:
        """Return the room on a disk that the pictures take after so many steps of all environments, of
        episodes that are longer than eight steps; 0 where none are observed."""
        return (total_steps + total_steps // 8 + num_envs) * self._layout.frame_size

    def act(self, observations: Observations, deterministic: bool = True) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of n environments; without ``deterministic``
        they are drawn with the agent's own generator."""
        rows = torch.as_tensor(self._layout.rows(observations))
        with torch.no_grad():
            inputs = self._features(rows)
            if deterministic:
                actions = torch.tanh(self._actor(inputs)[0])
            else:
                actions = self._actor.sample(inputs, self._noise(len(inputs)))[0]
        return self._scale.to_environment(actions)

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Learn in ``env`` until `steps` reaches ``total_steps`` or ``callback`` returns False.

        Called again with the same environment, or after `load_state_dict` with an environment
        restored to the same moment, it goes on exactly; a new environment is reset first.

        Raises:
            InvalidInputError: another autoreset mode, a reward or observation that is NaN or
                infinite, or an environment that pays only after a whole rollout.
        """
        self._enter(env)
        while self.steps < total_steps:
            watch = Stopwatch()
            losses: list[Tensor] = []
            for _ in range(self.config.report_every):
                self._step(env, watch)
                with watch.time("updating"):
                    losses += self._updates()
                if self.steps >= total_steps:
                    break
            report = self._episodes.report(self.steps, watch.seconds, _mean_losses(losses))
            self._episodes.clear()
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return everything that exact continuation needs beside the environment's own state: also
        all that is remembered."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "actor": from_tensors(self._actor.state_dict()),
            "critics": from_tensors(self._critics.state_dict()),
            "targets": from_tensors(self._targets.state_dict()),
            "temperature": from_tensors({"log": self._log_temperature}),
            "observations": self._observation_stats.state_dict(),
            "generator": from_tensors({"state": self._generator.get_state()}),
        }
        if self._encoder is not None:
            parts["encoder"] = from_tensors(self._encoder.state_dict())
        for name, optimizer in self._optimizers.items():
            parts[f"optimizer-{name}"] = from_optimizer(optimizer)
        if self._replay is not None and self._observations is not None:
            parts["replay"] = self._replay.state_dict()
            parts["episodes"] = {
                "observations": self._observations.copy(),
                **self._episodes.get_state(),
            }
        return join_parts(parts), {
            "agent": "sac",
            "steps": self.steps,
            "seed": self.seed,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        require_same_settings(meta, self.config, "SAC")
        networks: dict[str, torch.nn.Module] = {
            "actor": self._actor,
            "critics": self._critics,
            "targets": self._targets,
        }
        if self._encoder is not None:
            networks["encoder"] = self._encoder
        for name, network in networks.items():
            load_weights(network, to_tensors(select_prefix(arrays, f"{name}/")), "SAC")
        for name, optimizer in self._optimizers.items():
            load_optimizer(optimizer, select_prefix(arrays, f"optimizer-{name}/"))
        tensors = to_tensors(
            {name: arrays[name] for name in ("temperature/log", "generator/state")}
        )
        with torch.no_grad():
            self._log_temperature.copy_(tensors["temperature/log"])
        self._generator.set_state(tensors["generator/state"])
        self._observation_stats.load_state_dict(select_prefix(arrays, "observations/"))
        self.steps = int(meta["steps"])
        self.seed = int(meta["seed"])
        self._env, self._observations, self._replay = None, None, None
        replay = select_prefix(arrays, "replay/")
        # Without the file of its pictures an agent acts as it did, and remembers nothing.
        has_pictures = self._layout.stack is None or "frames/frames" in replay
        if replay and (has_pictures or self._pictures is not None):
            num_envs = replay["rewards"].shape[1]
            self._replay = self._empty_replay(num_envs)
            self._replay.load_state_dict(replay)
        if "episodes/observations" in arrays:
            self._observations = arrays["episodes/observations"].copy()
            self._episodes = EpisodeStatistics(len(self._observations))
            self._episodes.set_state(select_prefix(arrays, "episodes/"))

    def _buffer_of(self, episodes: Sequence[DemonstrationEpisode]) -> ReplayBuffer:
        check_demonstrations(episodes, *self._spaces)
        check_paid(episodes, "sac")
        actions = [self._scale.from_environment(episode.actions) for episode in episodes]
        rows = [self._layout.rows(episode.observations) for episode in episodes]
        count = sum(map(len, actions))
        buffer = self._replay_of(count, 1, self._ring(count, len(episodes)))
        fill_buffer(buffer, episodes, rows, actions)
        return buffer

    def _adam(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.config.learning_rate, fused=True)

    def _make_networks(self) -> None:
        heads = (self._scale.size, self.config.hidden_dim)
        num_critics = self.config.num_critics
        if self._layout.stack is None:
            self._actor = Actor(self._layout.vector_size, *heads)
            self._critics = QEnsemble(self._layout.vector_size, *heads, num_critics)
            return
        generator = torch.Generator().manual_seed(self.seed)
        self._encoder = PixelEncoder(self._layout, generator)
        trunks = [
            Trunk(self._encoder.num_features, self._layout, generator) for _ in ("actor", "critics")
        ]
        self._actor = PixelActor(trunks[0], *heads)
        self._critics = PixelQEnsemble(trunks[1], *heads, num_critics)

    def _encoder_parameters(self) -> list[Tensor]:
        return [] if self._encoder is None else list(self._encoder.parameters())

    def _empty_replay(self, num_envs: int) -> ReplayBuffer:
        size = self.config.buffer_size
        if self._pictures is None or self._layout.stack is None:
            # Episodes are longer than eight steps, or the oldest pictures give way a little earlier.
            return self._replay_of(size, num_envs, self._ring(size + 8 * num_envs, size // 8))
        frames = FrameFile(self._pictures, self._layout.frame_size)
        return self._replay_of(size, num_envs, frames)

    def _ring(self, steps: int, starts: int) -> FrameRing:
        """Room in memory for the frames after so many steps, and those at so many beginnings."""
        return FrameRing(steps + starts, self._layout.frame_size)

    def _replay_of(self, capacity: int, num_envs: int, frames: FrameStore) -> ReplayBuffer:
        if self._layout.stack is None:
            sizes = (self._layout.vector_size, self._scale.size)
            return ReplayBuffer(capacity, num_envs, *sizes)
        return PixelReplayBuffer(capacity, num_envs, self._layout, self._scale.size, frames)

    def _enter(self, env: VectorEnv[Any, Any, Any]) -> None:
        require_disabled_autoreset(env)
        require_paid_steps(env, "sac")
        # After `load_state_dict` it is None: the caller has restored the environment itself.
        is_same_env = self._env is None or self._env is env
        if self._observations is None or not is_same_env:
            self._observations = self._layout.rows(env.reset(seed=self.seed)[0])
            self._episodes = EpisodeStatistics(env.num_envs)
        if self._replay is None or self._replay.num_envs != env.num_envs:
            self._replay = self._empty_replay(env.num_envs)
        self._env = env

    def _step(self, env: VectorEnv[Any, Any, Any], watch: Stopwatch) -> None:
        """Act once in every environment and remember what came of it."""
        assert self._observations is not None and self._replay is not None
        observations = self._observations
        with watch.time("acting"):
            self._observation_stats.update(self._layout.vector(observations))
            actions = self._explore(observations)
        with watch.time("environment"):
            step = env.step(self._scale.to_environment(actions))
        final, rewards, terminated, truncated, infos = step
        with watch.time("acting"):
            final = self._layout.rows(final)
            check_finite(rewards, "reward")
            done = np.asarray(terminated | truncated)
            self._replay.add(observations, actions, rewards, final, terminated, done)
            unknown = np.full(env.num_envs, np.nan)
            self._episodes.add_step(rewards, infos.get("true_reward", unknown), done)
            self._episodes.add_finals(infos, done)
        with watch.time("environment"):
            self._observations = reset_where(env, done, final, self._layout.rows)
        self.steps += env.num_envs

    def _explore(self, observations: NDArray[Any]) -> Tensor:
        if self._is_warming_up():
            shape = (len(observations), self._scale.size)
            return 2 * torch.rand(shape, generator=self._generator) - 1
        with torch.no_grad():
            inputs = self._features(torch.as_tensor(observations))
            return self._actor.sample(inputs, self._noise(len(inputs)))[0]

    def _is_warming_up(self) -> bool:
        """Whether nothing is known yet that an update could learn from."""
        return self._demonstrations is None and self.steps < self.config.learning_starts

    def _noise(self, count: int) -> Tensor:
        return torch.randn((count, self._scale.size), generator=self._generator)

    def _features(self, rows: Tensor) -> Tensor:
        """What the heads read, shape (B, ...), of rows of the layout."""
        if self._encoder is None:
            return self._normalize(rows)
        pixels, vector = self._layout.split(rows)
        return self._encoder(pixels, self._normalize(vector))

    def _normalize(self, observations: Tensor) -> Tensor:
        observations = observations.float()
        if not self.config.normalize_observations:
            return observations
        mean = torch.as_tensor(self._observation_stats.mean, dtype=torch.float32)
        variance = torch.as_tensor(self._observation_stats.variance, dtype=torch.float32)
        # A floor, as in cloning: what hardly moves must not become the loudest input.
        return ((observations - mean) / variance.sqrt().clamp_min(0.01)).clamp(-10, 10)

    def _updates(self) -> list[Tensor]:
        if self._is_warming_up():
            return []
        return [self._update(self._sample()) for _ in range(self.config.gradient_steps)]

    def _sample(self) -> Batch:
        assert self._replay is not None
        config = self.config
        if self._demonstrations is None:
            return self._sample_own(config.batch_size)
        half = config.batch_size // 2
        demonstrated = self._demonstrations.sample(half, *self._sample_settings)
        return Batch.concatenate(demonstrated, self._sample_own(config.batch_size - half))

    def _sample_own(self, size: int) -> Batch:
        """What the agent itself experienced: as much of what was paid anew as its share of all."""
        assert self._replay is not None
        if self._experience is None:
            return self._replay.sample(size, *self._sample_settings)
        total = len(self._experience) + len(self._replay)
        earlier = round(size * len(self._experience) / total)
        if earlier == 0:
            return self._replay.sample(size, *self._sample_settings)
        batch = self._experience.sample(earlier, *self._sample_settings)
        if earlier == size:
            return batch
        recent = self._replay.sample(size - earlier, *self._sample_settings)
        return Batch.concatenate(batch, recent)

    @property
    def _sample_settings(self) -> tuple[int, float, torch.Generator]:
        return self.config.n_step, self.config.gamma, self._generator

    def _update(self, batch: Batch) -> Tensor:
        """Make one gradient step of critics, actor and temperature; return `LOSS_PARTS`."""
        observations = self._features(self._layout.shifted(batch.observations, self._generator))
        q_loss = self._q_loss(observations, batch)
        self._descend("critics", q_loss)
        # The actor reads the encoder as it is, and never trains it.
        observations = observations.detach()
        with torch.no_grad():
            for target, source in zip(
                self._targets.parameters(), self._critics.parameters(), strict=True
            ):
                target.lerp_(source, self.config.tau)
        actions, log_prob = self._actor.sample(observations, self._noise(len(observations)))
        values = self._critics(observations, actions).mean(dim=0)
        temperature = self._log_temperature.exp().detach()
        actor_loss = (temperature * log_prob - values).mean()
        if self._demonstrations is not None and self.config.cloning_coef > 0:
            actor_loss = actor_loss + self._cloning_loss(observations, batch.actions, values)
        self._descend("actor", actor_loss)
        entropy = -log_prob.detach().mean()
        target_entropy = self.config.target_entropy * self._scale.size
        self._descend("temperature", self._log_temperature * (entropy - target_entropy))
        parts = (q_loss, actor_loss, temperature, entropy, values.mean())
        return torch.stack([part.detach() for part in parts])

    def _cloning_loss(self, observations: Tensor, actions: Tensor, values: Tensor) -> Tensor:
        """Squared distance of the likeliest actions from the demonstrated ones, where these are worth
        more.

        Args:
            observations: of a batch, shape (B, ...), whose first half was demonstrated.
            actions: that were taken there, shape (B, A).
            values: of the policy's own actions, shape (B,).
        """
        half = self.config.batch_size // 2
        likeliest = torch.tanh(self._actor(observations[:half])[0])
        with torch.no_grad():
            demonstrated = self._critics(observations[:half], actions[:half]).mean(dim=0)
            is_better = (demonstrated > values[:half]).float()
        distances = (likeliest - actions[:half]).square().sum(dim=1)
        weight = self.config.cloning_coef * values.detach().abs().mean()
        return weight * (is_better * distances).mean()

    def _q_loss(self, observations: Tensor, batch: Batch) -> Tensor:
        """``E[(Q(s, a) - R - gamma^n (Q'(s', a') - alpha log pi(a' | s')))^2]``, ``Q'`` the least of
        two of the target networks, summed over the ensemble."""
        with torch.no_grad():
            shifted = self._layout.shifted(batch.next_observations, self._generator)
            following = self._features(shifted)
            actions, log_prob = self._actor.sample(following, self._noise(len(following)))
            members = torch.randperm(self.config.num_critics, generator=self._generator)[:2]
            values = self._targets(following, actions)[members].amin(dim=0)
            if self.config.entropy_in_target:
                values = values - self._log_temperature.exp() * log_prob
            target = batch.returns + batch.discounts * values
        errors = self._critics(observations, batch.actions) - target
        return errors.square().mean(dim=1).sum()

    def _descend(self, name: str, loss: Tensor) -> None:
        optimizer: Any = self._optimizers[name]
        optimizer.zero_grad()
        parameters: list[Tensor] = optimizer.param_groups[0]["params"]
        # Of these alone: the actor's loss must leave no gradients in the critics that it asks.
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            # A convolution's comes with its channels last, which the fused step would not see.
            parameter.grad = gradient.contiguous()
        optimizer.step()


def _mean_losses(losses: list[Tensor]) -> dict[str, float]:
    """The mean of each of `LOSS_PARTS`; nothing before the first update."""
    if not losses:
        return {}
    means = torch.stack(losses).mean(dim=0)
    return {name: float(mean) for name, mean in zip(LOSS_PARTS, means, strict=True)}
