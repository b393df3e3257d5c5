"""Learned experts: small networks on disk that act in plain numpy, trained by
``experiments/locomotion_experts``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path

import gymnasium
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PolicyNetwork:
    """The mean action of a Gaussian policy with two tanh layers on normalised observations, added
    to a linear reflex.

    Attributes:
        mean: of observations, shape (D,).
        scale: of observations, shape (D,), above 0.
        first: shape (D, W).
        first_bias: shape (W,).
        second: shape (W, W).
        second_bias: shape (W,).
        last: shape (W, A).
        last_bias: shape (A,).
        reflex: of raw observations, shape (D, A), 0 where the body has none.
        reflex_bias: shape (A,).
        heading: empty, or where observations hold a free body's quaternion and its velocity, shape
            (2,): all that the policy sees is then turned so that the body faces along x, see
            `to_heading_frame`.
    """

    mean: FloatArray
    scale: FloatArray
    first: FloatArray
    first_bias: FloatArray
    second: FloatArray
    second_bias: FloatArray
    last: FloatArray
    last_bias: FloatArray
    reflex: FloatArray
    reflex_bias: FloatArray
    heading: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        seen, width, moves = self.mean.size, self.first_bias.size, self.last_bias.size
        expected = {
            "mean": (seen,),
            "scale": (seen,),
            "first": (seen, width),
            "first_bias": (width,),
        }
        expected |= {
            "second": (width, width),
            "second_bias": (width,),
            "last": (width, moves),
            "last_bias": (moves,),
        }
        expected |= {"reflex": (seen, moves), "reflex_bias": (moves,)}
        for name, shape in expected.items():
            values: FloatArray = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(
                    f"{name}: got shape {values.shape}, expected finite numbers of shape {shape}."
                )
        if not (self.scale > 0).all():
            raise ValueError("scale: expected numbers above 0.")
        first, last = self.heading, self.heading + np.array([4, 2])[: self.heading.size]
        if self.heading.shape not in ((0,), (2,)) or (first < 0).any() or (last > seen).any():
            raise ValueError(
                f"heading: got {self.heading.tolist()}, expected two places among {seen} "
                f"observations."
            )

    def __call__(self, observations: FloatArray) -> FloatArray:
        """Return actions in [-1, 1], shape (N, A), for observations of shape (N, D).

        Raises:
            ValueError: another number of observations.
        """
        if observations.ndim != 2 or observations.shape[1] != self.mean.size:
            raise ValueError(
                f"policy: got observations of shape {observations.shape}, expected (N, "
                f"{self.mean.size})."
            )
        observations = to_heading_frame(observations, tuple(self.heading.tolist()))
        normal = np.clip((observations - self.mean) / self.scale, -10, 10)
        hidden = np.tanh(normal @ self.first + self.first_bias)
        hidden = np.tanh(hidden @ self.second + self.second_bias)
        learned = np.clip(hidden @ self.last + self.last_bias, -1, 1)
        return np.clip(learned + observations @ self.reflex + self.reflex_bias, -1, 1).astype(
            np.float32
        )

    def save(self, path: Path) -> None:
        """Write the arrays as one safetensors file."""
        path.write_bytes(
            save(
                {
                    entry.name: np.ascontiguousarray(getattr(self, entry.name))
                    for entry in fields(self)
                }
            )
        )


def to_heading_frame(observations: FloatArray, heading: tuple[int, ...]) -> FloatArray:
    """Turn what is seen about the vertical, so that a body that faces elsewhere sees what it would
    see facing along x.

    Args:
        observations: shape (N, D).
        heading: where they hold the body's quaternion (w, x, y, z) and its velocity in the world;
            empty turns nothing.
    """
    if not heading:
        return observations
    turned = observations.copy()
    quaternion, velocity = heading
    w, x, y, z = observations[:, quaternion : quaternion + 4].T
    half = np.arctan2(z, w)
    cosine, sine = np.cos(half), np.sin(half)
    upright = [np.hypot(w, z), cosine * x + sine * y, cosine * y - sine * x, np.zeros_like(w)]
    turned[:, quaternion : quaternion + 4] = np.stack(upright, axis=1)
    (forward, aside), cosine, sine = (
        observations[:, velocity : velocity + 2].T,
        np.cos(2 * half),
        np.sin(2 * half),
    )
    turned[:, velocity : velocity + 2] = np.stack(
        [cosine * forward + sine * aside, cosine * aside - sine * forward], 1
    )
    return turned


_FOLDER = resources.files("roborew_envs") / "assets" / "policies"


def available_policies() -> tuple[str, ...]:
    """Ids of the tasks that have an expert policy."""
    names = (entry.name for entry in _FOLDER.iterdir()) if _FOLDER.is_dir() else ()
    return tuple(
        sorted(
            f"roborew/{name.removesuffix('.safetensors')}-v0"
            for name in names
            if name.endswith(".safetensors")
        )
    )


def policy_file(task_id: str) -> str:
    """Name of the file of a task's policy.

    >>> policy_file("roborew/CartPole-v0")
    'CartPole.safetensors'
    """
    return task_id.split("/")[-1].rsplit("-", 1)[0] + ".safetensors"


def load_policy_network(task_id: str) -> PolicyNetwork:
    """Load the expert policy of a task.

    Raises:
        gymnasium.error.Error: there is none, with the list of those there are; or its file is
        damaged.
    """
    known = available_policies()
    if task_id not in known:
        raise gymnasium.error.Error(
            f"no expert policy for {task_id!r}. Available: {', '.join(known) or 'none'}."
        )
    try:
        return PolicyNetwork(**load((_FOLDER / policy_file(task_id)).read_bytes()))
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise gymnasium.error.Error(
            f"the expert policy of {task_id} is damaged ({error}): install roborew again."
        ) from error
