"""Writing a LeRobotDataset v3.0 from whole episodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.data.episode import StagedEpisode, VideoFormat
from roborew.data.lerobot import layout
from roborew.data.lerobot.concat import concat_videos, pixel_format, stream_header
from roborew.data.lerobot.episode_row import (
    Row,
    episode_row,
    episode_table,
    merged_statistics,
    temporal_proportions,
)
from roborew.data.lerobot.info import info_content, number_features, video_feature
from roborew.data.lerobot.layout import CAMERA_KEY, FileAllocator, FileIndex
from roborew.data.lerobot.tables import TableWriter, to_table, write_table, write_tasks
from roborew.errors import InvalidInputError

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LeRobotWriter:
    """Puts a LeRobotDataset v3.0 together, a `roborew.data.atomic_dataset.DatasetWriter`.

    Episodes share files up to the size limits; no frame is encoded a second time. The episodes'
    stages become the columns ``dense_subtask_*`` (end frames included in their stage, as LeRobot
    reads them) and a file of the share of the time that each takes, their names and notes columns
    of the episode table.

    Attributes:
        robot_type: written to ``info.json``.
        rate: frames per second as it was, where that is no whole number and what LeRobot is told
            had to be rounded; written beside each camera as ``roborew.fps``.
        legends: column -> what its numbers 0, 1, ... mean; written beside it as ``roborew.values``.
        data_bytes: limit of a data file.
        video_bytes: limit of a video file.
        chunks_size: files a folder.
    """

    robot_type: str | None = None
    rate: float | None = None
    legends: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    data_bytes: int = layout.DATA_MB * MEGABYTE
    video_bytes: int = layout.VIDEO_MB * MEGABYTE
    chunks_size: int = layout.CHUNKS_SIZE

    def __call__(
        self, episodes: Sequence[StagedEpisode], video_format: VideoFormat, folder: Path
    ) -> None:
        """Write the set into an empty folder.

        Raises:
            InvalidInputError: no episode, a frame rate that is no whole number, or episodes of
                different columns.
        """
        if not episodes or video_format.fps != int(video_format.fps):
            raise InvalidInputError(
                f"LeRobotDataset: expected an episode and whole frames per second; got "
                f"{len(episodes)}, {video_format.fps}."
            )
        fps = int(video_format.fps)
        cameras = _common_cameras(episodes)
        tasks = list(dict.fromkeys(episode.record["instruction"] for episode in episodes))
        rows = self._write_data(episodes, tasks, fps, folder)
        for camera in cameras:
            self._write_videos(episodes, rows, camera, fps, folder)
        _write_tables(episodes, rows, tasks, folder)
        numbers = number_features(_indexed(episodes[0], 0, 0, 0, fps), self.legends)
        videos = {
            CAMERA_KEY + camera: _video_feature(episodes, camera, video_format, self.rate)
            for camera in cameras
        }
        num_frames = int(rows[-1]["dataset_to_index"])
        content = info_content(
            fps, len(rows), num_frames, len(tasks), numbers | videos, self.robot_type
        )
        # info.json comes last: a reader takes the folder for a data set as soon as it is there.
        _write_json(folder / layout.INFO, content | self._limits())

    def _limits(self) -> dict[str, int]:
        """The limits as ``info.json`` has them, whole megabytes: rounded up, so never 0."""
        return {
            "chunks_size": self.chunks_size,
            "data_files_size_in_mb": -(-self.data_bytes // MEGABYTE),
            "video_files_size_in_mb": -(-self.video_bytes // MEGABYTE),
        }

    def _write_data(
        self, episodes: Sequence[StagedEpisode], tasks: list[str], fps: int, folder: Path
    ) -> list[Row]:
        """Write the data files; returns a row of the episode table for each episode."""
        allocator = FileAllocator(self.data_bytes, self.chunks_size)
        rows: list[Row] = []
        schema: Any = None
        with ExitStack() as stack:
            writer: TableWriter | None = None
            file: FileIndex | None = None
            for number, episode in enumerate(episodes):
                start = rows[-1]["dataset_to_index"] if rows else 0
                task = tasks.index(episode.record["instruction"])
                columns = _indexed(episode, number, start, task, fps)
                table = to_table(columns)
                schema = schema or table.schema
                _check_schema(episode, table.schema, schema)
                # An episode is one row group of one file: readers fetch it without the others.
                data_file = allocator.allocate(table.nbytes)
                if writer is None or data_file != file:
                    # Closing writes the footer, without which parquet cannot be read.
                    stack.close()
                    file = data_file
                    path = folder / data_file.path(layout.DATA_PATH)
                    writer = stack.enter_context(TableWriter(path, schema))
                writer.write(table)
                rows.append(episode_row(episode, number, start, data_file, columns, fps))
        return rows

    def _write_videos(
        self,
        episodes: Sequence[StagedEpisode],
        rows: list[Row],
        camera: str,
        fps: int,
        folder: Path,
    ) -> None:
        """Join the videos of one camera into files, and enter them in the rows."""
        key = CAMERA_KEY + camera
        for file, numbers in self._group_videos(episodes, camera).items():
            parts = [episodes[number].video(camera) for number in numbers]
            lengths = [episodes[number].record["length"] for number in numbers]
            target = folder / file.path(layout.VIDEO_PATH, video_key=key)
            concat_videos(target, parts, lengths, fps)

            end = 0
            for number, length in zip(numbers, lengths, strict=True):
                start = end
                end = start + length
                # A reader finds frame t of an episode at from_timestamp + t / fps in this file.
                rows[number] |= {
                    f"videos/{key}/chunk_index": file.chunk,
                    f"videos/{key}/file_index": file.file,
                    f"videos/{key}/from_timestamp": start / fps,
                    f"videos/{key}/to_timestamp": end / fps,
                }

    def _group_videos(
        self, episodes: Sequence[StagedEpisode], camera: str
    ) -> dict[FileIndex, list[int]]:
        """File -> numbers of the episodes whose videos it holds, in order."""
        allocator = FileAllocator(self.video_bytes, self.chunks_size)
        groups: dict[FileIndex, list[int]] = {}
        header = b""
        for number, episode in enumerate(episodes):
            video = episode.video(camera)
            previous_header = header
            header = stream_header(video)
            # A file has one header, which must fit all packets in it.
            file = allocator.allocate(video.stat().st_size, new_file=header != previous_header)
            groups.setdefault(file, []).append(number)
        return groups


def _common_cameras(episodes: Sequence[StagedEpisode]) -> list[str]:
    cameras = list(episodes[0].record["cameras"])
    for episode in episodes:
        if list(episode.record["cameras"]) != cameras:
            raise InvalidInputError(
                f"LeRobotDataset: expected the cameras {cameras} in every episode."
            )
    return cameras


def _write_tables(
    episodes: Sequence[StagedEpisode], rows: list[Row], tasks: list[str], folder: Path
) -> None:
    """Write the episode table, the tasks, the statistics and the stages' shares of the time."""
    # One file for all rows: a row is small beside its episode, and readers glob the folder.
    path = FileIndex(chunk=0, file=0).path(layout.EPISODES_PATH)
    write_table(folder / path, episode_table(rows))
    write_tasks(folder / layout.TASKS, tasks)
    _write_json(folder / layout.STATS, merged_statistics(rows))
    if proportions := temporal_proportions(episodes):
        _write_json(folder / layout.PROPORTIONS, proportions)


