"""Demonstrations read alike from every form; whatever cannot be one says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from roborew.data.atomic_dataset import write_dataset
from roborew.data.demonstration import Demonstration
from roborew.data.manifest_writer import write_manifest_dataset
from roborew.data.reading import read_demonstrations
from roborew.data.video import write_video
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.types import Frame
from tests.roborew.data.sets import (
    CAMERAS,
    LENGTHS,
    LOSSLESS,
    episode,
    frames,
    write,
    write_as_folder,
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    return {"lerobot": write(folder / "lerobot"), "folder": write_as_folder(folder / "folder")}


@pytest.fixture
def copy(sets: dict[str, Path], tmp_path: Path) -> Path:
    """A folder set, to be damaged."""
    return shutil.copytree(sets["folder"], tmp_path / "copy")


@pytest.mark.parametrize("form", ["lerobot", "folder"])
def test_both_forms_give_back_everything_exactly(sets: dict[str, Path], form: str) -> None:
    found = read_demonstrations(sets[form])
    assert len(found) == len(LENGTHS)
    for number, one in enumerate(found):
        given = episode(number)
        assert (one.name, one.instruction, one.length) == (
            given.name,
            given.instruction,
            LENGTHS[number],
        )
        assert (one.fps, one.cameras) == (10, CAMERAS)
        np.testing.assert_array_equal(one.progress, given.columns["progress"])
        np.testing.assert_array_equal(one.success, given.columns["success"])
        assert (one.succeeded, one.quality, one.onset) == (True, "partial", given.notes["onset"])
        assert one.stages == tuple(given.stages)
        assert one.notes["behavior"] == "stall" and one.notes["seed"] == given.notes["seed"]
        for camera in CAMERAS:
            np.testing.assert_array_equal(one.video(camera), np.stack(list(frames(number, camera))))


def test_a_set_that_spells_a_note_as_it_was_called_before_gives_it_its_present_name(
    copy: Path,
) -> None:
    manifest = copy / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"behavior"', '"behaviour"'))
    for demonstration in read_demonstrations(manifest.parent):
        assert demonstration.notes["behavior"] == "stall"
        assert "behaviour" not in demonstration.notes


@pytest.mark.parametrize("form", ["lerobot", "folder"])
def test_a_slice_is_a_smaller_set(sets: dict[str, Path], form: str) -> None:
    found = read_demonstrations(sets[form])
    names = [one.name for one in found]
    for part in (slice(1, None), slice(None, None, -1), slice(0, 0)):
        assert [one.name for one in found[part]] == names[part]
    assert found[-1].name == names[-1]
    assert found[1:].path == found.path


def test_a_folder_set_states_how_it_was_drawn_and_what_is_exact_and_keeps_every_number(
    sets: dict[str, Path],
) -> None:
    lines = [
        json.loads(line) for line in (sets["folder"] / "manifest.jsonl").read_text().splitlines()
    ]
    assert [line["case_id"] for line in lines] == [
        f"case-{number}" for number in range(len(LENGTHS))
    ]
    for number, line in enumerate(lines):
        assert (line["drawing"], line["codec"], line["exact"]) == ("fast", "h264", True)
        assert (line["frames"], line["width"], line["height"], line["fps"]) == (
            LENGTHS[number],
            48,
            32,
            10,
        )
        assert (line["label"], line["success"]) == ("success", True)
        assert (
            line["video"] == line["cameras"]["front"] and (sets["folder"] / line["video"]).is_file()
        )
        numbers = load_file(sets["folder"] / line["numbers"])
        for name, values in episode(number).columns.items():
            np.testing.assert_array_equal(numbers[name], values)


def test_two_episodes_of_one_name_make_no_folder_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="two episodes are named 'case-0'"):
        write_dataset(
            tmp_path / "set",
            {},
            lambda _: [episode(0), episode(0)],
            LOSSLESS,
            write_manifest_dataset,
        )


def write_clip(
    path: Path, length: int = 5, size: tuple[int, int] = (32, 48), fps: float = 10
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, (np.full((*size, 3), 20 * t, np.uint8) for t in range(length)), fps)


def test_a_folder_of_videos_and_a_single_video_take_the_goal_given(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mp4"):
        write_clip(tmp_path / name)
    both = read_demonstrations(tmp_path, instruction="open the drawer")
    assert [one.name for one in both] == ["a", "b"]
    (single,) = read_demonstrations(tmp_path / "b.mp4", instruction="open the drawer")
    assert (single.instruction, single.length, single.progress, single.succeeded) == (
        "open the drawer",
        5,
        None,
        None,
    )
    assert single.video().shape == (5, 32, 48, 3)


def test_frames_are_decoded_when_they_are_asked_for(sets: dict[str, Path]) -> None:
    one = read_demonstrations(sets["lerobot"])[2]
    stream = one.frames("wrist")
    np.testing.assert_array_equal(next(stream), next(frames(2, "wrist")))
    with pytest.raises(InvalidInputError, match="no camera 'top'. Available: front, wrist"):
        one.frames("top")


def manifest(folder: Path, *rows: dict[str, Any], mark: str = "") -> Path:
    (folder / "manifest.jsonl").write_text(mark + "\n".join(map(json.dumps, rows)), "utf-8")
    return folder


RISING = [0, 0.25, 0.5, 0.75, 1]


def row(**changes: Any) -> dict[str, Any]:
    return {"case_id": "one", "instruction": "open the drawer", "video": "one.mp4"} | changes


@pytest.mark.parametrize(
    "progress",
    [
        [0, 0.25, 0.5, 0.75, 1],
        {"progress": [0, 0.25, 0.5, 0.75, 1]},
        [{"progress": t / 4} for t in range(5)],
    ],
)
def test_manifests_of_others_are_read_with_every_way_to_give_a_curve(
    tmp_path: Path, progress: Any
) -> None:
    write_clip(tmp_path / "one.mp4")
    write_clip(tmp_path / "two.mp4")
    (tmp_path / "curve.json").write_text(json.dumps(progress))
    rows = [
        row(progress=progress, label="succeeded", benchmark="bench"),
        {
            "id": "two",
            "task": "shut it",
            "videos": {"cam_high": "two.mp4"},
            "label": 1,
            "progress_path": "curve.json",
        },
    ]
    one, two = read_demonstrations(manifest(tmp_path, *rows, mark="\ufeff"))
    for each in (one, two):
        np.testing.assert_array_equal(each.progress, np.linspace(0, 1, 5, dtype=np.float32))
    assert (one.succeeded, two.succeeded, two.instruction) == (True, True, "shut it")
    assert one.cameras == two.cameras == ("front",)
    assert one.notes == {"benchmark": "bench"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"video": "lost.mp4"}, r"one, front: its video .*lost\.mp4 is missing"),
        ({"video": ""}, "line 1: one: expected a video"),
        ({"instruction": ""}, "expected a case_id and an instruction"),
        ({"videos": {"front": "one.mp4"}}, "either 'videos' or single videos"),
        ({"left_wrist_video": "one.mp4"}, "a left and a right one"),
        (
            {"progress": [0, 1]},
            r"progress has shape \(2,\); expected one entry for each of 5 frames",
        ),
        ({"progress": [0, 1, 2, 3, 100]}, r"leaves \[0, 1\]"),
        ({"progress": [0, 0, 0, 0, 0], "progress_path": "x"}, "got both"),
        ({"progress_path": "lost.json"}, r"lost\.json is missing"),
        ({"success_per_frame": [True]}, "success has shape"),
        ({"label": "perhaps"}, "expected the label success or failure; got 'perhaps'"),
        ({"keyframes": [1, 3, 2]}, r"key frames that rise.*\[1, 3, 2\]"),
        ({"keyframes": [1, 5]}, "inside 5 frames"),
        ({"stages": [["pull", 2, 5], ["reach", 0, 2]]}, "stages in order"),
        ({"stages": [["reach", 0, 3], ["pull", 2, 5]]}, "without overlap"),
        ({"stages": [["reach", 0, 6]]}, "inside 5 frames"),
        ({"stages": [["reach", 2, 2]]}, "stages in order"),
    ],
)
def test_a_row_that_cannot_be_a_demonstration_says_why(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    write_clip(tmp_path / "one.mp4")
    with pytest.raises(InvalidInputError, match=said):
        list(read_demonstrations(manifest(tmp_path, row(**changes))))


@pytest.mark.parametrize(("key", "value"), [("frames", 6), ("width", 64), ("fps", 25)])
def test_a_video_that_is_not_what_the_manifest_says_is_corrupt(
    tmp_path: Path, key: str, value: int
) -> None:
    write_clip(tmp_path / "one.mp4")
    with pytest.raises(CorruptFileError, match=f"the manifest says {value}"):
        list(read_demonstrations(manifest(tmp_path, row(**{key: value}))))


@pytest.mark.parametrize(
    ("label", "expected"), [("failed", False), (0, False), ("True", True), ("", None)]
)
def test_a_label_is_read_in_every_spelling(
    tmp_path: Path, label: Any, expected: bool | None
) -> None:
    write_clip(tmp_path / "one.mp4")
    (one,) = read_demonstrations(manifest(tmp_path, row(label=label)))
    assert one.succeeded is expected


@pytest.mark.parametrize("length", [1, 2])
def test_fewer_than_three_frames_show_no_order(tmp_path: Path, length: int) -> None:
    write_clip(tmp_path / "short.mp4", length)
    with pytest.raises(
        InvalidInputError, match=f"short: a demonstration of {length} frames; expected at least 3"
    ):
        list(read_demonstrations(tmp_path, instruction="open the drawer"))


def test_a_video_without_a_frame_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"")
    with pytest.raises(CorruptFileError, match=r"none\.mp4"):
        read_demonstrations(tmp_path, instruction="open the drawer")


@pytest.mark.parametrize("other", [{"size": (32, 64)}, {"fps": 25}])
def test_videos_of_different_size_or_rate_make_a_set(tmp_path: Path, other: dict[str, Any]) -> None:
    """Telephones film at 29.9 and at 30.1 per second, and people change the telephone."""
    write_clip(tmp_path / "a.mp4")
    write_clip(tmp_path / "b.mp4", **other)
    first, second = read_demonstrations(tmp_path, instruction="open the drawer")
    assert (first.fps, second.fps) == (10, other.get("fps", 10))
    assert second.video().shape[1:3] == other.get("size", (32, 48))


def test_videos_are_found_whatever_the_case_of_their_suffix_and_the_rest_is_named(
    tmp_path: Path,
) -> None:
    for name in ("a.mp4", "b.MP4", "c.Mov", "a.mkv"):
        write_clip(tmp_path / "film.mp4")
        (tmp_path / "film.mp4").rename(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.mp4").touch()
    found = read_demonstrations(tmp_path, instruction="open the drawer")
    assert [one.name for one in found] == ["a.mkv", "a.mp4", "b", "c"]
    assert [path.name for path in found.left_out] == ["notes.txt"]


def test_cameras_of_different_length_make_no_demonstration(tmp_path: Path) -> None:
    write_clip(tmp_path / "one.mp4")
    write_clip(tmp_path / "wrist.mp4", length=4)
    with pytest.raises(InvalidInputError, match="wrist has 4 frames .* another camera 5"):
        list(read_demonstrations(manifest(tmp_path, row(wrist_video="wrist.mp4"))))


def test_a_manifest_that_is_no_json_or_names_a_case_twice_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "one.mp4")
    with pytest.raises(InvalidInputError, match="case_id once; got one again"):
        read_demonstrations(manifest(tmp_path, row(), row()))
    (tmp_path / "manifest.jsonl").write_text("{not json}")
    with pytest.raises(InvalidInputError, match="line 1"):
        read_demonstrations(tmp_path / "manifest.jsonl")
    (tmp_path / "manifest.jsonl").write_text("\n")
    with pytest.raises(InvalidInputError, match="is empty"):
        read_demonstrations(tmp_path)


def test_a_goal_is_asked_for_where_there_is_none_and_replaces_a_wrong_one(
    sets: dict[str, Path], tmp_path: Path
) -> None:
    write_clip(tmp_path / "a.mp4")
    with pytest.raises(InvalidInputError, match="give an instruction"):
        read_demonstrations(tmp_path)
    other = read_demonstrations(sets["lerobot"], instruction="close the lid")[0]
    assert (other.instruction, other.paraphrases, other.wrong_instructions) == (
        "close the lid",
        (),
        (),
    )


def test_nothing_to_read_and_what_is_not_finished_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no demonstrations; expected"):
        read_demonstrations(tmp_path)
    (tmp_path / "set.unfinished").mkdir()
    with pytest.raises(InvalidInputError, match="not finished"):
        read_demonstrations(tmp_path / "set")


def test_a_source_that_gives_another_number_of_frames_is_corrupt() -> None:
    def source(_: str) -> Iterator[Frame]:
        return frames(0, "front")

    for length in (4, 6):
        one = Demonstration(
            name="one", instruction="go", length=length, fps=10, cameras=("front",), source=source
        )
        with pytest.raises(CorruptFileError, match=f"holds 5 frames; expected {length}"):
            one.video()


def test_a_lost_video_of_a_set_is_named(copy: Path) -> None:
    (copy / "videos/case-2-wrist.mp4").unlink()
    with pytest.raises(InvalidInputError, match=r"case-2, wrist: its video .* is missing"):
        read_demonstrations(copy)
