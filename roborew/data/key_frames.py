"""Episodes as Robo-Dopamine keeps them: a folder with a video a camera, and the key frames between
subtasks.

<set>/task_instruction.json                      sentences that mean the same task, the first one
counts <set>/<episode>/<camera>.mp4                     the main camera is the first by name
<set>/<episode>/annotated_keyframes.json         subtasks in order, see `read_key_frames`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from roborew.data.video import VIDEO_SUFFIXES
from roborew.errors import InvalidInputError
from roborew.storage.json_files import read_json

KEY_FRAMES = "annotated_keyframes.json"
SENTENCES = "task_instruction.json"
Row = dict[str, Any]


def read_key_frames(path: Path) -> Row:
    """Subtasks from a list of objects with ``start_frame_id`` and ``end_frame_id``, which is where
    the next one may start, and a name as ``anotation`` (so spelt) or ``annotation``.

    Returns:
        ``keyframes``, the last frame of each, and ``stages`` as (name, first frame, one past the
        last).

    Raises:
        InvalidInputError: no such file, or another content; whether the frames rise is for
            `Demonstration` to say.
        CorruptFileError: no JSON.
    """
    if not path.is_file():
        raise InvalidInputError(f"key frames {path} are missing.")
    try:
        content: Any = read_json(path)
        spans = [(one["start_frame_id"], one["end_frame_id"]) for one in content]
        names = [
            # Robo-Dopamine's own files spell it with one n.
            one.get("anotation") or one.get("annotation") or f"subtask{n}"
            for n, one in enumerate(content, 1)
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(
            f"{path}: expected a list of objects with start_frame_id and end_frame_id; got "
            f"{error!r}."
        ) from error
    # type, not isinstance: true and false are ints to Python.
    if not spans or not all(type(frame) is int for span in spans for frame in span):
        raise InvalidInputError(
            f"{path}: expected at least one subtask, its frames as whole numbers; got {spans}."
        )
    return {
        "keyframes": [end for _, end in spans],
        "stages": [[n, *s] for n, s in zip(names, spans, strict=True)],
    }


def find_episodes(path: Path, instruction: str | None) -> list[Row]:
    """Rows of a manifest (see `roborew.data.manifest`) of an episode's folder, or of a folder of
    such; none where there are no key frames.

    Raises:
        InvalidInputError: an episode without a video, or there is no sentence and no instruction.
        CorruptFileError: a file is no JSON.
    """
    folders = (
        [path]
        if (path / KEY_FRAMES).is_file()
        else sorted(p.parent for p in path.glob(f"*/{KEY_FRAMES}"))
    )
    return [_row(folder, instruction or _sentence(folder)) for folder in folders]


def _row(folder: Path, sentence: str) -> Row:
    videos = sorted(
        path
        for path in folder.glob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    )
    if not videos:
        raise InvalidInputError(
            f"{folder}: expected the videos of {KEY_FRAMES} beside it; there is none."
        )
    return {
        "case_id": folder.resolve().name,
        "instruction": sentence,
        "cameras": {video.stem: video for video in videos},
        "folder": folder,
        **read_key_frames(folder / KEY_FRAMES),
    }


def _sentence(folder: Path) -> str:
    file = next(
        (f for f in (folder / SENTENCES, folder.resolve().parent / SENTENCES) if f.is_file()), None
    )
    if file is None:
        raise InvalidInputError(
            f"{folder}: no {SENTENCES} says what the videos show; give an instruction."
        )
    content: Any = read_json(file)
    if not isinstance(content, list) or not content or not isinstance(content[0], str):
        raise InvalidInputError(f"{file}: expected a list of sentences; got {content!r:.80}.")
    return cast("list[str]", content)[0]
