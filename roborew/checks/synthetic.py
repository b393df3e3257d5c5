"""Small made-up inputs on which parts are tried: embedded episodes, pictures, an environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.critics.objective import Query
from roborew.learning.examples import Example
from roborew.types import Video

FEATURE_DIM, TEXT_DIM = 12, 8
PUSH, OPEN = "push the red cube onto the green pad", "open the drawer"
TEXT_EMBEDDINGS = {
    PUSH: np.eye(TEXT_DIM, dtype=np.float32)[0],
    OPEN: np.eye(TEXT_DIM, dtype=np.float32)[1],
}


def progress_curve(kind: str, length: int) -> NDArray[np.float32]:
    """Progress of an episode, shape (length,): ``success`` rises to 1, ``failure`` stays low,
    ``undo`` rises and falls again."""
    time = np.linspace(0, 1, length)
    if kind == "success":
        curve = np.minimum(1, 1.25 * time)
    elif kind == "failure":
        curve = 0.3 * np.minimum(1, 2 * time)
    else:
        curve = np.minimum(1, 1.1 * (1 - np.abs(2 * time - 1)))
    return curve.astype(np.float32)


def embedded_episode(
    kind: str, seed: int, length: int = 24, instruction: str = PUSH, labeled: bool = True
) -> Example:
    """One embedded episode: two entries of a frame's vector, the task's own, move with progress;
    the others are noise."""
    rng = np.random.default_rng(seed)
    progress = progress_curve(kind, length)
    features = 0.1 * rng.standard_normal((length, FEATURE_DIM)).astype(np.float32)
    # Two entries a sentence, so that no two sentences share one.
    entry = 2 * list(TEXT_EMBEDDINGS).index(instruction)
    features[:, entry] += 2 * progress - 1
    features[:, entry + 1] += np.cos(3 * progress)
    features.flags.writeable = False  # an objective that writes into its examples fails here
    succeeded = kind == "success"
    return Example(
        name=f"{instruction}-{kind}-{seed}",
        instruction=instruction,
        text_embedding=TEXT_EMBEDDINGS[instruction],
        features=features,
        progress=progress if labeled else None,
        success=succeeded,
        quality="success" if succeeded else "failure",
        goal_embedding=features[-1] if succeeded else None,
    )


def embedded_episodes(
    count: int = 6,
    seed: int = 0,
    instructions: tuple[str, ...] = (PUSH,),
    labeled: bool = True,
    length: int = 24,
) -> list[Example]:
    """``count`` successes, failures and undone episodes each, of every instruction."""
    return [
        # Of several lengths: a part that takes all to be of one fails here.
        embedded_episode(
            kind, seed + 100 * row + 10_000 * column, length + row % 3, instruction, labeled
        )
        for instruction in instructions
        for column, kind in enumerate(("success", "failure", "undo"))
        for row in range(count)
    ]


def query(example: Example, goal_image: NDArray[np.float32] | None = None) -> Query:
    """All frames of an episode, to be scored."""
    return Query(
        features=example.features,
        instruction=example.instruction,
        text_embedding=example.text_embedding,
        goal_image=goal_image,
    )


def noise_video(length: int, seed: int = 0, height: int = 72, width: int = 96) -> Video:
    """Frames of noise, shape (length, height, width, 3), uint8."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8)


POINT_SPACES = (Box(-np.inf, np.inf, (4,), np.float32), Box(-1, 1, (2,), np.float32))
"""Of observations and of actions of one point."""
DISCRETE_POINT_SPACES = (POINT_SPACES[0], Discrete(5))
"""The same where a point is driven left, right, down, up or not at all."""
_DIRECTIONS = np.array([[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]])


class PointEnv(VectorEnv[Any, Any, Any]):
    """Points that are driven to targets in the plane: the smallest thing that can be learned.

    The reward is the distance gained; true success is to be within 0.1 of the target.
    """

    def __init__(
        self,
        num_envs: int,
        horizon: int = 20,
        reward_scale: float = 1.0,
        *,
        discrete: bool = False,
    ) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        spaces = DISCRETE_POINT_SPACES if discrete else POINT_SPACES
        self.single_observation_space, self.single_action_space = spaces
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._is_discrete = discrete
        self._horizon = horizon
        self._reward_scale = reward_scale
        self._generator = np.random.default_rng(0)
        self._positions = np.zeros((num_envs, 4))
        self._steps = np.zeros(num_envs, dtype=np.int64)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Draw points and targets, all or where ``options["reset_mask"]`` is True."""
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        mask = np.ones(self.num_envs, dtype=np.bool_)
        if options is not None:
            mask = options.get("reset_mask", mask)
        num_reset = int(mask.sum())
        self._positions[mask] = self._generator.uniform(-1, 1, (num_reset, 4))
        self._steps[mask] = 0
        return self._positions.astype(np.float32), {}

    def distances(self) -> NDArray[np.float64]:
        """From point to target, shape (N,)."""
        offset = self._positions[:, :2] - self._positions[:, 2:]
        return np.linalg.norm(offset, axis=1)

    def step(self, actions: Any) -> Any:
        """Move the points; episodes end by time alone."""
        before = self.distances()
        moves = np.asarray(actions)
        if self._is_discrete:
            moves = _DIRECTIONS[moves]
        self._positions[:, :2] += 0.2 * moves
        self._steps += 1
        distances = self.distances()
        rewards = self._reward_scale * (before - distances)
        success = distances < 0.1
        truncated = self._steps >= self._horizon
        observations = self._positions.astype(np.float32)
        return observations, rewards, np.zeros_like(truncated), truncated, {"success": success}

    def get_state(self) -> dict[str, Any]:
        """All that decides the future."""
        return {
            "positions": self._positions.copy(),
            "steps": self._steps.copy(),
            "rng": self._generator.bit_generator.state,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on exactly where `get_state` was taken."""
        self._positions, self._steps = state["positions"].copy(), state["steps"].copy()
        self._generator.bit_generator.state = state["rng"]


def point_demonstrations(count: int, seed: int = 0) -> list[DemonstrationEpisode]:
    """Points that are driven straight to their targets, paid as `PointEnv` pays, one a
    demonstration."""
    env = PointEnv(count)
    observations, _ = env.reset(seed=seed)
    trajectory, actions, rewards = [observations], list[Any](), list[Any]()
    done = False
    while not done:
        offset = trajectory[-1][:, 2:] - trajectory[-1][:, :2]
        actions.append(np.clip(5 * offset, -1, 1).astype(np.float32))
        observations, reward, _, truncated, _ = env.step(actions[-1])
        trajectory.append(observations)
        rewards.append(reward.astype(np.float32))
        done = bool(truncated.all())
    return [
        DemonstrationEpisode(
            name=f"point-{index}",
            observations=np.stack(trajectory)[:, index],
            actions=np.stack(actions)[:, index],
            rewards=np.stack(rewards)[:, index],
        )
        for index in range(count)
    ]
