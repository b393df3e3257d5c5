"""The robot's states of a data set reach a reward that reads them, frame by frame, wherever it runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from roborew import cli
from roborew.data.lerobot import open_lerobot
from roborew.evaluation.baselines import blank, forward_and_reversed, last_frame, static
from roborew.rewards.checkpoints.sarm import Sarm
from roborew.rewards.remote.client import connect
from roborew.rewards.remote.wire import pack_clips, unpack_clips
from roborew.serving.server import Service, serving
from roborew.types import Clip, FloatArray
from roborew.workflows.score import find_sources, sample_source, sampled_clip
from tests.roborew.data.sets import LENGTHS, write_as_folder
from tests.roborew.data.sets import write as write_set
from tests.roborew.rewards.checkpoints.tiny_released import tiny_sarm, write_statistics

KEY = "observation.state"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A set of LeRobot's, the same as a folder of videos, and a SARM that was trained on its robot."""
    folder = tmp_path_factory.mktemp("states")
    return write_set(folder / "set"), write_as_folder(folder / "films"), tiny_sarm(folder / "sarm")


def words(weights: Path) -> list[str]:
    return ["--reward", str(weights), "--reward.clip", str(weights / "clip"), "--no-video"]


def expected_clips(root: Path, indices: Sequence[Sequence[int]]) -> list[Clip]:
    dataset = open_lerobot(root)
    clips: list[Clip] = []
    for entry, chosen in zip(dataset.episodes, indices, strict=True):
        frames = np.stack(list(dataset.frames(entry.index, dataset.info.cameras[0])))
        states = dataset.read(entry, [KEY])[KEY]
        sentence = dataset.instruction(entry)
        assert sentence is not None
        whole = Clip(frames=frames, instruction=sentence, robot_states=states)
        clips.append(whole.at(np.array(chosen)))
    return clips


def test_score_reads_the_states_of_the_frames_that_it_scores(
    places: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _, weights = places
    command = ["score", str(root), *words(weights), "--fps", "5", "--json"]
    assert cli.main([*command, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "states are not known" not in said.err
    figures = list(json.loads(said.out).values())
    clips = expected_clips(root, [row["frames"] for row in figures])
    assert any(len(clip.frames) < length for clip, length in zip(clips, LENGTHS, strict=True))
    model = Sarm(weights=str(weights), clip=str(weights / "clip"))
    for row, scores in zip(figures, model.score(clips), strict=True):
        np.testing.assert_allclose(row["scores"], scores.value, atol=1e-6)
    (blind,) = model.score([Clip(frames=clips[0].frames, instruction=clips[0].instruction)])
    assert np.abs(blind.value - figures[0]["scores"]).max() > 1e-4


def test_a_folder_of_films_says_the_same_as_a_set(places: tuple[Path, Path, Path]) -> None:
    root, films, _ = places
    pairs = zip(find_sources([root]).sources, find_sources([films]).sources, strict=True)
    for in_set, film in pairs:
        states = film.robot_states(KEY, [0, 2])
        assert states is not None and film.state_shape(KEY) == in_set.state_shape(KEY) == [3]
        np.testing.assert_array_equal(states, in_set.robot_states(KEY, [0, 2]))
        assert film.robot_states("absent", [0]) is None is in_set.robot_states("absent", [0])


def test_served_and_compared_it_reads_them_too(places: tuple[Path, Path, Path]) -> None:
    root, _, weights = places
    model = Sarm(weights=str(weights), clip=str(weights / "clip"))
    with serving(Service(model, "a"), "127.0.0.1", 0) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        remote = connect(f"http://127.0.0.1:{server.server_address[1]}")
        assert remote.spec == model.spec
        for source in find_sources([root]).sources:
            sampled = sample_source(source, None)
            clip = sampled_clip(remote, sampled, "open the drawer", None)
            assert clip.robot_states is not None
            (far,), (near,) = remote.score([clip]), model.score([clip])
            np.testing.assert_array_equal(far.value, near.value)
        server.shutdown()


@pytest.mark.parametrize("command", ["score", "compare"])
def test_a_set_of_another_robot_is_one_error_before_anything_is_written(
    command: str,
    places: tuple[Path, Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, films, weights = places
    other = Path(shutil.copytree(weights, tmp_path / "sarm"))
    write_statistics(other, {f"{KEY}.mean": torch.zeros(4), f"{KEY}.std": torch.ones(4)})
    arguments = words(other)
    if command == "compare":
        settings = ["--sarm.weights", str(other), "--sarm.clip", str(other / "clip")]
        arguments = [
            "--instruction",
            "open it",
            "--wrong",
            "shut it",
            "--rewards",
            "sarm",
            *settings,
        ]
    for scored in (root, films):
        assert cli.main([command, str(scored), *arguments, "--out", str(tmp_path / "out")]) == 2
        message = " ".join(capsys.readouterr().err.split())
        assert f"{KEY} has the shape [3]; sarm reads states of 4 numbers" in message
        assert not (tmp_path / "out").exists()


def counted(length: int) -> Clip:
    """A clip whose frames and states have their number in them."""
    frames = np.zeros((length, 8, 8, 3), np.uint8)
    frames[:] = np.arange(length)[:, None, None, None]
    states = np.arange(length, dtype=np.float32)[:, None]
    return Clip(frames=frames, instruction="open it", robot_states=states)


def test_whatever_is_done_to_a_clip_states_stay_with_their_frames() -> None:
    clip = counted(5)

    def states_of(other: Clip) -> FloatArray:
        assert other.robot_states is not None
        return other.robot_states[:, 0]

    changed: list[Any] = [
        static(clip),
        last_frame(clip),
        forward_and_reversed(clip, [0, 1, 4, 2, 2]),
    ]
    changed += unpack_clips(b"".join(pack_clips([clip, clip.at(np.array([3, 1]))])))[0]
    for other in changed:
        np.testing.assert_array_equal(states_of(other), other.frames[:, 0, 0, 0])
    assert blank(clip).robot_states is None
