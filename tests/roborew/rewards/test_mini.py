"""`mini` reads one frame and one sentence: laws of its scores, and how its weights are trusted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from roborew.encoders.mini_network import (
    SHIPPED,
    MiniConfig,
    MiniNetwork,
    load_network,
    save_network,
)
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.mini import Mini
from roborew.types import Clip
from roborew_envs import make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Renderer


@pytest.fixture(scope="module")
def mini() -> Mini:
    return Mini()


@pytest.fixture(scope="module")
def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (6, 72, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def drawer() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Frames and true progress of an expert that opens the drawer."""
    task = make_task("roborew/DrawerOpen-v0")
    episode = collect_episodes(task, "expert", [4_000_001], steps=24)[0]
    with Renderer(task.model) as renderer:
        return renderer.render(
            episode.qpos, "front", task.visual_overrides(episode.qpos)
        ), episode.progress


def test_scores_rise_as_the_drawer_opens(
    mini: Mini, drawer: tuple[NDArray[np.uint8], NDArray[np.float64]]
) -> None:
    frames, progress = drawer
    scores = mini.score([Clip(frames=frames, instruction="open the drawer")])[0]
    assert np.corrcoef(scores.value, progress)[0, 1] > 0.9
    assert scores.success is not None
    assert scores.success[-1] > 0.9 > scores.success[0]


@pytest.mark.parametrize("wrong", ["do not open the drawer", "close the drawer", "asdf qwer zxcv"])
def test_a_wrong_sentence_gains_nothing(
    mini: Mini, drawer: tuple[NDArray[np.uint8], NDArray[np.float64]], wrong: str
) -> None:
    scores = mini.score([Clip(frames=drawer[0], instruction=wrong)])[0]
    assert scores.value[-1] - scores.value[0] < 0.1
    assert scores.success is not None
    assert scores.success.max() < 0.5


def test_a_frame_is_scored_alike_alone_in_a_clip_and_in_a_batch(
    mini: Mini, noise: NDArray[np.uint8]
) -> None:
    text = "push the red cube onto the green pad"
    whole = mini.score([Clip(frames=noise, instruction=text)])[0].value
    singles = [
        mini.score([Clip(frames=noise[i : i + 1], instruction=text)])[0].value[0]
        for i in range(len(noise))
    ]
    many = mini.score([Clip(frames=noise[i : i + 1], instruction=text) for i in range(len(noise))])
    np.testing.assert_allclose(whole, singles, atol=1e-5)
    np.testing.assert_allclose(whole, [scores.value[0] for scores in many], atol=1e-5)


def test_clips_with_different_sentences_do_not_mix(mini: Mini, noise: NDArray[np.uint8]) -> None:
    texts = ("open the drawer", "press the button")
    together = mini.score([Clip(frames=noise, instruction=text) for text in texts])
    for text, scores in zip(texts, together, strict=True):
        np.testing.assert_allclose(
            scores.value, mini.score([Clip(frames=noise, instruction=text)])[0].value, atol=1e-5
        )


def test_the_future_and_the_order_change_nothing(mini: Mini, noise: NDArray[np.uint8]) -> None:
    forward = mini.score([Clip(frames=noise, instruction="open the drawer")])[0].value
    backward = mini.score([Clip(frames=noise[::-1].copy(), instruction="open the drawer")])[0].value
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-5)


def test_swapped_colours_are_noticed(
    mini: Mini, drawer: tuple[NDArray[np.uint8], NDArray[np.float64]]
) -> None:
    frames = drawer[0]
    right = mini.score([Clip(frames=frames, instruction="open the drawer")])[0].value
    swapped = mini.score([Clip(frames=frames[..., ::-1].copy(), instruction="open the drawer")])[
        0
    ].value
    assert np.abs(right - swapped).max() > 0.02


def test_a_flat_frame_is_an_abstention(mini: Mini, noise: NDArray[np.uint8]) -> None:
    frames = noise.copy()
    frames[2], frames[4] = 0, 255
    scores = mini.score([Clip(frames=frames, instruction="open the drawer")])[0]
    assert scores.valid.tolist() == [True, True, False, True, False, True]


def test_frames_of_another_size_are_resized(mini: Mini, noise: NDArray[np.uint8]) -> None:
    large = noise.repeat(3, axis=1).repeat(3, axis=2)
    text = "open the drawer"
    small_scores, large_scores = mini.score(
        [Clip(frames=noise, instruction=text), Clip(frames=large, instruction=text)]
    )
    assert len(large_scores) == len(noise)
    assert np.isfinite(small_scores.value).all()
    assert np.isfinite(large_scores.value).all()


def test_no_clips_give_no_scores(mini: Mini) -> None:
    assert mini.score([]) == []


def tiny(folder: Path) -> Path:
    torch.manual_seed(0)
    save_network(MiniNetwork(MiniConfig(("open", "drawer"), (4, 4, 4, 4), 8, 8)), folder)
    return folder


def test_saved_weights_come_back_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = MiniNetwork(MiniConfig(("open", "drawer"), (4, 4, 4, 4), 8, 8))
    save_network(before, tmp_path)
    after = load_network(tmp_path)
    assert after.config == before.config
    for name, tensor in before.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name]), name


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tiny(tmp_path) / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CorruptFileError, match="sha256"):
        Mini(weights=tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    config_path = tiny(tmp_path) / "config.json"
    config = json.loads(config_path.read_text())
    config["hidden"] = 16
    config_path.write_text(json.dumps(config))
    with pytest.raises(CorruptFileError, match="no weights of this network"):
        Mini(weights=tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no file config.json"):
        Mini(weights=tmp_path)


def test_the_shipped_weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10 * 2**20
