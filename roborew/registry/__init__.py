"""Names for the parts that a user chooses: rewards, agents, critics, encoders, judges."""

from roborew.registry.lookup import (
    Entry,
    Registry,
    check_name_from_file,
    is_address,
    is_trusted,
    trust,
)
from roborew.registry.parts import agents, critics, encoders, judges, rewards

__all__ = [
    "Entry",
    "Registry",
    "agents",
    "check_name_from_file",
    "critics",
    "encoders",
    "is_address",
    "is_trusted",
    "judges",
    "rewards",
    "trust",
]
