"""What the scripts of `mini` share."""

from __future__ import annotations

from roborew.agents.ppo import PPOConfig

AGENT = PPOConfig(rollout_steps=16, epochs=10, trace=0.9, schedule="constant")
"""The agent that hardens."""
AGENT_STEPS = {"press": 65_536, "push": 163_840, "drawer": 81_920}
"""Environment steps of a hardening agent."""
