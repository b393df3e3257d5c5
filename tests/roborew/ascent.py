"""A world in which the whole way from frames to verdict takes a second: climb, and the picture
shows the height.

Its own reward is NaN. ``tests/Ascent-v0`` can give its state, ``tests/Stateless-v0`` cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew.agents.ppo_config import PPOConfig
from roborew.registry import Entry, rewards
from roborew.types import Clip, RewardSpec, Scores

HORIZON = 12
ENV = "tests/Ascent-v0"
STATELESS = "tests/Stateless-v0"
IN_PARTS = "tests/AscentInParts-v0"
ROLLOUT = 8 * PPOConfig().n_steps
"""Steps between two updates of our own PPO in 8 environments."""


class Ascent(VectorEnv[Any, Any, Any]):
    """Each action in [-1, 1] adds a tenth of itself to the height; success is a height of 1."""

    def __init__(
        self, num_envs: int, render_mode: str | None = None, autoreset_mode: Any = None
    ) -> None:
        self.num_envs, self.render_mode = num_envs, render_mode
        self.metadata = {"autoreset_mode": AutoresetMode(autoreset_mode), "render_fps": 10}
        self.single_observation_space, self.single_action_space = Box(-9, 9, (2,)), Box(-1, 1, (1,))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._height, self._steps = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self._rng = np.random.default_rng()
        self.cameras, self.resizable, self.expert = ("default",), False, None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._height[mask] = self._rng.uniform(0, 0.4, mask.sum())
        self._steps[mask] = 0
        return self._observe(), self._truth()

    def step(self, actions: Any) -> Any:
        self._height = np.clip(self._height + 0.1 * np.clip(actions[:, 0], -1, 1), -1, 1)
        self._steps += 1
        never = np.zeros(self.num_envs, np.bool_)
        return (
            self._observe(),
            np.full(self.num_envs, np.nan),
            never,
            self._steps >= HORIZON,
            self._truth(),
        )

    def _observe(self) -> NDArray[np.float32]:
        return np.column_stack([self._height, self._steps / HORIZON]).astype(np.float32)

    def _truth(self) -> dict[str, Any]:
        return {"progress": np.clip(self._height, 0, 1), "success": self._height >= 1}

    def render_frames(self, indices: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        chosen = np.arange(self.num_envs) if indices is None else indices
        frames = np.zeros((len(chosen), 8, 8, 3), np.uint8)
        frames[:, 0, 0, 0] = np.clip(255 * self._height[chosen], 0, 255)
        frames[:, -1, -1, 2] = 255
        return frames

    def render(self) -> Any:
        return tuple(self.render_frames())


class SavedAscent(Ascent):
    def get_state(self) -> dict[str, NDArray[Any]]:
        words = [self._rng.bit_generator.state["state"][key] for key in ("state", "inc")]
        halves = [word >> shift & (2**64 - 1) for word in words for shift in (0, 64)]
        return {
            "height": self._height.copy(),
            "steps": self._steps.copy(),
            "rng": np.array(halves, np.uint64),
        }

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._height, self._steps = arrays["height"].copy(), arrays["steps"].copy()
        a, b, c, d = (int(half) for half in arrays["rng"])
        state = self._rng.bit_generator.state
        self._rng.bit_generator.state = state | {
            "state": {"state": a | b << 64, "inc": c | d << 64}
        }


class Height:
    """Reads the height off the red channel and claims success at the top; deaf to the sentence."""

    spec = RewardSpec(
        name="height",
        low=0,
        high=1,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="a test double",
    )

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        return [self._say(clip.frames[:, 0, 0, 0] / np.float32(255)) for clip in clips]

    def _say(self, height: NDArray[np.float32]) -> Scores:
        return Scores(height, np.ones(len(height), np.bool_), (height >= 0.999).astype(np.float32))


class Broken(Height):
    """Says NaN and calls it a score."""

    def _say(self, height: NDArray[np.float32]) -> Scores:
        scores = super()._say(height)
        scores.value[:] = np.nan
        return scores


class AscentInParts(Ascent):
    """Height and time are two parts of an observation, and the action is a choice."""

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(num_envs, **options)
        number = Box(-9, 9, (1,), np.float32)
        self.single_observation_space: Any = Dict({"height": number, "time": number})
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space: Any = MultiDiscrete([3])
        self.action_space = batch_space(self.single_action_space, num_envs)

    def step(self, actions: Any) -> Any:
        return super().step(actions - 1)

    def _observe(self) -> Any:
        height, time = super()._observe().T[:, :, None]
        return {"height": height, "time": time}


for _id, _kind in ((ENV, SavedAscent), (STATELESS, Ascent), (IN_PARTS, AscentInParts)):
    gymnasium.register(_id, vector_entry_point=_kind)


@pytest.fixture(autouse=True)
def heights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rewards ``height`` and ``broken``, for one test."""
    known: dict[str, Entry] = rewards._own  # pyright: ignore[reportPrivateUsage]
    for name, kind in (("height", Height), ("broken", Broken)):
        monkeypatch.setitem(known, name, Entry(f"{__name__}:{kind.__name__}", "a test double"))


def random_mini(folder: Path) -> Path:
    """Weights of a mini that knows nothing."""
    import torch

    from roborew.encoders.mini_network import MiniConfig, MiniNetwork, save_network

    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_network(MiniNetwork(MiniConfig(("drawer",), (4, 4, 4, 4), 16, 16)), folder)
    return folder
