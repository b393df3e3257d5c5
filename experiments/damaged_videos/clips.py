"""Odd but lawful videos, made on the spot, each with the number of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from roborew.types import Video

FRAMES = 24
HEIGHT, WIDTH = 48, 64


def pictures(length: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> Video:
    """A bar that wanders over a rough wall: motion and grain, so that no frame is free of
    content."""
    rng = np.random.default_rng(0)
    wall = rng.integers(0, 160, (height, width, 3), dtype=np.uint8)
    video = np.repeat(wall[None], length, 0)
    for t in range(length):
        left = t * max(1, width // length) % width
        video[t, :, left : left + max(1, width // 8)] = (255, 40, 40)
    return video


def write(
    path: Path,
    video: Video,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    sound: bool = False,
    rotation: int = 0,
    rate: Fraction | int = 10,
    live: bool = False,
) -> Path:
    """Encode frames; their times count fortieths of a second, and ``rate`` a second are shown if
    none are given; ``live``: no element says where it ends."""
    muxing = {"movflags": "+faststart"} if path.suffix == ".mp4" else {"live": "1"} if live else {}
    with av.open(str(path), "w", options=muxing) as made:
        container: Any = made
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], pixels
        if times:
            stream.codec_context.time_base = Fraction(1, 40)
        stream.options = {"g": "8", **(options or {})}
        if rotation:
            stream.set_display_rotation(rotation)
        if sound:
            _hum(container, float(len(video) / rate))
        for frame, time in zip(video, times or range(len(video)), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 40) if times else Fraction(1) / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def hum(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        _hum(container, 1.0)
    return path


def _hum(container: Any, seconds: float) -> None:
    stream = container.add_stream("aac", rate=8000, layout="mono")
    for start in range(0, int(8000 * seconds), 1024):
        wave = np.sin(np.arange(start, start + 1024) / 5)[None].astype(np.float32)
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 8000, start
        container.mux(stream.encode(sound))
    container.mux(stream.encode(None))


IRREGULAR = np.cumsum(np.random.default_rng(1).integers(1, 12, FRAMES)).tolist()
TALL = pictures(height=33, width=47)
LAWFUL: dict[str, tuple[str, int, dict[str, Any]]] = {
    "as written by roborew": ("web.mp4", FRAMES, {}),
    "variable rate": ("variable.mp4", FRAMES, {"times": IRREGULAR}),
    "Matroska of variable rate": ("variable.mkv", FRAMES, {"times": IRREGULAR}),
    "WebM of variable rate": (
        "variable.webm",
        FRAMES,
        {"times": IRREGULAR, "codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    ),
    "WebM as a browser records it": (
        "live.webm",
        FRAMES,
        {"times": IRREGULAR, "codec": "libvpx-vp9", "live": True},
    ),
    "VP8": ("eight.webm", FRAMES, {"codec": "libvpx", "options": {"auto-alt-ref": "1"}}),
    "late start": ("late.mp4", FRAMES, {"times": range(400, 400 + 4 * FRAMES, 4)}),
    "six frames before its beginning": (
        "trimmed.mp4",
        FRAMES - 6,
        {"times": range(-24, 4 * FRAMES - 24, 4)},
    ),
    "odd sides": ("odd.mp4", FRAMES, {"video": TALL, "pixels": "yuv444p"}),
    "one pixel": ("point.mp4", FRAMES, {"video": pictures(height=1, width=1), "pixels": "yuv444p"}),
    "one frame": ("one.mp4", 1, {"video": pictures(1)}),
    "turned": ("turned.mp4", FRAMES, {"rotation": -90}),
    "ten bits": ("ten.mp4", FRAMES, {"pixels": "yuv420p10le"}),
    "grey": ("grey.mp4", FRAMES, {"pixels": "gray"}),
    "with sound": ("sound.mp4", FRAMES, {"sound": True}),
    "Matroska": ("film.mkv", FRAMES, {}),
    "Matroska with sound": ("sound.mkv", FRAMES, {"sound": True}),
    "QuickTime": ("film.mov", FRAMES, {}),
    "AVI": ("film.avi", FRAMES, {"codec": "mpeg4"}),
    "WebM": (
        "film.webm",
        FRAMES,
        {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    ),
}
"""File name, frames that are shown, and how it is written."""


def lawful(name: str, folder: Path) -> tuple[Path, int]:
    """Write one of `LAWFUL`; returns the file and the number of its frames."""
    file, frames, settings = LAWFUL[name]
    return write(folder / file, **{"video": pictures(), **settings}), frames
