"""Single environments of any package, side by side, in the form that learned rewards are put on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.error import Error, InvalidAction, ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew_envs.core.simulation import validate_actions
from roborew_envs.core.validation import (
    check_num_envs,
    check_snapshot,
    check_steps,
    expand_seeds,
    parse_reset_mask,
    tag_snapshot,
)
from roborew_envs.rendering.renderer import Quality
from roborew_envs.suites.compilation import compile_once
from roborew_envs.suites.env_specs import find_env_spec, settings_of
from roborew_envs.suites.suite_renderer import Capture, SuiteRenderer

Arrays = dict[str, NDArray[Any]]
_SUCCESS_KEYS = ("success", "is_success")
"""What Meta-World and Gymnasium-Robotics call it."""
MEASURED_PROGRESS = "measured_progress"
"""What an environment calls progress that it measures and that no label says."""
Expert = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Observations (N, D) -> actions (N, A)."""
_log = logging.getLogger(__name__)


class SuiteVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many environments of one id: truth in the infos, frames of the chosen ones, snapshots,
    autoreset ``DISABLED``.

    Rewards and the end of an episode are the environment's own. Observations are flattened to shape
    (N, D). Infos hold ``success`` (N,) bool where the suite tells it; and ``measured_progress`` (N,)
    in [0, 1] where the environment measures some, which is for evaluation alone: it is no label, and
    nobody is paid for it.

    Every episode has a seed: the given one for the first, later ones follow from it and the
    episode's number. So the state of everything is seeds and actions: `get_state` keeps these, and
    `set_state` plays them again.

    An environment whose observation or reward becomes NaN or infinite is put back to where it was
    before, ends (truncated, with reward 0) and is named in the log; the others go on.

    Attributes:
        expert_repeat: steps for which the expert repeats each of its actions.

    Args:
        env_id: see `roborew_envs.suites`.
        num_envs: environments.
        render_mode: ``"rgb_array"`` or None.
        camera: name of a camera of a MuJoCo world; by default see `resolve_camera`. Several,
            separated by commas, are rendered side by side.
        width: of a camera's picture [pixels]; 96 by default. MuJoCo worlds are rendered here,
            others render themselves.
        height: of a frame [pixels]; 72 by default.
        quality: ``"fast"``, ``"medium"`` or ``"full"``, see `roborew_envs.rendering.renderer`.
        autoreset_mode: ``DISABLED``.
        horizon: steps of an episode, the environment's own if not given. An end that a suite
            brings itself stays.
        action_repeat: steps that each action is repeated for, or fewer at an episode's end. Their
            rewards are added up; observation, success and frame are those of the last one.
        success_reward: reward of a step from which on it is a success, in an environment that tells
            none, as dm_control's; no start is one then.
        **options: for `gymnasium.make`.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array"],
        "autoreset_mode": AutoresetMode.DISABLED,
    }

    def __init__(
        self,
        env_id: str,
        num_envs: int = 1,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int | None = None,
        height: int | None = None,
        quality: Quality = "fast",
        autoreset_mode: AutoresetMode | str = AutoresetMode.DISABLED,
        horizon: int | None = None,
        action_repeat: int = 1,
        success_reward: float | None = None,
        **options: Any,
    ) -> None:
        check_num_envs(num_envs)
        check_steps(horizon, action_repeat)
        _check_autoreset_mode(autoreset_mode)
        find_env_spec(env_id)
        if horizon is not None:
            options["max_episode_steps"] = horizon
        self.num_envs = num_envs
        self.render_mode = render_mode
        self._action_repeat = action_repeat
        self._success_reward = success_reward
        with compile_once():
            self.envs = [_make_env(env_id, render_mode, options) for _ in range(num_envs)]
        first = self.envs[0]
        self.spec = first.spec
        self.metadata = _metadata(first.metadata, action_repeat) | self.metadata
        self.single_observation_space = observation_space = cast("Box", first.observation_space)
        self.single_action_space = cast("Box", first.action_space)
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._renderer = SuiteRenderer(first, env_id, camera, width, height, quality)
        # Halved, so that a seed fits where a signed number is wanted.
        self._root_seeds = np.random.SeedSequence().generate_state(num_envs, np.uint64) >> 1
        self._episode_numbers, self._ended = np.full(num_envs, -1), np.ones(num_envs, np.bool_)
        self._expert: Expert | None = None
        self.expert_repeat = 1
        self._actions: list[list[NDArray[Any]]] = [[] for _ in self.envs]
        blank = np.zeros(observation_space.shape, observation_space.dtype)
        self._observations: NDArray[Any] = np.stack([blank] * num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes: all, or where ``options["reset_mask"]`` (N,) is True. Seed s gives
        environment i s + i."""
        mask = parse_reset_mask(options, self.num_envs)
        seeds = expand_seeds(seed, self.num_envs)
        infos: dict[int, dict[str, Any]] = {}
        for i in np.flatnonzero(mask).tolist():
            self._episode_numbers[i] += 1
            root_seed = seeds[i]
            if root_seed is not None:
                self._root_seeds[i] = root_seed
                self._episode_numbers[i] = 0
            infos[i] = self._start_episode(i)
        return self._observations.copy(), self._truth_infos(infos)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every environment by one step, or as many as actions are repeated for."""
        if self._ended.any():
            raise ResetNeeded(
                f"environments {np.flatnonzero(self._ended)} have ended, or never begun: "
                'call reset(options={"reset_mask": terminated | truncated}).'
            )
        valid = self._validate_actions(actions)
        rewards = np.zeros(self.num_envs)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        infos: dict[int, dict[str, Any]] = {}
        for i in range(self.num_envs):
            action = valid[i].copy()  # kept for replays, whatever the caller does with its array
            rewards[i], terminated[i], truncated[i], infos[i] = self._step_env(i, action)
        self._ended = terminated | truncated
        return self._observations.copy(), rewards, terminated, truncated, self._truth_infos(infos)

    def _validate_actions(self, actions: Any) -> NDArray[Any]:
        spaces = cast(Any, self)  # Gymnasium leaves the parameter of these spaces open
        single_space = spaces.single_action_space
        is_discrete = not isinstance(single_space, Box)
        expected_shape = (self.num_envs, *single_space.shape)
        valid = validate_actions(self._name, actions, expected_shape, whole=is_discrete)
        # Values outside a box are the environment's to clip, but a choice that is none is a mistake.
        if is_discrete and not spaces.action_space.contains(valid):
            raise InvalidAction(
                f"{self._name}: got actions {valid.tolist()}, expected some of {single_space}."
            )
        return valid

    def _step_env(self, i: int, action: NDArray[Any]) -> tuple[float, bool, bool, dict[str, Any]]:
        """Step environment i; one that breaks down stands again where it stood before."""
        before = self._observations[i].copy()
        self._observations[i], reward, terminated, truncated, info = self._repeat(i, action)
        if np.isfinite(self._observations[i]).all() and np.isfinite(reward):
            self._actions[i].append(action)
            return reward, terminated, truncated, info
        _log.warning(
            "%s: environment %d gave NaN or infinity as observation or reward; it ends here.",
            self._name,
            i,
        )
        # Its simulation holds the NaN for good: only a new episode with the same actions is whole.
        info = self._replay(i, self._actions[i])
        self._observations[i] = before
        return 0.0, False, True, info

    def _repeat(
        self, i: int, action: NDArray[Any]
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What environment i gives for an action that is repeated, or until its episode ends."""
        observation, reward, terminated, truncated, info = self.envs[i].step(action)
        total = float(reward)
        for _ in range(self._action_repeat - 1):
            if terminated or truncated:
                break
            observation, reward, terminated, truncated, info = self.envs[i].step(action)
            total += float(reward)
        return observation, total, terminated, truncated, self._with_success(info, float(reward))

    def _with_success(self, info: dict[str, Any], reward: float) -> dict[str, Any]:
        """The info with success as the last reward tells it, where that was asked for."""
        if self._success_reward is None:
            return info
        if _find_success(info) is not None:
            raise Error(
                f"{self._name}: got success_reward={self._success_reward:g}, and the environment tells "
                "success itself; leave it out."
            )
        return info | {"success": reward >= self._success_reward}

    @property
    def max_episode_steps(self) -> int | None:
        """Calls of `step` after which an episode is truncated; None where no limit is known."""
        limit = None if self.spec is None else self.spec.max_episode_steps
        return None if limit is None else math.ceil(limit / self._action_repeat)

    @property
    def _name(self) -> str:
        return self.spec.id if self.spec is not None else type(self).__name__

    @property
    def expert(self) -> Expert | None:
        """A policy that knows how, observations (N, D) to actions (N, A): the one that was set, or
        the suite's own; None if it brings none."""
        if self._expert is not None:
            return self._expert
        first = self.envs[0]
        if not first.has_wrapper_attr("expert"):
            return None
        policy = first.get_wrapper_attr("expert")
        # A copy: scripts of others write into what they are given, as Meta-World's for doors do.
        return lambda observations: policy(observations.copy())

    @expert.setter
    def expert(self, policy: Expert) -> None:
        self._expert = policy

    def _start_episode(self, i: int) -> dict[str, Any]:
        """Start the episode that environment i stands at; its info, with success where a goal
        environment can say."""
        bare: Any = self.envs[i].unwrapped
        seed = self._episode_seed(i)
        try:
            self._observations[i], info = self.envs[i].reset(seed=seed)
        except Exception as error:
            raise Error(
                f"{self._name}: environment {i} cannot start an episode from seed {seed}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not np.isfinite(self._observations[i]).all():
            raise Error(
                f"{self._name}: environment {i} starts with an observation that is NaN or infinite."
            )
        self._actions[i] = []
        self._ended[i] = False
        # Gymnasium-Robotics says success of a step only, not of a start.
        is_success = getattr(bare, "_is_success", None)
        if is_success is not None and _find_success(info) is None:
            goal = bare._get_obs()
            info = info | {"is_success": is_success(goal["achieved_goal"], goal["desired_goal"])}
        return self._with_success(info, -math.inf)

    def _episode_seed(self, i: int) -> int:
        """The root seed for the first episode; later ones follow from it and their number."""
        seed = int(self._root_seeds[i])
        number = int(self._episode_numbers[i])
        bare: Any = self.envs[i].unwrapped
        # A legacy generator, as dm_control's, takes 32 bits.
        is_too_large = isinstance(bare.np_random, np.random.RandomState) and seed >= 2**32
        if number > 0 or is_too_large:
            seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
        return seed

    def _replay(self, i: int, actions: Iterable[NDArray[Any]]) -> dict[str, Any]:
        """Bring environment i to where its episode stands after these actions; the last info."""
        info = self._start_episode(i)
        for action in actions:
            self._actions[i].append(action.copy())
            self._observations[i], _, _, _, info = self._repeat(i, action)
        return info

    def _truth_infos(self, infos: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        success = np.zeros(self.num_envs, np.bool_)
        is_known = np.zeros(self.num_envs, np.bool_)
        progress = np.full(self.num_envs, np.nan, np.float32)
        for i, info in infos.items():
            value = _find_success(info)
            if value is not None:
                success[i] = value
                is_known[i] = True
            progress[i] = info.get(MEASURED_PROGRESS, np.nan)
        truth: dict[str, Any] = {}
        if is_known.any():
            truth |= {"success": success, "_success": is_known}
        if np.isfinite(progress).any():
            truth |= {MEASURED_PROGRESS: progress}
        return truth

    @property
    def resizable(self) -> bool:
        """Whether ``camera``, ``width`` and ``height`` are for the taking: it is a MuJoCo world."""
        return self._renderer.resizable

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names for `render_frames`, first the one that is used if none is given: ``default`` where
        it has no name."""
        return self._renderer.cameras

    def resize(self, width: int, height: int) -> None:
        """Render frames of another size [pixels] from now on; only where it is `resizable`."""
        self._renderer.resize(width, height)

    def render_frames(
        self, indices: NDArray[np.int64] | None = None, camera: str | None = None
    ) -> NDArray[np.uint8]:
        """Frames of the current states, shape (n, H, W, 3), uint8 RGB; only the chosen environments
        are rendered.

        Args:
            indices: of the environments, all by default.
            camera: another than the one that the environment was made with; several as there.
        """
        if self.render_mode != "rgb_array":
            raise Error(f"{self._name}: made without render_mode='rgb_array', so it draws nothing.")
        chosen = range(self.num_envs) if indices is None else indices.tolist()
        return self._renderer.render([self.envs[i] for i in chosen], camera)

    def capture(self, i: int, camera: str | None = None) -> Capture:
        """What environment i shows now, to be drawn later by `render_captures`, many together."""
        return self._renderer.capture(self.envs[i], camera)

    def render_captures(self, captures: Sequence[Capture]) -> NDArray[np.uint8]:
        """Frames of what `capture` gave, each once, shape (n, H, W, 3): those of `render_frames` at
        that time."""
        return self._renderer.render_captures(captures)

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One frame for every environment."""
        return tuple(self.render_frames())

    def get_state(self) -> Arrays:
        """All that decides the future: seeds, and the actions of the running episodes, shape (N, T,
        A)."""
        space = cast("Box", cast(Any, self).single_action_space)
        lengths = np.array([len(actions) for actions in self._actions])
        actions = np.zeros((self.num_envs, int(lengths.max()), *space.shape), space.dtype)
        for i, episode in enumerate(self._actions):
            length = len(episode)
            actions[i, :length] = np.reshape(episode, (length, *space.shape))
        arrays: Arrays = {
            "roots": self._root_seeds.copy(),
            "episodes": self._episode_numbers.copy(),
            "ended": self._ended.copy(),
            "lengths": lengths,
            "actions": actions,
            "observations": self._observations.copy(),
        }
        return tag_snapshot(self._name, arrays)

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Go on where `get_state` was taken: every running episode is played again from its seed.

        An environment that its seed does not determine comes out elsewhere: a warning says so.
        """
        check_snapshot(self._name, snapshot)
        self._root_seeds = snapshot["roots"].copy()
        self._episode_numbers = snapshot["episodes"].copy()
        for i in np.flatnonzero(self._episode_numbers >= 0).tolist():
            length = snapshot["lengths"][i]
            self._replay(i, snapshot["actions"][i, :length])
        self._ended = snapshot["ended"].copy()
        if not np.array_equal(self._observations, snapshot["observations"], equal_nan=True):
            _log.warning("%s: not decided by its seeds, so it goes on but not exactly.", self._name)

    def close_extras(self, **kwargs: Any) -> None:
        self._renderer.close()
        for env in self.envs:
            env.close()


def _metadata(own: Mapping[str, Any], action_repeat: int) -> dict[str, Any]:
    """Those of an environment of which only every ``action_repeat``-th frame is seen."""
    metadata = dict(own)
    fps = metadata.get("render_fps")
    if fps is not None:
        metadata["render_fps"] = fps / action_repeat
    return metadata


def _check_autoreset_mode(mode: AutoresetMode | str) -> None:
    if AutoresetMode(mode) != AutoresetMode.DISABLED:
        raise Error(
            f"autoreset_mode: got {mode}, expected DISABLED: the last frame must still be seen."
        )


def _find_success(info: Mapping[str, Any]) -> bool | None:
    for key in _SUCCESS_KEYS:
        if key in info:
            return bool(info[key])
    return None


def _make_env(
    env_id: str, render_mode: str | None, options: Mapping[str, Any]
) -> gymnasium.Env[Any, Any]:
    chosen: dict[str, Any] = {"render_mode": render_mode, **options}
    try:
        env = gymnasium.make(env_id, disable_env_checker=True, **chosen)
    except TypeError as error:
        # Unless nobody chose a setting: then it is a fault of the environment.
        if not options:
            raise
        raise Error(f"{env_id}: {error}. Available: {', '.join(settings_of(env_id))}.") from error
    space: Any = env.observation_space
    is_flat = isinstance(space, Box) and len(space.shape) == 1
    return env if is_flat else gymnasium.wrappers.FlattenObservation(env)
