"""Agents: they see an environment and nothing else.

Import one from its module (``from roborew.agents.ppo import PPO``): listing the package loads no
torch.
"""
