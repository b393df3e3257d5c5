"""Embeddings depend on the frame alone: not on its batch, its place, the replica, or what was
embedded before."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from roborew.encoders import embedder as module
from roborew.encoders.cache import EmbeddingCache
from roborew.encoders.embedder import Embedder, PretrainedModel, RoundingCheck
from roborew.encoders.open_clip import load_open_clip
from roborew.encoders.preprocess import Preprocessing
from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.types import Video
from tests.roborew.encoders.tiny_towers import RESNET, tiny_clip, tiny_siglip


class Counting(nn.Module):
    """The mean colours of a picture; remembers how many pictures it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.seen.append(len(pictures))
        return pictures.mean((2, 3))


def counting(identity: str = "counting") -> PretrainedModel:
    return PretrainedModel(Counting(), Preprocessing(size=16), identity)


def clip_of(length: int, seed: int = 0, side: int = 16) -> Video:
    return np.random.default_rng(seed).integers(0, 256, (length, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["vit", "resnet", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    if request.param == "siglip":
        return tiny_siglip(path)
    return tiny_clip(path, RESNET) if request.param == "resnet" else tiny_clip(path)


def embedder(folder: Path, **options: Any) -> Embedder:
    return Embedder(
        load_open_clip(str(folder)).tower, remembered=0, **{"dtype": "float32", **options}
    )


def test_batch_order_and_replica_change_nothing(folder: Path) -> None:
    frames = clip_of(64, side=64)
    expected = embedder(folder, batch_size=64).embed([frames])[0]
    order = np.random.default_rng(1).permutation(64)
    for options in (
        {"batch_size": 1},
        {"batch_size": 7},
        {"batch_size": 5, "device": "cpu,cpu,cpu"},
    ):
        np.testing.assert_allclose(
            embedder(folder, **options).embed([frames[order]])[0], expected[order], atol=1e-5
        )


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU: replicas on several devices need one"
)
def test_a_gpu_and_the_processor_share_the_work(folder: Path) -> None:
    frames = clip_of(64, side=64)
    expected = embedder(folder).embed([frames])[0]
    found = embedder(folder, batch_size=5, device="cuda,cpu,cuda").embed([frames])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_bfloat16_keeps_the_order_of_frames(folder: Path) -> None:
    """How far it is off is measured, per architecture, in experiments/benchmarks."""
    frames = np.linspace(clip_of(1, 0, 64)[0], clip_of(1, 1, 64)[0], 20).astype(np.uint8)
    exact, rounded = (
        embedder(folder, dtype=dtype).embed([frames])[0] for dtype in ("float32", "bfloat16")
    )
    way = exact[-1] - exact[0]
    assert np.corrcoef(exact @ way, rounded @ way)[0, 1] > 0.99
    assert 0 < np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()


def test_the_first_frames_tell_the_noise_of_bfloat16(folder: Path) -> None:
    model = embedder(folder, dtype="bfloat16")
    frames = clip_of(12, side=64)
    found = model.embed([frames])[0]
    assert model.noise is not None and model.noise.rounded.shape[0] == module.NUM_PROBES
    exact = embedder(folder).embed([frames])[0][: module.NUM_PROBES]
    np.testing.assert_allclose(model.noise.exact, exact, atol=1e-5)
    np.testing.assert_allclose(model.noise.rounded, found[: module.NUM_PROBES], rtol=0.1, atol=0.05)


def test_a_frame_that_was_seen_is_not_embedded_again() -> None:
    tower = counting()
    model, frames = Embedder(tower, dtype="float32"), clip_of(4)
    twice = np.concatenate([frames, frames[::-1]])
    first, second = model.embed([twice, frames]), model.embed([frames])
    assert tower.network.seen == [4]
    np.testing.assert_array_equal(first[0][:4], first[0][:3:-1])
    np.testing.assert_array_equal(first[1], second[0])


def test_the_memory_is_bounded_and_forgets_what_was_used_longest_ago() -> None:
    tower = counting()
    model, frames = Embedder(tower, dtype="float32", remembered=2), clip_of(3)
    model.embed([frames])
    model.embed([frames[1:]])
    assert tower.network.seen == [3]
    model.embed([frames[:1]])
    assert tower.network.seen == [3, 1]


def test_frames_of_several_sizes_come_back_in_their_places() -> None:
    model = Embedder(counting(), dtype="float32", batch_size=2)
    videos = [clip_of(3, 0, 16), clip_of(2, 1, 32), clip_of(3, 2, 16)]
    together = model.embed(videos)
    for video, found in zip(videos, together, strict=True):
        np.testing.assert_allclose(
            found, Embedder(counting(), dtype="float32").embed([video])[0], atol=1e-6
        )


@pytest.mark.parametrize("change", ["weights", "preprocessing", "dtype", "pixel", "shape"])
def test_whatever_changes_an_embedding_changes_its_key(change: str, tmp_path: Path) -> None:
    frames, tower, dtype = clip_of(1), counting(), "float32"
    Embedder(counting(), dtype="float32", cache=tmp_path).embed([frames])
    if change == "weights":
        tower = counting("others")
    elif change == "preprocessing":
        tower = PretrainedModel(Counting(), Preprocessing(size=16, mean=(0, 0, 0)), "counting")
    elif change == "dtype":
        dtype = "bfloat16"
    elif change == "pixel":
        frames = frames ^ (np.arange(frames.size) == 5).reshape(frames.shape).astype(np.uint8)
    else:
        frames = frames.reshape(1, 8, 32, 3)
    Embedder(tower, dtype=dtype, cache=tmp_path).embed([frames])
    assert sum(tower.network.seen) > 0


def test_a_folder_keeps_embeddings_for_the_next_run(tmp_path: Path) -> None:
    frames = clip_of(5)
    expected = Embedder(counting(), dtype="float32", cache=tmp_path / "new").embed([frames])[0]
    tower = counting()
    again = Embedder(tower, dtype="float32", cache=tmp_path / "new", remembered=2).embed([frames])[
        0
    ]
    assert tower.network.seen == []
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("damage", ["half", "bit"])
def test_a_damaged_file_is_computed_anew_and_never_read(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = clip_of(5)
    expected = Embedder(counting(), dtype="float32", cache=tmp_path).embed([frames])[0]
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content[: len(content) // 2] if damage == "half" else content)
    tower = counting()
    again = Embedder(tower, dtype="float32", cache=tmp_path).embed([frames])[0]
    assert tower.network.seen == [5] and "damaged" in caplog.text
    np.testing.assert_array_equal(again, expected)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    EmbeddingCache(10, tmp_path).put({bytes(32): np.ones(3, np.float32)})
    assert (tmp_path / "model.safetensors").read_bytes() == b"precious"


def test_nan_is_said_and_not_scored() -> None:
    tower = PretrainedModel(
        nn.Sequential(Counting(), nn.Threshold(1e9, float("nan"))), Preprocessing(size=16), "broken"
    )
    with pytest.raises(InvalidScoreError, match="NaN"):
        Embedder(tower, dtype="float32").embed([clip_of(1)])


def test_compile_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []

    def translate(network: nn.Module, dynamic: bool) -> nn.Module:
        compiled.append(network)
        return network

    monkeypatch.setattr(torch, "compile", translate)
    Embedder(counting(), dtype="float32", compile=True, device="cpu,cpu").embed([clip_of(1)])
    assert len(compiled) == 2


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="torch cannot use 'nowhere'.*doctor"):
        Embedder(counting(), device="cpu,nowhere")
    with pytest.raises(InvalidInputError, match="batch"):
        Embedder(counting(), batch_size=0)


def test_noise_above_the_spread_of_an_episode_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    noise = module.RoundingProbes(np.zeros((4, 1), np.float32), np.full((4, 1), 0.1, np.float32))
    watch = RoundingCheck("clip")
    wide, narrow = (np.linspace(0, end, 20, dtype=np.float32) for end in (0.2, 0.05))
    with caplog.at_level(logging.WARNING):
        watch.check([wide], noise, lambda x: x[:, 0])
        watch.check([narrow], None, lambda x: x[:, 0])
        assert not caplog.text
        watch.check([narrow, narrow], noise, lambda x: x[:, 0])
        watch.check([narrow], noise, lambda x: x[:, 0])
    assert len(caplog.records) == 1 and "dtype=float32" in caplog.text


def test_single_frames_are_judged_together(caplog: pytest.LogCaptureFixture) -> None:
    noise = module.RoundingProbes(np.zeros((1, 1), np.float32), np.full((1, 1), 0.1, np.float32))
    watch = RoundingCheck("clip")
    for value in np.linspace(0, 0.05, 20, dtype=np.float32):
        watch.check([np.array([value])], noise, lambda x: x[:, 0])
    assert len(caplog.records) == 1


def test_frames_that_are_all_the_same_are_no_episode(caplog: pytest.LogCaptureFixture) -> None:
    """A still picture is scored as a null; its scores differ by nothing in any number format."""
    noise = module.RoundingProbes(np.zeros((1, 1), np.float32), np.full((1, 1), 0.1, np.float32))
    RoundingCheck("clip").check([np.zeros(20, np.float32)], noise, lambda x: x[:, 0])
    assert not caplog.records
