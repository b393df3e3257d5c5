"""A run as it stands on the disk: its agent, and the reward that pays it by then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from roborew.agents.base import Agent, EpisodicAgent
from roborew.critics.critic import read_config
from roborew.errors import InvalidInputError
from roborew.evaluation import Policy
from roborew.short_repr import fields_repr
from roborew.storage.checkpoints import select_prefix
from roborew.storage.run import LABELS, RunDirectory
from roborew.types import RewardModel
from roborew.workflows.factories import load_agent, make_agent, make_env
from roborew.workflows.parts import RewardConfig
from roborew.workflows.rewards import load_model
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.resolve import check_stochastic


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run has come to, read from its last checkpoint.

    Attributes:
        config: of the run.
        agent: as it was then.
        model: the reward model, None where the truth paid.
        steps: environment steps that it had learned from.
        refits: how often the critic had been refitted.
        wall: seconds of training.
        seconds: the same, split by what they were spent on.
    """

    __repr__ = fields_repr

    config: TrainConfig
    agent: Agent
    model: RewardModel | None
    steps: int
    refits: int
    wall: float
    seconds: Mapping[str, float]

    def policy(self, num_envs: int) -> Policy:
        """Return the agent, as it is to be evaluated, as a policy for so many episodes side by side."""
        return agent_policy(self.agent, num_envs, self.config.evaluation.stochastic)

    @property
    def labeled_episodes(self) -> int:
        """Episodes of the agent whose truth was told to the reward."""
        # A judge tells which of two pictures is better, and no truth.
        is_told = not self.config.reward.is_taught
        return self.refits * self.config.refit_episodes if is_told else 0

    def evaluated(self, stochastic: bool) -> Trained:
        """Return the same, to be evaluated with drawn actions or with the likeliest ones.

        Raises:
            InvalidInputError: its agent draws none.
        """
        evaluation = replace(self.config.evaluation, stochastic=stochastic)
        config = replace(self.config, evaluation=evaluation)
        check_stochastic(config)
        return replace(self, config=config)


def agent_policy(agent: Agent, num_envs: int, stochastic: bool = False) -> Policy:
    """Return an agent as a policy, with its memory if it has one."""
    if isinstance(agent, EpisodicAgent):
        return agent.policy(num_envs)
    return partial(agent.act, deterministic=not stochastic)


def load_trained(run: RunDirectory) -> Trained:
    """Read the agent of a run.

    Raises:
        InvalidInputError: the run has no checkpoint yet.
        CorruptFileError: its configuration cannot be read.
    """
    config = run.config(TrainConfig)
    checkpoint = run.load_checkpoint()
    if checkpoint is None:
        raise InvalidInputError(
            f"{run.path} has no checkpoint yet: let `roborew train` come to the first one."
        )
    meta = checkpoint.meta
    # One simulation tells the agent its spaces; it acts in any number of them.
    with closing(make_env(config, 1)) as env:
        agent = make_agent(config, env, meta["agent"]["config"])
    load_agent(agent, select_prefix(checkpoint.arrays, "agent/"), meta["agent"])
    refits = refits_of(meta)
    return Trained(
        config=config,
        agent=agent,
        # By the checkpoint's own count: a later critic may lie there that has not paid yet.
        model=load_model(config_of_phase(run, config, refits)),
        steps=checkpoint.step,
        refits=refits,
        wall=meta["wall"],
        seconds=meta["seconds"],
    )


def refits_of(meta: Mapping[str, Any]) -> int:
    """How often the critic had been refitted at a checkpoint."""
    # Before the first release the key was another one.
    return meta.get("refits", meta.get("refreshments", 0))


def critic_path(run: RunDirectory, number: int) -> Path:
    """Where the critic of a run's n-th refit lies, from 1; before the first one it is the configured
    reward."""
    return run.path / f"critic-{number}"


def same_critic(run: RunDirectory, before: int, now: int) -> bool:
    """Whether one critic pays after so many refits, and after others: it stays as it is where it has
    misled nobody."""
    if before == now:
        return True
    config = run.config(TrainConfig)
    first, second = (config_of_phase(run, config, number).reward for number in (before, now))
    # What a judge is still to teach is none.
    if not first.is_critic:
        return False
    # A configuration names the digest of its weights.
    return read_config(Path(first.name)) == read_config(Path(second.name))


def last_change(run: RunDirectory, refits: int) -> int:
    """The last of so many refits that gave the agent another critic; 0 if none did."""
    for number in range(refits, 0, -1):
        if not same_critic(run, number - 1, number):
            return number
    return 0


def visited_path(run: RunDirectory, number: int) -> Path:
    """Where the agent's episodes for the n-th refit lie, from 1: a set of demonstrations."""
    return run.path / f"visited-{number}"


def experience_path(run: RunDirectory) -> Path:
    """Where lies what an agent did, with the pictures that paid it, while a refit may still pay it anew."""
    return run.path / "experience"


def pictures_path(run: RunDirectory) -> Path:
    """File of the pictures that the agent of a run remembers, until the run ends."""
    return run.path / "replay" / "frames.bin"


def round_path(run: RunDirectory, number: int) -> Path:
    """Where the agent's episodes for the n-th round of labels lie, from 1, where a judge teaches: a set
    of demonstrations."""
    return run.path / LABELS / f"round-{number}"


def experience_paths(run: RunDirectory, refits: int) -> list[Path]:
    """Sets of the agent's own episodes that lie in a run after so many refits."""
    is_taught = run.config(TrainConfig).reward.is_taught
    path_of = round_path if is_taught else visited_path
    paths = [path_of(run, number) for number in range(1, refits + 1)]
    # A rollout that is longer than a round skips it.
    return [path for path in paths if path.is_dir()] if is_taught else paths


def config_of_phase(run: RunDirectory, config: TrainConfig, number: int) -> TrainConfig:
    """The configuration after so many refits."""
    if not number:
        return config
    return replace(config, reward=RewardConfig(str(critic_path(run, number))))
