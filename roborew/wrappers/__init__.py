"""Wrappers: what stands between an environment and an agent."""

from roborew.wrappers.episode_tracker import SuccessDetector
from roborew.wrappers.learned_reward import LearnedReward
from roborew.wrappers.oracle import OracleReward
from roborew.wrappers.pixel_observations import PixelObservations
from roborew.wrappers.single import SingleLearnedReward

__all__ = [
    "LearnedReward",
    "OracleReward",
    "PixelObservations",
    "SingleLearnedReward",
    "SuccessDetector",
]
