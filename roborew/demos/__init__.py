"""Demonstration sets of known behaviours; the work is in `roborew.demos.recording`."""

from roborew.demos.config import DemosConfig

__all__ = ["DemosConfig"]
