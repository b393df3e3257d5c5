"""Frames reach a network as those of its training did: the same crop, the same filter, red
first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor

from roborew.encoders.preprocess import (
    OPENAI_MEAN,
    OPENAI_STD,
    Preprocessing,
    pillow_resize,
    vlm_rm,
)
from roborew.errors import InvalidInputError
from roborew.types import Video

SIZES = [(72, 96), (480, 480), (97, 60), (224, 224), (225, 300), (40, 41)]
GREY_LEVEL = 1 / 255 / min(OPENAI_STD)
"""One step of an 8-bit picture, as the network sees it at most."""


def noise(height: int, width: int, count: int = 2) -> Video:
    """The hardest pictures for a resize: neighbours have nothing to do with each other."""
    return np.random.default_rng(height * width).integers(
        0, 256, (count, height, width, 3), dtype=np.uint8
    )


def prepared(how: Preprocessing, frames: Video) -> Tensor:
    return how(torch.as_tensor(frames))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
@pytest.mark.parametrize(
    ("fit", "theirs"), [("crop", "shortest"), ("squash", "squash"), ("pad", "longest")]
)
def test_pictures_are_those_of_the_models_own_transform_but_for_two_grey_levels(
    size: tuple[int, int], kernel: Any, fit: Any, theirs: str
) -> None:
    frames = noise(*size)
    transform = image_transform_v2(
        PreprocessCfg(size=224, interpolation=kernel, resize_mode=theirs), is_train=False
    )
    expected = torch.stack([transform(Image.fromarray(frame)) for frame in frames])
    difference = (
        prepared(Preprocessing(size=224, fit=fit, kernel=kernel), frames) - expected
    ).abs()
    assert difference.max() <= 2 * GREY_LEVEL + 1e-5
    assert difference.mean() <= 0.02 * GREY_LEVEL


@pytest.mark.parametrize("kernel", [Image.Resampling.BICUBIC, Image.Resampling.BILINEAR])
def test_a_tall_frame_is_resized_columns_first_as_when_the_models_were_trained(kernel: Any) -> None:
    """Pillow 13 begins with the rows where that is cheaper, which moves single pixels by up to 20
    grey levels."""
    frames = noise(300, 250)
    passes = [
        Image.fromarray(frame).resize((224, 300), kernel).resize((224, 224), kernel)
        for frame in frames
    ]
    how = Preprocessing(
        size=224, fit="squash", kernel=kernel.name.lower(), mean=(0, 0, 0), std=(1 / 255,) * 3
    )
    assert (
        np.abs(prepared(how, frames).permute(0, 2, 3, 1).numpy() - np.stack(passes)).max() <= 2.001
    )


def test_a_frame_of_the_right_size_is_only_normalised() -> None:
    frames = noise(32, 32)
    expected = (
        frames.transpose(0, 3, 1, 2) / 255.0 - np.reshape(OPENAI_MEAN, (3, 1, 1))
    ) / np.reshape(OPENAI_STD, (3, 1, 1))
    for how in (Preprocessing(size=32), vlm_rm(32)):
        np.testing.assert_allclose(prepared(how, frames).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
def test_the_resize_of_other_devices_is_pillows_too(size: tuple[int, int], kernel: str) -> None:
    frames = noise(*size)
    ours = (
        pillow_resize(torch.as_tensor(frames).permute(0, 3, 1, 2), (224, 250), kernel)
        .permute(0, 2, 3, 1)
        .numpy()
    )
    kind = Image.Resampling[kernel.upper()]
    expected = np.stack(
        [np.asarray(Image.fromarray(frame).resize((250, 224), kind)) for frame in frames]
    )
    assert np.abs(ours - expected).max() <= 2 and np.abs(ours - expected).mean() < 0.03


def cubic(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Keys' kernel (1981) with the free number that torch uses."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def resize_matrix(source: int, target: int) -> np.ndarray:
    """(target, source) weights of a bicubic resize without antialias; what lies outside repeats the
    border."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    matrix = np.zeros((target, source))
    for tap in range(-1, 3):
        pixel = np.floor(centres).astype(int) + tap
        np.add.at(matrix, (np.arange(target), pixel.clip(0, source - 1)), cubic(centres - pixel))
    return matrix


@pytest.mark.parametrize("size", SIZES)
def test_squash_is_the_resize_of_vlm_rm(size: tuple[int, int]) -> None:
    """Squashed, bicubic, not antialiased, not clamped (its code at 811d820), evaluated in
    float64."""
    frames = noise(*size)
    rows, columns = resize_matrix(size[0], 224), resize_matrix(size[1], 224)
    resized = rows @ (frames.transpose(0, 3, 1, 2) / 255.0) @ columns.T
    expected = (resized - np.reshape(OPENAI_MEAN, (3, 1, 1))) / np.reshape(OPENAI_STD, (3, 1, 1))
    np.testing.assert_allclose(prepared(vlm_rm(224), frames).numpy(), expected, atol=5e-4)
    assert size == (224, 224) or resized.max() > 1.01, "noise overshoots, and nothing clamps it"


def test_swapped_channels_are_another_picture() -> None:
    frames = noise(72, 96)
    ours, swapped = (
        prepared(Preprocessing(size=32), np.ascontiguousarray(each))
        for each in (frames, frames[..., ::-1])
    )
    assert (ours - swapped).abs().max() > 10 * GREY_LEVEL
    red = np.zeros((1, 32, 32, 3), np.uint8)
    red[..., 0] = 255
    assert prepared(Preprocessing(size=32), red)[0, :, 0, 0].argmax() == 0


def test_frames_are_not_enlarged_more_than_eight_times() -> None:
    prepared(Preprocessing(size=224), noise(28, 28))
    with pytest.raises(InvalidInputError, match="40 x 27 pixels.*at least 28"):
        prepared(Preprocessing(size=224), noise(27, 40))
