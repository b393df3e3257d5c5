"""Settings of training that suit a kind of task, see `Task.train_ppo` and `Task.train_oracle`;
measured in `experiments/agents`."""

from __future__ import annotations

from types import MappingProxyType

BODY_PPO = MappingProxyType(
    {"n_steps": 32, "n_epochs": 10, "gamma": 0.99, "gae_lambda": 0.95, "final_std": 0.15}
)
"""A body that must stay on its feet: what a step was worth shows later than with an arm."""
HELD_GOAL = MappingProxyType({"raw_coef": 0.1, "success_coef": 0.1, "ends_at_success": False})
"""A goal to stay in. If it ended the episode, an agent that is paid for every step would stay just
short of it; and so it would where only progress is paid, which just short of it is nearly as much."""
HELD_PROGRESS = MappingProxyType({"raw_coef": 0.02})
"""A goal to arrive at without a fall."""
