"""Single environments of any package, side by side, in the form that learned rewards are put on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import Error, InvalidAction, ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew_envs.core.validation import (
    check_num_envs,
    check_snapshot,
    tag_snapshot,
    validate_actions,
)
from roborew_envs.rendering.renderer import Quality, Renderer, check_frame
from roborew_envs.suites.env_specs import find_env_spec
from roborew_envs.suites.mujoco_world import (
    DEFAULT_CAMERA,
    MujocoWorld,
    camera_names,
    find_world,
    renderable_world,
    resolve_camera,
)

Arrays = dict[str, NDArray[Any]]
_SUCCESS = ("success", "is_success")
"""What Meta-World and Gymnasium-Robotics call it."""
_log = logging.getLogger(__name__)


class SuiteVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many environments of one id: truth in the infos, frames of the chosen ones, snapshots,
    autoreset ``DISABLED``.

    Rewards and the end of an episode are the environment's own. Observations are flattened to shape
    (N, D). Infos hold ``success`` (N,) bool where the suite tells it and nothing else: no progress
    is made up.

    Every episode has a seed: the given one for the first, later ones follow from it and the
        episode's number. So the
    state of everything is seeds and actions: `get_state` keeps these, and `set_state` plays them
        again.

    An environment whose observation or reward becomes NaN or infinite is put back to where it was
    before, ends (truncated, with reward 0) and is named in the log; the others go on.

    Args:
        env_id: see `roborew_envs.suites`.
        num_envs: environments.
        render_mode: ``"rgb_array"`` or None.
        camera: name of a camera of a MuJoCo world; by default see `resolve_camera`. Several, separated
            by commas, are drawn side by side.
        width: of a camera's picture [pixels]; 96 by default. MuJoCo worlds are drawn here, others
            draw themselves.
        height: of a frame [pixels]; 72 by default.
        quality: ``"fast"`` or ``"full"``, see `roborew_envs.rendering.renderer`.
        autoreset_mode: ``DISABLED``.
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
        **options: Any,
    ) -> None:
        check_num_envs(num_envs)
        if AutoresetMode(autoreset_mode) != AutoresetMode.DISABLED:
            raise Error(
                f"autoreset_mode: got {autoreset_mode}, expected DISABLED: the last frame must "
                f"still be seen."
            )
        find_env_spec(env_id)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.envs = [_make_env(env_id, render_mode, options) for _ in range(num_envs)]
        first = self.envs[0]
        self.spec = first.spec
        self.metadata = {**first.metadata, **self.metadata}
        seen, done = cast("tuple[Box, Box]", (first.observation_space, first.action_space))
        self.single_observation_space, self.single_action_space = seen, done
        self.observation_space, self.action_space = (
            batch_space(seen, num_envs),
            batch_space(done, num_envs),
        )
        self._camera = camera
        self._frame: tuple[int, int, Quality] = (
            96 if width is None else width,
            72 if height is None else height,
            quality,
        )
        check_frame(*self._frame)
        if not self.resizable and (camera, width, height) != (None, None, None):
            raise Error(
                f"{env_id} draws itself: give it no camera, width or height but its own options."
            )
        for name in split_cameras(camera) if self.resizable else ():
            resolve_camera(first, name)
        self._renderer: Renderer | None = None
        self._root_seeds = np.random.SeedSequence().generate_state(num_envs, np.uint64) >> 1
        self._episode_numbers = np.full(num_envs, -1)
        self._ended = np.ones(num_envs, np.bool_)
        self._actions: list[list[NDArray[Any]]] = [[] for _ in self.envs]
        self._observations: NDArray[Any] = np.zeros((num_envs, *seen.shape), seen.dtype)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes: all, or where ``options["reset_mask"]`` (N,) is True. Seed s gives
        environment i s + i."""
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise Error(
                f"reset_mask: expected bool of shape ({self.num_envs},) with at least one True; "
                f"got {mask}."
            )
        seeds = (
            [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        )
        if seeds is not None and len(seeds) != self.num_envs:
            raise Error(
                f"seed: got {len(seeds)} seeds, expected one integer or {self.num_envs} of them."
            )
        infos: dict[int, dict[str, Any]] = {}
        for i in np.flatnonzero(mask).tolist():
            given = None if seeds is None else seeds[i]
            self._episode_numbers[i] += 1
            if given is not None:
                self._root_seeds[i], self._episode_numbers[i] = given, 0
            infos[i] = self._start_episode(i)
        return self._observations.copy(), self._success_infos(infos)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance every environment by one step."""
        if self._ended.any():
            raise ResetNeeded(
                f"environments {np.flatnonzero(self._ended)} have ended, or never begun: "
                'call reset(options={"reset_mask": terminated | truncated}).'
            )
        spaces = cast(Any, self)  # Gymnasium leaves the parameter of these spaces open
        one, whole = spaces.single_action_space, not isinstance(spaces.single_action_space, Box)
        checked = validate_actions(self._name, actions, (self.num_envs, *one.shape), whole)
        if whole and not spaces.action_space.contains(checked):
            raise InvalidAction(
                f"{self._name}: got actions {checked.tolist()}, expected some of {one}."
            )
        rewards, terminated, truncated = (
            np.zeros(self.num_envs),
            self._ended.copy(),
            self._ended.copy(),
        )
        infos: dict[int, dict[str, Any]] = {}
        for i in range(self.num_envs):
            rewards[i], terminated[i], truncated[i], infos[i] = self._step_env(i, checked[i].copy())
        self._ended = terminated | truncated
        return self._observations.copy(), rewards, terminated, truncated, self._success_infos(infos)

    def _step_env(self, i: int, action: NDArray[Any]) -> tuple[float, bool, bool, dict[str, Any]]:
        """Step environment i; one that breaks down stands again where it stood before."""
        before = self._observations[i].copy()
        self._observations[i], reward, terminated, truncated, info = self.envs[i].step(action)
        if np.isfinite(self._observations[i]).all() and np.isfinite(float(reward)):
            self._actions[i].append(action)
            return float(reward), terminated, truncated, info
        _log.warning(
            "%s: environment %d gave NaN or infinity as observation or reward; it ends here.",
            self._name,
            i,
        )
        info = self._replay(i, self._actions[i])
        self._observations[i] = before
        return 0.0, False, True, info

    @property
    def _name(self) -> str:
        return self.spec.id if self.spec is not None else type(self).__name__

    @property
    def resizable(self) -> bool:
        """Whether ``camera``, ``width`` and ``height`` are for the taking: it is a MuJoCo world."""
        return find_world(self.envs[0]) is not None

    @property
    def expert(self) -> Callable[[NDArray[Any]], NDArray[np.float32]] | None:
        """The suite's own policy, observations (N, D) to actions (N, A); None if it brings none."""
        first = self.envs[0]
        return first.get_wrapper_attr("expert") if first.has_wrapper_attr("expert") else None

    def _start_episode(self, i: int) -> dict[str, Any]:
        """Start the episode that environment i stands at; its info, with success where a goal
        environment can say."""
        env, bare = self.envs[i], cast(Any, self.envs[i].unwrapped)
        seed = int(self._root_seeds[i])
        legacy = isinstance(
            bare.np_random, np.random.RandomState
        )  # of dm_control; it takes 32 bits
        if self._episode_numbers[i] > 0 or (legacy and seed >= 2**32):
            seed = int(
                np.random.SeedSequence((seed, int(self._episode_numbers[i]))).generate_state(1)[0]
            )
        self._observations[i], info = env.reset(seed=seed)
        if not np.isfinite(self._observations[i]).all():
            raise Error(
                f"{self._name}: environment {i} starts with an observation that is NaN or infinite."
            )
        self._actions[i], self._ended[i] = [], False
        judge = getattr(bare, "_is_success", None)  # Gymnasium-Robotics tells it of a step only
        if judge is not None and not any(name in info for name in _SUCCESS):
            goal = bare._get_obs()
            info = info | {"is_success": judge(goal["achieved_goal"], goal["desired_goal"])}
        return info

    def _replay(self, i: int, actions: Iterable[NDArray[Any]]) -> dict[str, Any]:
        """Bring environment i to where its episode stands after these actions; the last info."""
        info = self._start_episode(i)
        for action in actions:
            self._actions[i].append(action.copy())
            self._observations[i], _, _, _, info = self.envs[i].step(action)
        return info

    def _success_infos(self, infos: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        success, known = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        for i, info in infos.items():
            told = [info[name] for name in _SUCCESS if name in info]
            if told:
                success[i], known[i] = bool(told[0]), True
        return {"success": success, "_success": known} if known.any() else {}

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names for `render_frames`, first the one that is used if none is given: ``default`` where it has
        no name."""
        return (
            camera_names(self.envs[0], split_cameras(self._camera)[0])
            if self.resizable
            else (DEFAULT_CAMERA,)
        )

    def resize(self, width: int, height: int) -> None:
        """Draw frames of another size [pixels] from now on; only where it is `resizable`."""
        check_frame(width, height, self._frame[2])
        self._frame = (width, height, self._frame[2])
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def render_frames(
        self, indices: NDArray[np.int64] | None = None, camera: str | None = None
    ) -> NDArray[np.uint8]:
        """Frames of the current states, shape (n, H, W, 3), uint8 RGB; only the chosen environments
        are drawn.

        Args:
            indices: of the environments, all by default.
            camera: another than the one that the environment was made with; several as there.
        """
        if self.render_mode != "rgb_array":
            raise Error(f"{self._name}: made without render_mode='rgb_array', so it draws nothing.")
        chosen = [
            self.envs[i] for i in (range(self.num_envs) if indices is None else indices.tolist())
        ]
        worlds = [world for env in chosen if (world := renderable_world(env)) is not None]
        if len(worlds) < len(chosen):
            return np.stack([cast("NDArray[np.uint8]", env.render()) for env in chosen])
        views = [
            resolve_camera(self.envs[0], name) for name in split_cameras(camera or self._camera)
        ]
        if self._renderer is None:
            self._renderer = Renderer(worlds[0].model, *self._frame)
        return np.concatenate(
            [_render_worlds(self._renderer, worlds, view) for view in views], axis=2
        )

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One frame for every environment."""
        return tuple(self.render_frames())

    def get_state(self) -> Arrays:
        """All that decides the future: seeds, and the actions of the running episodes, shape (N, T,
        A)."""
        lengths = np.array([len(actions) for actions in self._actions])
        space = cast("Box", cast(Any, self).single_action_space)
        actions = np.zeros((self.num_envs, int(lengths.max()), *space.shape), space.dtype)
        for i, taken in enumerate(self._actions):
            actions[i, : len(taken)] = np.reshape(taken, (len(taken), *space.shape))
        counters = {
            "roots": self._root_seeds.copy(),
            "episodes": self._episode_numbers.copy(),
            "ended": self._ended.copy(),
        }
        arrays = counters | {
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
        self._root_seeds, self._episode_numbers = (
            snapshot["roots"].copy(),
            snapshot["episodes"].copy(),
        )
        for i in np.flatnonzero(self._episode_numbers >= 0).tolist():
            self._replay(i, snapshot["actions"][i, : snapshot["lengths"][i]])
        self._ended = snapshot["ended"].copy()
        if not np.array_equal(self._observations, snapshot["observations"], equal_nan=True):
            _log.warning("%s: not decided by its seeds, so it goes on but not exactly.", self._name)

    def close_extras(self, **kwargs: Any) -> None:
        if self._renderer is not None:
            self._renderer.close()
        for env in self.envs:
            env.close()


def split_cameras(cameras: str | None) -> list[str | None]:
    """Names of cameras as in ``"front,wrist"``; one None, the environment's own, if not given."""
    return [None] if cameras is None else [name.strip() for name in cameras.split(",")]


def _render_worlds(
    renderer: Renderer, worlds: Sequence[MujocoWorld], view: mujoco.MjvCamera
) -> NDArray[np.uint8]:
    return renderer.render_each(
        len(worlds),
        lambda context, i, frame: context.render_data(worlds[i].model, worlds[i].data, view, frame),
    )


def _make_env(
    env_id: str, render_mode: str | None, options: Mapping[str, Any]
) -> gymnasium.Env[Any, Any]:
    env = gymnasium.make(env_id, render_mode=render_mode, disable_env_checker=True, **options)
    space: Any = env.observation_space
    flat = isinstance(space, Box) and len(space.shape) == 1
    return env if flat else gymnasium.wrappers.FlattenObservation(env)
