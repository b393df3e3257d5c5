"""Episodes of a suite's environment: by the expert that it brings, by half an expert, or by
chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from gymnasium.error import Error
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from roborew_envs.experts.behaviors import (
    STALL_SHARE_RANGE,
    Behavior,
    NoFailureError,
    shorten_stalls,
)
from roborew_envs.suites.behavior_policies import (
    APPROACH_SHARE,
    SUCCESS_STEPS,
    Expert,
    HandTrack,
    Policy,
    expert_policy,
    near_miss_offsets,
    noisy_policy,
    random_policy,
    replay_policy,
    stall_policy,
    undo_policy,
)
from roborew_envs.suites.suite_renderer import Capture
from roborew_envs.suites.vector import SuiteVectorEnv

SUCCESS_HOLD_STEPS = 25
"""Steps after the first success at which an episode ends if success still holds: nothing new is to
come."""
FRAMES_PER_BATCH = 32
"""Frames of a replay that are drawn together, on all threads."""
MAX_EPISODE_STEPS = 1000
"""Steps after which an episode of an environment without a limit ends."""
MAX_OTHER_STARTS = 10
"""Starts from which an expert is tried that shall miss another one's goal."""
OBJECT_MOTION_SHARE = 0.1
"""Share of the way that an expert moves the objects, up to which a near miss leaves them alone."""
MIN_OBJECT_MOTION = 0.02
"""Motion of the objects that is none: things settle [m, and parts of a turn]."""


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
    """The behaviors that can be had.

    Without an expert chance alone. To undo and to miss nearly, the environment must say where its
    ``hand`` and its ``objects`` stand in an observation, and to undo, that it ``can_undo``; see
    `roborew_envs.suites.metaworld.MetaWorldEnv`.
    """
    space = _action_space(env)
    can_be_drawn = isinstance(space, Discrete) or (isinstance(space, Box) and space.is_bounded())
    if env.expert is None:
        return ("random",) if can_be_drawn else ()
    if not isinstance(space, Box):
        return ("expert", "stall", "wrong_goal", "random")
    behaviors: list[Behavior] = ["expert", "stall"]
    if _attribute(env, "hand") is not None and _attribute(env, "objects") is not None:
        if _attribute(env, "can_undo"):
            behaviors.append("undo")
        behaviors.append("near_miss")
    behaviors.append("wrong_goal")
    return (*behaviors, "noisy", "random") if can_be_drawn else tuple(behaviors)


def collect_episode(
    env: SuiteVectorEnv, behavior: Behavior, seed: int, ends_in_success: bool = True
) -> SuiteEpisode:
    """Run one episode, which depends on its seed alone.

    It ends as the environment says, or in its first success: once that has held for
    `SUCCESS_HOLD_STEPS`, or with its last frame if it is lost before, as a button's that springs
    back. For Meta-World too, to succeed once is to succeed.

    - ``stall`` plays the expert to somewhere near half of its way to success, then stands still,
      and never succeeds; it lasts as long as the expert.
    - ``near_miss`` leads the hand along the expert's way from this start, shifted off the object,
      and never succeeds; of the shifts tried it is the first that leaves the objects alone, else
      that which moves them least.
    - ``wrong_goal`` does what an expert did from another start, and never succeeds: where starts differ
      it goes where this one's goal is not.
    - ``undo`` plays the expert to its end, then its way backwards; or, from a little after success
      on, the expert of the opposite task.
    - ``noisy`` is the expert with chance in its moves, for twice its own time at most.

    Args:
        env: of one environment.
        behavior: see `suite_behaviors`.
        seed: of the start, and of what is drawn on the way.
        ends_in_success: if False it goes on in its success until the environment ends it, and shows
            whether the goal is held.

    Raises:
        ValueError: no such behavior here.
        NoFailureError: a stall, near miss or wrong goal from a start that is a success already, or that
            comes to it wherever the hand goes.
    """
    _require_behavior(env, behavior)
    rng = np.random.default_rng(seed)
    if behavior == "random":
        chance = random_policy(_action_space(env), rng)
        return _run_episode(env, behavior, seed, chance, MAX_EPISODE_STEPS, ends_in_success)
    if behavior == "wrong_goal":
        return _wrong_goal(env, seed, rng)
    # What is to be undone has to leave time for it.
    expert_ends = ends_in_success or behavior == "undo"
    expert = _expert_policy(env)
    episode = _run_episode(env, "expert", seed, expert, MAX_EPISODE_STEPS, expert_ends)
    return _bend(env, episode, behavior, rng, ends_in_success)


