"""Demonstrations for the agent: read from a set, paid by the reward of the run.

A recorded episode is an environment that heeds no action: behind the wrapper that pays the agent it
is paid by the same law, at the same steps, and ends where a predicted success would have ended it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from roborew.agents.base import Agent, learns_offline
from roborew.agents.bc import BC, usual_config
from roborew.agents.demonstrations import (
    DemonstrationEpisode,
    LearnsFromDemonstrations,
    LearnsFromExperience,
    check_demonstrations,
)
from roborew.data.action_repeat import with_action_repeat
from roborew.data.demonstration import Demonstration
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.seeding import Seeds
from roborew.storage.run import RunDirectory
from roborew.types import RewardModel
from roborew.workflows.factories import observe
from roborew.workflows.rewards import RewardEnv, pay_reward
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.cost import time_limit
from roborew.workflows.train.experience import NO_EXPERIENCE, Experience
from roborew.workflows.train.recorded_env import RecordedEnv
from roborew.workflows.trained import experience_paths

PLAYED_TOGETHER = 16
"""Demonstrations that are paid side by side."""
SHORT_SHARE = 0.8
"""Share of the steps of an episode below which a demonstration leaves its end to chance."""


def read_agent_demonstrations(
    path: Path, count: int | None, failures: bool = False, action_repeat: int = 1
) -> list[Demonstration]:
    """Return the demonstrations that an agent learns from.

    Args:
        path: of the set.
        count: the first so many of those that do not fail, all of them if None.
        failures: take those that fail, too, and ``count`` of them evenly over the set, in which each
            behavior may stand for itself.
        action_repeat: of the agent, see `with_action_repeat`.

    Raises:
        InvalidInputError: no demonstrations, none that succeeds, fewer than asked for, or without
            observations and actions.
    """
    fit: list[Demonstration] = []
    for demonstration in read_demonstrations(path):
        if demonstration.observations is None or demonstration.actions is None:
            raise InvalidInputError(
                f"demos: {path} says nothing of what was observed and done in "
                f"{demonstration.name}; expected a LeRobotDataset with observation.state and "
                "action, such as `roborew collect` writes."
            )
        if failures or (demonstration.succeeded is not False and len(fit) != count):
            fit.append(demonstration)
    if len(fit) < (count or 1):
        kind = "" if failures else " that succeed"
        raise InvalidInputError(
            f"demos: expected {count or 'at least 1'}{kind}; {path} has {len(fit)}."
        )
    steps = np.arange(count or len(fit)) * len(fit) // (count or len(fit))
    return [with_action_repeat(fit[step], action_repeat) for step in steps.tolist()]


def agent_episodes(
    config: TrainConfig, model: RewardModel | None, needs_rewards: bool
) -> list[DemonstrationEpisode]:
    """Return the demonstrations of a run as its agent takes them.

    Args:
        config: of the run, resolved, with demonstrations.
        model: of the run's reward, None where the truth pays.
        needs_rewards: whether they are to be paid.

    Raises:
        InvalidInputError: as of `read_agent_demonstrations`; the set lacks a camera that the reward
            sees, or the truth that an oracle pays.
    """
    assert config.demos is not None
    demonstrations = read_agent_demonstrations(
        config.demos, config.num_demos, bool(config.demo_failures), config.env.action_repeat
    )
    if needs_rewards:
        return paid_episodes(config, demonstrations, model)
    return _observed_episodes(config, demonstrations)


def check_agent_demonstrations(
    config: TrainConfig, agent: Agent, env: VectorEnv[Any, Any, Any]
) -> TrainConfig:
    """Return the run with the number of its demonstrations, and whether failures are among them,
    written down, once they fit.

    Raises:
        InvalidInputError: the agent takes none, or cannot do without; or see `agent_episodes`.
    """
    name = config.agent.name
    _check_agent(config, agent)
    if config.demos is None:
        return config
    assert isinstance(agent, LearnsFromDemonstrations)
    takes_failures: bool = getattr(agent, "takes_failures", False)
    failures = takes_failures if config.demo_failures is None else config.demo_failures
    demonstrations = read_agent_demonstrations(
        config.demos, config.num_demos, failures, config.env.action_repeat
    )
    if agent.needs_rewards and config.reward.name == "env":
        _require_rewards(demonstrations, config.demos)
    for demonstration in demonstrations:
        _require_same_task(demonstration, config.env.id)
    episodes = [unpaid_episode(demonstration) for demonstration in demonstrations]
    _check_spaces(episodes, env.unwrapped)
    sees_pictures = config.observations.kind != "state"
    if agent.needs_rewards or sees_pictures:
        RecordedEnv(demonstrations, _recorded_cameras(config))
    if sees_pictures:
        # Pictures take long to read: one demonstration tells of all.
        _check_spaces(_observed_episodes(config, demonstrations[:1]), env)
    if getattr(agent, "needs_failures", False):
        _require_failure(demonstrations, name)
    return replace(config, num_demos=len(demonstrations), demo_failures=failures)


def describe_demonstrations(config: TrainConfig, env: RewardEnv) -> str | None:
    """Return a sentence where the demonstrations of a run end soon after their success and its
    episodes do not: they show nobody how a goal is held. None where they do, or nobody knows.

    Args:
        config: of the run, resolved.
        env: that the agent learns in.
    """
    max_steps = time_limit(env)
    if config.demos is None or max_steps is None or env.ends_in_success:
        return None
    demonstrations = read_agent_demonstrations(
        config.demos, config.num_demos, bool(config.demo_failures), config.env.action_repeat
    )
    longest = max(demonstration.length - 1 for demonstration in demonstrations)
    all_succeed = all(demonstration.succeeded for demonstration in demonstrations)
    if not all_succeed or longest >= SHORT_SHARE * max_steps:
        return None
    return (
        f"demos: the longest demonstration has {longest} steps and ends in success; episodes of the agent "
        f"have {max_steps}. Nothing shows how the goal is held from there on: collect some that go on "
        "(`roborew collect ... --to-horizon --expert-successes`), or let episodes be as short "
        "(--env.horizon)."
    )


def _check_agent(config: TrainConfig, agent: Agent) -> None:
    """Raise where an agent takes no demonstrations, cannot do without, or never plays."""
    name = config.agent.name
    is_offline = learns_offline(agent)
    if is_offline and config.demos is None:
        raise InvalidInputError(
            f"agent {name}: learns from demonstrations alone; name a set with --demos."
        )
    if config.demos is not None and not isinstance(agent, LearnsFromDemonstrations):
        raise InvalidInputError(f"demos: agent {name} takes no demonstrations; leave them out.")
    if is_offline and (config.refit is not None or config.reward.is_taught):
        raise InvalidInputError(
            f"refit: agent {name} never plays, so there is nothing to refit a critic to."
        )


def _check_spaces(episodes: Sequence[DemonstrationEpisode], env: VectorEnv[Any, Any, Any]) -> None:
    spaces: Any = env  # Gymnasium leaves the parameter of these spaces open
    check_demonstrations(episodes, spaces.single_observation_space, spaces.single_action_space)


def _recorded_cameras(config: TrainConfig) -> tuple[str, ...]:
    """Those of the reward, then those of the agent alone."""
    return (*config.env.cameras, *config.observations.cameras)


def give_demonstrations(
    run: RunDirectory,
    config: TrainConfig,
    refits: int,
    agent: Agent,
    model: RewardModel | None,
    played: Experience = NO_EXPERIENCE,
) -> None:
    """Let an agent take over the demonstrations of a run, where it has any, and what it did itself, all of
    it paid by the present critic. Episodes of which was told that they end in success are as good as
    demonstrations, and better known: they show the agent's own states, and what comes after the goal
    is reached.

    Args:
        run: of the agent.
        config: of the run, resolved.
        refits: so far, for each of which episodes were recorded.
        agent: as it begins.
        model: of the run's reward, None where the truth pays.
        played: what the agent did while other critics paid.
    """
    visited = _visited(run, config, refits) if isinstance(agent, LearnsFromExperience) else []
    experience = paid_episodes(config, visited, model) if visited else []
    if config.demos is not None:
        assert isinstance(agent, LearnsFromDemonstrations)
        demonstrations = agent_episodes(config, model, agent.needs_rewards)
        # What the simulator says of episodes that a judge compares is for figures alone.
        if not config.reward.is_taught:
            names = {one.name for one in visited if one.succeeded}
            demonstrations += [one for one in experience if one.name in names]
            experience = [one for one in experience if one.name not in names]
        agent.use_demonstrations(demonstrations)
    if played.episodes:
        experience += paid_episodes(config, played.episodes, model, played.terminations)
    if experience:
        assert isinstance(agent, LearnsFromExperience)
        agent.use_experience(experience)


def _visited(run: RunDirectory, config: TrainConfig, refits: int) -> list[Demonstration]:
    """Episodes of an agent that were recorded for its refits so far, as far as it can learn from
    them."""
    if config.observations.kind != "state":
        return []
    visited: list[Demonstration] = []
    for path in experience_paths(run, refits):
        visited += read_demonstrations(path)
    # Earlier releases recorded the pictures alone.
    has_states = all(demonstration.observations is not None for demonstration in visited)
    return visited if has_states else []


def clone_of_demonstrations(config: TrainConfig, env: VectorEnv[Any, Any, Any]) -> BC:
    """Return what behavior cloning with its defaults learns from the demonstrations of a run.

    Args:
        config: of the run, with demonstrations.
        env: gives the spaces; it is not stepped.
    """
    spaces: Any = env  # Gymnasium leaves the parameter of these spaces open
    seed = Seeds(config.seed).integer("cloning")
    observed = spaces.single_observation_space
    clone = BC(observed, spaces.single_action_space, usual_config(observed), seed)
    clone.use_demonstrations(agent_episodes(config, None, needs_rewards=False))
    clone.learn(env, BC.train_timesteps)
    return clone


def paid_episodes(
    config: TrainConfig,
    demonstrations: Sequence[Demonstration],
    model: RewardModel | None,
    terminations: Container[str] = (),
) -> list[DemonstrationEpisode]:
    """Return demonstrations with what the reward of the run pays for each action; a predicted
    success ends them.

    Args:
        config: of the run, resolved.
        demonstrations: see `read_agent_demonstrations`.
        model: of the run's reward, None where the truth pays.
        terminations: see `RecordedEnv`.

    Raises:
        InvalidInputError: the set lacks a camera that the reward sees, or the truth that an oracle
            pays.
    """
    recorded = _observe_recorded(config, demonstrations, terminations)
    with closing(pay_reward(config, recorded, model)) as env:
        return _play(env, demonstrations)


def _observed_episodes(
    config: TrainConfig, demonstrations: Sequence[Demonstration]
) -> list[DemonstrationEpisode]:
    """Demonstrations as the agent of a run observes them, unpaid."""
    if config.observations.kind == "state":
        return [unpaid_episode(demonstration) for demonstration in demonstrations]
    with closing(_observe_recorded(config, demonstrations)) as env:
        episodes = _play(env, demonstrations)
    return [replace(episode, rewards=None, scores=None, terminated=False) for episode in episodes]


def _observe_recorded(
    config: TrainConfig, demonstrations: Sequence[Demonstration], terminations: Container[str] = ()
) -> VectorEnv[Any, Any, Any]:
    # Side by side, so that a reward is asked about many frames at once.
    num_envs = min(len(demonstrations), PLAYED_TOGETHER)
    recorded = RecordedEnv(demonstrations, _recorded_cameras(config), num_envs, terminations)
    if config.observations.kind == "state":
        return recorded
    return observe(config, recorded, recorded.frame_shape)


def unpaid_episode(demonstration: Demonstration) -> DemonstrationEpisode:
    """Return what was observed and done in a demonstration."""
    assert demonstration.observations is not None and demonstration.actions is not None
    return DemonstrationEpisode(
        name=demonstration.name,
        observations=demonstration.observations,
        # The last frame's action repeats the one before; nothing follows it.
        actions=demonstration.actions[:-1],
    )


class _Take:
    """What one environment has played of a demonstration."""

    def __init__(self, number: int, demonstration: Demonstration) -> None:
        self.number = number
        self._unpaid = unpaid_episode(demonstration)
        self._observations: list[Any] = []
        self._rewards: list[float] = []
        self._scores: list[float] = []

    def see(self, observations: Any, infos: Mapping[str, Any], env: int) -> None:
        """Note what environment ``env`` shows now."""
        self._observations.append(_row(observations, env))
        # NaN where no reward was asked.
        self._scores.append(float(infos["score"][env]) if "score" in infos else math.nan)

    def earn(self, reward: float) -> None:
        """Note what the last action was paid."""
        self._rewards.append(reward)

    def episode(self, terminated: bool) -> DemonstrationEpisode:
        """Return all of it, as an episode that ends here."""
        return DemonstrationEpisode(
            name=self._unpaid.name,
            observations=_join(self._observations),
            actions=self._unpaid.actions[: len(self._rewards)],
            rewards=np.array(self._rewards, dtype=np.float32),
            scores=np.array(self._scores, dtype=np.float32),
            terminated=terminated,
        )


def _play(
    env: VectorEnv[Any, Any, Any], demonstrations: Sequence[Demonstration]
) -> list[DemonstrationEpisode]:
    """Play all demonstrations of a `RecordedEnv`, behind whatever wraps it."""
    waiting = iter([_Take(*numbered) for numbered in enumerate(demonstrations)])
    takes: list[_Take | None] = [None] * env.num_envs
    episodes: dict[int, DemonstrationEpisode] = {}
    idle = np.zeros(env.action_space.shape, np.float32)  # type: ignore[arg-type]
    begun = np.ones(env.num_envs, np.bool_)
    while len(episodes) < len(demonstrations):
        if begun.any():
            observations, infos = env.reset(options={"reset_mask": begun})
            for slot in np.flatnonzero(begun).tolist():
                takes[slot] = take = next(waiting, None)
                if take is not None:
                    take.see(observations, infos, slot)
        observations, rewards, terminated, truncated, infos = env.step(idle)
        begun = np.asarray(terminated | truncated)
        for slot, take in enumerate(takes):
            if take is not None:
                take.see(observations, infos, slot)
                take.earn(float(rewards[slot]))
                if begun[slot]:
                    episodes[take.number] = take.episode(bool(terminated[slot]))
    return [episodes[number] for number in range(len(demonstrations))]


def _row(observations: Any, env: int) -> Any:
    """What one environment shows: an array, or one for each name."""
    if isinstance(observations, np.ndarray):
        return observations[env]
    return {name: part[env] for name, part in observations.items()}


def _join(observations: Sequence[Any]) -> Any:
    """Observations of one environment, step after step, as one array, or one for each name."""
    first = observations[0]
    if isinstance(first, np.ndarray):
        return np.stack(observations)
    return {name: np.stack([step[name] for step in observations]) for name in first}


def _require_same_task(demonstration: Demonstration, env_id: str) -> None:
    """Raise where a set says that it shows another task; tasks may share their spaces."""
    recorded: str = demonstration.notes.get("task_name", env_id)
    # Versions of a task differ in how it ends, not in what is seen and done.
    if re.sub(r"-v\d+$", "", recorded) != re.sub(r"-v\d+$", "", env_id):
        raise InvalidInputError(
            f"demos: {demonstration.name} is of another task, {recorded}; the agent learns in "
            f"{env_id}."
        )


def _require_rewards(demonstrations: Sequence[Demonstration], path: Path) -> None:
    """Raise where the environment's own reward is paid, and a set does not say what it was."""
    if any(demonstration.rewards is None for demonstration in demonstrations):
        raise InvalidInputError(
            f"demos: reward env pays what the environment did, and {path} does not say what that "
            "was; expected a LeRobotDataset with next.reward, such as `roborew collect` writes."
        )


def _require_failure(demonstrations: Sequence[Demonstration], agent: str) -> None:
    """Raise where all are known to succeed: what is to be told apart is not there."""
    if all(demonstration.succeeded for demonstration in demonstrations):
        raise InvalidInputError(
            f"demos: agent {agent} tells good moves from bad ones, and all {len(demonstrations)} "
            "demonstrations succeed. Add some that fail (`roborew collect ENV --behaviors expert "
            "noisy stall`, --demo-failures yes), or clone these: --agent bc."
        )
