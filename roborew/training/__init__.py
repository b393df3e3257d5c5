"""The one loop that composes environment, reward, agent and run directory, and what it is made of."""

from roborew.training.config import DEFAULT_ENV, TrainConfig
from roborew.training.diary import Status
from roborew.training.loop import Outcome, start, train
from roborew.training.parts import Trained, load_reward, load_trained, make_environment, open_reward, paid_environment

__all__ = [
    "DEFAULT_ENV",
    "Outcome",
    "Status",
    "TrainConfig",
    "Trained",
    "load_reward",
    "load_trained",
    "make_environment",
    "open_reward",
    "paid_environment",
    "start",
    "train",
]
