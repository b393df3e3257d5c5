"""Video files in and out, one frame at a time.

Written: mp4, index at the front, by default h264 and yuv420p, which every browser plays. Read:
local video files only, within limits, and a file that does not hold what its header promises is an
error rather than a shorter video.
"""

from roborew.data.video.decoding import iter_timestamped, iter_video
from roborew.data.video.header import VIDEO_SUFFIXES, VideoInfo, VideoLimits, video_info
from roborew.data.video.sampling import Moment, iter_sampled
from roborew.data.video.stacking import read_video
from roborew.data.video.writing import VideoWriter, write_video

__all__ = [
    "VIDEO_SUFFIXES",
    "Moment",
    "VideoInfo",
    "VideoLimits",
    "VideoWriter",
    "iter_sampled",
    "iter_timestamped",
    "iter_video",
    "read_video",
    "video_info",
    "write_video",
]
