"""Episodes of a suite's environment: by the expert that it brings, by half an expert, or by
chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from gymnasium.error import Error
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from roborew_envs.experts.behaviors import (
    PRETRAINED_BEHAVIORS,
    STALL_SHARE_RANGE,
    Behavior,
    shorten_stalls,
    step_ar1_noise,
)
from roborew_envs.suites.vector import SuiteVectorEnv

SUCCESS_HOLD_STEPS = 25
"""Steps after the first success at which an episode ends if success still holds: nothing new is to
come."""
MAX_EPISODE_STEPS = 1000
"""Steps after which an episode of an environment without a limit ends."""


@dataclass(frozen=True)
class SuiteEpisode:
    """What one environment did, and all that is needed to see it do so again.

    Attributes:
        observations: shape (T + 1, D), the start and what is seen after each action.
        actions: shape (T, A).
        rewards: shape (T,), the environment's own.
        success: shape (T + 1,), truth; None where the suite tells none.
    """

    behavior: Behavior
    seed: int
    observations: NDArray[Any]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    success: NDArray[np.bool_] | None


def suite_behaviors(env: SuiteVectorEnv) -> tuple[Behavior, ...]:
    """The behaviors that can be had: nothing is undone or just missed on purpose by an expert from
    elsewhere."""
    if env.expert is not None:
        return PRETRAINED_BEHAVIORS
    space = _action_space(env)
    can_be_drawn = isinstance(space, Discrete) or (isinstance(space, Box) and space.is_bounded())
    return ("random",) if can_be_drawn else ()


def collect_episode(env: SuiteVectorEnv, behavior: Behavior, seed: int) -> SuiteEpisode:
    """Run one episode, which depends on its seed alone.

    It ends as the environment says, or in its first success: once that has held for
    `SUCCESS_HOLD_STEPS`, or with its last frame if it is lost before, as a button's that springs
    back. For Meta-World too, to succeed once is to succeed.

    A stall plays the expert to somewhere near half of its way to success, then stands still, and
    never succeeds; it lasts as long as the expert.

    Args:
        env: of one environment.
        behavior: see `suite_behaviors`.
        seed: of the start, and of what is drawn on the way.

    Raises:
        ValueError: no such behavior here.
        gymnasium.error.Error: a stall from a start that is a success already.
    """
    available = suite_behaviors(env)
    if behavior not in available:
        names = ", ".join(available) or "none"
        raise ValueError(f"{_env_id(env)}: no behavior {behavior!r}. Available: {names}.")
    rng = np.random.default_rng(seed)
    if behavior == "random":
        random_policy = _random_policy(_action_space(env), rng)
        return _run_episode(env, behavior, seed, random_policy, MAX_EPISODE_STEPS)
    expert = env.expert
    assert expert is not None  # or there were no such behavior

    def act(observations: NDArray[Any], step: int) -> NDArray[Any]:
        return expert(observations)

    episode = _run_episode(env, "expert", seed, act, MAX_EPISODE_STEPS)
    return episode if behavior == "expert" else _stall(env, episode, rng)


def replay_frames(
    env: SuiteVectorEnv, episode: SuiteEpisode, camera: str | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Play an episode again and render its T + 1 states, each (H, W, 3), uint8 RGB.

    Raises:
        gymnasium.error.Error: no such camera; or the seed and the actions do not decide what
        happens.
    """
    observations, _ = env.reset(seed=[episode.seed])
    for step, expected in enumerate(episode.observations):
        if not np.array_equal(observations[0], expected, equal_nan=True):
            raise Error(
                f"{_env_id(env)}: seed {episode.seed} went another way the second "
                f"time, at step {step}; "
                "what its seed does not decide cannot be recorded."
            )
        yield env.render_frames(camera=camera)[0]
        if step < len(episode.actions):
            observations = env.step(episode.actions[step : step + 1])[0]


def _action_space(env: SuiteVectorEnv) -> Any:
    return cast(Any, env).single_action_space


def _env_id(env: SuiteVectorEnv) -> str:
    return env.spec.id if env.spec is not None else "?"


Policy = Callable[[NDArray[Any], int], NDArray[Any]]
"""Observations (1, D) and the number of the step -> actions (1, A)."""


def _random_policy(space: Box | Discrete, rng: np.random.Generator) -> Policy:
    if isinstance(space, Discrete):
        return lambda observations, step: rng.integers(space.start, space.start + space.n, 1)
    # Independent draws would tremble on the spot; correlated ones go somewhere.
    drift = np.zeros((1, *space.shape))

    def act(observations: NDArray[Any], step: int) -> NDArray[Any]:
        nonlocal drift
        drift = step_ar1_noise(drift, rng)
        share = (np.clip(drift, -1, 1) + 1) / 2
        return (space.low + share * (space.high - space.low)).astype(space.dtype)

    return act


def _stall(env: SuiteVectorEnv, expert: SuiteEpisode, rng: np.random.Generator) -> SuiteEpisode:
    """Stop earlier where a thing that was set going reaches the goal by itself."""
    length = len(expert.actions)
    arrival = length
    if expert.success is not None and expert.success.any():
        arrival = int(np.argmax(expert.success))
    motion: slice = env.envs[0].get_wrapper_attr("motion")

    def replay(indices: list[int], stop_steps: NDArray[np.int64]) -> list[SuiteEpisode]:
        stop_step = stop_steps[0]

        def act(observations: NDArray[Any], step: int) -> NDArray[Any]:
            last_moving_step = max(stop_step - 1, 0)
            actions = expert.actions[min(step, last_moving_step)][None].copy()
            actions[:, motion] *= step < stop_step
            return actions

        return [_run_episode(env, "stall", expert.seed, act, length)]

    stop_steps = np.array([int(rng.uniform(*STALL_SHARE_RANGE) * arrival)])
    first_try = replay([0], stop_steps)
    return shorten_stalls(_env_id(env), first_try, stop_steps, replay)[0]


def _run_episode(
    env: SuiteVectorEnv, behavior: Behavior, seed: int, act: Policy, max_steps: int
) -> SuiteEpisode:
    observation, infos = env.reset(seed=[seed])
    observations: list[NDArray[Any]] = [observation[0]]
    actions: list[NDArray[Any]] = []
    rewards: list[float] = []
    success = [_success(infos)]
    ended = False
    while not ended and len(actions) < max_steps and not _success_has_held(success):
        action = act(observation, len(actions))
        observation, reward, terminated, truncated, infos = env.step(action)
        if _success_was_lost([*success, _success(infos)]):
            break  # without the frame that lacks it: the episode ends in success
        observations.append(observation[0])
        actions.append(action[0])
        rewards.append(float(reward[0]))
        success.append(_success(infos))
        ended = bool(terminated[0] | truncated[0])
    is_known = None not in success
    return SuiteEpisode(
        behavior,
        seed,
        np.stack(observations),
        np.stack(actions),
        np.array(rewards),
        np.array(success, np.bool_) if is_known else None,
    )


def _success(infos: dict[str, Any]) -> bool | None:
    """Success of the only environment's present frame; None where it is not told."""
    return bool(infos["success"][0]) if "success" in infos else None


def _success_has_held(success: list[bool | None]) -> bool:
    recent = success[-SUCCESS_HOLD_STEPS - 1 :]
    return len(recent) > SUCCESS_HOLD_STEPS and all(recent)


def _success_was_lost(success: list[bool | None]) -> bool:
    """Whether the last frame alone lacks a success that an action brought; two frames would be no
    episode."""
    if len(success) <= 3 or all(success[:-1]):
        return False
    return bool(success[-2]) and not success[-1]
