"""Wrappers: what stands between an environment and an agent."""

from roborew.wrappers.engine import RewardOptions
from roborew.wrappers.episode_tracker import Claim
from roborew.wrappers.learned_reward import LearnedReward, SingleLearnedReward
from roborew.wrappers.oracle import TrueReward

__all__ = ["Claim", "LearnedReward", "RewardOptions", "SingleLearnedReward", "TrueReward"]
