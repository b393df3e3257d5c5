"""Train one agent on a candidate of `mini` and keep the states that it visits: what hardening
learns from.

Run as ``python -m experiments.mini.agent --help``; a process of its own, so that two can share two
cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from experiments.mini.settings import AGENT, AGENT_STEPS
from experiments.mini.task_text import TASK_IDS
from roborew import PPO, LearnedReward
from roborew.rewards.mini import Mini
from roborew_envs import TaskVectorEnv, make_task


class Tap(gymnasium.vector.VectorWrapper[Any, Any, Any, Any, Any]):
    """Keeps the states at which the reward was scored, with what it said."""

    def __init__(self, env: LearnedReward) -> None:
        super().__init__(env)
        self.states: list[NDArray[np.float64]] = []
        self.scores: list[NDArray[np.float32]] = []
        self.claims: list[NDArray[np.bool_]] = []

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        infos = result[4]
        scored = np.isfinite(infos["score"])
        if scored.any():
            simulated = self.env.unwrapped
            assert isinstance(simulated, TaskVectorEnv)
            self.states.append(simulated.core.simulation.qpos[scored].copy())
            self.scores.append(infos["score"][scored])
            self.claims.append(infos["terminated_by_success_detector"][scored])
        return result


def train(weights: Path, task: str, goal: str, seed: int, steps: int) -> tuple[PPO, Tap]:
    """An agent after ``steps`` steps on the candidate's reward alone."""
    simulations = TaskVectorEnv(
        make_task(TASK_IDS[task]),
        64,
        render_mode="rgb_array",
        autoreset_mode=AutoresetMode.DISABLED,
    )
    env = Tap(LearnedReward(simulations, Mini(weights=weights), goal))
    agent = PPO(simulations.single_observation_space, simulations.single_action_space, AGENT, seed)
    agent.learn(env, steps)
    return agent, env


def true_success(agent: PPO, task: str, weights: Path, goal: str) -> tuple[float, float]:
    """Share of 100 fresh starts whose episode ends in success, at the first claim or the horizon;
    and false claims."""
    simulations = TaskVectorEnv(
        make_task(TASK_IDS[task]),
        100,
        render_mode="rgb_array",
        autoreset_mode=AutoresetMode.DISABLED,
    )
    env = LearnedReward(simulations, Mini(weights=weights), goal)
    observations, _ = env.reset(seed=10**6)
    running = np.ones(100, np.bool_)
    success, false = np.zeros(100, np.bool_), 0
    while running.any():
        observations, _, terminated, truncated, infos = env.step(agent.act(observations))
        ended = running & (terminated | truncated)
        success |= ended & infos["success"]
        false += int((ended & infos["terminated_by_success_detector"] & ~infos["success"]).sum())
        running &= ~ended
        if running.any() and (terminated | truncated).any():
            observations, _ = env.reset(options={"reset_mask": terminated | truncated})
    env.close()
    return float(success.mean()), false / 100


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--task", choices=sorted(AGENT_STEPS), required=True)
    parser.add_argument("--goal", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep", type=int, default=6000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    agent, tap = train(
        options.weights, options.task, options.goal, options.seed, AGENT_STEPS[options.task]
    )
    taken = time.monotonic() - began
    success, false = true_success(agent, options.task, options.weights, options.goal)
    states, scores, claims = (np.concatenate(part) for part in (tap.states, tap.scores, tap.claims))
    rng = np.random.default_rng(options.seed)
    kept = rng.permutation(len(states))[: options.keep]
    claimed = np.flatnonzero(claims)
    kept = np.union1d(kept, rng.permutation(claimed)[: options.keep // 2])
    np.savez(options.out, states=states[kept], scores=scores[kept], claims=claims[kept])
    print(
        f"{options.task} seed {options.seed} goal {options.goal!r}: true success {success:.2f}, "
        f"false claims {false:.2f}, {taken:.0f} s of learning",
        flush=True,
    )


if __name__ == "__main__":
    main()
