"""LeRobotDataset: what is written comes back, to the last bit; what is damaged or of another kind
says so."""

from __future__ import annotations

import io
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from roborew.data.atomic_dataset import write_dataset
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, VideoFormat
from roborew.data.lerobot import LeRobotWriter, open_lerobot
from roborew.data.lerobot.concat import concat_videos, pixel_format
from roborew.data.lerobot.tables import MAX_OBJECTS, MAX_VALUES, UNNAMED_INDEX, TableFile
from roborew.data.video import read_video, write_video
from roborew.errors import CorruptFileError, InvalidInputError
from tests.roborew.data.sets import (
    CAMERAS,
    LENGTHS,
    LOSSLESS,
    episode,
    episodes,
    frames,
    write,
    write_older,
)

TINY = LeRobotWriter(data_bytes=600, video_bytes=3000, chunks_size=2)
"""A file holds an episode or two, a folder two files."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("lerobot") / "set")


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return shutil.copytree(root, tmp_path / "set")


def same_frames(root: Path) -> None:
    opened = open_lerobot(root)
    for number in range(len(LENGTHS)):
        for camera in CAMERAS:
            found = list(opened.frames(number, f"observation.images.{camera}"))
            np.testing.assert_array_equal(np.stack(found), np.stack(list(frames(number, camera))))


def same_columns(root: Path) -> None:
    opened, start = open_lerobot(root), 0
    for number, length in enumerate(LENGTHS):
        found = opened.columns(number)
        for name, values in episode(number).columns.items():
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values)
        np.testing.assert_array_equal(found["frame_index"], np.arange(length))
        np.testing.assert_array_equal(found["index"], start + np.arange(length))
        np.testing.assert_array_equal(found["episode_index"], np.full(length, number))
        np.testing.assert_array_equal(
            found["timestamp"], (np.arange(length) / 10).astype(np.float32)
        )
        start += length


def test_every_column_and_every_frame_comes_back_also_at_the_bounds_of_episodes_that_share_a_file(
    root: Path,
) -> None:
    assert len(list(root.rglob("*.mp4"))) == len(CAMERAS)
    same_columns(root)
    same_frames(root)


def test_words_stages_and_notes_come_back(root: Path) -> None:
    opened = open_lerobot(root)
    for number, entry in enumerate(opened.episodes):
        given = episode(number)
        assert opened.instruction(entry) == given.instruction
        assert {name: entry.row[name] for name in given.notes} == given.notes
        assert entry.row["dense_subtask_names"] == ["approach", "pull"]
        assert entry.row["dense_subtask_end_frames"] == [1, LENGTHS[number] - 1]
        assert entry.row["dense_subtask_start_times"] == [0.0, 0.2]
        assert entry.row["dense_subtask_end_times"] == [0.1, (LENGTHS[number] - 1) / 10]
    assert opened.tasks == {0: "open the drawer", 1: "shut the drawer"}


def test_files_roll_over_at_their_limits_and_folders_after_them(tmp_path: Path) -> None:
    root = write(tmp_path / "set", TINY)
    assert {str(path.relative_to(root / "data")) for path in root.rglob("data/*/*.parquet")} >= {
        "chunk-000/file-000.parquet",
        "chunk-000/file-001.parquet",
        "chunk-001/file-000.parquet",
    }
    assert len(list(root.rglob("*.mp4"))) > len(CAMERAS)
    info = json.loads((root / "meta/info.json").read_text())
    assert info["chunks_size"] == 2
    same_columns(root)
    same_frames(root)


def test_a_row_group_is_an_episode(root: Path) -> None:
    file = pq.ParquetFile(root / "data/chunk-000/file-000.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == list(
        LENGTHS
    )
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_the_tree_says_what_lerobot_expects(root: Path) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["splits"]) == ("v3.0", 10, {"train": "0:4"})
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (
        4,
        sum(LENGTHS),
        2,
    )
    assert info["features"]["observation.state"] == {
        "dtype": "float32",
        "shape": [3],
        "names": None,
    }
    assert info["features"]["success"]["dtype"] == "bool" and info["features"]["stage"][
        "shape"
    ] == [1]
    camera = info["features"]["observation.images.front"]
    assert camera["shape"] == [32, 48, 3] and camera["info"]["video.codec"] == "h264"
    assert camera["info"]["roborew.drawing"] == "fast" and camera["info"]["video.pix_fmt"] == "gbrp"
    tasks = pq.read_table(root / "meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    schema = pq.read_schema(root / "data/chunk-000/file-000.parquet")
    assert schema.field("observation.state").type == pa.list_(pa.float32(), 3)
    assert "observation.images.front" not in schema.names


def test_the_episode_tables_of_all_sets_have_the_same_types(root: Path, tmp_path: Path) -> None:
    def bare(_: int) -> Any:
        yield episode(0, stages=(), notes=dict.fromkeys(episode(0).notes))

    other = write_dataset(tmp_path / "bare", {}, bare, LOSSLESS, LeRobotWriter())
    full, empty = (
        pq.read_schema(each / "meta/episodes/chunk-000/file-000.parquet") for each in (root, other)
    )
    assert full.equals(empty) and full.field("onset").type == pa.int64()
    assert full.field("dense_subtask_names").type == pa.list_(pa.string())


def test_shares_of_the_stages_are_those_of_the_episodes_that_went_through_all_of_them(
    root: Path, tmp_path: Path
) -> None:
    def shares(path: Path) -> Any:
        return json.loads((path / "meta/temporal_proportions_dense.json").read_text())

    expected = float(np.mean([2 / length for length in LENGTHS]))
    assert shares(root) == {
        "approach": pytest.approx(expected),
        "pull": pytest.approx(1 - expected),
    }

    def mixed(_: int) -> Any:
        yield episode(0, stages=[("approach", 0, 5)])
        yield episode(1, stages=[("approach", 0, 1), ("pull", 1, 2), ("approach", 2, 3)])

    path = write_dataset(tmp_path / "mixed", {}, mixed, LOSSLESS, LeRobotWriter())
    assert shares(path) == {"approach": pytest.approx(2 / 3), "pull": pytest.approx(1 / 3)}


def test_statistics_are_those_of_all_frames(root: Path) -> None:
    found = json.loads((root / "meta/stats.json").read_text())
    states = np.concatenate(
        [episode(number).columns["observation.state"] for number in range(len(LENGTHS))]
    )
    np.testing.assert_allclose(found["observation.state"]["mean"], states.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["observation.state"]["std"], states.std(axis=0), atol=1e-6)
    assert found["observation.state"]["count"] == [sum(LENGTHS)]
    pixels = np.concatenate([np.stack(list(frames(n, "front"))) for n in range(len(LENGTHS))]) / 255
    assert np.shape(found["observation.images.front"]["mean"]) == (3, 1, 1)
    np.testing.assert_allclose(
        np.ravel(found["observation.images.front"]["mean"]), pixels.mean((0, 1, 2)), atol=1e-6
    )
    row = pq.read_table(root / "meta/episodes").to_pylist()[0]
    assert np.shape(row["stats/observation.images.front/q99"]) == (3, 1, 1) and row[
        "stats/action/count"
    ] == [5]


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_lossy_video_has_the_right_frames_in_the_right_places(tmp_path: Path, codec: str) -> None:
    opened = open_lerobot(
        write(
            tmp_path / "set",
            video_format=VideoFormat(fps=10, encoding=find_encoding(codec), drawing="fast"),
        )
    )
    for number in range(len(LENGTHS)):
        for found, given in zip(
            opened.frames(number, "observation.images.wrist"), frames(number, "wrist"), strict=True
        ):
            assert found.shape == given.shape
            assert (
                abs(float(found[:, 30:].mean()) - float(given[:, 30:].mean())) < 2.5
            )  # neighbours are 5 apart


def test_streams_that_cannot_be_joined_get_files_of_their_own(tmp_path: Path) -> None:
    """As after going on with another version of the encoder."""
    other = LOSSLESS.encoding

    def mixed(first: int) -> Any:
        for number, given in enumerate(episodes(first)):
            if number == 2:
                object.__setattr__(
                    LOSSLESS.encoding, "options", dict(other.options) | {"level": "5.1"}
                )
            yield given

    before = LOSSLESS.encoding.options
    try:
        root = write_dataset(tmp_path / "set", {}, mixed, LOSSLESS, LeRobotWriter())
    finally:
        object.__setattr__(LOSSLESS.encoding, "options", before)
    assert len(list(root.rglob("*.mp4"))) == 2 * len(CAMERAS)
    same_frames(root)


def test_a_task_list_of_older_files_has_an_unnamed_index(copy: Path) -> None:
    path = copy / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).rename_columns({"task": UNNAMED_INDEX}), path)
    assert open_lerobot(copy).tasks == {0: "open the drawer", 1: "shut the drawer"}


def edit_info(root: Path, **changes: Any) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_unknown_keys_are_ignored_with_a_warning(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit_info(copy, total_chunks=1, mood="sunny")
    with caplog.at_level(logging.WARNING):
        open_lerobot(copy)
    assert "ignored: mood, total_chunks" in caplog.text


@pytest.mark.parametrize("version", ["v4.0", "v2.0", "3"])
def test_other_versions_are_refused(copy: Path, version: str) -> None:
    edit_info(copy, codebase_version=version)
    with pytest.raises(InvalidInputError, match=f"version {version}; read are v3.0 and v2.1"):
        open_lerobot(copy)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fps": 0}, "fps above 0"),
        ({"chunks_size": "many"}, "chunks_size above 0"),
        ({"total_episodes": 5}, "promises 5"),
        ({"total_frames": 7}, "do not add up to the 7"),
        ({"features": {"a": {}}}, "KeyError"),
        ({"video_path": "../../{video_key}.mp4"}, "outside"),
        ({"data_path": "/etc/{chunk_index}{file_index}"}, "outside"),
        ({"data_path": "{nothing}"}, "KeyError"),
    ],
)
def test_a_description_that_cannot_be_is_corrupt(
    copy: Path, changes: dict[str, Any], said: str
) -> None:
    edit_info(copy, **changes)
    with pytest.raises(CorruptFileError, match=said):
        open_lerobot(copy)


@pytest.mark.parametrize(
    "name", ["data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"]
)
def test_a_table_without_its_footer_says_what_happened(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFileError, match="never closed has no footer"):
        open_lerobot(copy).columns(0)


@pytest.mark.parametrize(
    ("lengths", "said"),
    [((MAX_OBJECTS + 1,), "a row of 64 MiB"), ((MAX_VALUES // 16,) * 17, "values to decode")],
)
def test_a_small_table_that_unfolds_to_gigabytes_is_refused_before_it_is_decoded(
    lengths: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.parquet"
    zeros = pa.array(np.zeros(max(lengths), np.int8))
    states = pa.ListArray.from_arrays([0, max(lengths)], zeros)
    row = pa.table({"episode_index": [0], "observation.state": states})
    with pq.ParquetWriter(path, row.schema) as writer:
        for _ in lengths:
            writer.write_table(row)
    with pytest.raises(InvalidInputError, match=said):
        TableFile(path).episode(0, ["observation.state"])
    with pytest.raises(InvalidInputError, match="values to decode; the limit is 8388608"):
        TableFile(path).read()


@pytest.mark.parametrize("name", ["data/chunk-000/file-000.parquet", "meta/tasks.parquet"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(InvalidInputError, match=f"{name}: no such file"):
        open_lerobot(copy).columns(0)


def test_a_video_of_another_rate_does_not_pass_for_the_right_one(copy: Path) -> None:
    video = next(copy.rglob("observation.images.front/*/*.mp4"))
    video.unlink()
    write_video(video, [next(frames(0, "front"))] * 30, fps=11)
    opened = open_lerobot(copy)
    with pytest.raises(CorruptFileError, match="no frame at 0.1000 s"):
        list(opened.frames(0, "observation.images.front"))


def test_a_video_that_ends_too_early_is_corrupt(copy: Path) -> None:
    video = next(copy.rglob("observation.images.front/*/*.mp4"))
    video.unlink()
    write_video(video, [next(frames(0, "front"))] * 17, fps=10)
    with pytest.raises(CorruptFileError, match=r"episode 3 has no frame at 1\.7000 s"):
        list(open_lerobot(copy).frames(3, "observation.images.front"))


def test_an_unknown_camera_is_refused_with_the_list(root: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"no camera 'top'. Available: observation\.images\.front, "
    ):
        open_lerobot(root).frames(0, "top")


def test_a_lost_row_is_noticed(copy: Path) -> None:
    path = copy / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, len(table) - 1), path)
    assert len(open_lerobot(copy).columns(0)["index"]) == LENGTHS[0]
    with pytest.raises(CorruptFileError, match="has 3 rows; the episode table says 4"):
        open_lerobot(copy).columns(3)


def test_episodes_of_different_columns_make_no_set(tmp_path: Path) -> None:
    def mixed(_: int) -> list[NewEpisode]:
        return [episode(0), episode(1, columns={"progress": np.zeros(3)})]

    with pytest.raises(InvalidInputError, match="columns differ from those of the first"):
        write_dataset(tmp_path / "set", {}, mixed, LOSSLESS, LeRobotWriter())


@pytest.fixture
def older(root: Path, tmp_path: Path) -> Path:
    """The same set in version 2.1."""
    return write_older(root, tmp_path / "older")


def test_version_2_1_is_read_too(older: Path, caplog: pytest.LogCaptureFixture) -> None:
    same_columns(older)
    same_frames(older)
    opened = open_lerobot(older)
    assert opened.instruction(opened.episodes[1]) == "shut the drawer"
    assert "ignored" not in caplog.text


def test_pictures_inside_the_table_are_read_too(copy: Path) -> None:
    def png(frame: Any) -> bytes:
        held = io.BytesIO()
        Image.fromarray(frame).save(held, "png")
        return held.getvalue()

    path = copy / "data/chunk-000/file-000.parquet"
    pictures = [
        {"bytes": png(f), "path": "x.png"} for n in range(len(LENGTHS)) for f in frames(n, "front")
    ]
    pq.write_table(pq.read_table(path).append_column("observation.image", pa.array(pictures)), path)
    features = json.loads((copy / "meta/info.json").read_text())["features"]
    feature = {"dtype": "image", "shape": [32, 48, 3], "names": ["height", "width", "channels"]}
    edit_info(copy, features=features | {"observation.image": feature})
    found = np.stack(list(open_lerobot(copy).frames(2, "observation.image")))
    np.testing.assert_array_equal(found, np.stack(list(frames(2, "front"))))


@pytest.mark.parametrize("name", ["os:", "http:x", "concat:a"])
def test_a_folder_with_a_colon_is_no_protocol(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg reads a relative path up to its first colon as a protocol, such as http."""
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    pictures = np.zeros((3, 16, 16, 3), np.uint8)
    file = Path(name) / "a.mp4"
    write_video(file, pictures, 10.0)
    concat_videos(Path(name) / "b.mp4", [file, file], [3, 3], 10)
    assert pixel_format(file) and len(read_video(Path(name) / "b.mp4")) == 6
