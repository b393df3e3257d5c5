"""A named part and its settings, as configurations hold them: reward, agent, critic, encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

import tyro

from roborew.config import (
    current_names,
    default_options,
    options_class,
    read_options,
    to_json,
    warn_once,
)
from roborew.errors import MissingBackendError, UnknownNameError
from roborew.learning.devices import check_devices
from roborew.registry import Registry, agents, critics, encoders, is_address, rewards

Options = Annotated[Mapping[str, Any], tyro.conf.Suppress, tyro.conf.Fixed]
"""Settings by name, as JSON holds them; on the command line each is a flag, ``--agent.gamma 0.9``."""
Name = Annotated[str, tyro.conf.arg(name="")]
"""Is typed as the group itself, ``--agent ppo``."""

ORACLE_REWARDS = MappingProxyType(
    {
        "oracle-dense": "the simulator's progress and success: what a perfect reward model would pay",
        "oracle-sparse": "the simulator's success alone",
        "env": "the environment's own reward, as it is",
    }
)
"""Rewards that are read from the truth: baselines beside the learned ones."""
TAUGHT_REWARDS = MappingProxyType(
    {
        "preference": "a judge says which pictures of the agent are better, and a critic fitted to "
        "that pays (RL-VLM-F, arXiv:2402.03681; needs a vision-language model; "
        "--judge.model Qwen/Qwen3-VL-4B-Instruct)"
    }
)
"""Rewards that are learned within a run, from nothing."""
AUTO = "auto"
"""Stands for the reward that goes with a judge, where one is examined."""
RENAMED_REWARDS = MappingProxyType({"true-dense": "oracle-dense", "true-sparse": "oracle-sparse"})
"""Names of an earlier release, which are still read."""


@dataclass(frozen=True, slots=True)
class PartConfig:
    """A part and its settings."""

    name: Name
    """Which one."""
    options: Options = field(default_factory=dict[str, Any])
    """Settings of the part; its defaults for those that are not given."""

    kind: ClassVar[str] = "part"
    unset: ClassVar[frozenset[str]] = frozenset()
    """Settings that are decided elsewhere, such as by ``--device``, and so not written down."""

    def __post_init__(self) -> None:
        # As JSON, so that a configuration equals itself after it was written and read.
        object.__setattr__(self, "options", to_json(self.options))

    def factory(self) -> Callable[..., Any]:
        """Import the class or function that makes the part.

        Raises:
            UnknownNameError: no such part; close matches and the list are offered.
            MissingBackendError: what it needs is not installed.
        """
        raise NotImplementedError

    def typed_options(self) -> dict[str, Any]:
        """Return the given settings as keyword arguments of `factory`.

        Raises:
            UnknownNameError: the part has no such setting.
            InvalidInputError: a value of another type, or a device that torch cannot use.
        """
        if not self.options:
            return {}
        options = read_options(self.factory(), self.options, f"{self.kind} {self.name}")
        check_devices(options.get("device", "cpu"))
        return options

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """Return the part with these settings beside those that it has."""
        return replace(self, options={**self.options, **options})

    def with_defaults(self) -> Self:
        """Return the part with every setting written down, defaults included.

        Raises:
            RoborewError: as of `factory` and `typed_options`.
        """
        self.typed_options()  # that there are such settings, of these types
        factory = self.factory()
        chosen = current_names(options_class(factory), self.options, f"{self.kind} {self.name}")
        options = default_options(factory) | chosen
        for name in self.unset:
            # Decided elsewhere: a default that is written down would contradict it.
            if name not in chosen:
                options.pop(name, None)
        return replace(self, options=options)


@dataclass(frozen=True, slots=True)
class RegisteredPart(PartConfig):
    """A part of a registry."""

    registry: ClassVar[Registry]

    def factory(self) -> Callable[..., Any]:
        """Import the registered class; see `PartConfig.factory`."""
        return self.registry.load(self.name)


@dataclass(frozen=True, slots=True)
class AgentConfig(RegisteredPart):
    """Settings of the agent: --agent.KEY VALUE; --agent.help lists those of the agent chosen."""

    name: Name = "ppo"
    """A name of `roborew list agents`, or package.module:Class."""

    kind: ClassVar[str] = "agent"
    registry: ClassVar[Registry] = agents


@dataclass(frozen=True, slots=True)
class CriticConfig(RegisteredPart):
    """Settings of the objective: --critic.KEY VALUE; --critic.help lists those of the critic
    chosen."""

    name: Name = "robometer"
    """A name of `roborew list critics`, or package.module:Class."""

    kind: ClassVar[str] = "critic"
    registry: ClassVar[Registry] = critics


@dataclass(frozen=True, slots=True)
class EncoderConfig(RegisteredPart):
    """Settings of the encoder: --encoder.KEY VALUE; --encoder.help lists those of the encoder
    chosen."""

    name: Name = "conv"
    """A name of `roborew list encoders`, or package.module:Class."""

    kind: ClassVar[str] = "encoder"
    registry: ClassVar[Registry] = encoders


@dataclass(frozen=True, slots=True)
class RewardConfig(PartConfig):
    """Settings of the reward: --reward.KEY VALUE, and --judge.KEY VALUE of the vision-language model
    that it asks; --reward.help lists those of the reward chosen."""

    name: Name = "mini"
    """A name of `roborew list rewards`, package.module:Class, where one is served, or a folder or a
    hub id of weights: a critic's, or a released reward model's."""

    kind: ClassVar[str] = "reward"
    unset: ClassVar[frozenset[str]] = frozenset({"device", "score_every"})

    def __post_init__(self) -> None:
        super(RewardConfig, self).__post_init__()
        if self.name in RENAMED_REWARDS:
            current = RENAMED_REWARDS[self.name]
            warn_once(f"reward {self.name} is called {current} now.")
            # The class is frozen, and the new name must be what is written down.
            object.__setattr__(self, "name", current)

    @property
    def example(self) -> str:
        """Flags of a command that uses the reward; "" where nothing is known of it."""
        return rewards[self.name].example if self.name in rewards else ""

    @property
    def is_oracle(self) -> bool:
        """Whether the simulator's truth itself is the reward."""
        return self.name in ORACLE_REWARDS

    @property
    def is_taught(self) -> bool:
        """Whether the reward is learned within the run, from what a judge says of the agent."""
        return self.name in TAUGHT_REWARDS

    @property
    def is_folder(self) -> bool:
        """Whether the name is a folder, of a critic or of a released model."""
        # A registered name wins over a folder that happens to be called the same.
        return not self._is_registered and Path(self.name).is_dir()

    @property
    def is_repository(self) -> bool:
        """Whether the name is one of a repository on the hub."""
        from roborew.rewards.checkpoints.recognition import REPOSITORY

        # Beside folders that are there it is a misspelt one, which nobody else need hear of.
        is_here = self._is_registered or Path(self.name).parent.is_dir()
        return not is_here and REPOSITORY.fullmatch(self.name) is not None

    @property
    def _is_registered(self) -> bool:
        own = self.is_oracle or self.is_taught
        return own or self.name in rewards or ":" in self.name

    @property
    def is_critic(self) -> bool:
        """Whether the name is the folder of a critic."""
        from roborew.critics.critic import is_critic

        return self.is_folder and is_critic(self.name)

    @property
    def is_address(self) -> bool:
        """Whether the name is where a reward is served."""
        return is_address(self.name)

    def recognized(self) -> RewardConfig:
        """Return the reward whose weights lie in a folder or a repository under its own name; any
        other, also a critic, as it is.

        Raises:
            InvalidInputError: it is no reward; the message says what it is.
            UnknownNameError: neither a reward nor a folder, and no such repository can be had.
        """
        if self.is_critic or not (self.is_folder or self.is_repository):
            return self
        from roborew.rewards.checkpoints.recognition import recognize

        try:
            reward = recognize(self.name, self.options.get("revision"))
        except MissingBackendError as error:
            if self.is_folder:
                raise
            # Most names with a slash that are not here are folders whose name has a mistake.
            unknown = UnknownNameError("reward", self.name, [*rewards, *ORACLE_REWARDS], "folder")
            unknown.add_note(f"As a repository of the Hugging Face hub: {error}")
            raise unknown from error
        return RewardConfig(reward.name, {**reward.options, **self.options})

    def factory(self) -> Callable[..., Any]:
        """Import what makes the reward; see `PartConfig.factory`."""
        if self.is_address:
            from roborew.rewards.remote.client import connect

            return connect
        if self.is_oracle:
            from roborew.wrappers import EnvironmentReward, OracleReward

            return EnvironmentReward if self.name == "env" else OracleReward
        if self.is_taught:
            from roborew.workflows.preference.settings import PreferenceSettings

            return PreferenceSettings
        if self.is_critic:
            from roborew.critics.critic import Critic

            return Critic.from_pretrained
        self.check_name()
        return rewards.load(self.recognized().name)

    def check_name(self) -> None:
        """Raise unless there is such a reward; nothing is imported.

        Raises:
            UnknownNameError: neither a reward nor a folder, nor like the name of a repository; close
                matches and the list are offered.
        """
        # An address has a colon, too: whether anybody serves there is seen when it is asked.
        if not (self._is_registered or self.is_folder or self.is_repository):
            names = [*rewards, *ORACLE_REWARDS, *TAUGHT_REWARDS]
            raise UnknownNameError("reward", self.name, names, nor="folder")


@dataclass(frozen=True, slots=True)
class ExaminedReward(RewardConfig):
    """Settings of the reward that is examined: --reward.KEY VALUE, and --judge.KEY VALUE of the
    vision-language model that it asks."""

    name: Name = AUTO
    """A name of `roborew list rewards`, package.module:Class, where one is served, or a folder or a
    hub id of weights. auto: what a judge's own name says, else roboreward; without a judge this
    machine alone is examined."""

    @property
    def is_given(self) -> bool:
        """Whether a reward or a judge was named."""
        return self.name != AUTO or bool(self.options)

    def chosen(self) -> RewardConfig:
        """Return the reward that is meant."""
        if self.name != AUTO:
            return RewardConfig(self.name, self.options)
        from roborew.rewards.checkpoints.recognition import RELEASED_JUDGES

        model = str(self.options.get("judge.model", ""))
        names = [name for name, one in RELEASED_JUDGES.items() if one.recognises(model)]
        return RewardConfig((*names, "roboreward")[0], self.options)

    def factory(self) -> Callable[..., Any]:
        """Import what makes the reward; see `PartConfig.factory`."""
        return self.chosen().factory()
