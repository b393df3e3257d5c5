"""Wrappers: what stands between an environment and an agent."""

from roborew.wrappers.episode_tracker import SuccessDetector
from roborew.wrappers.learned_reward import LearnedReward
from roborew.wrappers.oracle import EnvironmentReward, OracleReward, SuccessBonusReward
from roborew.wrappers.pixel_observations import PixelObservations
from roborew.wrappers.single import SingleLearnedReward

__all__ = [
    "EnvironmentReward",
    "LearnedReward",
    "OracleReward",
    "PixelObservations",
    "SingleLearnedReward",
    "SuccessBonusReward",
    "SuccessDetector",
]
