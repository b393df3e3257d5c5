"""What an agent checks where it meets an environment: spaces, finite numbers, autoreset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from roborew.errors import InvalidInputError

_ADVICE = {
    "observation": "flatten it with gymnasium.wrappers.vector.FlattenObservation",
    "action": "take the agent sb3-ppo for discrete actions, or flatten a Box of several axes with "
    "gymnasium.wrappers.vector.TransformAction",
}
"""Whose space it is -> what to do where it is no flat Box."""


def box_size(space: Space[Any], owner: str) -> int:
    """Return D of a Box of shape (D,), else raise."""
    if owner == "observation" and "pixels" in getattr(space, "spaces", {}):
        raise InvalidInputError(
            "observation space: this agent takes no pictures; choose --observations state, or one of "
            "the agents ppo, sac, bc."
        )
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise InvalidInputError(
            f"{owner} space: expected a Box of shape (D,), got {space}; {_ADVICE[owner]}."
        )
    return space.shape[0]


class ActionScale:
    """Maps the policy's actions, meant for [-1, 1], onto a bounded Box of shape (A,)."""

    def __init__(self, space: Space[Any]) -> None:
        self.size = box_size(space, "action")
        low = cast(NDArray[np.float32], cast(Any, space).low)
        high = cast(NDArray[np.float32], cast(Any, space).high)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InvalidInputError(
                f"action space: expected finite bounds, got {space}; "
                "bound it with gymnasium.wrappers.vector.RescaleAction."
            )
        self._low = low
        self._span = high - low

    def to_environment(self, actions: Tensor) -> NDArray[np.float32]:
        """Clip (n, A) actions to [-1, 1] and stretch them over the space."""
        clipped = np.clip(actions.cpu().numpy(), -1, 1)
        unit = (clipped + 1) / 2
        return (self._low + unit * self._span).astype(np.float32)

    def from_environment(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return actions of the space, shape (n, A), as in [-1, 1]."""
        unit = (actions - self._low) / self._span
        return np.clip(2 * unit - 1, -1, 1).astype(np.float32)


def check_finite(values: NDArray[Any], quantity: str, env_axis: int = 0) -> NDArray[Any]:
    """Return ``values`` if all are finite, else raise with the indices of the environments."""
    finite = np.isfinite(values)
    if not finite.all():
        indices = np.unique(np.nonzero(~finite)[env_axis]).tolist()
        raise InvalidInputError(
            f"{quantity}: expected finite numbers, got NaN or infinity from environment {indices}; "
            "an agent would learn nothing but NaN from them."
        )
    return values


def check_observations(observations: Any) -> Any:
    """Return observations (N, ...), or several parts of them by name, if all are finite; see
    `check_finite`."""
    if isinstance(observations, dict):
        parts = cast("dict[str, NDArray[Any]]", observations)
        for key, part in parts.items():
            check_finite(part, f"observation {key!r}")
        return parts
    return check_finite(observations, "observation")


def require_disabled_autoreset(env: VectorEnv[Any, Any, Any]) -> None:
    """Raise unless the agent itself resets finished environments."""
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.DISABLED:
        raise InvalidInputError(
            f"autoreset: expected AutoresetMode.DISABLED, got {mode}; make the environment with "
            "autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED, so that the final frame of "
            "an episode is seen."
        )


def rewards_are_deferred(env: VectorEnv[Any, Any, Any]) -> bool:
    """Whether rewards are NaN until ``env.flush()`` returns those of a whole rollout, (T, N)."""
    return bool(getattr(env, "deferred", False))


def require_paid_steps(env: VectorEnv[Any, Any, Any], agent: str) -> None:
    """Raise where rewards are NaN until a whole rollout is over."""
    if rewards_are_deferred(env):
        raise InvalidInputError(
            f"{agent}: learns from each step, so it needs its reward at once; make the environment "
            "with scoring='step'."
        )


def reset_where(
    env: VectorEnv[Any, Any, Any],
    done: NDArray[np.bool_],
    observations: Any,
    read: Callable[[Any], Any] = check_observations,
) -> Any:
    """Reset the environments where ``done``, shape (N,); return observations (N, ...), or several
    parts of them by name, with their first ones put in.

    Args:
        env: that is reset.
        done: shape (N,).
        observations: as ``read`` returns them.
        read: what the environment gives -> what the agent keeps of it.
    """
    if not done.any():
        return observations
    fresh = read(env.reset(options={"reset_mask": done})[0])
    if isinstance(fresh, dict):
        parts = cast("dict[str, NDArray[Any]]", fresh)
        return {key: _merge(done, part, observations[key]) for key, part in parts.items()}
    return _merge(done, fresh, observations)


def _merge(done: NDArray[np.bool_], fresh: NDArray[Any], before: NDArray[Any]) -> NDArray[Any]:
    # (N,) -> (N, 1, ...): one flag for all numbers of an observation.
    mask = done.reshape(-1, *[1] * (before.ndim - 1))
    return np.where(mask, fresh, before)
