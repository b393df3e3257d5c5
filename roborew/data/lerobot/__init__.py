"""LeRobotDataset without lerobot: version 3.0 is written and read, version 2.1 is read."""

from roborew.data.lerobot.dataset import EpisodeEntry, LeRobotSet
from roborew.data.lerobot.reader import open_lerobot
from roborew.data.lerobot.writer import LeRobotWriter

__all__ = ["EpisodeEntry", "LeRobotSet", "LeRobotWriter", "open_lerobot"]