def _check_schema(episode: StagedEpisode, schema: Any, expected: Any) -> None:
    if schema != expected:
        raise InvalidInputError(
            f"episode {episode.record['name']!r}: its columns differ from those of the first "
            f"episode: {schema.names}, expected {expected.names}, of the same types and sizes."
        )


def _indexed(
    episode: StagedEpisode, number: int, start: int, task: int, fps: int
) -> dict[str, NDArray[Any]]:
    """The episode's columns and those that every data set has."""
    frames: NDArray[np.int64] = np.arange(episode.record["length"], dtype=np.int64)
    # Sorted, because the order in a safetensors file is not the order of writing.
    return dict(sorted(episode.columns().items())) | {
        "timestamp": (frames / fps).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full_like(frames, number),
        "index": start + frames,
        "task_index": np.full_like(frames, task),
    }


def _video_feature(
    episodes: Sequence[StagedEpisode], camera: str, video_format: VideoFormat, rate: float | None
) -> dict[str, Any]:
    headers = [episode.record["cameras"][camera] for episode in episodes]
    sizes = {(header["height"], header["width"]) for header in headers}
    if len(sizes) > 1:
        raise InvalidInputError(
            f"camera {camera!r}: expected one frame size in all episodes; got {sorted(sizes)}."
        )
    height, width = sizes.pop()
    # Asked of the file: an encoder told rgb24 may store gbrp, and LeRobot wants what is stored.
    pixels = pixel_format(episodes[0].video(camera))
    codec = video_format.encoding.codec
    fps = int(video_format.fps)
    feature = video_feature(height, width, fps, codec, pixels, video_format.drawing)
    if rate is not None:
        feature["info"]["roborew.fps"] = rate
    return feature


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_json(content), indent=4), "utf-8")
