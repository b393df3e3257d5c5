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
        fps, tasks = (
            int(video_format.fps),
            list(dict.fromkeys(episode.record["instruction"] for episode in episodes)),
        )
        rows = self._write_data(episodes, tasks, fps, folder)
        cameras = list(episodes[0].record["cameras"])
        if any(list(episode.record["cameras"]) != cameras for episode in episodes):
            raise InvalidInputError(
                f"LeRobotDataset: expected the cameras {cameras} in every episode."
            )
        for camera in cameras:
            self._write_videos(episodes, rows, camera, fps, folder)
        write_table(
            folder / layout.EPISODES_PATH.format(chunk_index=0, file_index=0), episode_table(rows)
        )
        if proportions := temporal_proportions(episodes):
            _write_json(folder / layout.PROPORTIONS, proportions)
        write_tasks(folder / layout.TASKS, tasks)
        _write_json(folder / layout.STATS, merged_statistics(rows))
        numbers = number_features(_indexed(episodes[0], 0, 0, 0, fps), self.legends)
        videos = {
            CAMERA_KEY + camera: _video_feature(episodes, camera, video_format, self.rate)
            for camera in cameras
        }
        frames = int(rows[-1]["dataset_to_index"])
        content = info_content(
            fps, len(rows), frames, len(tasks), numbers | videos, self.robot_type
        )
        limits = {
            "chunks_size": self.chunks_size,
            "data_files_size_in_mb": -(-self.data_bytes // MEGABYTE),
            "video_files_size_in_mb": -(-self.video_bytes // MEGABYTE),
        }
        _write_json(folder / layout.INFO, content | limits)

    def _write_data(
        self, episodes: Sequence[StagedEpisode], tasks: list[str], fps: int, folder: Path
    ) -> list[Row]:
        """Write the data files; returns a row of the episode table for each episode."""
        allocator, rows, place, schema = (
            FileAllocator(self.data_bytes, self.chunks_size),
            list[Row](),
            None,
            None,
        )
        with ExitStack() as stack:
            writer: TableWriter | None = None
            for number, episode in enumerate(episodes):
                start, task = (
                    rows[-1]["dataset_to_index"] if rows else 0,
                    tasks.index(episode.record["instruction"]),
                )
                columns = _indexed(episode, number, start, task, fps)
                table = to_table(columns)
                schema = schema or table.schema
                if table.schema != schema:
                    raise InvalidInputError(
                        f"episode {episode.record['name']!r}: its columns differ from those of "
                        f"the first episode: "
                        f"{table.schema.names}, expected {schema.names}, of the same types and "
                        f"sizes."
                    )
                put = allocator.allocate(table.nbytes)
                if writer is None or put != place:
                    stack.close()
                    place = put
                    path = folder / layout.DATA_PATH.format(
                        chunk_index=put.chunk, file_index=put.file
                    )
                    writer = stack.enter_context(TableWriter(path, schema))
                writer.write(table)
                rows.append(episode_row(episode, number, start, put, columns, fps))
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
        allocator, header, files = (
            FileAllocator(self.video_bytes, self.chunks_size),
            b"",
            dict[FileIndex, list[int]](),
        )
        key = CAMERA_KEY + camera
        for number, episode in enumerate(episodes):
            video = episode.video(camera)
            before, header = header, stream_header(video)
            files.setdefault(
                allocator.allocate(video.stat().st_size, apart=header != before), []
            ).append(number)
        for place, numbers in files.items():
            lengths = [episodes[number].record["length"] for number in numbers]
            path = folder / layout.VIDEO_PATH.format(
                video_key=key, chunk_index=place.chunk, file_index=place.file
            )
            concat_videos(
                path, [episodes[number].video(camera) for number in numbers], lengths, fps
            )
            ends = np.cumsum([0, *lengths])
            for number, start, end in zip(numbers, ends[:-1], ends[1:], strict=True):
                rows[number] |= {
                    f"videos/{key}/chunk_index": place.chunk,
                    f"videos/{key}/file_index": place.file,
                    f"videos/{key}/from_timestamp": float(start) / fps,
                    f"videos/{key}/to_timestamp": float(end) / fps,
                }


def _indexed(
    episode: StagedEpisode, number: int, start: int, task: int, fps: int
) -> dict[str, NDArray[Any]]:
    """The episode's columns and those that every data set has."""
    frames: NDArray[np.int64] = np.arange(episode.record["length"], dtype=np.int64)
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
    sizes = {
        (about["height"], about["width"])
        for about in (e.record["cameras"][camera] for e in episodes)
    }
    if len(sizes) > 1:
        raise InvalidInputError(
            f"camera {camera!r}: expected one frame size in all episodes; got {sorted(sizes)}."
        )
    height, width = sizes.pop()
    pixels = pixel_format(episodes[0].video(camera))
    feature = video_feature(
        height,
        width,
        int(video_format.fps),
        video_format.encoding.codec,
        pixels,
        video_format.drawing,
    )
    feature["info"] |= {} if rate is None else {"roborew.fps": rate}
    return feature


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_json(content), indent=4), "utf-8")
