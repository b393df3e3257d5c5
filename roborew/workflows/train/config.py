"""What a user may choose for a training run, checked once, before anything is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import tyro

from roborew.errors import InvalidInputError, MissingBackendError, UnknownNameError
from roborew.registry import agents, rewards
from roborew.types import check_instruction

DEFAULT_ENV = "roborew/DrawerOpen-v0"
"""The task of ``roborew demo``, and of ``roborew train`` without ``--env``."""
STEPS = MappingProxyType(
    {
        "roborew/Press-v0": 80_000,
        "roborew/DrawerOpen-v0": 90_000,
        "roborew/Push-v0": 220_000,
    }
)
"""Environment steps of a run that names none; `DEFAULT_STEPS` for other environments."""
DEFAULT_STEPS = 500_000
EXPLORATION = MappingProxyType({"roborew/Push-v0": 0.35})
"""First standard deviation of our PPO's actions where `DEFAULT_EXPLORATION` is too much: a push
needs a steady hand."""
CRITICS_EXPLORATION = 1.0
"""Where a critic pays: its score hardly tells the first move of a drawer, and with 0.6 most agents
never made it (`experiments/critics`)."""
DEFAULT_EXPLORATION = 0.6
"""Enough to find out that a drawer opens; with 0.35 the hand parks at its handle."""
TRUE_REWARDS = MappingProxyType(
    {
        "true-dense": "the simulator's progress and success: what a perfect reward model would pay",
        "true-sparse": "the simulator's success alone",
    }
)
"""Rewards that are read from the truth: baselines beside the learned ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run. The same configuration gives the same run, but for ``max_minutes``, on the same
    machine."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "goal": "instruction",
            "steps": "total_timesteps",
            "every": "score_every",
            "refresh": "refit",
            "refreshes": "num_refits",
            "minutes": "max_minutes",
        }
    )

    env: str = DEFAULT_ENV
    """Id of the environment, see `roborew list envs`; any Gymnasium id with an rgb_array render
    mode."""
    instruction: Annotated[str | None, tyro.conf.arg(aliases=("--goal",))] = None
    """The goal as a sentence; the task's own instruction if not given."""
    reward: str = "mini"
    """A name of `roborew list rewards`, or the folder of a critic or of mini's weights."""
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting of the reward as key=value, such as model=ViT-B-32; may be given several times."""
    goal_image: Path | None = None
    """A picture of the goal, for rewards that compare with one."""
    camera: str | None = None
    """Camera of the environment that the reward sees, several separated by commas for a critic of
    several views; by default those that a critic was fitted to, by their names, and the
    environment's first for other rewards."""
    shaping: Literal["difference", "level"] | None = None
    """Pay the gain of the score, which cannot be farmed, or its level; if not given, what the
    reward says of itself: the level of scores that are a step's own reward (adversarial,
        transport), the gain of all others."""
    agent: str = "ppo"
    """A name of `roborew list agents`."""
    seed: int = 0
    """Seed of everything random in the run."""
    total_timesteps: int | None = None
    """Environment steps over all simulations; a number that suits the task if not given."""
    num_envs: int = 64
    """Simulations that run side by side."""
    score_every: int = 4
    """Score every k-th step of an episode, its first frame and its last."""
    exploration: float | None = None
    """First standard deviation of the actions of our own PPO; a number that suits the task and what
    pays if not given."""
    refit: Path | None = None
    """The demonstrations of the critic that is the reward: on the way it is fitted anew, to them
    and to episodes of the agent. These are labelled with what the simulator says of them, progress
    and success, or success alone where no
    more is told: the one place where truth enters a learned reward. Where neither is told, only
    critics that need no labels can be refreshed (vice, gail)."""
    num_refits: int = 1
    """How often, evenly over the steps; only with --refit."""
    max_minutes: float | None = None
    """Stop training after so many minutes of wall-clock time, whatever the steps; no limit if not
    given."""
    threads: int = 1
    """Threads of torch; small networks beside busy simulations are fastest with one."""
    device: str = "cpu"
    """Where the reward model runs, a torch device name."""

    def __post_init__(self) -> None:
        for name in ("num_envs", "score_every", "threads", "num_refits"):
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"{name}: expected a whole number of at least 1; got {getattr(self, name)}."
                )
        if self.seed < 0:
            raise InvalidInputError(f"seed: expected a whole number from 0 up; got {self.seed}.")
        if self.total_timesteps is not None and self.total_timesteps < 1:
            raise InvalidInputError(
                f"total_timesteps: expected a whole number of at least 1; got {self.total_timesteps}."
            )
        if self.exploration is not None and not (
            math.isfinite(self.exploration) and self.exploration > 0
        ):
            raise InvalidInputError(
                f"exploration: expected a finite number above 0; got {self.exploration}."
            )
        if self.max_minutes is not None and not (
            math.isfinite(self.max_minutes) and self.max_minutes > 0
        ):
            raise InvalidInputError(
                f"max_minutes: expected a finite number above 0; got {self.max_minutes}."
            )

    @property
    def sentence(self) -> str:
        """The sentence that the reward model reads.

        Raises:
            InvalidInputError: the goal breaks the rule, or is missing and the environment has none
                of its own.
        """
        if self.instruction is not None:
            return check_instruction(self.instruction)
        from roborew_envs import (
            TASKS,
            make_task,
        )  # MuJoCo loads here, not when a command line is read
        from roborew_envs.suites.instructions import INSTRUCTIONS

        if self.env in INSTRUCTIONS:
            return INSTRUCTIONS[self.env]
        if self.env not in TASKS:
            raise InvalidInputError(
                f"instruction: {self.env} has no instruction of its own; say what to do with --instruction."
            )
        return make_task(self.env).instruction

    @property
    def timesteps(self) -> int:
        """Environment steps over all simulations."""
        return (
            self.total_timesteps
            if self.total_timesteps is not None
            else STEPS.get(self.env, DEFAULT_STEPS)
        )

    @property
    def phases(self) -> tuple[int, ...]:
        """Steps at which each reward has paid its last: one, and one more for each refreshment of
        the critic."""
        parts = self.num_refits + 1 if self.refit else 1
        return tuple(self.timesteps * part // parts for part in range(1, parts + 1))

    def resolved(self) -> TrainConfig:
        """The same run with nothing left open.

        Raises:
            UnknownNameError: no such environment, reward or agent; close matches and the list are
                offered.
            InvalidInputError: the goal breaks the rule.
        """
        _check_environment(self.env)
        if self.agent not in agents:
            raise UnknownNameError("agent", self.agent, agents)
        reward = self.reward
        if reward not in rewards and reward not in TRUE_REWARDS:
            if not Path(reward).is_dir():
                raise UnknownNameError("reward", reward, [*rewards, *TRUE_REWARDS], nor="folder")
            reward = str(Path(reward).resolve())  # a run may be taken up from another folder
        if self.refit is not None:
            _check_refresh(reward, self.refit)
        picture = self.goal_image.resolve() if self.goal_image else None
        usual = CRITICS_EXPLORATION if _is_critic(reward) else DEFAULT_EXPLORATION
        return replace(
            self,
            instruction=self.sentence,
            total_timesteps=self.timesteps,
            reward=reward,
            goal_image=picture,
            refit=self.refit.resolve() if self.refit else None,
            exploration=self.exploration or EXPLORATION.get(self.env, usual),
        )


def _is_critic(reward: str) -> bool:
    from roborew.critics.critic import is_critic

    return reward not in rewards and reward not in TRUE_REWARDS and is_critic(reward)


def _check_refresh(reward: str, demonstrations: Path) -> None:
    if not _is_critic(reward):
        raise InvalidInputError(
            f"refit: expected a critic's folder as the reward, from `roborew fit`; got {reward}."
        )
    if not demonstrations.exists():
        raise InvalidInputError(
            f"refit: expected the critic's demonstrations; {demonstrations} does not exist."
        )


def _check_environment(env: str) -> None:
    import gymnasium

    from roborew_envs import TASKS
    from roborew_envs.suites import find_env_spec

    if env in TASKS:
        return
    try:
        find_env_spec(env)  # also imports the module of "module:Environment-v0"
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingBackendError(str(error)) from error
    except (gymnasium.error.Error, ImportError) as error:
        suite = [
            name
            for name in gymnasium.registry
            if "/" in env and name.split("/")[0] == env.split("/")[0]
        ]
        raise UnknownNameError("environment", env, suite or TASKS) from error
