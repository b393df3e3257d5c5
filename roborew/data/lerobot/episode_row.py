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


_TEXTS, _NUMBERS, _TIMES = (
    arrow.list_(kind) for kind in (arrow.string(), arrow.int64(), arrow.float64())
)
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
    found = arrow.Table.from_pylist(rows)
    kinds = {field.name: field.type for field in found.schema}
    empty = {name for name, kind in kinds.items() if "null" in str(kind)}
    schema = [
        (name, TYPES.get(name, arrow.string()) if name in empty else kind)
        for name, kind in kinds.items()
    ]
    return found.cast(arrow.schema(schema))


def temporal_proportions(episodes: Sequence[StagedEpisode]) -> dict[str, float]:
    """Mean share of the time of each stage, over the episodes that went through all of them if
    there are any: what SARM (Chen et al. 2025, arXiv:2509.25358) weights stages by. Empty without
        stages."""
    shares: list[dict[str, float]] = []
    for episode in episodes:
        spans = episode.record["stages"]
        lengths = dict.fromkeys((name for name, _, _ in spans), 0)
        for name, first, stop in spans:
            lengths[name] += stop - first
        shares += (
            [{name: length / sum(lengths.values()) for name, length in lengths.items()}]
            if lengths
            else []
        )
    names = list(dict.fromkeys(name for share in shares for name in share))
    whole = [share for share in shares if len(share) == len(names)] or shares
    return {name: sum(share.get(name, 0.0) for share in whole) / len(whole) for name in names}


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
        "dense_subtask_names": [name for name, _, _ in record["stages"]],
        "dense_subtask_start_frames": [first for _, first, _ in record["stages"]],
        "dense_subtask_end_frames": [stop - 1 for _, _, stop in record["stages"]],
        "dense_subtask_start_times": [first / fps for _, first, _ in record["stages"]],
        "dense_subtask_end_times": [(stop - 1) / fps for _, _, stop in record["stages"]],
    }
    if taken := set(row) & set(record["notes"]):
        raise InvalidInputError(
            f"episode {record['name']!r}: notes may not be named {', '.join(sorted(taken))}."
        )
    row |= record["notes"]
    measured = {name: feature_stats.array_stats(values) for name, values in columns.items()}
    for camera, about in record["cameras"].items():
        measured[CAMERA_KEY + camera] = {
            key: np.array(value) for key, value in about["statistics"].items()
        }
    for feature, found in measured.items():
        row |= {f"stats/{feature}/{key}": value for key, value in _shaped(feature, found).items()}
    return row


def _shaped(feature: str, found: feature_stats.FeatureStats) -> dict[str, Any]:
    """Statistics as LeRobot writes them: (D,), of pictures (3, 1, 1); the count whole."""
    shape = (3, 1, 1) if feature.startswith(CAMERA_KEY) else (-1,)
    return {
        key: value.reshape(shape).tolist() for key, value in found.items() if key != "count"
    } | {"count": [int(found["count"][0])]}


def merged_statistics(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Statistics of the whole set, as ``stats.json`` has them."""
    merged: dict[str, dict[str, Any]] = {}
    for feature in dict.fromkeys(key.split("/")[1] for key in rows[0] if key.startswith("stats/")):
        parts = [
            {key: np.ravel(row[f"stats/{feature}/{key}"]) for key in STATISTICS} for row in rows
        ]
        merged[feature] = _shaped(feature, feature_stats.aggregate_stats(parts))
    return merged
