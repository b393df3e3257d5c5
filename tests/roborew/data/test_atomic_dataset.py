"""A set is whole or absent: whatever ends a process, no episode is torn, lost or written twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew.data.atomic_dataset import UnfinishedDataset, write_dataset
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, VideoFormat
from roborew.data.lerobot import LeRobotWriter
from roborew.data.manifest_writer import write_manifest_dataset
from roborew.data.reading import read_demonstrations
from roborew.errors import CorruptFileError, InvalidInputError, RoborewError, RunExistsError
from tests.roborew.data.killed import content
from tests.roborew.data.sets import LOSSLESS, episode, episodes, frames, write, write_as_folder

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("form", ["lerobot", "folder"])
def test_a_set_killed_at_any_moment_goes_on_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, form: str
) -> None:
    """Every seventh flush, rename and link here; `python tests/roborew/data/killed.py FOLDER FORM
    1` tries them all."""
    command = [sys.executable, "-m", "tests.roborew.data.killed", str(tmp_path), form, "7"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'envs'}"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[1]) >= 7


def interrupted(target: Path, after: int) -> None:
    """Write a set that breaks off in the middle of episode ``after``."""

    def breaking(first: int) -> Iterator[NewEpisode]:
        yield from (episode(number) for number in range(first, after))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(
            target, {"of": "sets", "form": "NoneType"}, breaking, LOSSLESS, LeRobotWriter()
        )


def test_only_what_is_missing_is_asked_for_again(tmp_path: Path) -> None:
    interrupted(tmp_path / "set", after=2)
    asked: list[int] = []
    seen: list[int] = []

    def rest(first: int) -> Any:
        asked.append(first)
        return episodes(first)

    write_dataset(
        tmp_path / "set",
        {"of": "sets", "form": "NoneType"},
        rest,
        LOSSLESS,
        LeRobotWriter(),
        seen.append,
    )
    assert asked == [2]
    assert seen == [2, 3, 4]
    assert content(tmp_path / "set") == content(write(tmp_path / "whole"))
    assert sorted(os.listdir(tmp_path)) == ["set", "whole"]


def test_a_finished_set_is_left_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "set")
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    write(tmp_path / "set")
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


@pytest.mark.parametrize("finished", [True, False])
def test_another_request_for_the_same_folder_is_refused_with_what_differs(
    tmp_path: Path, finished: bool
) -> None:
    if finished:
        write(tmp_path / "set")
    else:
        interrupted(tmp_path / "set", after=1)
    before = content(tmp_path)
    with pytest.raises(RunExistsError, match="form: 'NoneType' there, 'function' asked"):
        write_as_folder(tmp_path / "set")
    assert content(tmp_path) == before


def test_a_request_that_made_nothing_does_not_hold_the_place(tmp_path: Path) -> None:
    interrupted(tmp_path / "set", after=0)
    assert write_as_folder(tmp_path / "set").is_dir()


def test_what_is_no_set_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.txt").write_text("years of work")
    with pytest.raises(RunExistsError, match="never overwritten"):
        write(tmp_path / "thesis")
    assert os.listdir(tmp_path) == ["thesis"]


def test_what_came_to_the_place_in_the_meantime_is_kept_too(tmp_path: Path) -> None:
    def rude(first: int) -> Iterator[NewEpisode]:
        yield from episodes(first)
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "other.txt").touch()

    with pytest.raises(RunExistsError, match="whole at"):
        write_dataset(tmp_path / "set", {}, rude, LOSSLESS, LeRobotWriter())
    assert os.listdir(tmp_path / "set") == ["other.txt"]


@pytest.mark.parametrize("place", ["file/set", "file/deep/set", "set"])
def test_a_place_where_nothing_can_be_is_said(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "set.unfinished").touch()
    with pytest.raises(InvalidInputError, match="cannot be written .* Choose another folder"):
        write(tmp_path / place)


@pytest.mark.parametrize("torn", ["", "{", "[]", None])
@pytest.mark.parametrize("finished", [True, False])
def test_a_torn_request_is_named(tmp_path: Path, finished: bool, torn: str | None) -> None:
    write(tmp_path / "set") if finished else interrupted(tmp_path / "set", after=1)
    file = tmp_path / ("set" if finished else "set.unfinished") / "request.json"
    file.unlink()
    if torn is not None:
        file.write_text(torn)
    error = RunExistsError if finished and torn is None else CorruptFileError
    with pytest.raises(
        error,
        match="no set of roborew's" if error is RunExistsError else "request.json: expected what",
    ):
        write(tmp_path / "set")


def test_one_process_at_a_time_writes_a_set(tmp_path: Path) -> None:
    with (
        UnfinishedDataset(tmp_path / "set", {}, LOSSLESS),
        pytest.raises(RoborewError, match="is being written by process"),
    ):
        write_dataset(tmp_path / "set", {}, episodes, LOSSLESS, LeRobotWriter())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"frames": {"front": list(frames(0, "front"))[:-1]}},
            "got 4 frames for columns of 5 rows",
        ),
        ({"frames": {"front": [*frames(0, "front"), next(frames(0, "front"))]}}, "got 6 frames"),
        ({"frames": {"front": []}}, "no frame"),
        ({"columns": {}}, "columns of one length"),
        ({"columns": {"a": np.zeros(5), "b": np.zeros(4)}}, "columns of one length"),
        ({"columns": {"a": np.full(5, np.nan)}}, "column 'a' holds NaN"),
        ({"name": "../../etc"}, "a-z, 0-9 and -"),
        ({"frames": {"../front": frames(0, "front")}}, "a camera's name of letters"),
        ({"instruction": "  "}, "says nothing"),
    ],
)
def test_an_episode_that_breaks_a_rule_is_refused_and_those_before_it_are_kept(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        write_dataset(
            tmp_path / "set",
            {},
            lambda _: [episode(1), episode(0, **change)],
            LOSSLESS,
            LeRobotWriter(),
        )
    with UnfinishedDataset(tmp_path / "set", {}, LOSSLESS) as staging:
        assert staging.done == 1


def test_a_camera_keeps_the_name_that_other_peoples_videos_gave_it(tmp_path: Path) -> None:
    named = episode(0, frames={"Cam_High 2.left": frames(0, "front")})
    write_dataset(tmp_path / "set", {}, lambda _: [named], LOSSLESS, write_manifest_dataset)
    assert read_demonstrations(tmp_path / "set")[0].cameras == ("Cam_High 2.left",)


def test_odd_sides_need_the_encoding_that_keeps_them(tmp_path: Path) -> None:
    odd = episode(0, frames={"front": frames(0, "front", (33, 47))})
    lossy = VideoFormat(fps=10, encoding=find_encoding("h264"), drawing="fast")
    with pytest.raises(InvalidInputError, match="47 x 33 pixels; .* 'lossless'"):
        write_dataset(tmp_path / "set", {}, lambda _: [odd], lossy, LeRobotWriter())


def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with UnfinishedDataset(tmp_path / "set", {}, LOSSLESS) as staging:
        staging.add(episode(0))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(RoborewError, match="disk is full.*same command again"):
                staging.add(episode(1))
        assert staging.done == 1
        staging.add(episode(1))
        assert staging.done == 2


def test_a_disk_that_is_full_at_the_last_step_is_no_set_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path.name == "set":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(RoborewError, match="disk is full.*same command again"):
            write_as_folder(tmp_path / "set")
    assert write_as_folder(tmp_path / "set").is_dir()
    assert os.listdir(tmp_path) == ["set"]
