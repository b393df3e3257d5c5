"""Meta-World's fifty tasks as Gymnasium environments ``Meta-World/<name>-v3`` (Yu et al. 2020,
arXiv:1910.10897).

Beside Meta-World's own: `reset(seed=...)` decides the start, the goal is part of the observation
and of its space, success is told of every state, ``measured_progress`` where the task measures a
distance, and the corner cameras, which hang upside down, are turned upright. The first observation
and the first frame show the start, where upstream some show what was before it (a window that is
still closed). An episode never ends on success, only after 500 steps.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv
from numpy.typing import NDArray

from roborew_envs.suites.behavior_policies import Expert

MAX_EPISODE_STEPS = 500
"""Steps of an episode, as upstream has it."""
DEFAULT_CAMERA = "corner2"
"""The view that most work on rewards from pictures takes."""

_DISTANCE = "obj_to_target"
"""What Meta-World calls the distance of the object from the goal [m]."""

_classes: dict[str, type[Any]] = import_module("metaworld.env_dict").ALL_V3_ENVIRONMENTS
TASK_NAMES: tuple[str, ...] = tuple(_classes)
"""Tasks as Meta-World names them, such as ``reach-v3``."""
IRREVERSIBLE_TASKS = frozenset(
    f"{name}-v3"
    for name in (
        "coffee-button",
        "dial-turn",
        "hammer",
        "handle-press",
        "soccer",
        "sweep",
        "window-close",
        "window-open",
    )
)
"""Tasks whose success stands, whatever way the hand goes back: nothing was gripped or hooked."""
_OPPOSITE_TASKS = {
    "door-close-v3": "door-open-v3",
    "door-lock-v3": "door-unlock-v3",
    "drawer-close-v3": "drawer-open-v3",
    "handle-press-side-v3": "handle-pull-side-v3",
}
"""Tasks where the hand cannot pull back what it has pushed -> that whose expert undoes them."""


class MetaWorldEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One task. Actions: (4,) in [-1, 1], dx, dy, dz, gripper; observations: (39,), the last three
    the goal [m].

    Pictures show the goal as upstream's do, by a small ball or ring; without ``goal_marker`` they do
    not.
    """

    motion = slice(0, 3)
    """The part of an action that is 0 where the hand stands still; the grip is held by the rest."""
    hand = slice(0, 3)
    """The part of an observation that says where the hand is [m]."""
    objects = slice(4, 18)
    """The part of an observation that says where the objects are, and how they are turned."""

    def __init__(
        self,
        name: str,
        render_mode: str | None = None,
        camera_name: str = DEFAULT_CAMERA,
        width: int = 480,
        height: int = 480,
        goal_marker: bool = True,
    ) -> None:
        bare = _classes[name](
            render_mode=render_mode, camera_name=camera_name, width=width, height=height
        )
        bare.seeded_rand_vec = True
        bare._freeze_rand_vec = False
        # Upstream refuses to step before `set_task`, which nobody calls here.
        bare._set_task_called = True
        bare._partially_observable = False
        # Gymnasium keeps the time, so that another horizon may be longer than upstream's.
        bare.max_path_length = sys.maxsize
        # Cached without the goal; every observation is clipped to it.
        del bare.sawyer_observation_space
        bare.observation_space = bare.sawyer_observation_space
        _turn_upright(bare.model)
        super().__init__(bare)
        self._shows_goal = goal_marker
        self._first_distance = 0.0
        self._policy = _load_policy(name)
        self.can_undo = name not in IRREVERSIBLE_TASKS
        self.undo_expert: Expert | None = None
        if name in _OPPOSITE_TASKS:
            self.undo_expert = partial(_act, _load_policy(_OPPOSITE_TASKS[name]))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the same seed gives the same start."""
        bare: Any = self.unwrapped
        if seed is not None:
            bare.seed(seed)
        bare.curr_path_length = 0
        # Upstream places everything twice, each time behind 250 steps of a hand that comes to rest,
        # and the second time begins anew: of the first, what was drawn by chance alone remains.
        with _hand_at_rest(bare):
            bare.reset_model()
        cast("Any", MujocoEnv).reset(bare)
        if not self._shows_goal:
            for site, _ in bare._target_site_config:
                bare.model.site(site).rgba[3] = 0
        mujoco.mj_forward(bare.model, bare.data)  # upstream places objects without it
        observation = bare._get_obs()
        # Upstream's second half of an observation is the frame before; a start has none.
        first_frame = observation[:18].copy()
        observation[18:36] = first_frame
        bare._prev_obs = first_frame
        _, info = bare.evaluate_state(observation, np.zeros(4, np.float32))
        self._first_distance = float(info[_DISTANCE])
        return observation, self._with_truth(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance by one step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), terminated, truncated, self._with_truth(info)

    def _with_truth(self, info: dict[str, Any]) -> dict[str, Any]:
        """The info with success under both of its names, and how much of the first distance from
        object to goal is gone, in [0, 1]; NaN in the five tasks that always say 0."""
        success = bool(info["success"])
        progress = float("nan")
        if self._first_distance > 0:
            gone = 1 - float(info[_DISTANCE]) / self._first_distance
            progress = 1.0 if success else min(max(gone, 0.0), 1.0)
        return info | {"success": success, "is_success": success, "measured_progress": progress}

    def expert(self, observations: NDArray[np.float64]) -> NDArray[np.float32]:
        """Meta-World's own scripted policy: observations (N, 39) to actions (N, 4), in [-1, 1]."""
        return _act(self._policy, observations)


@contextmanager
def _hand_at_rest(bare: Any) -> Generator[None]:
    """While it lasts, upstream's way of the hand to its start takes no steps."""

    def skip_steps(steps: int = 50) -> None:
        bare.init_tcp = bare.tcp_center

    bare._reset_hand = skip_steps
    try:
        yield
    finally:
        del bare._reset_hand  # the class's own again


def _load_policy(name: str) -> Any:
    return import_module("metaworld.policies").ENV_POLICY_MAP[name]()


def _act(policy: Any, observations: NDArray[np.float64]) -> NDArray[np.float32]:
    # Meta-World warns that they ask for more than an action can be; it is clipped below. Some write
    # into what they are given.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        actions = [policy.get_action(observation.copy()) for observation in observations]
    return np.clip(actions, -1, 1).astype(np.float32)


def _turn_upright(model: mujoco.MjModel) -> None:
    """Roll the cameras in the corners by half a turn about the direction in which they look."""
    # As (w, x, y, z): half a turn about z, the axis along which a camera looks.
    half_turn = np.array([0.0, 0.0, 0.0, 1.0])
    for i in range(model.ncam):
        if model.camera(i).name.startswith("corner"):
            upside_down = cast("NDArray[np.float64]", model.cam_quat[i])
            upright = np.empty(4)
            mujoco.mju_mulQuat(upright, upside_down, half_turn)
            model.cam_quat[i] = upright


for _name in TASK_NAMES:
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType] - its kwargs are an untyped dict
        f"Meta-World/{_name}",
        entry_point=cast(Any, partial(MetaWorldEnv, _name)),
        max_episode_steps=MAX_EPISODE_STEPS,
    )
