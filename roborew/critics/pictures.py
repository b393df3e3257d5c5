"""Frames as the small convolutional networks read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from roborew.critics.objective import Features
from roborew.rewards.mini_network import HEIGHT, WIDTH
from roborew.types import Video, check_video

BATCH = 256


def resized(frames: Video) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3) as (T, 3, 72, 96), uint8: bilinear, antialiased, aspect ignored."""
    tensor = torch.as_tensor(np.ascontiguousarray(check_video(frames))).permute(0, 3, 1, 2)
    if tensor.shape[2:] != (HEIGHT, WIDTH):
        parts = [
            functional.interpolate(
                tensor[start : start + BATCH].float(), (HEIGHT, WIDTH), mode="bilinear", antialias=True
            )
            for start in range(0, len(tensor), BATCH)
        ]
        tensor = torch.cat(parts).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(tensor.numpy())


def in_batches(read: Callable[[Tensor], Tensor], frames: Video, device: str) -> Features:
    """Vectors (T, D) of frames, read as float (B, 3, 72, 96) in [-1, 1]."""
    pixels = torch.as_tensor(resized(frames))
    with torch.inference_mode():
        parts = [
            read(pixels[start : start + BATCH].to(device).float() / 127.5 - 1) for start in range(0, len(pixels), BATCH)
        ]
    return torch.cat(parts).float().cpu().numpy()
