"""Random shifts of pictures, the augmentation of DrQ (arXiv:2004.13649) and DrQ-v2
(arXiv:2107.09645)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

PAD_SHARE = 4 / 84
"""Farthest shift as a share of a picture's lesser side: the papers' 4 of 84 pixels."""


def random_shift(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return each picture, of shape (B, C, H, W), moved by whole pixels drawn evenly along both axes;
    what comes in from outside repeats the edge."""
    lesser_side = min(pixels.shape[-2:])
    reach = max(1, round(PAD_SHARE * lesser_side))
    shape = (len(pixels), 2)
    moves = torch.randint(-reach, reach + 1, shape, generator=generator)
    return shift(pixels, moves, reach)


def shift(pixels: Tensor, moves: Tensor, reach: int) -> Tensor:
    """Return pictures (B, C, H, W) that show at (y, x) what was at (y, x) + move.

    Args:
        pixels: any type.
        moves: shape (B, 2), along height and width, each at most ``reach``.
        reach: pixels that the edge is repeated by.
    """
    height, width = pixels.shape[-2:]
    rows = torch.arange(-reach, height + reach).clamp(0, height - 1)
    columns = torch.arange(-reach, width + reach).clamp(0, width - 1)
    padded = pixels[:, :, rows][:, :, :, columns]
    corners = cast("list[list[int]]", cast(Any, moves + reach).tolist())
    # A slice a picture: an index of every pixel would take several times as long.
    windows = [
        picture[:, top : top + height, left : left + width]
        for picture, (top, left) in zip(padded, corners, strict=True)
    ]
    return torch.stack(windows)
