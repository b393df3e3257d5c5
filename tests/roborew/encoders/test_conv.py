"""What the encoder that is learned from the demonstrations sees while it learns."""

from __future__ import annotations

import numpy as np
import torch

from roborew.encoders.conv import MAX_SHIFT_PIXELS, _augment  # pyright: ignore[reportPrivateUsage]
from roborew.encoders.mini_network import HEIGHT, WIDTH


def test_each_picture_is_augment_by_itself_and_by_a_few_pixels_at_most() -> None:
    pictures = np.zeros((64, HEIGHT, WIDTH, 3), np.uint8)
    pictures[:, 30, 40] = 200
    moved = _augment(pictures, np.random.default_rng(0))
    assert moved.shape == (64, 3, HEIGHT, WIDTH) and moved.dtype == torch.float32
    places = torch.nonzero(moved[:, 0] > -0.9)
    assert places[:, 0].tolist() == list(range(64))
    by = places[:, 1:] - torch.tensor([30, 40])
    assert by.abs().max() == MAX_SHIFT_PIXELS and len(torch.unique(by, dim=0)) > 32


def test_pictures_stay_in_range_whatever_their_brightness() -> None:
    moved = _augment(np.full((32, HEIGHT, WIDTH, 3), 255, np.uint8), np.random.default_rng(0))
    brightness = moved.amax(dim=(1, 2, 3))
    assert moved.max() == 1 and brightness.min() >= 0.7 and len(torch.unique(brightness)) > 4
    torch.testing.assert_close(moved.amin(dim=(1, 2, 3)), brightness)
