"""A configuration with nothing left open: every default is decided once, before a run begins, and
written down with it."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from roborew.config import keyword_options
from roborew.errors import InvalidInputError
from roborew.registry import agents
from roborew.types import RewardSpec
from roborew.workflows.environments import check_environment, task_class
from roborew.workflows.factories import FRAME_STACK
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.preference.settings import settings_of
from roborew.workflows.train.config import (
    EnvConfig,
    ObservationsConfig,
    ShapingConfig,
    SuccessDetectorConfig,
    TrainConfig,
)
from roborew.wrappers import SuccessDetector
from roborew_envs import TASKS, TaskVectorEnv

CRITICS_INIT_STD = 1.0
"""First standard deviation of actions where a critic pays: its score hardly tells the first move of a
drawer, and with 0.6 most agents never made it (`experiments/critics`)."""
DEFAULT_INIT_STD = 0.6
"""Enough to find out that a drawer opens; with 0.35 the hand parks at its handle."""
SHAPING_SCALE = MappingProxyType({"progress-delta": 5.0, "potential": 5.0, "raw": 1.0})
"""Reward for a score, or a gain in score, of one."""


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the same run with the settings of environment, reward and agent written down.

    Raises:
        UnknownNameError: no such environment, reward, agent or setting; close matches and the list
            are offered.
        InvalidInputError: the instruction breaks the rule, or a value of another type.
    """
    check_environment(config.env.id)
    agents.canonical(config.agent.name)
    reward = _resolve_reward(config.reward, config.env.id)
    if config.refit is not None:
        _check_refit(reward, config.refit)
    check_stochastic(config)
    if reward.is_oracle:
        _check_oracle(config)
    if reward.is_taught:
        _check_taught(config)
    return replace(
        config,
        env=_resolve_env(config.env),
        observations=_resolve_observations(config.observations),
        instruction=config.sentence,
        total_timesteps=config.timesteps,
        reward=reward,
        goal_image=config.goal_image.resolve() if config.goal_image else None,
        demos=config.demos.resolve() if config.demos else None,
        refit=config.refit.resolve() if config.refit else None,
        agent=_resolve_agent(config, reward),
    )


def resolve_for_reward(config: TrainConfig, spec: RewardSpec | None) -> TrainConfig:
    """Return the same run with shaping and success detector as they suit the reward.

    Args:
        config: of the run.
        spec: of the reward model, None where the truth itself is paid: that has its own settings.

    Raises:
        InvalidInputError: a success detector for a reward that predicts no success, or the agent has
            no discount for the potential.
    """
    if spec is None:
        return config
    return replace(
        config,
        shaping=_resolve_shaping(config, spec),
        success_detector=_resolve_detector(config.success_detector, spec),
    )


def _resolve_env(env: EnvConfig) -> EnvConfig:
    if env.id not in TASKS:
        return env
    own = inspect.signature(TaskVectorEnv).parameters
    width = own["width"].default if env.width is None else env.width
    height = own["height"].default if env.height is None else env.height
    return replace(env, width=width, height=height)


def _resolve_observations(observations: ObservationsConfig) -> ObservationsConfig:
    if observations.kind == "state":
        return observations
    return replace(observations, frame_stack=observations.frame_stack or FRAME_STACK)


def _resolve_reward(reward: RewardConfig, env_id: str) -> RewardConfig:
    reward.check_name()
    if reward.is_folder:
        # A run may be taken up from another folder.
        reward = replace(reward, name=str(Path(reward.name).resolve()))
    if reward.is_critic:
        if reward.options:
            raise InvalidInputError(
                f"reward {reward.name}: a critic takes no options; it keeps its own settings."
            )
        return reward
    reward = reward.recognized()
    if reward.name == "oracle-dense":
        reward = reward.with_options({**task_class(env_id).train_oracle, **reward.options})
    return reward.with_defaults()


def _resolve_agent(config: TrainConfig, reward: RewardConfig) -> AgentConfig:
    agent = config.agent
    options = agent.typed_options()
    task = task_class(config.env.id)
    if "init_std" in keyword_options(agent.factory()) and "init_std" not in options:
        by_critic = reward.is_critic or reward.is_taught
        usual = CRITICS_INIT_STD if by_critic else DEFAULT_INIT_STD
        agent = agent.with_options({"init_std": task.train_init_std or usual})
    if agent.name == "ppo":
        agent = agent.with_options({**task.train_ppo, **agent.options})
    if config.observations.kind != "state":
        usual = getattr(agent.factory(), "pixels_options", {})
        agent = agent.with_options({**usual, **agent.options})
    return agent.with_defaults()


