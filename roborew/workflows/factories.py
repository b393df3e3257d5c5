"""The parts of a run, each made from its configuration: environment, reward, agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

import gymnasium
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from roborew.agents.base import Agent
from roborew.config import current_names, parse_options
from roborew.critics.critic import Critic, is_critic
from roborew.data import read_picture
from roborew.data.demonstrations import Demonstrations, read_demonstrations
from roborew.data.lerobot.layout import INFO
from roborew.errors import InvalidInputError, UnknownNameError
from roborew.registry import agents, rewards
from roborew.seeding import Seeds
from roborew.shaping import ProgressDelta, RawScore
from roborew.storage.checkpoints import under
from roborew.storage.run import RunDirectory
from roborew.types import RewardModel
from roborew.workflows.train.config import TRUE_REWARDS, TrainConfig
from roborew.wrappers import LearnedReward, OracleReward, SuccessDetector

Environment = VectorEnv[Any, Any, Any]
RewardEnv = LearnedReward | OracleReward


def make_env(config: TrainConfig, num_envs: int, **options: Any) -> Environment:
    """Return a vector environment that pays its own, true reward and leaves resets to the caller.

    Args:
        config: names the environment and its camera, or several, whose pictures then lie side by
            side in a frame.
        num_envs: simulations.
        **options: for the environment, such as ``width`` and ``height`` of the tasks of roborew.
    """
    suites = import_module("roborew_envs.suites")
    seen = {} if config.camera in (None, suites.DEFAULT_CAMERA) else {"camera": config.camera}
    options = {
        "render_mode": "rgb_array",
        "autoreset_mode": AutoresetMode.DISABLED,
        **seen,
        **options,
    }
    envs = import_module("roborew_envs")
    if config.env in envs.TASKS:
        return envs.TaskVectorEnv(envs.make_task(config.env), num_envs, **options)
    # A vector environment of others may know nothing of autoreset modes: it is used only where
    # there is no single one.
    if suites.find_env_spec(config.env).entry_point is None:
        return gymnasium.make_vec(
            config.env, num_envs=num_envs, vectorization_mode="vector_entry_point", **options
        )
    return suites.SuiteVectorEnv(config.env, num_envs, **options)


def load_reward(config: TrainConfig) -> RewardModel | None:
    """Return the reward model, None where the truth itself pays."""
    return (
        None
        if config.reward in TRUE_REWARDS
        else open_reward(config.reward, config.option, config.device)
    )


def read_refreshing(config: TrainConfig) -> Demonstrations:
    """Open the demonstrations to which the critic of a run is fitted anew.

    Raises:
        InvalidInputError: they cannot be read.
    """
    path = config.refit or Path()
    return read_demonstrations(path, None if (path / INFO).is_file() else config.sentence)


def critic_path(run: RunDirectory, number: int) -> Path:
    """Where the critic of a run's refreshment lies, from 1; before the first one it is the
    configured reward."""
    return run.path / f"critic-{number}"


def phase_of(run: RunDirectory, config: TrainConfig, number: int) -> TrainConfig:
    """The configuration after so many refreshments."""
    return replace(config, reward=str(critic_path(run, number))) if number else config


def open_reward(reward: str, option: Sequence[str] = (), device: str = "cpu") -> RewardModel:
    """Return a reward model.

    Args:
        reward: a name of `roborew list rewards`, a critic's folder, or one of mini's weights.
        option: its settings as key=value, see `roborew.config.parse_options`.
        device: a torch device name.

    Raises:
        UnknownNameError: no such reward or option; close matches and the list are offered.
        InvalidInputError: an option of another type, or a device that torch cannot use.
        MissingBackendError: a package or weights are absent.
    """
    if device != "cpu":
        _check_device(device)
    if reward not in rewards and not Path(reward).is_dir():
        raise UnknownNameError("reward", reward, rewards, nor="folder")
    if reward not in rewards and is_critic(reward):
        if option:
            raise InvalidInputError(
                f"reward {reward}: a critic takes no options; it keeps its own settings."
            )
        return Critic.from_pretrained(reward, device)
    if reward not in rewards:
        kind, words = rewards.load("mini"), (f"weights={reward}", *option)
    else:
        kind, words = rewards.load(reward), option
    return kind(**{"device": device, **parse_options(kind, words)})


def make_reward_env(config: TrainConfig, num_envs: int, model: RewardModel | None) -> RewardEnv:
    """Return the environment as the agent sees it: the configured reward pays, the true one stands
    in the infos.

    A model that is not causal, such as a `temporal_ot` critic, scores whole episodes and pays at
    their last step.

    Args:
        config: names environment, goal and how often to score.
        num_envs: simulations.
        model: from `load_reward`.
    """
    env = make_env(config, num_envs)
    try:
        if model is None:
            kind = cast(Literal["dense", "sparse"], config.reward.removeprefix("true-"))
            return OracleReward(env, kind, score_every=config.score_every)
        return LearnedReward(
            env,
            model,
            config.sentence,
            score_every=config.score_every,
            success_detector=SuccessDetector()
            if model.spec.predicts_success and model.spec.causal
            else None,
            scoring="step" if model.spec.causal else "episode",
            shaping=RawScore()
            if (config.shaping or model.spec.shaping) == "level"
            else ProgressDelta(scale=5.0),
            goal_image=read_picture(config.goal_image) if config.goal_image else None,
        )
    except BaseException:
        env.close()
        raise


def make_agent(
    config: TrainConfig, env: Environment, settings: Mapping[str, Any] | None = None
) -> Agent:
    """Return an untrained agent for the environment.

    Args:
        config: names the agent and the seed.
        env: gives the spaces.
        settings: of a saved agent, whatever today's defaults are; the defaults if not given.
    """
    spaces = cast(Any, env)  # Gymnasium leaves the parameter of these spaces open
    arguments = (spaces.single_observation_space, spaces.single_action_space)
    seed = Seeds(config.seed).integer("agent")
    kind = agents.load(config.agent)
    agent: Agent = kind(*arguments, seed=seed)
    if settings is not None:
        settings = current_names(agent.config, settings, f"checkpoint of {config.agent}")
    if settings is None and hasattr(agent.config, "initial_std") and config.exploration is not None:
        settings = asdict(agent.config) | {"initial_std": config.exploration}
    if settings is None or dict(settings) == {
        name: getattr(agent.config, name) for name in settings
    }:
        return agent
    return kind(*arguments, type(agent.config)(**settings), seed)


def load_agent(agent: Agent, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
    """Let the agent take over a saved state, whose settings may have the names of an earlier
    release."""
    settings = current_names(agent.config, meta["config"], "agent")
    agent.load_state_dict(arrays, {**meta, "config": settings})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run has come to, read from its last checkpoint.

    Attributes:
        config: of the run.
        agent: as it was then.
        model: the reward model, None where the truth paid.
        steps: environment steps that it had learned from.
        wall: seconds of training.
        seconds: the same, split by what they were spent on.
    """

    config: TrainConfig
    agent: Agent
    model: RewardModel | None
    steps: int
    wall: float
    seconds: Mapping[str, float]


def load_trained(run: RunDirectory) -> Trained:
    """Read the agent of a run.

    Raises:
        InvalidInputError: the run has no checkpoint yet.
        CorruptFileError: its configuration cannot be read.
    """
    config, checkpoint = run.config(TrainConfig), run.load_checkpoint()
    if checkpoint is None:
        raise InvalidInputError(
            f"{run.path} has no checkpoint yet: let `roborew train` come to the first one."
        )
    env = make_env(config, 1)
    try:
        agent = make_agent(config, env, checkpoint.meta["agent"]["config"])
    finally:
        env.close()
    meta = checkpoint.meta
    load_agent(agent, under(checkpoint.arrays, "agent/"), meta["agent"])
    return Trained(
        config=config,
        agent=agent,
        model=load_reward(phase_of(run, config, meta.get("refreshments", 0))),
        steps=checkpoint.step,
        wall=meta["wall"],
        seconds=meta["seconds"],
    )


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidInputError(
            f"device: torch cannot use {device!r} here ({error}); use 'cpu', or see `roborew "
            f"doctor`."
        ) from error
