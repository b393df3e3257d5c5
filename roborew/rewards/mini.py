"""`mini`: the reward that comes with roborew. A small network that reads one frame and one
sentence.

It was fitted on renders of roborew's own tasks and hardened against agents that were trained on it;
its model card, ``weights/mini/card.md``, says on what, how well, and where it fails. It knows no
time: a frame's score depends on that frame and the sentence alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.encoders.mini_network import HEIGHT, SHIPPED, WIDTH, load_network
from roborew.encoders.preprocess import resize_pixels
from roborew.encoders.tokens import encode
from roborew.short_repr import reward_repr
from roborew.types import Clip, Frame, RewardSpec, Scores, Video, check_instruction

BATCH_SIZE = 256
"""Frames scored at once."""
MIN_GREY_LEVEL_SPREAD = 2.0
"""A frame whose grey levels spread less than this (standard deviation, of 255) shows nothing: mini
abstains."""


HARDENED_TASKS = ("roborew/Press-v0", "roborew/Push-v0", "roborew/DrawerOpen-v0")
"""Tasks on which the shipped weights were held against agents that look for their mistakes."""
FITTED_TASKS = (
    "roborew/Cheetah-v0",
    "roborew/HumanoidStand-v0",
    "roborew/HumanoidKneel-v0",
    "roborew/HumanoidRaiseArms-v0",
)
"""Tasks of which they saw random states only."""


class Mini:
    """Scores frames by how far the sentence's goal is reached, in [0, 1], and predicts success.

    >>> import numpy as np
    >>> from roborew.types import Clip
    >>> noise = np.random.default_rng(0).integers(0, 255, (3, 72, 96, 3), dtype=np.uint8)
    >>> scores = Mini().score([Clip(frames=noise, instruction="open the drawer")])[0]
    >>> scores.value.shape, bool(scores.valid.all())
    ((3,), True)
    """

    __repr__ = reward_repr

    spec = RewardSpec(
        name="mini",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="roborew; progress and success heads as in Robometer (arXiv:2603.02115), one frame of context",
    )

    aspect = WIDTH / HEIGHT
    """Width of the pictures that it was fitted to divided by their height."""

    def __init__(self, *, weights: Path = SHIPPED, device: str = "cpu") -> None:
        """Load the weights.

        Args:
            weights: a folder with ``config.json`` and ``model.safetensors``.
            device: where the network lives, a torch device name.

        Raises:
            InvalidInputError: the folder or one of its files is absent.
            CorruptFileError: the checksum, the header or a tensor's name or shape does not fit.
        """
        self._device = torch.device(device)
        self.is_shipped = Path(weights) == SHIPPED
        self._network = load_network(Path(weights)).to(self._device).eval()
        # A cache of this instance: one of the class would keep the network alive.
        self._cached_sentence = lru_cache(maxsize=256)(self._encode_sentence)

    @torch.inference_mode()
    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame alone. A flat frame (black, one colour) is an abstention.

        Args:
            clips: frames of any size; those that are not 96 x 72 are resized (bilinear,
                antialiased), aspect ignored.
        """
        if not clips:
            return []
        lengths = [len(clip.frames) for clip in clips]
        # Each sentence once, in the order in which they come.
        texts = list(dict.fromkeys(clip.instruction for clip in clips))
        text_of_clip = [texts.index(clip.instruction) for clip in clips]
        text_of_frame = np.repeat(text_of_clip, lengths)
        sentences = torch.cat([self._cached_sentence(text) for text in texts])
        pictures, valid = _preprocess([clip.frames for clip in clips])
        index = torch.as_tensor(text_of_frame, device=self._device)
        predictions = self._predict(pictures, sentences[index]).cpu().numpy()
        scores: list[Scores] = []
        end = 0
        for length in lengths:
            start, end = end, end + length
            progress = predictions[start:end, 0].copy()
            success = predictions[start:end, 1].copy()
            scores.append(Scores(progress, valid[start:end], success))
        return scores

    @torch.inference_mode()
    def score_stream(
        self, frames: Iterable[Frame], instruction: str, goal_image: Frame | None = None
    ) -> Scores:
        """Score one clip whose frames come one by one, to the last bit as `score` does; each is
        held only until it is resized."""
        del goal_image
        sentence = self._cached_sentence(check_instruction(instruction))
        # Pictures are kept in one place: scattered between frames they would break up the memory.
        pictures = torch.empty((BATCH_SIZE, 3, HEIGHT, WIDTH), dtype=torch.uint8)
        predictions: list[Tensor] = []
        valid: list[bool] = []
        rest = iter(frames)
        # Batches of the same frames as in `score`: in others a sum may round otherwise.
        while batch := self._fill(pictures, islice(rest, BATCH_SIZE)):
            valid += batch
            sentences = sentence.expand(len(batch), -1)
            predictions.append(self._predict(pictures[: len(batch)], sentences))
        progress, success = torch.cat(predictions).cpu().numpy().T.copy()
        return Scores(progress, np.array(valid, np.bool_), success)

    @staticmethod
    def _fill(pictures: Tensor, frames: Iterable[Frame]) -> list[bool]:
        """Write resized frames into ``pictures``; returns of each whether it shows anything."""
        valid: list[bool] = []
        for row, frame in enumerate(frames):
            picture, flags = _preprocess([frame[None]])
            pictures[row] = picture[0]
            valid.append(bool(flags[0]))
        return valid

    def _predict(self, pictures: Tensor, sentences: Tensor) -> Tensor:
        """Progress and success, shape (B, 2), of pictures (B, 3, 72, 96), uint8."""
        predictions: list[Tensor] = []
        for start in range(0, len(pictures), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            # A sentence is encoded once a run, not once a frame: most clips of a run share it.
            frames = pictures[batch].to(self._device).float() / 255
            features = self._network.encode_frames(frames)
            predictions.append(self._network.predict(features, sentences[batch]).sigmoid())
        return torch.cat(predictions)

    def _encode_sentence(self, text: str) -> Tensor:
        ids, mask = encode(text, self._network.config.vocabulary)
        return self._network.encode_sentences(
            torch.as_tensor(ids, device=self._device)[None],
            torch.as_tensor(mask, device=self._device)[None],
        )


def _preprocess(videos: list[Video]) -> tuple[Tensor, NDArray[np.bool_]]:
    """All frames as (B, 3, 72, 96) uint8, and whether each shows anything."""
    frames: list[Tensor] = []
    valid: list[NDArray[np.bool_]] = []
    if all(video.shape[1:3] == (HEIGHT, WIDTH) for video in videos):
        # The usual case, one pass over everything.
        videos = [np.concatenate(videos)]
    for video in videos:
        # Every fourth pixel is enough to tell a flat picture, and costs a sixteenth.
        grey_level_spread = video[:, ::4, ::4].std(axis=(1, 2, 3))
        valid.append(grey_level_spread >= MIN_GREY_LEVEL_SPREAD)
        pictures = torch.as_tensor(np.ascontiguousarray(video)).permute(0, 3, 1, 2)
        # Our own tasks draw them in this size.
        if pictures.shape[2:] != (HEIGHT, WIDTH):
            pictures = resize_pixels(pictures)
        frames.append(pictures)
    return torch.cat(frames), np.concatenate(valid)