def _resolve_shaping(config: TrainConfig, spec: RewardSpec) -> ShapingConfig:
    shaping = config.shaping
    kind = shaping.kind or spec.shaping
    scale = SHAPING_SCALE[kind] if shaping.scale is None else shaping.scale
    if kind == "progress-delta":
        return replace(shaping, kind=kind, scale=scale, raw_coef=shaping.raw_coef or 0.0)
    if shaping.raw_coef is not None:
        raise InvalidInputError(
            f"--shaping.raw-coef: reward {config.reward.name} pays {kind}, and only progress-delta "
            "uses it; leave it out, or choose --shaping progress-delta."
        )
    if kind == "raw":
        return replace(shaping, kind=kind, scale=scale)
    gamma = config.agent.options.get("gamma") if shaping.gamma is None else shaping.gamma
    if gamma is None:
        raise InvalidInputError(
            f"shaping: the potential needs the discount of the agent, and {config.agent.name} names "
            "none; give it with --shaping.gamma."
        )
    on_invalid = shaping.on_invalid or "skip"
    return ShapingConfig(kind=kind, scale=scale, gamma=float(gamma), on_invalid=on_invalid)


def _resolve_detector(detector: SuccessDetectorConfig, spec: RewardSpec) -> SuccessDetectorConfig:
    able = spec.predicts_success and spec.causal
    has_settings = detector.threshold is not None or detector.bonus is not None
    if (detector.enabled or has_settings) and not able:
        why = "predicts no success" if spec.causal else "scores whole episodes, after their end"
        raise InvalidInputError(
            f"--success-detector: reward {spec.name} {why}, so nothing can be detected; leave it "
            "out, or choose a reward that predicts success as it goes."
        )
    if not able or detector.enabled is False:
        return SuccessDetectorConfig(enabled=False)
    usual = SuccessDetector()
    return SuccessDetectorConfig(
        enabled=True,
        threshold=usual.threshold if detector.threshold is None else detector.threshold,
        bonus=usual.bonus if detector.bonus is None else detector.bonus,
    )


def check_stochastic(config: TrainConfig) -> None:
    """Raise where an agent with a policy of its own for evaluation is to draw its actions.

    Raises:
        InvalidInputError: it is.
    """
    if config.evaluation.stochastic and hasattr(config.agent.factory(), "policy"):
        raise InvalidInputError(
            f"evaluation.stochastic: the actions of {config.agent.name} are not drawn when it is "
            "evaluated; leave it out, or take ppo or sac."
        )


def _check_oracle(config: TrainConfig) -> None:
    """The oracle pays the truth by a law of its own; whatever shapes a learned score means nothing."""
    meaningless = {
        "--shaping": config.shaping != ShapingConfig(),
        "--success-detector": config.success_detector != SuccessDetectorConfig(),
        "--goal-image": config.goal_image is not None,
        "--success-bonus": config.success_bonus is not None,
    }
    for flag, is_set in meaningless.items():
        if is_set:
            raise InvalidInputError(
                f"{flag}: reward {config.reward.name} pays the simulator's truth and cannot honor "
                "it; its own settings are listed by --reward.help."
            )


def _check_taught(config: TrainConfig) -> None:
    """A judge compares the agent's pictures with each other: nothing is taught by one of the goal."""
    if config.goal_image is not None:
        raise InvalidInputError(
            f"--goal-image: reward {config.reward.name} compares pictures of the agent with each other "
            "and reads none of the goal; leave it out."
        )
    settings = settings_of(config)
    rounds = settings.num_rounds
    taught_steps = settings.taught_steps(config.timesteps)
    if taught_steps < rounds**2:
        raise InvalidInputError(
            f"--reward.num-rounds: expected at most {math.isqrt(taught_steps):,} in "
            f"{taught_steps:,} steps; got {rounds:,}."
        )


def _check_refit(reward: RewardConfig, demonstrations: Path) -> None:
    if not reward.is_critic:
        raise InvalidInputError(
            f"refit: expected a critic's folder as the reward, from `roborew fit`; got {reward.name}."
        )
    if not demonstrations.exists():
        raise InvalidInputError(
            f"refit: expected the critic's demonstrations; {demonstrations} does not exist."
        )
