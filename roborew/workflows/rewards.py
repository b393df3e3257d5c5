"""Reward models by name, and environments that pay them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from roborew.critics.critic import Critic
from roborew.data import read_picture
from roborew.errors import InvalidInputError, RoborewError
from roborew.learning.devices import find_device
from roborew.shaping import Potential, ProgressDelta, RawScore, Shaping
from roborew.types import RewardModel
from roborew.workflows.factories import Environment, make_env
from roborew.workflows.parts import RewardConfig
from roborew.workflows.preference.untaught import Untaught
from roborew.workflows.train.config import ShapingConfig, SuccessDetectorConfig, TrainConfig
from roborew.workflows.train.resolve import resolve_for_reward
from roborew.wrappers import (
    EnvironmentReward,
    LearnedReward,
    OracleReward,
    SuccessBonusReward,
    SuccessDetector,
)

RewardEnv = LearnedReward | OracleReward | EnvironmentReward


def load_reward(name: str | Path, *, device: str = "cpu", **options: Any) -> RewardModel:
    """Return a reward model that is ready to score.

    Args:
        name: a name of `roborew list rewards`, ``package.module:Class``, where one is served
            (``http://HOST:PORT``), or a folder or a hub id (``owner/name``): of a critic, of mini's
            weights, or of a released reward model, which is recognized by its files.
        device: a torch device name.
        **options: settings of the reward.

    Raises:
        UnknownNameError: no such reward or setting; close matches and the list are offered.
        InvalidInputError: a setting of another type, a device that torch cannot use, or a folder
            that holds no reward; the message says what it holds.
        MissingBackendError: a package or weights are absent.
    """
    reward = RewardConfig(str(name), options)
    if device != "cpu":
        find_device(device)
    _require_model(reward)
    reward.check_name()
    if reward.is_critic:
        if options:
            raise InvalidInputError(
                f"reward {name}: a critic takes no options; it keeps its own settings."
            )
        return Critic.from_pretrained(name, device)
    reward = reward.recognized()
    try:
        named = {"url": reward.name} if reward.is_address else {}
        return reward.factory()(**{"device": device, **reward.typed_options(), **named})
    except RoborewError as error:
        example = reward.example
        if example:
            error.add_note(f"For example: {example}")
        raise


def _require_model(reward: RewardConfig) -> None:
    """Raise where what pays an agent is no model that scores pictures."""
    if reward.is_oracle:
        raise InvalidInputError(
            f"reward {reward.name}: the simulator's truth is no reward model; it can pay an agent, "
            "and scores no pictures."
        )
    if reward.is_taught:
        raise InvalidInputError(
            f"reward {reward.name}: a judge teaches it while an agent learns; it scores nothing before. "
            "Train with it, then take the run's last critic folder."
        )


def load_configured(reward: RewardConfig, device: str) -> RewardModel:
    """Return a configured reward model, on its own device if its settings name one.

    Raises:
        RoborewError: as of `load_reward`.
    """
    return load_reward(reward.name, **{"device": device, **reward.options})


def load_model(config: TrainConfig) -> RewardModel | None:
    """Return the reward model of a run, None where the truth itself pays."""
    if config.reward.is_oracle:
        return None
    if config.reward.is_taught:
        return Untaught()
    return load_configured(config.reward, config.device)


def make_reward_env(config: TrainConfig, num_envs: int, model: RewardModel | None) -> RewardEnv:
    """Return the environment as the agent sees it: the configured reward pays, the true one stands
    in the infos.

    A model that is not causal, such as a `temporal_ot` critic, scores whole episodes and pays at
    their last step.

    Args:
        config: of the run.
        num_envs: simulations.
        model: from `load_model`.
    """
    return pay_reward(config, make_env(config, num_envs), model)


def pay_reward(config: TrainConfig, env: Environment, model: RewardModel | None) -> RewardEnv:
    """Return an environment that pays the configured reward; if that fails, ``env`` is closed.

    Args:
        config: of the run.
        env: pays its own, true reward.
        model: from `load_model`.
    """
    try:
        if model is None:
            return _pay_truth(config, env)
        # Only the model's promise decides what is left open, such as the shaping.
        config = resolve_for_reward(config, model.spec)
        settings: dict[str, Any] = {
            "score_every": config.score_every,
            "success_detector": make_success_detector(config.success_detector),
            "scoring": "step" if model.spec.causal else "episode",
            "shaping": make_shaping(config.shaping),
            "goal_image": read_picture(config.goal_image) if config.goal_image else None,
        }
        if config.success_bonus is not None:
            bonus = config.success_bonus
            return SuccessBonusReward(env, model, config.sentence, success_bonus=bonus, **settings)
        return LearnedReward(env, model, config.sentence, **settings)
    except BaseException:
        # Nobody else has it yet, and its renderer holds OpenGL contexts.
        env.close()
        raise


def _pay_truth(config: TrainConfig, env: Environment) -> OracleReward | EnvironmentReward:
    options = config.reward.typed_options()
    if config.reward.name == "env":
        return EnvironmentReward(env, **options)
    kind = cast(Literal["dense", "sparse"], config.reward.name.removeprefix("oracle-"))
    settings: dict[str, Any] = {"score_every": config.score_every, **options}
    return OracleReward(env, kind, **settings)


def make_shaping(config: ShapingConfig) -> Shaping:
    """Return the law of a resolved configuration from scores to rewards."""
    assert config.scale is not None
    if config.kind == "raw":
        return RawScore(scale=config.scale)
    if config.kind == "potential":
        assert config.gamma is not None and config.on_invalid is not None
        return Potential(config.scale, config.gamma, config.on_invalid)
    return ProgressDelta(config.scale, config.raw_coef or 0.0)


def make_success_detector(config: SuccessDetectorConfig) -> SuccessDetector | None:
    """Return the detector of a resolved configuration, None where it is switched off."""
    if not config.enabled:
        return None
    assert config.threshold is not None and config.bonus is not None
    return SuccessDetector(threshold=config.threshold, bonus=config.bonus)
