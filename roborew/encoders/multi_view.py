"""Several views of one scene: their pictures lie side by side in one frame, and an encoder reads
each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.encoders.base import ComparingEncoder, Encoder
from roborew.errors import InvalidInputError
from roborew.learning.comparisons import FrameComparisons
from roborew.learning.examples import EpisodeFrames, Features, Report
from roborew.learning.sampling import Indices
from roborew.types import Video


class MultiViewEncoder:
    """An encoder of frames that hold several views: each is read by the same encoder, and their
    vectors are joined, so that views in another order are other vectors.

    Args:
        encoder: of single pictures.
        cameras: names of the views from left to right, at least two.
        aspect: width of a view divided by its height.
    """

    def __init__(self, encoder: Encoder, cameras: Sequence[str], aspect: float) -> None:
        self._encoder, self._cameras, self._aspect = encoder, tuple(cameras), aspect

    @property
    def identity(self) -> str:
        """That of the encoder, and how many views are joined."""
        return f"{len(self._cameras)} views, {self._encoder.identity}"

    def learn(self, episodes: Sequence[EpisodeFrames], report: Report) -> None:
        """Fit the encoder; each view is shown to it like an episode of its own."""
        cut = [replace(one, frames=view) for one in episodes for view in self._views(one.frames)]
        self._encoder.learn(cut, report)

    def learn_comparisons(
        self, episodes: Sequence[EpisodeFrames], comparisons: FrameComparisons, report: Report
    ) -> None:
        """As `learn`: what was said of two pieces is taken to hold in each view of them."""
        if not isinstance(self._encoder, ComparingEncoder):
            self.learn(episodes, report)
            return
        cut: list[EpisodeFrames] = []
        segments: list[Indices] = []
        for view in range(len(self._cameras)):
            first_row = sum(len(one.frames) for one in cut)
            segments.append(comparisons.segments + first_row)
            cut += [replace(one, frames=self._views(one.frames)[view]) for one in episodes]
        label = np.tile(comparisons.label, len(segments))
        of_views = FrameComparisons(np.concatenate(segments), label)
        self._encoder.learn_comparisons(cut, of_views, report)

    def encode(self, frames: Video) -> Features:
        """Vectors (T, views * D).

        Raises:
            InvalidInputError: the frames do not hold so many views.
        """
        return np.concatenate([self._encoder.encode(view) for view in self._views(frames)], axis=1)

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,)."""
        return self._encoder.encode_text(sentence)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Those of the encoder."""
        return self._encoder.state_dict()

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over those of the encoder."""
        self._encoder.load_state_dict(arrays)

    def _views(self, frames: Video) -> list[Video]:
        """The frames cut into their views. A single view is told from several by its shape: of the
        right width for none of them, it would be cut to pieces without a word."""
        count, (height, width) = len(self._cameras), frames.shape[1:3]
        # A single view is off by log(count); half of that lies as far from one as from the other.
        off = abs(np.log(width / count / height / self._aspect))
        if width % count or off > np.log(count) / 2:
            raise InvalidInputError(
                f"views: expected pictures of {count} cameras side by side "
                f"({', '.join(self._cameras)}), each about "
                f"{self._aspect:.2f} times as wide as high; got frames of {width} x {height} "
                f"pixels. Give the other "
                "views too, in this order, or fit to one camera."
            )
        return np.split(frames, count, axis=2)
