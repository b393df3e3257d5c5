"""What the scripts of `mini` share."""

from __future__ import annotations

from roborew import PPOConfig

AGENT = PPOConfig()
"""The agent that hardens."""
AGENT_STEPS = {"press": 65_536, "push": 180_224, "drawer": 81_920}
"""Environment steps of a hardening agent."""
