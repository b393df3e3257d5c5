"""Wrappers: what stands between an environment and an agent."""

from roborew.wrappers.engine import RewardOptions
from roborew.wrappers.episode_tracker import SuccessDetector
from roborew.wrappers.learned_reward import LearnedReward, SingleLearnedReward
from roborew.wrappers.oracle import OracleReward

__all__ = [
    "LearnedReward",
    "OracleReward",
    "RewardOptions",
    "SingleLearnedReward",
    "SuccessDetector",
]
