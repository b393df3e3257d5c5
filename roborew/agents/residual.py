"""A clone of demonstrations, and what PPO adds to its actions (Ankile et al. 2024, arXiv:2407.16677).

The clone predicts chunks of actions, which makes it far better than a clone of single steps but
nothing that a policy gradient could go on with. So it stays as it is, and PPO learns a small
correction of every action, from the observation and the clone's action; pictures it begins to read as
the clone does, and goes on to learn to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Dict
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew.agents.bc import BC, usual_config
from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.env_checks import ActionScale, check_observations, rewards_are_deferred
from roborew.agents.offline.chunk_policy import ChunkPolicy
from roborew.agents.pixels.layout import Observations, observation_layout
from roborew.agents.ppo import PPO
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.rollout_report import Callback
from roborew.agents.torch_state import Arrays, join_parts, require_same_settings
from roborew.bounds import check_setting
from roborew.short_repr import agent_repr
from roborew.storage.checkpoints import select_prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualConfig(PPOConfig):
    """Settings of `Residual`: those of PPO, whose actions are corrections, and these."""

    residual_scale: float = 0.15
    """Largest correction, actions spanning [-1, 1]; in (0, 1]."""
    clone_steps: int = 5_000
    """Gradient steps of the clone before the first rollout, at least 1."""
    chunk_size: int = 4
    """Actions that the clone predicts at once."""

    def __post_init__(self) -> None:
        PPOConfig.__post_init__(self)
        check_setting(self, "residual_scale", 0 < self.residual_scale <= 1, "a number in (0, 1]")
        for name in ("clone_steps", "chunk_size"):
            check_setting(self, name, getattr(self, name) >= 1, "a whole number of at least 1")


class Residual:
    """A clone whose actions are corrected by `PPO`; it needs `use_demonstrations` before it learns.

    Args:
        observation_space: of one environment, as of `BC`.
        action_space: of one environment, a bounded Box of shape (A,).
        config: see `ResidualConfig`.
        seed: of the weights, the samples, the exploration and the first reset.
    """

    needs_rewards = False
    pixels_options: ClassVar[Mapping[str, int]] = PPO.pixels_options
    """Settings of a run from pictures that does not name them."""
    __repr__ = agent_repr

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: ResidualConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or ResidualConfig()
        self.seed = seed
        self._scale = ActionScale(action_space)
        clone_config = usual_config(observation_space, chunk_size=self.config.chunk_size)
        self._clone = BC(observation_space, action_space, clone_config, seed)
        corrections = _correction_space(action_space)
        joint = _joint_space(observation_space, corrections)
        self._ppo = PPO(joint, corrections, self.config, seed)
        self._env: CorrectedEnv | None = None
        self._running: Mapping[str, NDArray[Any]] = {}

    @property
    def steps(self) -> int:
        """Environment steps so far, over all environments."""
        return self._ppo.steps

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Take over what is cloned.

        Raises:
            InvalidInputError: they do not fit the spaces.
        """
        self._clone.use_demonstrations(episodes)

    def act(self, observations: Observations, deterministic: bool = True) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of n environments, as at the first step of
        an episode; `policy` remembers the episode."""
        cloned = self._scale.from_environment(self._clone.act(observations))
        corrections = self._ppo.act(_joint(observations, cloned), deterministic)
        return self._corrected(cloned, corrections)

    def policy(self, num_envs: int) -> CorrectedPolicy:
        """Return a policy that remembers the clone's chunks of ``num_envs`` running episodes."""
        return CorrectedPolicy(self._clone.policy(num_envs), self._ppo, self._corrected)

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Clone, then learn in ``env`` until `steps` reaches ``total_steps`` or ``callback`` returns
        False.

        Args:
            env: as of `PPO.learn`.
            total_steps: counted over all environments since the agent was made.
            callback: called after each rollout and its update.

        Raises:
            InvalidInputError: as of `PPO.learn`; or no demonstrations were given.
        """
        if self._clone.steps < self.config.clone_steps:
            self._clone.learn(env, self.config.clone_steps)
            self._take_over_encoder()
        if self._env is None or self._env.inner is not env:
            entered = CorrectedEnv(env, self._clone.policy(env.num_envs), self._corrected)
            # After `load_state_dict` the episodes go on where they were.
            if self._env is None and self._running:
                entered.set_running(self._running)
            self._env = entered
        self._ppo.learn(self._env, total_steps, callback)

    def _take_over_encoder(self) -> None:
        """Let PPO read pictures as the clone has learned to; it goes on learning, the clone does not."""
        source, target = self._clone.encoder, self._ppo.encoder
        if source is not None and target is not None:
            target.load_state_dict(source.state_dict())

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return everything that exact continuation needs beside the environment's own state."""
        clone, clone_meta = self._clone.state_dict()
        ppo, ppo_meta = self._ppo.state_dict()
        running = self._running if self._env is None else self._env.get_running()
        arrays = join_parts({"clone": clone, "ppo": ppo, "running": running})
        return arrays, {
            "agent": "residual",
            "steps": self.steps,
            "clone": clone_meta,
            "ppo": ppo_meta,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        require_same_settings(meta, self.config, "Residual")
        self._clone.load_state_dict(select_prefix(arrays, "clone/"), meta["clone"])
        self._ppo.load_state_dict(select_prefix(arrays, "ppo/"), meta["ppo"])
        self.seed = self._ppo.seed
        self._env = None
        self._running = select_prefix(arrays, "running/")

    def _corrected(
        self, cloned: NDArray[np.float32], corrections: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Actions of the space, from the clone's and from corrections, both in [-1, 1]."""
        together = cloned + self.config.residual_scale * corrections
        return self._scale.to_environment(torch.as_tensor(together))


Corrected = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""(the clone's actions (n, A), corrections (n, A)) -> actions of the space."""


class CorrectedEnv(VectorEnv[Any, Any, Any]):
    """An environment as PPO sees it: observations hold the clone's action, actions are corrections.

    Args:
        inner: what is acted in.
        clone: remembers the running episodes.
        corrected: puts both actions together.
    """

    def __init__(
        self, inner: VectorEnv[Any, Any, Any], clone: ChunkPolicy, corrected: Corrected
    ) -> None:
        self.inner = inner
        self._clone = clone
        self._corrected = corrected
        self.num_envs = inner.num_envs
        self.metadata = inner.metadata
        self.deferred = rewards_are_deferred(inner)
        spaces: Any = inner  # Gymnasium leaves the parameter of these spaces open
        self.single_action_space = _correction_space(spaces.single_action_space)
        joint = _joint_space(spaces.single_observation_space, self.single_action_space)
        self.single_observation_space = joint
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(joint, self.num_envs)
        self._cloned = np.zeros((self.num_envs, *self.single_action_space.shape), np.float32)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Begin episodes, all or those of ``options["reset_mask"]``."""
        observations, infos = self.inner.reset(seed=seed, options=options)
        begun = np.ones(self.num_envs, dtype=np.bool_)
        if options is not None and "reset_mask" in options:
            begun = options["reset_mask"]
        check_observations(observations)
        self._cloned[begun] = self._clone.restart(begun, observations)
        return _joint(observations, self._cloned), infos

    def step(self, actions: NDArray[np.float32]) -> Any:
        """Act by the clone's actions and these corrections."""
        joint = self._corrected(self._cloned, actions)
        observations, *rest = self.inner.step(joint)
        check_observations(observations)
        self._cloned = self._clone.predict(observations)
        return _joint(observations, self._cloned), *rest

    def get_running(self) -> Arrays:
        """Return what the clone remembers of the running episodes."""
        return {"chunks": self._clone.history(), "cloned": self._cloned.copy()}

    def set_running(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_running` returned."""
        self._clone.set_history(arrays["chunks"])
        self._cloned = arrays["cloned"].copy()

    def flush(self) -> NDArray[np.float64]:
        """Return the rewards of a rollout, where ``deferred``."""
        return cast("Any", self.inner).flush()


class CorrectedPolicy:
    """What `Residual` does in episodes that run side by side, without noise."""

    def __init__(self, clone: ChunkPolicy, ppo: PPO, corrected: Corrected) -> None:
        self._clone = clone
        self._ppo = ppo
        self._corrected = corrected

    def begin(self, begun: NDArray[np.bool_]) -> None:
        """Forget the episodes before, where ``begun``, shape (N,)."""
        self._clone.begin(begun)

    def __call__(self, observations: Observations) -> NDArray[np.float32]:
        """Return actions, shape (N, A), for observations of N environments."""
        cloned = self._clone.predict(observations)
        corrections = self._ppo.act(_joint(observations, cloned))
        return self._corrected(cloned, corrections)


def _correction_space(action_space: Space[Any]) -> Box:
    return Box(-1, 1, action_space.shape, np.float32)


def _joint_space(observation_space: Space[Any], correction_space: Box) -> Space[Any]:
    """The space of `_joint`."""
    (num_actions,) = correction_space.shape
    layout = observation_layout(observation_space)
    vector = Box(-np.inf, np.inf, (layout.vector_size + num_actions,), np.float32)
    if layout.stack is None:
        return vector
    return Dict({"pixels": Box(0, 255, layout.stack, np.uint8), "vector": vector})


def _joint(observations: Observations, cloned: NDArray[np.float32]) -> Observations:
    """Observations of n environments, whose vectors end in the clone's actions, shape (n, A)."""
    if isinstance(observations, np.ndarray):
        return np.concatenate([observations, cloned], axis=1, dtype=np.float32)
    vectors = [observations["vector"]] if "vector" in observations else []
    joint = np.concatenate([*vectors, cloned], axis=1, dtype=np.float32)
    return {"pixels": observations["pixels"], "vector": joint}
