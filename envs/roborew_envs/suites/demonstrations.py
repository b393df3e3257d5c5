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
    space = _action_space(env)
    known = isinstance(space, Discrete) or (isinstance(space, Box) and space.is_bounded())
    chance: tuple[Behavior, ...] = ("random",) if known else ()
    return PRETRAINED_BEHAVIORS if env.expert is not None else chance


def collect_episode(env: SuiteVectorEnv, behavior: Behavior, seed: int) -> SuiteEpisode:
    """Run one episode, which depends on its seed alone.

    It ends as the environment says, or in its first success: once that has held for `HELD` steps,
    or with its last frame if it is lost before, as a button's that springs back. For Meta-World
    too, to succeed once is to succeed.

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
    if behavior not in suite_behaviors(env):
        known = ", ".join(suite_behaviors(env)) or "none"
        raise ValueError(
            f"{env.spec and env.spec.id}: no behavior {behavior!r}. Available: {known}."
        )
    rng = np.random.default_rng(seed)
    if behavior == "random":
        return _run_episode(
            env, behavior, seed, _random_policy(_action_space(env), rng), MAX_EPISODE_STEPS
        )
    expert = env.expert
    assert expert is not None  # or there were no such behavior
    whole = _run_episode(env, "expert", seed, lambda seen, step: expert(seen), MAX_EPISODE_STEPS)
    return whole if behavior == "expert" else _stall(env, whole, rng)


def replay_frames(
    env: SuiteVectorEnv, episode: SuiteEpisode, camera: str | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Play an episode again and draw its T + 1 states, each (H, W, 3), uint8 RGB.

    Raises:
        gymnasium.error.Error: no such camera; or the seed and the actions do not decide what
        happens.
    """
    seen, _ = env.reset(seed=[episode.seed])
    for step, expected in enumerate(episode.observations):
        if not np.array_equal(seen[0], expected, equal_nan=True):
            raise Error(
                f"{env.spec and env.spec.id}: seed {episode.seed} went another way the second "
                f"time, at step {step}; "
                "what its seed does not decide cannot be recorded."
            )
        yield env.render_frames(camera=camera)[0]
        if step < len(episode.actions):
            seen = env.step(episode.actions[step : step + 1])[0]


def _action_space(env: SuiteVectorEnv) -> Any:
    return cast(Any, env).single_action_space


Policy = Callable[[NDArray[Any], int], NDArray[Any]]
"""Observations (1, D) and the number of the step -> actions (1, A)."""
SuccessHistory = list[NDArray[np.bool_] | None]
"""Success of each frame, (1,); None where it is not told."""


def _random_policy(space: Box | Discrete, rng: np.random.Generator) -> Policy:
    if isinstance(space, Discrete):
        return lambda seen, step: rng.integers(space.start, space.start + space.n, 1)
    drift = np.zeros((1, *space.shape))

    def act(seen: NDArray[Any], step: int) -> NDArray[Any]:
        nonlocal drift
        drift = step_ar1_noise(drift, rng)
        share = (np.clip(drift, -1, 1) + 1) / 2
        return (space.low + share * (space.high - space.low)).astype(space.dtype)

    return act


def _stall(env: SuiteVectorEnv, whole: SuiteEpisode, rng: np.random.Generator) -> SuiteEpisode:
    """Stop earlier where a thing that was set going reaches the goal by itself."""
    success = whole.success
    arrival = (
        len(whole.actions) if success is None or not success.any() else int(np.argmax(success))
    )
    moves: slice = env.envs[0].get_wrapper_attr("moves")

    def play(which: list[int], stops: NDArray[np.int64]) -> list[SuiteEpisode]:
        def act(seen: NDArray[Any], step: int) -> NDArray[Any]:
            actions = whole.actions[min(step, max(stops[0] - 1, 0))][None].copy()
            actions[:, moves] *= step < stops[0]
            return actions

        return [_run_episode(env, "stall", whole.seed, act, len(whole.actions))]

    stops = np.array([int(rng.uniform(*STALL_SHARE_RANGE) * arrival)])
    return shorten_stalls(env.spec.id if env.spec else "?", play([0], stops), stops, play)[0]


def _run_episode(
    env: SuiteVectorEnv, behavior: Behavior, seed: int, act: Policy, steps: int
) -> SuiteEpisode:
    seen, infos = env.reset(seed=[seed])
    observations, actions, rewards = [seen[0]], list[Any](), list[float]()
    success: SuccessHistory = [infos.get("success")]
    ended = False
    while not ended and len(actions) < steps and not _success_has_held(success):
        action = act(seen, len(actions))
        seen, reward, terminated, truncated, infos = env.step(action)
        observations.append(seen[0])
        actions.append(action[0])
        rewards.append(float(reward[0]))
        success.append(infos.get("success"))
        ended = bool(terminated[0] | truncated[0])
        if _success_was_lost(success):
            for column in (observations, actions, rewards, success):
                column.pop()
            break
    told = [value[0] for value in success if value is not None]
    return SuiteEpisode(
        behavior,
        seed,
        np.stack(observations),
        np.stack(actions),
        np.array(rewards),
        np.array(told, np.bool_) if len(told) == len(success) else None,
    )


def _success_has_held(success: SuccessHistory) -> bool:
    return len(success) > SUCCESS_HOLD_STEPS and all(
        value is not None and value[0] for value in success[-SUCCESS_HOLD_STEPS - 1 :]
    )


def _success_was_lost(success: SuccessHistory) -> bool:
    """Whether the last frame alone lacks a success that an action brought; two frames would be no
    episode."""
    last = [value is not None and bool(value[0]) for value in success]
    return last[-2:] == [True, False] and len(last) > 3 and not all(last[:-1])
