"""The moments of `VecNormalize`, which stay with an agent when it leaves its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray
from stable_baselines3.common import preprocessing
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from roborew.agents.sb3.bridge import SB3Bridge
from roborew.storage.checkpoints import select_prefix, with_prefix

Arrays = dict[str, NDArray[Any]]
CLIP, EPSILON = 10.0, 1e-8
"""Those of `VecNormalize`."""


class ObservationMoments:
    """Mean and variance of observations, or of each of their parts that is a Box and no picture.

    Args:
        space: of the observations of one environment.
    """

    def __init__(self, space: Space[Any]) -> None:
        self._has_parts = isinstance(space, Dict)
        parts: dict[str, Any] = {"": space}
        if isinstance(space, Dict):
            parts = dict(cast(Any, space).spaces)
        self._keys = [key for key, part in parts.items() if _is_normalized(part)]
        self._moments: dict[str, Arrays] = {}

    def wrap(self, bridge: SB3Bridge) -> VecEnv:
        """Return the environment with its observations normalized from these moments on."""
        # Pictures are turned first: turned later, the replay buffer would hold the unturned ones.
        env = with_turned_pictures(bridge)
        if not self._keys:
            return env
        keys = self._keys if self._has_parts else None
        normalizer = VecNormalize(
            env, norm_reward=False, clip_obs=CLIP, epsilon=EPSILON, norm_obs_keys=keys
        )
        for key, saved in self._moments.items():
            moments = self._of(normalizer, key)
            moments.mean = saved["mean"].copy()
            moments.var = saved["variance"].copy()
            moments.count = float(saved["count"][0])
        return normalizer

    def follow(self, normalizer: VecNormalize | None) -> None:
        """Take over the moments of an environment; none where nothing is normalized."""
        if normalizer is None:
            return
        for key in self._keys:
            moments = self._of(normalizer, key)
            self._moments[key] = {
                "mean": moments.mean.copy(),
                "variance": moments.var.copy(),
                "count": np.array([moments.count]),
            }

    def normalize(self, observations: Any) -> Any:
        """Return observations as `VecNormalize` would; as they are before anything was learned."""
        if not self._has_parts:
            return self._normalized(observations, "")
        parts = cast("dict[str, NDArray[Any]]", observations)
        return {key: self._normalized(part, key) for key, part in parts.items()}

    def state_dict(self) -> Arrays:
        """Return the moments."""
        arrays: Arrays = {}
        for key, moments in self._moments.items():
            arrays |= with_prefix(moments, f"{key}/" if self._has_parts else "")
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned."""
        self._moments = {}
        for key in self._keys:
            saved = select_prefix(arrays, f"{key}/" if self._has_parts else "")
            if saved:
                self._moments[key] = saved

    def _of(self, normalizer: VecNormalize, key: str) -> Any:
        moments: Any = normalizer.obs_rms
        return moments[key] if self._has_parts else moments

    def _normalized(self, values: NDArray[Any], key: str) -> NDArray[Any]:
        if key not in self._moments:
            return values
        moments = self._moments[key]
        standardized = (values - moments["mean"]) / np.sqrt(moments["variance"] + EPSILON)
        return np.clip(standardized, -CLIP, CLIP).astype(np.float32)


def with_turned_pictures(env: VecEnv) -> VecEnv:
    """Return an environment whose pictures have their channels first, as Stable-Baselines3 turns them
    itself, late.

    Raises:
        NotImplementedError: an observation has parts of parts.
    """
    return cast(Any, BaseAlgorithm)._wrap_env(env, 0)


def _is_normalized(space: Space[Any]) -> bool:
    return isinstance(space, Box) and not cast(Any, preprocessing).is_image_space(space)
