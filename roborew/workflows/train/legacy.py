"""config.json of runs of an earlier release, which was flat, in the shape of today; read for one
release."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from roborew.config import parse_settings, to_json, warn_once
from roborew.workflows.parts import RewardConfig

RENAMED = MappingProxyType(
    {
        "goal": "instruction",
        "steps": "total_timesteps",
        "every": "score_every",
        "refresh": "refit",
        "refreshes": "num_refits",
        "minutes": "max_minutes",
    }
)
"""Settings that kept their meaning, by their old names."""
MOVED = MappingProxyType(
    {
        "env": "env.id",
        "camera": "env.cameras",
        "reward": "reward.name",
        "option": "reward.options",
        "agent": "agent.name",
        "exploration": "agent.options.init_std",
        "shaping": "shaping.kind",
    }
)
"""Settings that are part of a group now, by their old names."""
SHAPINGS = MappingProxyType({"difference": "progress-delta", "level": "raw"})
"""Old names of shapings."""
WITH_INIT_STD = frozenset({"ppo"})
"""Agents that honored ``exploration``; it was written down, and ignored, for all others."""


def nested(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the content of a config.json in the shape of today; one of today stays as it is."""
    if not isinstance(content.get("env"), str):
        return content
    names = {**RENAMED, **MOVED}
    present = ", ".join(f"{old} is {new} now" for old, new in names.items() if old in content)
    warn_once(f"config.json of an earlier release is read: {present}.")
    flat = {RENAMED.get(name, name): value for name, value in content.items()}
    old = {name: flat.pop(name, None) for name in MOVED}
    cameras = [name.strip() for name in (old["camera"] or "").split(",") if name.strip()]
    return {
        **flat,
        "env": {"id": old["env"], "cameras": cameras, **_UNSEEN},
        "reward": _reward(old["reward"], old["option"] or []),
        "shaping": _shaping(old["shaping"]),
        "success_detector": {"enabled": None, "threshold": None, "bonus": None},
        "agent": _agent(old["agent"], old["exploration"]),
        "evaluation": {"episodes": 100},
    }


_UNSEEN = MappingProxyType({"width": None, "height": None, "quality": "fast"})
"""How frames were drawn; nobody could choose."""


def _reward(name: str, pairs: list[str]) -> dict[str, Any]:
    reward = RewardConfig(name)
    options = parse_settings(reward.factory(), pairs) if pairs else {}
    return {"name": reward.name, "options": to_json(options)}


def _agent(name: str, exploration: float | None) -> dict[str, Any]:
    honored = exploration is not None and name in WITH_INIT_STD
    return {"name": name, "options": {"init_std": exploration} if honored else {}}


def _shaping(kind: str | None) -> dict[str, Any]:
    return {
        "kind": SHAPINGS.get(kind or "", kind),
        "scale": None,
        "gamma": None,
        "on_invalid": None,
    }
