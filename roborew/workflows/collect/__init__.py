"""Demonstration sets of known behaviors; the work is in `roborew.workflows.collect.collect`."""

from roborew.workflows.collect.config import CollectConfig

__all__ = ["CollectConfig"]
