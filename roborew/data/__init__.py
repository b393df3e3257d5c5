"""Files of pictures in and out: streaming, whole or absent, never over another."""

from roborew.data.pictures import read_picture, side_by_side, write_gif
from roborew.data.video import (
    VIDEO_SUFFIXES,
    Moment,
    VideoInfo,
    VideoLimits,
    VideoWriter,
    iter_sampled,
    iter_video,
    read_video,
    video_info,
    write_video,
)
from roborew.storage.staging import create_atomically, free_path

__all__ = [
    "VIDEO_SUFFIXES",
    "Moment",
    "VideoInfo",
    "VideoLimits",
    "VideoWriter",
    "create_atomically",
    "free_path",
    "iter_sampled",
    "iter_video",
    "read_picture",
    "read_video",
    "side_by_side",
    "video_info",
    "write_gif",
    "write_video",
]
