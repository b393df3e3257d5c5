"""Manifests of episodes: one JSON object a line, as `roborew.data.manifest_writer` and PRM-as-a-Judge write
them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from roborew.data.demonstration import Demonstration, Span, current_notes
from roborew.data.key_frames import read_key_frames
from roborew.data.video import VideoInfo, iter_video, video_info
from roborew.data.video.sampling import packet_times
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.json_files import read_json, read_json_lines
from roborew.storage.names import file_inside
from roborew.storage.plain import read_plain
from roborew.types import FloatArray

Row = dict[str, Any]

CAMERA_OF_KEY = {
    "video": "front",
    "wrist_video": "wrist",
    "left_wrist_video": "left_wrist",
    "right_wrist_video": "right_wrist",
}
"""Key of a video -> name of its camera, where the manifest names none."""
ALIASES = {
    **dict.fromkeys(("high", "front", "cam_high"), "video"),
    **dict.fromkeys(("left", "cam_left_wrist"), "left_wrist_video"),
    **dict.fromkeys(("right", "cam_right_wrist"), "right_wrist_video"),
}
"""Cameras of the older object ``videos`` -> key of today."""
STEP_COLUMNS = ("observation.state", "action", "next.reward")
"""What an agent learns from, of the numbers of an episode."""
DEMONSTRATION_KEYS = {
    *(
        "case_id",
        "instruction",
        "cameras",
        "folder",
        "progress",
        "progress_path",
        "success_per_frame",
        "success",
    ),
    *(
        "label",
        "quality",
        "stages",
        "keyframes",
        "onset",
        "paraphrases",
        "wrong_instructions",
        *CAMERA_OF_KEY,
    ),
}
"""Keys that become a field of a demonstration; the others are its notes."""
SUCCESS_LABELS = {"success", "succeeded", "true", "1"}
FAILURE_LABELS = {"failure", "failed", "false", "0"}


def read_manifest(path: Path, instruction: str | None = None) -> list[Row]:
    """Read the rows of a manifest; each has ``case_id``, ``instruction`` and ``cameras`` (name ->
    path).

    Args:
        path: the file, UTF-8 with or without byte order mark.
        instruction: the sentence of rows that have none.

    Raises:
        InvalidInputError: no row, a row that breaks a rule, two rows of one id; the message names
            the line.
    """
    rows: list[Row] = []
    try:
        lines = list(read_json_lines(path))
    except CorruptFileError as error:
        raise InvalidInputError(str(error)) from error
    for number, content in lines:
        try:
            rows.append(_row(content, path.parent, instruction))
        except (ValueError, AttributeError, TypeError) as error:
            raise InvalidInputError(f"{path}, line {number}: {error}") from error
    if not rows:
        raise InvalidInputError(f"{path}: expected a JSON object a line; it is empty.")
    counts = Counter(row["case_id"] for row in rows)
    repeated = sorted(case for case, count in counts.items() if count > 1)
    if repeated:
        raise InvalidInputError(
            f"{path}: expected each case_id once; got {', '.join(repeated)} again."
        )
    return rows


def _row(content: Row, folder: Path, default_instruction: str | None) -> Row:
    case = content.get("case_id") or content.get("id")
    instruction = next(
        (content[key] for key in ("instruction", "task_prompt", "task") if content.get(key)),
        default_instruction,
    )
    if not case or not instruction:
        raise InvalidInputError(
            "expected a case_id and an instruction; or give an instruction for all."
        )
    cameras = {
        name: file_inside(folder, path, f"{case}, {name}")
        for name, path in _cameras(content).items()
    }
    if not cameras:
        raise InvalidInputError(f"{case}: expected a video.")
    return content | {
        "case_id": str(case),
        "instruction": instruction,
        "cameras": cameras,
        "folder": folder,
    }


def _cameras(content: Row) -> dict[str, str]:
    direct: dict[str, str] = {key: content[key] for key in CAMERA_OF_KEY if content.get(key)}
    if "cameras" in content:
        cameras: dict[str, str] = content["cameras"]
        # Some manifests name there the cameras of the videos that stand beside.
        if direct and set(cameras) <= set(direct):
            return {cameras.get(key, CAMERA_OF_KEY[key]): path for key, path in direct.items()}
        return cameras
    legacy: dict[str, str] | None = content.get("videos")
    if legacy and direct:
        raise InvalidInputError("expected either 'videos' or single videos; got both.")
    if legacy:
        direct = {ALIASES.get(camera, camera): path for camera, path in legacy.items()}

    pair = {"left_wrist_video", "right_wrist_video"} & set(direct)
    is_half = len(pair) == 1
    is_with_single = bool(pair) and "wrist_video" in direct
    if is_half or is_with_single:
        raise InvalidInputError("expected one wrist video, or a left and a right one.")
    return {CAMERA_OF_KEY.get(key, key): path for key, path in direct.items()}


def read_video_header(name: str, path: Path) -> VideoInfo:
    """What a video's header says, its frames counted where it does not.

    Raises:
        InvalidInputError: the file is missing.
        CorruptFileError: it is damaged.
    """
    if not path.is_file():
        raise InvalidInputError(f"{name}: its video {path} is missing.")
    # The header first: counting means decoding the whole file.
    info = video_info(path)
    if info.frames is None:
        count = sum(1 for _ in iter_video(path))
        info = VideoInfo(
            width=info.width, height=info.height, fps=info.fps, frames=count, seconds=info.seconds
        )
    return info


def make_demonstration(row: Row) -> Demonstration:
    """The demonstration of a row of `read_manifest`.

    Raises:
        InvalidInputError: see `Demonstration`; or a video is missing, or cameras differ in length
            or rate.
        CorruptFileError: a video is damaged, or is not what the manifest says.
    """
    cameras = cast("dict[str, Path]", row["cameras"])
    first = _common_header(row["case_id"], cameras)
    _check_header(row, first)
    if isinstance(row.get("keyframes"), str):
        row = row | read_key_frames(
            file_inside(row["folder"], row["keyframes"], f"{row['case_id']}, keyframes")
        )
    flags = row.get("success_per_frame")
    numbers = read_numbers(row, first.frames or 0)
    return Demonstration(
        name=row["case_id"],
        instruction=row["instruction"],
        paraphrases=tuple(row.get("paraphrases") or ()),
        wrong_instructions=tuple(row.get("wrong_instructions") or ()),
        length=first.frames or 0,
        fps=first.fps,
        cameras=tuple(cameras),
        source=lambda camera: iter_video(cameras[camera]),
        timestamps=lambda: packet_times(next(iter(cameras.values()))),
        progress=_read_progress(row),
        success=None if flags is None else np.array(flags, np.bool_),
        succeeded=_read_success(row),
        quality=row.get("quality"),
        stages=None if row.get("stages") is None else tuple(Span(*span) for span in row["stages"]),
        keyframes=None if row.get("keyframes") is None else tuple(row["keyframes"]),
        onset=row.get("onset"),
        observations=numbers.get("observation.state"),
        actions=numbers.get("action"),
        rewards=numbers.get("next.reward"),
        notes=_notes(row),
    )


def _notes(row: Row) -> dict[str, Any]:
    notes = {key: value for key, value in row.items() if key not in DEMONSTRATION_KEYS}
    return current_notes(notes)


def _common_header(case: str, cameras: Mapping[str, Path]) -> VideoInfo:
    """The header of the first camera, which all others agree with in length and rate."""
    headers = {
        camera: read_video_header(f"{case}, {camera}", path) for camera, path in cameras.items()
    }
    first = next(iter(headers.values()))
    for camera, info in headers.items():
        # Two cameras of one recorder may differ in the third digit of their rates.
        same_rate = math.isclose(info.fps, first.fps, rel_tol=0.02)
        if info.frames != first.frames or not same_rate:
            raise InvalidInputError(
                f"{case}: {camera} has {info.frames} frames at {info.fps:g} per second, another "
                f"camera {first.frames} at {first.fps:g}."
            )
    return first


def _check_header(row: Row, info: VideoInfo) -> None:
    for key, header_value in {
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
    }.items():
        # The tolerance is for fps, a fraction that a manifest may write rounded.
        if key in row and abs(row[key] - (header_value or 0)) > 1e-3:
            raise CorruptFileError(
                f"{row['case_id']}: its video has {key} {header_value}; the manifest says {row[key]}."
            )


def read_numbers(
    row: Row, length: int, names: Sequence[str] = STEP_COLUMNS
) -> dict[str, FloatArray]:
    """What was observed, done and paid in each frame, where a set written by roborew says so.

    Args:
        row: of `read_manifest`.
        length: frames of its video.
        names: columns, those that there are of them.

    Raises:
        CorruptFileError: the file is damaged, or of another length.
    """
    if not isinstance(row.get("numbers"), str):
        return {}
    path = file_inside(row["folder"], row["numbers"], f"{row['case_id']}, numbers")
    try:
        columns = load(read_plain(path))
    except SafetensorError as error:
        raise CorruptFileError(f"{row['case_id']}: {path} is damaged: {error}.") from error
    numbers = {name: columns[name].astype(np.float32) for name in names if name in columns}
    for name, column in numbers.items():
        if len(column) != length:
            raise CorruptFileError(
                f"{row['case_id']}: {path} holds {len(column)} rows of {name}; its video has {length} "
                "frames."
            )
    return numbers


def _read_success(row: Row) -> bool | None:
    label = str(row.get("label", "")).lower()
    if label and label not in SUCCESS_LABELS | FAILURE_LABELS:
        raise InvalidInputError(
            f"{row['case_id']}: expected the label success or failure; got {label!r}."
        )
    outcomes: set[bool] = set()
    if row.get("success") is not None:
        outcomes.add(bool(row["success"]))
    if label:
        outcomes.add(label in SUCCESS_LABELS)
    # Which of the two is wrong nobody can tell, and a critic would learn from it.
    if len(outcomes) > 1:
        raise InvalidInputError(
            f"{row['case_id']}: contradictory labels: success is {row['success']}, the label is "
            f"{label}. Leave one out."
        )
    return outcomes.pop() if outcomes else None


def _read_progress(row: Row) -> FloatArray | None:
    """A curve as a list of numbers, a list of objects with ``progress``, or an object with such a
    list."""
    curve = row.get("progress")
    path = row.get("progress_path")
    if curve is not None and path is not None:
        raise InvalidInputError(f"{row['case_id']}: expected progress or progress_path; got both.")
    if path is not None:
        file = file_inside(row["folder"], path, f"{row['case_id']}, progress_path")
        if not file.is_file():
            raise InvalidInputError(f"{row['case_id']}: its progress {file} is missing.")
        curve = read_json(file)
    if curve is None:
        return None
    if isinstance(curve, Mapping):
        curve = cast("Mapping[str, Any]", curve)["progress"]
    entries = cast("Sequence[Any]", curve)
    return np.array([e["progress"] if isinstance(e, Mapping) else e for e in entries], np.float32)
