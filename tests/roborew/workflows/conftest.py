"""What tests of whole runs share."""

from __future__ import annotations

from typing import Any

import pytest

from roborew.agents.ppo import PPO
from tests.roborew.workflows.beginnings import Beginning


@pytest.fixture
def begins(monkeypatch: pytest.MonkeyPatch) -> list[Beginning]:
    """How each PPO stood that began to learn since."""
    begins: list[Beginning] = []
    learn = PPO.learn

    def watched(self: PPO, *arguments: Any) -> None:
        begins.append(Beginning.of(self))
        learn(self, *arguments)

    monkeypatch.setattr(PPO, "learn", watched)
    return begins
