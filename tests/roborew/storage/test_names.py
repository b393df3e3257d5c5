"""Nothing that somebody names, on the command line or in a file, leads to another folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roborew import api, cli
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, VideoFormat, write_episode
from roborew.data.manifest import make_demonstration, read_manifest
from roborew.data.video import write_video
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.names import check_file_name, file_inside, fill_path
from roborew.storage.run import RunDirectory
from roborew.workflows.fit.model_card import default_folders
from roborew.workflows.score import check_output_names
from roborew.workflows.train.config import TrainConfig

BAD_NAMES = {
    "parent": "../../x",
    "absolute": "/abs/x",
    "folder": "a/b",
    "backslash": "a\\b",
    "newline": "a\nb",
    "right-to-left": "a\u202eb",
    "escape": "a\x1b[2J",
    "line separator": "a\u2028b",
    "NUL": "a\0b",
    "no UTF-8": "a\udcff",
    "empty": "",
    "dot": ".",
    "dots": "..",
    "hidden": ".x",
    "trailing space": "a ",
    "leading space": " a",
    "too long": "a" * 201,
    "too long in bytes": "ü" * 101,
}
OUTSIDE = ["../x.mp4", "a/../../x.mp4", "/etc/passwd", "", ".", "a\0b"]


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"run: expected a name .*; got"):
        check_file_name(name, "run")


@pytest.mark.parametrize("name", ["a", "drawer 2", "Schüssel-机", "v1.2_final", "-", "a" * 200])
def test_a_good_name_stays_as_it_is(name: str) -> None:
    assert check_file_name(name, "run") == name


VIDEO_FORMAT = VideoFormat(fps=10.0, encoding=find_encoding("lossless"), drawing="fast")


def one_frame_episode(camera: str, folder: Path) -> None:
    frames = {camera: [np.zeros((16, 16, 3), np.uint8)]}
    episode = NewEpisode(name="a", instruction="go", columns={"x": np.zeros(1)}, frames=frames)
    write_episode(folder, episode, VIDEO_FORMAT)


PLACES: dict[str, Callable[[str, Path], object]] = {
    "run from Python": lambda name, folder: api.train(TrainConfig(), folder / name),
    "run directory": lambda name, folder: RunDirectory.create(folder / name, TrainConfig()),
    "video of a camera": one_frame_episode,
    "scores of a video": lambda name, folder: check_output_names([folder / f"{name}.mp4"], ["m"]),
    "scores of a reward": lambda name, folder: check_output_names([folder / "a.mp4"], [name]),
    "critic": lambda name, folder: default_folders(folder / f"{name}.mp4"),
}
IN_ONE_NAME = ["newline", "right-to-left", "escape", "too long"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", IN_ONE_NAME)
def test_every_name_that_becomes_a_file_is_looked_at(place: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="expected a "):
        PLACES[place](BAD_NAMES[kind], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", BAD_NAMES)
def test_a_run_stays_in_its_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert cli.main(["train", "--out", "in/runs", f"--name={BAD_NAMES[kind]}"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("roborew: ") and complaint.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


@pytest.mark.parametrize("relative", OUTSIDE)
def test_a_path_of_a_file_stays_below_its_folder(relative: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="expected a path below"):
        file_inside(tmp_path, relative, "row")
    assert file_inside(tmp_path, "a/b.mp4", "row") == tmp_path / "a/b.mp4"


@pytest.mark.parametrize("key", ["video", "wrist_video", "cameras", "videos"])
@pytest.mark.parametrize("relative", ["../x.mp4", "/etc/passwd"])
def test_a_manifest_names_videos_of_its_own_folder_only(
    key: str, relative: str, tmp_path: Path
) -> None:
    named = {"front": relative} if key in ("cameras", "videos") else relative
    row = {"case_id": "a", "instruction": "go", key: named}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    with pytest.raises(InvalidInputError, match="line 1.*which is outside"):
        read_manifest(tmp_path / "manifest.jsonl")


@pytest.mark.parametrize("key", ["progress_path", "keyframes"])
def test_a_manifest_names_labels_of_its_own_folder_only(key: str, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((3, 16, 16, 3), np.uint8), 10.0)
    row = {"case_id": "a", "instruction": "go", "video": "a.mp4", key: "../labels.json"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    (row,) = read_manifest(tmp_path / "manifest.jsonl")
    with pytest.raises(InvalidInputError, match=f"{key}.*which is outside"):
        make_demonstration(row)


@pytest.mark.parametrize(
    "template",
    [
        "{index.__class__}",
        "{index.__class__.__init__.__globals__}",
        "{index[0]}",
        "{key.__doc__}",
        "{index!r}",
        "{index:>999999999}",
        "{index:{key}}",
        "{index:0999d}",
        "{key:03d}",
        "{other}",
        "{0}",
        "{}",
        "{index",
        "index}",
        "{{index}}",
    ],
)
def test_a_template_reads_plain_fields_only(template: str) -> None:
    with pytest.raises(CorruptFileError, match="data_path: expected a path with {index}, {key}"):
        fill_path(template, "data_path", index=3, key="front")


def test_a_good_template_is_filled_in() -> None:
    template = "videos/{key}/chunk-{index:03d}/file-{index}.mp4"
    filled = fill_path(template, "video_path", index=3, key="observation.front")
    assert filled == "videos/observation.front/chunk-003/file-3.mp4"