def _expert_policy(env: SuiteVectorEnv) -> Policy:
    assert env.expert is not None  # or there were no such behavior
    return expert_policy(env.expert, env.expert_repeat)


def _require_behavior(env: SuiteVectorEnv, behavior: Behavior) -> None:
    available = suite_behaviors(env)
    if behavior not in available:
        names = ", ".join(available) or "none"
        raise ValueError(f"{_env_id(env)}: no behavior {behavior!r}. Available: {names}.")


def _bend(
    env: SuiteVectorEnv,
    episode: SuiteEpisode,
    behavior: Behavior,
    rng: np.random.Generator,
    ends_in_success: bool,
) -> SuiteEpisode:
    """What a behavior makes of an episode of the expert."""
    match behavior:
        case "stall":
            return _stall(env, episode, rng)
        case "near_miss":
            return _near_miss(env, episode, rng)
        case "undo":
            return _undo(env, episode)
        case "noisy":
            return _noisy(env, episode, rng, ends_in_success)
        case _:
            return episode


def replay_frames(
    env: SuiteVectorEnv, episode: SuiteEpisode, camera: str | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Play an episode again and render its T + 1 states, each (H, W, 3), uint8 RGB.

    Raises:
        gymnasium.error.Error: no such camera; or the seed and the actions do not decide what
        happens.
    """
    captures: list[Capture] = []
    observations, _ = env.reset(seed=[episode.seed])
    for step, expected in enumerate(episode.observations):
        if not np.array_equal(observations[0], expected, equal_nan=True):
            raise Error(
                f"{_env_id(env)}: seed {episode.seed} went another way the second "
                f"time, at step {step}; "
                "what its seed does not decide cannot be recorded."
            )
        captures.append(env.capture(0, camera))
        if len(captures) == FRAMES_PER_BATCH:
            yield from env.render_captures(captures)
            captures.clear()
        if step < len(episode.actions):
            observations = env.step(episode.actions[step : step + 1])[0]
    if captures:
        yield from env.render_captures(captures)


def _action_space(env: SuiteVectorEnv) -> Any:
    return cast(Any, env).single_action_space


def _env_id(env: SuiteVectorEnv) -> str:
    return env.spec.id if env.spec is not None else "?"


def _attribute(env: SuiteVectorEnv, name: str) -> Any:
    """What the environment says of itself, as `roborew_envs.suites.metaworld.MetaWorldEnv` does;
    None if it does not."""
    first = env.envs[0]
    return first.get_wrapper_attr(name) if first.has_wrapper_attr(name) else None


def _motion(env: SuiteVectorEnv) -> slice:
    """The part of an action that moves; all of it where the environment does not say."""
    motion: slice | None = _attribute(env, "motion")
    return slice(None) if motion is None else motion


def _steps_to_success(expert: SuiteEpisode) -> int:
    """Steps to the first success, or all where there is none."""
    if expert.success is not None and expert.success.any():
        return int(np.argmax(expert.success))
    return len(expert.actions)


def _stall(env: SuiteVectorEnv, expert: SuiteEpisode, rng: np.random.Generator) -> SuiteEpisode:
    """Stop earlier where a thing that was set going reaches the goal by itself."""
    motion = _motion(env)

    def replay(indices: list[int], stop_steps: NDArray[np.int64]) -> list[SuiteEpisode]:
        policy = stall_policy(expert.actions, int(stop_steps[0]), motion)
        return [_run_episode(env, "stall", expert.seed, policy, len(expert.actions))]

    arrival = _steps_to_success(expert)
    stop_steps = np.array([int(rng.uniform(*STALL_SHARE_RANGE) * arrival)])
    first_try = replay([0], stop_steps)
    return shorten_stalls(_env_id(env), first_try, stop_steps, replay)[0]


def _noisy(
    env: SuiteVectorEnv, expert: SuiteEpisode, rng: np.random.Generator, ends_in_success: bool
) -> SuiteEpisode:
    noisy = noisy_policy(_expert_policy(env), _action_space(env), _motion(env), rng)
    steps = 2 * len(expert.actions)
    return _run_episode(env, "noisy", expert.seed, noisy, steps, ends_in_success)


def _near_miss(env: SuiteVectorEnv, expert: SuiteEpisode, rng: np.random.Generator) -> SuiteEpisode:
    """Shift the expert's way further until the objects stay where they are."""
    track = _hand_track(env, expert)
    approach_steps = APPROACH_SHARE * _steps_to_success(expert)
    max_motion = OBJECT_MOTION_SHARE * _object_motion(env, expert)
    best: SuiteEpisode | None = None
    for offset in near_miss_offsets(rng):
        miss = _follow(env, "near_miss", expert.seed, track.shift(offset, approach_steps))
        if miss.success is not None and miss.success.any():
            continue
        if best is None or _object_motion(env, miss) < _object_motion(env, best):
            best = miss
        if _object_motion(env, best) <= max(max_motion, MIN_OBJECT_MOTION):
            break
    if best is None:
        raise NoFailureError(
            f"{_env_id(env)}: seed {expert.seed} succeeds wherever the hand goes: no miss."
        )
    return best


def _wrong_goal(env: SuiteVectorEnv, seed: int, rng: np.random.Generator) -> SuiteEpisode:
    """Do from this start what the expert does from others, until that fails."""
    for other_start in rng.integers(2**31, size=MAX_OTHER_STARTS).tolist():
        policy = _expert_policy(env)
        expert = _run_episode(env, "expert", other_start, policy, MAX_EPISODE_STEPS, False)
        steps = len(expert.actions)
        miss = _run_episode(env, "wrong_goal", seed, replay_policy(expert.actions), steps, False)
        if miss.success is None or not miss.success.any():
            return miss
    raise NoFailureError(
        f"{_env_id(env)}: seed {seed} succeeds by what the expert does from {MAX_OTHER_STARTS} other "
        "starts: its goal is always the same."
    )


def _undo(env: SuiteVectorEnv, expert: SuiteEpisode) -> SuiteEpisode:
    undo_expert: Expert | None = _attribute(env, "undo_expert")
    if undo_expert is None:
        way = _hand_track(env, expert).return_trip(_motion(env))
        return _follow(env, "undo", expert.seed, way)
    steps = min(_steps_to_success(expert) + SUCCESS_STEPS, len(expert.actions))
    policy = undo_policy(expert.actions[:steps], undo_expert)
    return _run_episode(env, "undo", expert.seed, policy, 2 * steps, ends_in_success=False)


def _hand_track(env: SuiteVectorEnv, expert: SuiteEpisode) -> HandTrack:
    return HandTrack(expert.observations[:-1, _attribute(env, "hand")], expert.actions)


def _follow(env: SuiteVectorEnv, behavior: Behavior, seed: int, track: HandTrack) -> SuiteEpisode:
    policy = track.policy(_attribute(env, "hand"), _motion(env), _action_space(env))
    steps = len(track.actions)
    return _run_episode(env, behavior, seed, policy, steps, ends_in_success=False)


def _object_motion(env: SuiteVectorEnv, episode: SuiteEpisode) -> float:
    """The furthest that the environment's ``objects`` are from their start in an episode."""
    objects = episode.observations[:, _attribute(env, "objects")]
    return float(np.linalg.norm(objects - objects[0], axis=1).max())


def _run_episode(
    env: SuiteVectorEnv,
    behavior: Behavior,
    seed: int,
    act: Policy,
    max_steps: int,
    ends_in_success: bool = True,
) -> SuiteEpisode:
    observation, infos = env.reset(seed=[seed])
    observations: list[NDArray[Any]] = [observation[0]]
    actions: list[NDArray[Any]] = []
    rewards: list[float] = []
    success = [_success(infos)]
    ended = False
    while not ended and len(actions) < max_steps:
        if ends_in_success and _success_has_held(success):
            break
        action = act(observation, len(actions))
        observation, reward, terminated, truncated, infos = env.step(action)
        if ends_in_success and _success_was_lost([*success, _success(infos)]):
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
