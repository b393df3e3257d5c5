"""Robometer as released: progress and success of each frame, and which of two episodes got further,
by heads on a Qwen3-VL (arXiv:2603.02115)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.errors import InvalidInputError
from roborew.judges.local import DTYPES
from roborew.judges.types import Part
from roborew.learning.episode_layout import split_by_length
from roborew.rewards.checkpoints.robometer_network import PREFERENCE, PROGRESS, load_robometer
from roborew.rewards.prefix_frames import Prefix, PrefixWindow
from roborew.rewards.vlm.released.pictures import within_pixels
from roborew.rewards.vlm.released.template import FOLDER, read_template
from roborew.short_repr import reward_repr
from roborew.types import Clip, RecurrentState, RewardSpec, Scores, Video
from roborew.weights.folder import explain

MIN_TOKENS, MAX_TOKENS = 4, 16_384
"""Tokens of one picture, by which Qwen's own tools choose its size."""


class Robometer:
    """Progress in [0, 1] and the probability of success at each frame, from frames of the episode so
    far: a special token stands behind each, and heads read the network's last layer there.

    Args:
        weights: folder or hub id, in the layout of Robometer's authors or in LeRobot's.
        revision: commit of a hub id.
        processor: folder or hub id of the tokenizer and the processor, where none lie beside the
            weights; by default those of the Qwen3-VL that the weights are built on.
        max_frames: frames shown at most, at least 2, spread over the episode so far; the model's
            own if not given.
        batch_size: episodes that go through the network at once.
        dtype: number format; "auto" is bfloat16 on CUDA and float32 elsewhere.
        device: of torch.

    Raises:
        RoborewError: the weights are not here, not whole, or of another model.
    """

    __repr__ = reward_repr

    spec = RewardSpec(
        name="robometer",
        low=0.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="Robometer, arXiv:2603.02115",
    )

    def __init__(
        self,
        *,
        weights: str,
        revision: str | None = None,
        processor: str | None = None,
        max_frames: int | None = None,
        batch_size: int = 8,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: str = "cpu",
    ) -> None:
        if batch_size < 1 or (max_frames is not None and max_frames < 2):
            raise InvalidInputError(
                "robometer: expected a batch_size of at least 1 and max_frames of at least 2; got "
                f"{batch_size} and {max_frames}."
            )
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        self._dtype = DTYPES[dtype]
        network = load_robometer(weights, revision, processor, self._dtype)
        self._network = network.to(device).eval()
        self._device = torch.device(device)
        self._window = PrefixWindow(max_frames=max_frames or network.max_frames, pairs=False)
        self._batch_size = batch_size
        self._weights = weights
        self._progress = read_template(FOLDER / "robometer.txt", 1, "<video>")
        self._preference = read_template(FOLDER / "robometer_preference.txt", 2, "<video>")

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score each frame as if the clip ended with it."""
        beginnings: list[RecurrentState] = [{} for _ in clips]
        return self.score_step(clips, beginnings)[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        prefixes, next_states = self._window.extend_all(clips, states)
        predictions = self._predict(prefixes)
        scores: list[Scores] = []
        for values in split_by_length(predictions, [len(clip.frames) for clip in clips]):
            progress, success = values.T.copy()
            scores.append(Scores(progress, np.ones(len(values), np.bool_), success))
        return scores, next_states

    @torch.inference_mode()
    def preference(self, first: Clip, second: Clip) -> float:
        """Return the probability that the first of two episodes got further, by the head that
        compares them; at most ``max_frames`` of each are shown, spread evenly.

        Raises:
            InvalidInputError: their sentences differ.
        """
        if first.instruction != second.instruction:
            raise InvalidInputError(
                "robometer: expected two episodes of one goal; got "
                f"{first.instruction!r:.60} and {second.instruction!r:.60}."
            )
        videos = [self._spread(clip.frames) for clip in (first, second)]
        parts = self._preference.parts(first.instruction, videos)
        (vectors,) = self._network.read(self._inputs([parts]), PREFERENCE)
        return float(self._network.probability("preference_head", vectors[-1:]))

    def _spread(self, frames: Video) -> Video:
        count = min(len(frames), self._window.max_frames)
        return frames[np.linspace(0, len(frames) - 1, count).round().astype(np.int64)]

    @torch.inference_mode()
    def _predict(self, prefixes: Sequence[Prefix]) -> NDArray[np.float32]:
        """Progress and probability of success at the last frame of each prefix, shape (N, 2)."""
        predictions = [np.empty((0, 2), np.float32)]
        for start in range(0, len(prefixes), self._batch_size):
            batch = prefixes[start : start + self._batch_size]
            questions = [self._progress.parts(one.instruction, [one.video]) for one in batch]
            states = self._network.read(self._inputs(questions), PROGRESS)
            last = torch.stack([vectors[-1] for vectors in states])
            progress = self._network.progress(last)
            success = self._network.probability("success_head", last)
            predictions.append(torch.stack([progress, success], 1).cpu().numpy())
        return np.concatenate(predictions)

    def _inputs(self, questions: Sequence[Sequence[Part]]) -> dict[str, Tensor]:
        """Tensors that the network takes, texts padded on the right."""
        processor = self._network.processor
        images: list[list[Any]] = []
        texts: list[str] = []
        for parts in questions:
            pictures, content = self._content(parts)
            images.append(pictures)
            turn = [{"role": "user", "content": content}]
            with explain(f"{self._weights}: its chat template"):
                text = processor.apply_chat_template(turn, tokenize=False, add_vision_id=True)
            texts.append(text)
        with explain(f"{self._weights}: its processor"):
            features = processor(
                text=texts,
                images=images,
                do_resize=False,
                padding=True,
                padding_side="right",
                input_data_format="channels_last",
                return_tensors="pt",
            )
        return dict(features.to(self._device, dtype=self._dtype))

    def _content(self, parts: Sequence[Part]) -> tuple[list[Any], list[Mapping[str, str]]]:
        """Pictures of the size that the network reads, and what a chat template makes a text of: a
        special token behind each picture."""
        vision = self._network.processor.image_processor
        factor = int(vision.patch_size) * int(vision.merge_size)
        limits = (MIN_TOKENS * factor**2, MAX_TOKENS * factor**2)
        pictures: list[Any] = []
        content: list[Mapping[str, str]] = []
        for part in parts:
            if isinstance(part, str):
                content.append({"type": "text", "text": part})
                continue
            for frame in part:
                pictures.append(np.ascontiguousarray(within_pixels(frame, limits, factor)))
                content += [{"type": "image"}, {"type": "text", "text": PROGRESS}]
        return pictures, content
