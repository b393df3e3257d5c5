"""The one loop that composes environment, reward, agent and run directory, and what it is made
of."""

from roborew.workflows.factories import (
    Trained,
    load_reward,
    load_trained,
    make_env,
    make_reward_env,
    open_reward,
)
from roborew.workflows.train.config import DEFAULT_ENV, TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import Outcome, start, train

__all__ = [
    "DEFAULT_ENV",
    "Outcome",
    "Status",
    "TrainConfig",
    "Trained",
    "load_reward",
    "load_trained",
    "make_env",
    "make_reward_env",
    "open_reward",
    "start",
    "train",
]
