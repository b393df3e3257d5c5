"""Frames as a network wants them: resized, cropped and normalised in torch, whole batches at
once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from roborew.encoders.mini_network import HEIGHT, WIDTH
from roborew.errors import InvalidInputError
from roborew.learning.examples import Features
from roborew.types import Frame, Video, check_video
from roborew.weights.settings import MAX_SIDE

BATCH = 256
RESIZED_TOGETHER = 8
"""Frames resized at once: in floating point a frame takes four times its memory; each comes out the
same, alone or with others."""


def resize_frames(frames: Video) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3) as (T, 3, 72, 96), uint8: bilinear, antialiased, aspect ignored."""
    tensor = torch.as_tensor(np.ascontiguousarray(check_video(frames))).permute(0, 3, 1, 2)
    return np.ascontiguousarray(resize_pixels(tensor).numpy())


def resize_pixels(pixels: Tensor) -> Tensor:
    """Pixels (T, 3, H, W), uint8, as (T, 3, 72, 96), as `resize_frames` has them."""
    if pixels.shape[2:] == (HEIGHT, WIDTH):
        return pixels
    parts: list[Tensor] = []
    for start in range(0, len(pixels), RESIZED_TOGETHER):
        few = pixels[start : start + RESIZED_TOGETHER].float()
        exact = functional.interpolate(few, (HEIGHT, WIDTH), mode="bilinear", antialias=True)
        # Rounded: the cast alone cuts off, and darkens a picture by half a level.
        parts.append(exact.round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts)


def shrink_frame(frame: Frame) -> Frame:
    """A frame (H, W, 3) as (72, 96, 3): what `resize_frames` makes of it, which leaves it as it is
    then."""
    return np.ascontiguousarray(resize_frames(frame[None])[0].transpose(1, 2, 0))


def encode_in_batches(read: Callable[[Tensor], Tensor], frames: Video, device: str) -> Features:
    """Vectors (T, D) of frames, read as float (B, 3, 72, 96) in [-1, 1]."""
    pixels = torch.as_tensor(resize_frames(frames))
    with torch.inference_mode():
        parts = [
            read(pixels[start : start + BATCH].to(device).float() / 127.5 - 1)
            for start in range(0, len(pixels), BATCH)
        ]
    return torch.cat(parts).float().cpu().numpy()


Fit = Literal["crop", "squash", "pad"]
Channels = tuple[float, float, float]
ENLARGED = 8
"""A frame whose shorter side is less than this part of what a network reads shows too little:
refused."""
OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Channel statistics of CLIP's training data (Radford et al. 2021, arXiv:2103.00020)."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a network's pictures were made when it was trained.

    Attributes:
        size: height and width of what the network reads [pixels].
        fit: "crop" resizes the shorter side to ``edge`` and cuts out the middle, "squash" ignores
            the aspect ratio, "pad" resizes the longer side and fills up with black.
        edge: see ``fit``; ``size`` if not given.
        kernel: of the resize.
        pillow: resize as Pillow does, antialiased and rounded to 8 bits after each pass; otherwise
            in floating point without antialias and without clamping to [0, 1].
        mean: subtracted from RGB in [0, 1].
        std: divides the difference.
    """

    size: int
    fit: Fit = "crop"
    edge: int | None = None
    kernel: Literal["bicubic", "bilinear"] = "bicubic"
    pillow: bool = True
    mean: Channels = OPENAI_MEAN
    std: Channels = OPENAI_STD

    def __post_init__(self) -> None:
        for side in (self.size, self.size if self.edge is None else self.edge):
            if not 0 < side <= MAX_SIDE:
                raise InvalidInputError(
                    f"model: expected pictures of 1 to {MAX_SIDE} pixels a side; got {side}."
                )

    def __call__(self, frames: Tensor) -> Tensor:
        """Prepare frames (B, H, W, 3), uint8 RGB; returns (B, 3, size, size), float32, on the same
        device.

        Raises:
            InvalidInputError: the frames would have to be enlarged more than 8 times.
        """
        height, width = frames.shape[1:3]
        if min(height, width) * ENLARGED < self.size:
            raise InvalidInputError(
                f"frames: {width} x {height} pixels are too few for a network that reads "
                f"{self.size} x {self.size}; "
                f"expected sides of at least {math.ceil(self.size / ENLARGED)}. Draw larger frames."
            )
        pictures = self._cut(self._resize(frames.permute(0, 3, 1, 2), self._target(height, width)))
        mean, std = (
            torch.tensor(part, device=frames.device)[:, None, None]
            for part in (self.mean, self.std)
        )
        return (pictures.float() / 255 - mean) / std

    def _target(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the resize; the free side is rounded as torchvision does it,
        down."""
        if self.fit == "squash":
            return self.size, self.size
        if self.fit == "pad":
            longer = max(height, width)
            return round(height * self.size / longer), round(width * self.size / longer)
        shorter = self.edge or self.size
        if height <= width:
            return shorter, shorter * width // height
        return shorter * height // width, shorter

    def _resize(self, pictures: Tensor, target: tuple[int, int]) -> Tensor:
        if pictures.shape[2:] == target:
            return pictures
        if not self.pillow:
            return functional.interpolate(
                pictures.float(), target, mode=self.kernel, align_corners=False
            )
        if (
            pictures.device.type == "cpu"
        ):  # 8-bit arithmetic as in Pillow, at most 2 grey levels away from it
            return functional.interpolate(pictures, target, mode=self.kernel, antialias=True)
        return pillow_resize(pictures, target, self.kernel)

    def _cut(self, pictures: Tensor) -> Tensor:
        """Cut out the middle, or fill up with black around it."""
        height, width = pictures.shape[2:]
        if self.fit == "pad":
            # Where an odd number of rows is missing, the one more is below; torch pads the last
            # axis first.
            above = (self.size - height) // 2
            left = (self.size - width) // 2
            below = self.size - height - above
            right = self.size - width - left
            return functional.pad(pictures, (left, right, above, below))
        above = round((height - self.size) / 2)
        left = round((width - self.size) / 2)
        rows = slice(above, above + self.size)
        columns = slice(left, left + self.size)
        return pictures[:, :, rows, columns]


def pillow_resize(pictures: Tensor, target: tuple[int, int], kernel: str) -> Tensor:
    """Pillow's resize in floating point, for devices without torch's 8-bit one: columns, then rows,
    rounded each time.

    Args:
        pictures: (B, 3, H, W), 0 to 255.
        target: height and width.
        kernel: "bicubic" or "bilinear".

    Returns:
        (B, 3, *target), float32, whole numbers, at most 2 away from Pillow's.
    """
    for size in ((pictures.shape[2], target[1]), target):
        pictures = (
            # `round` takes halves to the even number, Pillow up: hence 0.5 and `floor`.
            functional.interpolate(pictures.float(), size, mode=kernel, antialias=True)
            .add(0.5)
            .floor()
            .clamp(0, 255)
        )
    return pictures


def channels(values: Sequence[float]) -> Channels:
    """Three numbers, of red, green and blue."""
    red, green, blue = map(float, values)
    return red, green, blue


def vlm_rm(size: int) -> Preprocessing:
    """The resize of VLM-RM's code (arXiv:2310.12921): squashed, bicubic, not antialiased, not
    clamped."""
    return Preprocessing(size=size, fit="squash", pillow=False)
