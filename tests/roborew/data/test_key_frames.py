"""Episodes of several cameras with key frames between their subtasks, as Robo-Dopamine keeps
them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roborew.data.reading import read_demonstrations
from roborew.errors import CorruptFileError, InvalidInputError
from tests.roborew.data.test_reading import write_clip

SUBTASKS = [(1, 2), (2, 4)]


def annotated(spans: Any = SUBTASKS) -> list[dict[str, Any]]:
    return [
        {"anotation": f"step {n}", "start_frame_id": a, "end_frame_id": b}
        for n, (a, b) in enumerate(spans)
    ]


def write_episode(folder: Path, content: Any = None) -> Path:
    for camera in ("cam_wrist", "cam_high"):
        write_clip(folder / f"{camera}.mp4", length=6)
    (folder / "annotated_keyframes.json").write_text(
        json.dumps(annotated() if content is None else content)
    )
    return folder


def write_sentences(folder: Path, content: Any = ("clean the table", "tidy up")) -> None:
    (folder / "task_instruction.json").write_text(json.dumps(content))


def test_an_episode_has_every_camera_its_key_frames_and_the_first_sentence_beside_it(
    tmp_path: Path,
) -> None:
    folder = write_episode(tmp_path / "episode")
    write_sentences(tmp_path)
    (one,) = read_demonstrations(folder)
    assert (one.name, one.instruction, one.length) == ("episode", "clean the table", 6)
    assert one.cameras == ("cam_high", "cam_wrist")
    assert (one.keyframes, one.stages) == ((2, 4), (("step 0", 1, 2), ("step 1", 2, 4)))
    assert (one.progress, one.succeeded) == (None, None)


def test_a_folder_of_episodes_is_a_set_and_a_goal_that_is_given_counts(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_episode(tmp_path / name)
    found = list(read_demonstrations(tmp_path, instruction="put everything away"))
    assert [(one.name, one.instruction) for one in found] == [
        (name, "put everything away") for name in "ab"
    ]


def test_without_a_sentence_a_goal_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="give an instruction"):
        read_demonstrations(write_episode(tmp_path / "episode"))


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(2, 4), (1, 2)], "stages in order"),
        ([(1, 3), (2, 4)], "stages in order, without overlap"),
        ([(1, 2), (2, 6)], "key frames that rise, inside 6 frames"),
        ([(1, 2), (2, 2)], "stages in order"),
        ([(1, 2.5)], "whole numbers"),
        ([(1, "2")], "whole numbers"),
        ([], "at least one subtask"),
    ],
)
def test_key_frames_that_do_not_rise_or_leave_the_video_are_refused(
    tmp_path: Path, spans: Any, said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        list(read_demonstrations(write_episode(tmp_path, annotated(spans)), instruction="clean up"))


@pytest.mark.parametrize("content", [{"a": 1}, [1], [{"start_frame_id": 1}], 5])
def test_other_content_says_what_is_expected(tmp_path: Path, content: Any) -> None:
    with pytest.raises(
        InvalidInputError, match="expected a list of objects with start_frame_id and end_frame_id"
    ):
        read_demonstrations(write_episode(tmp_path, content), instruction="clean up")


def test_files_that_are_no_json_are_corrupt_and_sentences_must_be_sentences(tmp_path: Path) -> None:
    folder = write_episode(tmp_path)
    (folder / "task_instruction.json").write_text("{")
    with pytest.raises(CorruptFileError, match=r"task_instruction\.json: expected JSON"):
        read_demonstrations(folder)
    write_sentences(folder, {"task": "tidy"})
    with pytest.raises(InvalidInputError, match="expected a list of sentences"):
        read_demonstrations(folder)
    (folder / "annotated_keyframes.json").write_text("[")
    with pytest.raises(CorruptFileError, match=r"annotated_keyframes\.json: expected JSON"):
        read_demonstrations(folder, instruction="tidy")


def test_an_episode_without_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "annotated_keyframes.json").write_text(json.dumps(annotated()))
    with pytest.raises(InvalidInputError, match="there is none"):
        read_demonstrations(tmp_path, instruction="tidy")


def test_a_manifest_may_name_the_file_of_its_key_frames(tmp_path: Path) -> None:
    write_episode(tmp_path)
    row = {
        "case_id": "one",
        "task": "tidy",
        "video": "cam_high.mp4",
        "keyframes": "annotated_keyframes.json",
    }
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    (one,) = read_demonstrations(tmp_path)
    assert (one.keyframes, one.stages) == ((2, 4), (("step 0", 1, 2), ("step 1", 2, 4)))
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row | {"keyframes": "lost.json"}))
    with pytest.raises(InvalidInputError, match=r"key frames .*lost\.json are missing"):
        list(read_demonstrations(tmp_path))
