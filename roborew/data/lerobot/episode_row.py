"""What the episode table says of one episode, and what follows for the whole set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.data import feature_stats
from roborew.data.episode import StagedEpisode
from roborew.data.lerobot.layout import CAMERA_KEY, FileIndex
from roborew.data.lerobot.tables import arrow
from roborew.errors import InvalidInputError

Row = dict[str, Any]
STATISTICS = ("min", "max", "mean", "std", "count", *feature_stats.QUANTILES)


_TEXTS = arrow.list_(arrow.string())
_NUMBERS = arrow.list_(arrow.int64())
_TIMES = arrow.list_(arrow.float64())
TYPES: Mapping[str, Any] = MappingProxyType(
    {
        "tasks": _TEXTS,
        "dense_subtask_names": _TEXTS,
        "dense_subtask_start_frames": _NUMBERS,
        "dense_subtask_end_frames": _NUMBERS,
        "dense_subtask_start_times": _TIMES,
        "dense_subtask_end_times": _TIMES,
        "paraphrases": _TEXTS,
        "wrong_instructions": _TEXTS,
        "onset": arrow.int64(),
        "seed": arrow.int64(),
    }
)
"""Types of columns that may hold nothing at all in a set; others of which nothing is known are
texts."""


def episode_table(rows: Sequence[Row]) -> Any:
    """The episode table; its columns have the same types in every set, whatever its episodes
    hold."""
    table = arrow.Table.from_pylist(rows)
    fields: list[tuple[str, Any]] = []
    for column in table.schema:
        # Arrow infers the type null, or a list of null, where no episode has a value.
        empty = "null" in str(column.type)
        kind = TYPES.get(column.name, arrow.string()) if empty else column.type
        fields.append((column.name, kind))
    return table.cast(arrow.schema(fields))


def temporal_proportions(episodes: Sequence[StagedEpisode]) -> dict[str, float]:
    """Mean share of the time of each stage, over the episodes that went through all of them if
    there are any: what SARM (Chen et al. 2025, arXiv:2509.25358) weights stages by. Empty without
        stages."""
    shares = [share for episode in episodes if (share := _stage_shares(episode))]
    names = list(dict.fromkeys(name for share in shares for name in share))
    complete = [share for share in shares if len(share) == len(names)] or shares
    return {name: sum(share.get(name, 0.0) for share in complete) / len(complete) for name in names}


def _stage_shares(episode: StagedEpisode) -> dict[str, float]:
    """Stage -> its share of the episode's frames; a stage that comes back is counted as one."""
    lengths: dict[str, int] = {}
    for name, first, stop in episode.record["stages"]:
        lengths[name] = lengths.get(name, 0) + stop - first
    total = sum(lengths.values())
    return {name: length / total for name, length in lengths.items()}


def episode_row(
    episode: StagedEpisode,
    number: int,
    start: int,
    data_file: FileIndex,
    columns: Mapping[str, NDArray[Any]],
    fps: int,
) -> Row:
    """The row of an episode whose data begins at frame ``start`` of the set; videos are entered
    later."""
    record = episode.record
    row: Row = {
        "episode_index": number,
        "tasks": [record["instruction"]],
        "length": record["length"],
        "data/chunk_index": data_file.chunk,
        "data/file_index": data_file.file,
        "dataset_from_index": start,
        "dataset_to_index": start + record["length"],
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        "name": record["name"],
        **_subtasks(record["stages"], fps),
    }
    if clashes := set(row) & set(record["notes"]):
        raise InvalidInputError(
            f"episode {record['name']!r}: notes may not be named {', '.join(sorted(clashes))}."
        )
    row |= record["notes"]
    stats = {name: feature_stats.array_stats(values) for name, values in columns.items()}
    for camera, header in record["cameras"].items():
        arrays = {key: np.array(value) for key, value in header["statistics"].items()}
        stats[CAMERA_KEY + camera] = arrays
    for feature, values in stats.items():
        for key, value in _shaped(feature, values).items():
            row[f"stats/{feature}/{key}"] = value
    return row


def _subtasks(stages: Sequence[tuple[str, int, int]], fps: int) -> Row:
    """The columns in which LeRobot keeps an episode's stages."""
    # LeRobot's end frame is the last one of a subtask, ours is one past it.
    return {
        "dense_subtask_names": [name for name, _, _ in stages],
        "dense_subtask_start_frames": [first for _, first, _ in stages],
        "dense_subtask_end_frames": [stop - 1 for _, _, stop in stages],
        "dense_subtask_start_times": [first / fps for _, first, _ in stages],
        "dense_subtask_end_times": [(stop - 1) / fps for _, _, stop in stages],
    }


def _shaped(feature: str, stats: feature_stats.FeatureStats) -> dict[str, Any]:
    """Statistics as LeRobot writes them: (D,), of pictures (3, 1, 1); the count whole."""
    # A picture's mean must broadcast against (3, H, W), as torch has pictures.
    shape = (3, 1, 1) if feature.startswith(CAMERA_KEY) else (-1,)
    lists = {key: value.reshape(shape).tolist() for key, value in stats.items() if key != "count"}
    return {**lists, "count": [int(stats["count"][0])]}


def merged_statistics(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Statistics of the whole set, as ``stats.json`` has them."""
    keys = [key for key in rows[0] if key.startswith("stats/")]
    features = dict.fromkeys(key.split("/")[1] for key in keys)
    merged: dict[str, dict[str, Any]] = {}
    for feature in features:
        parts = [
            {name: np.ravel(row[f"stats/{feature}/{name}"]) for name in STATISTICS} for row in rows
        ]
        merged[feature] = _shaped(feature, feature_stats.aggregate_stats(parts))
    return merged
