"""Demonstration sets of the tasks' own behaviours; the work is in `roborew.demos.recording`."""

from roborew.demos.config import DemosConfig

__all__ = ["DemosConfig"]
