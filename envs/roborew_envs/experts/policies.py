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
        self._check_shapes()
        if not (self.scale > 0).all():
            raise ValueError("scale: expected numbers above 0.")
        self._check_heading()

    def _check_shapes(self) -> None:
        observation_size = self.mean.size
        width = self.first_bias.size
        action_size = self.last_bias.size
        expected = {
            "mean": (observation_size,),
            "scale": (observation_size,),
            "first": (observation_size, width),
            "first_bias": (width,),
            "second": (width, width),
            "second_bias": (width,),
            "last": (width, action_size),
            "last_bias": (action_size,),
            "reflex": (observation_size, action_size),
            "reflex_bias": (action_size,),
        }
        for name, shape in expected.items():
            values: FloatArray = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(
                    f"{name}: got shape {values.shape}, expected finite numbers of shape {shape}."
                )

    def _check_heading(self) -> None:
        observation_size = self.mean.size
        is_pair = self.heading.shape == (2,)
        # A quaternion takes four observations, the horizontal velocity two.
        ends = self.heading + [4, 2] if is_pair else self.heading
        fits = (self.heading >= 0).all() and (ends <= observation_size).all()
        if not (fits and (is_pair or self.heading.shape == (0,))):
            raise ValueError(
                f"heading: got {self.heading.tolist()}, expected two places among "
                f"{observation_size} observations."
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
        # Ten standard deviations: what was hardly ever seen in training must not saturate a unit.
        normalized = np.clip((observations - self.mean) / self.scale, -10, 10)
        hidden = np.tanh(normalized @ self.first + self.first_bias)
        hidden = np.tanh(hidden @ self.second + self.second_bias)
        learned = np.clip(hidden @ self.last + self.last_bias, -1, 1)
        actions = learned + observations @ self.reflex + self.reflex_bias
        return np.clip(actions, -1, 1).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the arrays as one safetensors file."""
        arrays = {
            entry.name: np.ascontiguousarray(getattr(self, entry.name)) for entry in fields(self)
        }
        path.write_bytes(save(arrays))


def to_heading_frame(observations: FloatArray, heading: tuple[int, ...]) -> FloatArray:
    """Rotate observations about the vertical into the frame of the body's heading: a body that
    faces elsewhere observes what it would observe facing along x.

    Args:
        observations: shape (N, D).
        heading: where they hold the body's quaternion (w, x, y, z) and its velocity in the world;
            empty rotates nothing.

    Returns:
        shape (N, D).
    """
    if not heading:
        return observations
    quaternion_start, velocity_start = heading
    quaternion = slice(quaternion_start, quaternion_start + 4)
    velocity = slice(velocity_start, velocity_start + 2)
    rotated = observations.copy()
    w, x, y, z = observations[:, quaternion].T
    half_yaw = np.arctan2(z, w)
    rotated[:, quaternion] = _without_yaw(w, x, y, z, half_yaw)
    velocity_x, velocity_y = observations[:, velocity].T
    cosine = np.cos(2 * half_yaw)
    sine = np.sin(2 * half_yaw)
    forward = cosine * velocity_x + sine * velocity_y
    aside = cosine * velocity_y - sine * velocity_x
    rotated[:, velocity] = np.stack([forward, aside], 1)
    return rotated


_FOLDER = resources.files("roborew_envs") / "assets" / "policies"
_SUFFIX = ".safetensors"


def available_policies() -> tuple[str, ...]:
    """Ids of the tasks that have an expert policy, sorted."""
    if not _FOLDER.is_dir():
        return ()
    names = [entry.name for entry in _FOLDER.iterdir()]
    stems = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    return tuple(sorted(f"roborew/{stem}-v0" for stem in stems))


def policy_file(task_id: str) -> str:
    """Name of the file of a task's policy.

    >>> policy_file("roborew/CartPole-v0")
    'CartPole.safetensors'
    """
    name = task_id.split("/")[-1]
    name_without_version = name.rsplit("-", 1)[0]
    return name_without_version + _SUFFIX


def first_version(task_id: str) -> str:
    """Id of the first version of a task, whose policy all versions have.

    >>> first_version("roborew/CartPole-v1")
    'roborew/CartPole-v0'
    """
    return f"{task_id.rsplit('-', 1)[0]}-v0"


def load_policy_network(task_id: str) -> PolicyNetwork:
    """Load the expert policy of a task.

    Raises:
        gymnasium.error.Error: there is none, with the list of those there are; or its file is
            damaged.
    """
    available = available_policies()
    if first_version(task_id) not in available:
        raise gymnasium.error.Error(
            f"no expert policy for {task_id!r}. Available: {', '.join(available) or 'none'}."
        )
    try:
        arrays = load((_FOLDER / policy_file(task_id)).read_bytes())
        return PolicyNetwork(**arrays)
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise gymnasium.error.Error(
            f"the expert policy of {task_id} is damaged ({error}): install roborew again."
        ) from error


def _without_yaw(
    w: FloatArray, x: FloatArray, y: FloatArray, z: FloatArray, half_yaw: FloatArray
) -> FloatArray:
    """The quaternion of a yaw of -2 * half_yaw times (w, x, y, z): shape (N, 4)."""
    cosine = np.cos(half_yaw)
    sine = np.sin(half_yaw)
    scalar = np.hypot(w, z)
    roll = cosine * x + sine * y
    pitch = cosine * y - sine * x
    # No yaw remains, so the last component is 0 exactly.
    return np.stack([scalar, roll, pitch, np.zeros_like(w)], axis=1)
