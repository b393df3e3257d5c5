"""One agent for every algorithm of Stable-Baselines3 (Raffin et al., JMLR 22(268), 2021), behind the
interface of our own."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from roborew.agents.env_checks import check_observations
from roborew.agents.rollout_report import Callback
from roborew.agents.sb3.algorithms import Algorithm
from roborew.agents.sb3.bridge import SB3Bridge, as_sb3
from roborew.agents.sb3.building import (
    build_model,
    check_action_space,
    replay_bytes,
    reporting_interval,
)
from roborew.agents.sb3.generators import LentGenerators
from roborew.agents.sb3.model_state import (
    counters,
    cut_off_episodes,
    episode_arrays,
    learned_arrays,
    load_episodes,
    load_learned,
    load_replay,
    replay_arrays,
)
from roborew.agents.sb3.normalization import ObservationMoments
from roborew.agents.torch_state import Arrays, current_names, join_parts
from roborew.errors import InvalidInputError
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix, with_prefix

EARLIER_NAMES = {
    "optimizer/": "policy.optimizer/",
    "actor_optimizer/": "actor.optimizer/",
    "critic_optimizer/": "critic.optimizer/",
    "temperature_optimizer/": "ent_coef_optimizer/",
    "temperature/log": "log_ent_coef/value",
}
"""What the first release called the arrays of a checkpoint -> their names today."""


class SB3Agent:
    """What `roborew.agents.sb3` makes a class of for each algorithm. Same interface as
    `roborew.agents.ppo.PPO`.

    Observations are normalized with `VecNormalize`, rewards are not. Stable-Baselines3 draws from
    the global generators of torch, numpy and Python: they are the agent's own while it learns, and
    as before when it has. A saved agent holds all that it goes on from, so that a run that was
    interrupted equals one that was not.

    Attributes:
        algorithm: which one.
        Config: the dataclass of its settings.
    """

    __repr__ = agent_repr

    joint_stack: ClassVar[bool] = True
    """It takes frames of a stack as channels of one picture."""
    algorithm: ClassVar[Algorithm]
    Config: ClassVar[type[Any]]

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: Any = None,
        seed: int = 0,
    ) -> None:
        self.config = self.Config() if config is None else config
        self.seed = seed
        self.name = self.algorithm.name
        check_action_space(self.algorithm, action_space)
        # A copy: it is seeded and drawn from, and the given one is the environment's.
        self._spaces = (observation_space, deepcopy(action_space))
        self._env: VectorEnv[Any, Any, Any] | None = None
        self._bridge: SB3Bridge | None = None
        self._moments = ObservationMoments(observation_space)
        self._generators = LentGenerators()
        self._episodes: Arrays = {}
        # For one environment until `learn` knows the number; the weights do not depend on it.
        self._model = self._build(1)

    @property
    def steps(self) -> int:
        """Environment steps so far, over all environments."""
        return int(self._model.num_timesteps)

    def act(self, observations: Any, deterministic: bool = True) -> NDArray[Any]:
        """Return actions, shape (n, ...), for observations (n, ...), or several parts of them by
        name; a recurrent policy takes each for the first of an episode, see `policy`."""
        return self.predict(observations, deterministic=deterministic)[0]

    def predict(
        self,
        observations: Any,
        memory: Any = None,
        begun: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[Any], Any]:
        """Return actions and what a recurrent policy remembers, which is None for all others."""
        normalized = self._moments.normalize(check_observations(observations))
        arguments = (normalized, memory, begun)
        if deterministic:
            return self._model.predict(*arguments, deterministic=True)
        with self._generators.lent():
            return self._model.predict(*arguments, deterministic=False)

    def policy(self, num_envs: int) -> SB3Policy:
        """Return a deterministic policy for ``num_envs`` episodes that run side by side."""
        return SB3Policy(self, num_envs)

    def replay_bytes(self, num_envs: int, total_steps: int) -> int:
        """Return the memory that the replay buffer will take after so many steps of all
        environments; 0 without one."""
        rows = min(getattr(self.config, "buffer_size", 0), total_steps) // num_envs
        return replay_bytes(self._spaces, rows * num_envs)

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Learn in ``env`` until `steps` reaches ``total_steps`` or ``callback`` returns False; see
        our own PPO. Schedules are over ``total_steps``."""
        bridge = self._enter(env)
        model = self._model

        def set_progress(num_timesteps: int, total_of_chunk: int) -> None:
            # Learned in chunks, between which it can be stopped: schedules are over all of them.
            del total_of_chunk
            model._current_progress_remaining = max(0.0, 1.0 - num_timesteps / total_steps)

        model._update_current_progress_remaining = set_progress
        chunk = reporting_interval(model, self.config) * env.num_envs
        while self.steps < total_steps:
            watch = Stopwatch()
            seconds_before = bridge.watch.seconds.get("environment", 0.0)
            with watch.time("all"), self._generators.lent():
                model.learn(chunk, log_interval=None, reset_num_timesteps=False)
            self._moments.follow(model.get_vec_normalize_env())
            # The bridge's watch is never reset, so only the difference is of this report.
            inside = bridge.watch.seconds["environment"] - seconds_before
            seconds = {"environment": inside, "updating": watch.seconds["all"] - inside}
            report = bridge.episodes.report(self.steps, seconds, self._losses())
            bridge.episodes.clear()
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return everything that exact continuation needs beside the environment's own state: also
        the replay buffer, the generators and where the running episodes stand."""
        model = self._model
        episodes = episode_arrays(model)
        if episodes and self._bridge is not None:
            statistics = self._bridge.episodes.get_state()
            episodes |= {f"statistics/{name}": array for name, array in statistics.items()}
        elif episodes:
            # Loaded and not gone on with yet.
            episodes |= self._episodes
        parts: dict[str, Arrays] = {
            "observations": self._moments.state_dict(),
            "generators": dict(self._generators.states),
            "replay": replay_arrays(model),
            "episodes": episodes,
        }
        return learned_arrays(model) | join_parts(parts), {
            "agent": self.name,
            "steps": self.steps,
            "seed": self.seed,
            "config": asdict(self.config),
            "counters": counters(model),
            "num_envs": int(model.n_envs),
            "action_space": model.action_space.np_random.bit_generator.state,
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        self._require_same_settings(meta)
        arrays = current_names(arrays)
        for earlier, name in EARLIER_NAMES.items():
            arrays |= with_prefix(select_prefix(arrays, earlier), name)
        self._model = self._build(int(meta.get("num_envs", 1)))
        self._load(arrays, meta)
        self.seed = int(meta["seed"])
        self._env, self._bridge = None, None
        episodes = select_prefix(arrays, "episodes/")
        if episodes:
            load_episodes(self._model, episodes)
            self._episodes = {
                name: array for name, array in episodes.items() if name.startswith("statistics/")
            }

    def _load(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over all but the running episodes."""
        load_learned(self._model, arrays, self.name)
        load_replay(self._model, select_prefix(arrays, "replay/"))
        self._moments.load_state_dict(select_prefix(arrays, "observations/"))
        self._model.num_timesteps = int(meta["steps"])
        # The first release kept neither of these.
        for name, value in meta.get("counters", {}).items():
            setattr(self._model, name, value)
        generators = select_prefix(arrays, "generators/")
        if generators:
            self._generators.states = generators
        if "action_space" in meta:
            self._model.action_space.np_random.bit_generator.state = meta["action_space"]

    def _require_same_settings(self, meta: Mapping[str, Any]) -> None:
        # A setting that an earlier release did not have stood at its default.
        saved = {**asdict(self.Config()), **meta["config"]}
        if meta["agent"] != self.name or saved != asdict(self.config):
            raise InvalidInputError(
                f"{self.name}: the state is of {meta['agent']} with {meta['config']}, this agent of "
                f"{asdict(self.config)}."
            )

    def _build(self, num_envs: int) -> Any:
        """Return an untrained model for so many environments."""
        with self._generators.lent():
            return build_model(self.algorithm, self._spaces, self.config, self.seed, num_envs)

    def _enter(self, env: VectorEnv[Any, Any, Any]) -> SB3Bridge:
        if self._bridge is not None and self._env is env:
            return self._bridge
        bridge = as_sb3(env)
        # After `load_state_dict` there is none: the caller has restored the environment itself.
        goes_on = self._env is None and self._model._last_obs is not None
        if goes_on and self._model.n_envs != env.num_envs:
            raise InvalidInputError(
                f"{self.name}: the loaded state has {self._model.n_envs} environments, this one "
                f"{env.num_envs}; continue with the same number, or make a new agent."
            )
        if goes_on:
            bridge.episodes.set_state(select_prefix(self._episodes, "statistics/"))
        else:
            bridge.seed(self.seed)
            # The buffers' sizes are fixed when a model is built, so a new one takes over.
            arrays, meta = self.state_dict()
            self._model = self._build(env.num_envs)
            self._load(arrays, meta)
            cut_off_episodes(self._model)
        self._model.set_env(self._moments.wrap(bridge), force_reset=not goes_on)
        self._env, self._bridge = env, bridge
        return bridge

    def _losses(self) -> dict[str, float]:
        """What the algorithm logged of its updates since it was last asked."""
        logged: dict[str, Any] = self._model.logger.name_to_value
        losses = {
            name.partition("/")[2]: float(value)
            for name, value in logged.items()
            if name.startswith("train/") or name == "rollout/exploration_rate"
        }
        self._model.logger.dump()
        return losses


class SB3Policy:
    """An `SB3Agent` as a deterministic policy that remembers the running episodes."""

    def __init__(self, agent: SB3Agent, num_envs: int) -> None:
        self._agent = agent
        self._memory: Any = None
        self._begun = np.ones(num_envs, dtype=np.bool_)

    def begin(self, begun: NDArray[np.bool_]) -> None:
        """Forget the episodes before, where ``begun``, shape (N,)."""
        self._begun = self._begun | begun

    def __call__(self, observations: Any) -> NDArray[Any]:
        """Return actions for the observations of all episodes."""
        actions, self._memory = self._agent.predict(observations, self._memory, self._begun)
        self._begun = np.zeros_like(self._begun)
        return actions
