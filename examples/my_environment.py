"""A Gymnasium environment of your own, paid by a reward model: a ball that should reach the line on the right."""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium
import numpy as np

import roborew
from roborew_envs.suites import SuiteVectorEnv


class Ball(gymnasium.Env[np.ndarray, np.ndarray]):
    """Its own reward is 0: whatever is learned comes from the pictures."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.position = render_mode, np.zeros(1, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.position = self.np_random.uniform(0, 0.3, 1).astype(np.float32)
        return self.position.copy(), {"success": False}

    def step(self, action: Any) -> Any:
        self.position = np.clip(self.position + 0.1 * action, 0, 1).astype(np.float32)
        return self.position.copy(), 0.0, False, False, {"success": bool(self.position[0] > 0.9)}

    def render(self) -> Any:
        frame = np.zeros((16, 64, 3), np.uint8)
        left = int(self.position[0] * 56)
        frame[4:12, left : left + 8] = (255, 80, 80)
        return frame


class RightOfPicture:
    """How far to the right the light is."""

    spec = roborew.RewardSpec(
        name="right", low=0, high=1, context=1, causal=True,
        needs_goal_image=False, predicts_success=False, paper="none",
    )  # fmt: skip

    def score(self, clips: Any) -> list[roborew.Scores]:
        columns = [clip.frames.sum(axis=(1, 3)).argmax(axis=1) / 63 for clip in clips]
        return [roborew.Scores(c.astype(np.float32), np.ones(len(c), bool)) for c in columns]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--total-steps", type=int, default=20_000)
arguments = parser.parse_args()

gymnasium.register("examples/Ball-v0", Ball, max_episode_steps=30)
env = SuiteVectorEnv("examples/Ball-v0", 8, "rgb_array")
paid = roborew.LearnedReward(
    env, RightOfPicture(), "move the ball to the right", success_detector=None
)
agent = roborew.PPO(paid.single_observation_space, paid.single_action_space, seed=0)
agent.learn(paid, arguments.total_steps)

result = roborew.evaluate(SuiteVectorEnv("examples/Ball-v0", 8, "rgb_array"), agent.act, range(16))
print(f"true success: {result.true_success:.0%}")
