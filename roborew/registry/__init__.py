"""Names for the parts that a user chooses: rewards, agents, critics, encoders, judges."""

from roborew.registry.lookup import Entry, Registry
from roborew.registry.parts import agents, critics, encoders, judges, rewards

__all__ = ["Entry", "Registry", "agents", "critics", "encoders", "judges", "rewards"]
