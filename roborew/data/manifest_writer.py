"""Demonstrations as a folder: an mp4 an episode and camera, the numbers of each episode, and one
manifest of all.

<set>/manifest.jsonl                   one episode a line, see `write_folder`
<set>/videos/<name>-<camera>.mp4
<set>/numbers/<name>.safetensors       every column of the episode, a row a frame
<set>/request.json                     what was asked for

Exact are all numbers and, with the encoding ``lossless``, all frames; else the frames' count, size
and times.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roborew.config import to_json
from roborew.data.episode import StagedEpisode, VideoFormat
from roborew.errors import InvalidInputError

MANIFEST = "manifest.jsonl"


def write_manifest_dataset(
    episodes: Sequence[StagedEpisode], video_format: VideoFormat, folder: Path
) -> None:
    """Put a folder set together, a `roborew.data.atomic_dataset.DatasetWriter`.

    A line of the manifest holds ``case_id``, ``instruction``, ``video`` (the first camera),
    ``cameras`` (all of them), ``fps``, ``frames``, ``width``, ``height``, ``drawing``, ``codec``,
    ``exact``, ``numbers``, ``stages`` as [name, first frame, one past the last], ``progress`` and
    ``success_per_frame`` where there are such columns, ``success`` and ``label`` from the latter's
    last entry, and the episode's notes, among them ``paraphrases`` and ``wrong_instructions`` where
    they are known. Paths are relative to the folder.

    Raises:
        InvalidInputError: two episodes of one name, an episode without a video, or a note named
            like another key.
    """
    for name in ("videos", "numbers"):
        (folder / name).mkdir()
    names: set[str] = set()
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        for episode in episodes:
            line = _line(episode, video_format)
            if line["case_id"] in names:
                raise InvalidInputError(f"{folder}: two episodes are named {line['case_id']!r}.")
            names.add(line["case_id"])
            for camera, path in line["cameras"].items():
                _place(episode.video(camera), folder / path)
            _place(episode.path / "numbers.safetensors", folder / line["numbers"])
            manifest.write(json.dumps(to_json(line)) + "\n")


def _line(episode: StagedEpisode, video_format: VideoFormat) -> dict[str, Any]:
    record = episode.record
    columns = episode.columns()
    name = record["name"]
    cameras = record["cameras"]
    if not cameras:
        raise InvalidInputError(f"episode {name!r}: expected at least one camera.")
    videos = {camera: f"videos/{name}-{camera}.mp4" for camera in cameras}
    first = next(iter(cameras))
    line: dict[str, Any] = {
        "case_id": name,
        "instruction": record["instruction"],
        "video": videos[first],
        "cameras": videos,
        "fps": video_format.fps,
        "frames": record["length"],
        "width": cameras[first]["width"],
        "height": cameras[first]["height"],
        "drawing": video_format.drawing,
        "codec": video_format.encoding.codec,
        "exact": video_format.encoding.exact,
        "numbers": f"numbers/{name}.safetensors",
        "stages": record["stages"],
    }
    if "progress" in columns:
        line["progress"] = columns["progress"].tolist()
    if "success" in columns:
        succeeded = bool(columns["success"][-1])
        line |= {"success_per_frame": columns["success"].tolist(), "success": succeeded}
        line["label"] = "success" if succeeded else "failure"
    # Else the union below would silently replace what was measured.
    if clashes := set(line) & set(record["notes"]):
        raise InvalidInputError(
            f"episode {name!r}: notes may not be named {', '.join(sorted(clashes))}."
        )
    return line | record["notes"]


def _place(source: Path, target: Path) -> None:
    """Give a file a second name; a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
