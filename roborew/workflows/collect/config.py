"""What a demonstration set holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec


def _split(words: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in words[0].split(",") if part.strip())


Names = Annotated[
    tuple[str, ...],
    PrimitiveConstructorSpec[tuple[str, ...]](
        nargs=1,
        metavar="A,B",
        instance_from_str=_split,
        is_instance=lambda instance: isinstance(instance, tuple),
        str_from_instance=lambda instance: [",".join(instance)],
    ),
]
"""Names that are joined by commas on the command line."""


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """What a demonstration set holds; the same configuration gives the same set."""

    behaviors: Names = ("expert",)
    """Joined by commas; each plays from the same starts. An environment without one of them says
    which it has."""
    instruction: str | None = None
    """What the episodes are to show, as a sentence; the environment's own instruction if not
    given."""
    episodes: int = 40
    """Of each behavior."""
    format: Literal["lerobot", "folder"] = "lerobot"
    """LeRobotDataset v3.0, whose frames per second are rounded to a whole number, or mp4 files with
    a manifest."""
    cameras: Annotated[Names, tyro.conf.arg(name="camera")] = ()
    """Joined by commas; the environment's first if none is given."""
    width: int = 96
    """Of a frame [pixels]; an environment that draws itself, without MuJoCo, keeps its own."""
    height: int = 72
    """Of a frame [pixels], as the width."""
    quality: Literal["fast", "full"] = "fast"
    """How frames are drawn; stated in every file that holds them."""
    codec: Literal["h264", "av1", "lossless"] = "h264"
    """Of the videos; av1 is LeRobot's own choice, and takes three times as long; lossless: every
    frame exact."""
    seed: int = 0
    """Of the starts."""
