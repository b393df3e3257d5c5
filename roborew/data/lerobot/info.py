"""``meta/info.json``: what a data set says of itself, checked before anything else is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from roborew.data.lerobot.layout import (
    CHUNKS_SIZE,
    CODEBASE,
    DATA_MB,
    DATA_PATH,
    INFO,
    VIDEO_MB,
    VIDEO_PATH,
)
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.json_files import read_json_object

logger = logging.getLogger(__name__)

PICTURES = ("image", "video")
INDEX_FEATURES = {"timestamp": "float32"} | dict.fromkeys(
    ("frame_index", "episode_index", "index", "task_index"), "int64"
)
"""Columns that every data set has -> their dtypes; shape (1,)."""
KNOWN = {
    *(
        "codebase_version",
        "robot_type",
        "fps",
        "total_episodes",
        "total_frames",
        "total_tasks",
        "chunks_size",
    ),
    *(
        "data_files_size_in_mb",
        "video_files_size_in_mb",
        "data_path",
        "video_path",
        "splits",
        "features",
        "tools",
    ),
}
"""Keys of version 3.0."""
KNOWN_V21 = KNOWN | {"total_chunks", "total_videos"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """The part of ``info.json`` that a reader needs.

    Attributes:
        version: ``v3.0`` or ``v2.1``.
        fps: frames per second, positive.
        episodes: number of episodes.
        frames: number of frames.
        chunks_size: files (v3.0) or episodes (v2.1) a folder.
        data_path: template of the data files' paths.
        video_path: template of the videos' paths; None without videos.
        features: name -> dtype, shape, names, and for videos info.
    """

    version: str
    fps: float
    episodes: int
    frames: int
    chunks_size: int
    data_path: str
    video_path: str | None
    features: Mapping[str, Mapping[str, Any]]

    @property
    def cameras(self) -> tuple[str, ...]:
        """Features that are pictures."""
        return tuple(
            name for name, feature in self.features.items() if feature.get("dtype") in PICTURES
        )


def read_info(root: Path) -> Info:
    """Read ``meta/info.json``; keys that are not known are named in a warning and left alone.

    Raises:
        InvalidInputError: no data set at ``root``, or a version that is not read here.
        CorruptFileError: a key is missing or has an impossible value.
    """
    path = root / INFO
    if not path.is_file():
        raise InvalidInputError(
            f"{root} is no LeRobotDataset: expected the folder that holds {INFO}."
        )
    try:
        content = read_json_object(path)
        version = str(content["codebase_version"])
        if version not in (CODEBASE, "v2.1"):
            raise InvalidInputError(
                f"{path}: version {version}; read are v3.0 and v2.1. Convert it with lerobot's "
                f"own converter."
            )
        _warn_of_unknown(path, content, KNOWN if version == CODEBASE else KNOWN_V21)
        return _checked(path, content, version)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(
            f"{path}: expected the keys of a LeRobotDataset; {error!r}."
        ) from error


def _warn_of_unknown(path: Path, content: Mapping[str, Any], known_keys: set[str]) -> None:
    if unknown := sorted(set(content) - known_keys):
        logger.warning("%s: keys that are not known are ignored: %s", path, ", ".join(unknown))


def _checked(path: Path, content: Mapping[str, Any], version: str) -> Info:
    info = Info(
        version=version,
        fps=content["fps"],
        episodes=content["total_episodes"],
        frames=content["total_frames"],
        chunks_size=content["chunks_size"],
        data_path=content["data_path"],
        video_path=content["video_path"],
        features=cast("dict[str, dict[str, Any]]", dict(content["features"])),
    )
    counts: dict[str, Any] = {
        "fps": info.fps,
        "total_episodes": info.episodes,
        "total_frames": info.frames,
    }
    counts["chunks_size"] = info.chunks_size
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, float)) or not count > 0:
            raise CorruptFileError(f"{path}: expected {name} above 0; got {count!r}.")
    for name, feature in info.features.items():
        if not isinstance(feature["dtype"], str) or not isinstance(feature["shape"], list):
            raise CorruptFileError(
                f"{path}: feature {name!r} needs a dtype and a shape; got {feature!r:.80}."
            )
    return info


def number_features(
    columns: Mapping[str, Any], legends: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Features of columns of numbers, (T,) or (T, D); ``legends``: column -> what 0, 1, ... mean
    there."""
    return {
        name: {"dtype": str(values.dtype), "shape": list(values.shape[1:]) or [1], "names": None}
        | ({"info": {"roborew.values": list(legends[name])}} if name in legends else {})
        for name, values in columns.items()
    }


def video_feature(
    height: int, width: int, fps: int, codec: str, pixels: str, drawing: str
) -> dict[str, Any]:
    """The feature of one camera."""
    return {
        "dtype": "video",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height,
            "video.width": width,
            "video.codec": codec,
            "video.pix_fmt": pixels,
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
            "roborew.drawing": drawing,
        },
    }


def info_content(
    fps: int,
    episodes: int,
    frames: int,
    tasks: int,
    features: Mapping[str, Any],
    robot_type: str | None,
) -> dict[str, Any]:
    """What is written as ``info.json``."""
    return {
        "codebase_version": CODEBASE,
        "robot_type": robot_type,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNKS_SIZE,
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": dict(features),
    }
