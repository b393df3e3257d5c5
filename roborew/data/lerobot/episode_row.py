"""What the episode table says of one episode, and what follows for the whole set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.data import statistics
from roborew.data.episode import StagedEpisode
from roborew.data.lerobot.layout import CAMERA_KEY, Place
from roborew.errors import InvalidInputError

Row = dict[str, Any]
STATISTICS = ("min", "max", "mean", "std", "count", *statistics.QUANTILES)


def episode_row(
    episode: StagedEpisode, number: int, start: int, place: Place, columns: Mapping[str, NDArray[Any]]
) -> Row:
    """The row of an episode whose data begins at frame ``start`` of the set; videos are entered later."""
    record = episode.record
    row: Row = {
        "episode_index": number,
        "tasks": [record["instruction"]],
        "length": record["length"],
        "data/chunk_index": place.chunk,
        "data/file_index": place.file,
        "dataset_from_index": start,
        "dataset_to_index": start + record["length"],
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        "name": record["name"],
        "dense_subtask_names": [name for name, _, _ in record["stages"]],
        "dense_subtask_start_frames": [first for _, first, _ in record["stages"]],
        "dense_subtask_end_frames": [stop - 1 for _, _, stop in record["stages"]],
    }
    if taken := set(row) & set(record["notes"]):
        raise InvalidInputError(f"episode {record['name']!r}: notes may not be named {', '.join(sorted(taken))}.")
    row |= record["notes"]
    measured = {name: statistics.of_numbers(values) for name, values in columns.items()}
    for camera, about in record["cameras"].items():
        measured[CAMERA_KEY + camera] = {key: np.array(value) for key, value in about["statistics"].items()}
    for feature, found in measured.items():
        row |= {f"stats/{feature}/{key}": value for key, value in _shaped(feature, found).items()}
    return row


def _shaped(feature: str, found: statistics.Statistics) -> dict[str, Any]:
    """Statistics as LeRobot writes them: (D,), of pictures (3, 1, 1); the count whole."""
    shape = (3, 1, 1) if feature.startswith(CAMERA_KEY) else (-1,)
    return {key: value.reshape(shape).tolist() for key, value in found.items() if key != "count"} | {
        "count": [int(found["count"][0])]
    }


def merged_statistics(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Statistics of the whole set, as ``stats.json`` has them."""
    merged: dict[str, dict[str, Any]] = {}
    for feature in dict.fromkeys(key.split("/")[1] for key in rows[0] if key.startswith("stats/")):
        parts = [{key: np.ravel(row[f"stats/{feature}/{key}"]) for key in STATISTICS} for row in rows]
        merged[feature] = _shaped(feature, statistics.merge(parts))
    return merged
