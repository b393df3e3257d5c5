"""`goal_image`: how near a picture is to a picture of the goal, by the distance of their
embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from roborew.encoders.embedder import Dtype, Embedder, RoundingCheck
from roborew.encoders.pretrained import Library, load_pretrained
from roborew.errors import InvalidInputError
from roborew.rewards.similarity import normalize
from roborew.short_repr import reward_repr
from roborew.types import Clip, FloatArray, RewardSpec, Scores


class GoalImage:
    """The negative distance of every frame to the clip's picture of the goal: 0 at the goal, below
    it elsewhere.

    As level: ``S(o, g) = -|f(o) - f(g)|`` (VIP, arXiv:2210.00030; R3M, arXiv:2203.12601), or
    ``cos(f(o), f(g)) - 1`` (LIV, arXiv:2306.00958). As difference, what VIP pays: ``S(o_t, g) -
    S(o_{t-1}, g)``, 0 at the first frame; pay it as it is, with ``--shaping raw``.

    Args:
        library: where the network comes from: transformers (such as DINOv2), timm, open_clip, or
            VIP, R3M or LIV, whose weights are a local file.
        model: hub id or folder, name or architecture; `MODELS` says which if not given.
        pretrained: a .safetensors file, and for open_clip also a tag or ``hf-hub:owner/name``.
        revision: commit of a repository on the hub; pin it, or scores may change with the
            repository.
        sha256: that the weight file must have.
        distance: Euclidean, or one minus the cosine.
        output: the level, or its difference from the frame before.
        dtype: number format of the network.
        batch_size: frames that go through the network at once.
        compile: use torch.compile.
        cache: a folder in which embeddings are kept for the next run.
        device: of torch; several, separated by commas, share the work.

    Raises:
        UnknownNameError: no such model; close matches are offered.
        InvalidInputError: options that do not go together, or pickled weights.
        MissingBackendError: the weights are not here; the message says what to download and
            where to put it.
        CorruptFileError: a damaged file, another checksum, or weights of another architecture.
    """

    __repr__ = reward_repr

    RENAMED: ClassVar[Mapping[str, str]] = {
        "tower": "library",
        "batch": "batch_size",
        "form": "output",
    }

    def __init__(
        self,
        *,
        library: Library = "transformers",
        model: str | None = None,
        pretrained: str | None = None,
        revision: str | None = None,
        sha256: str | None = None,
        distance: Literal["l2", "cosine"] = "l2",
        output: Literal["level", "difference"] = "level",
        dtype: Dtype = "auto",
        batch_size: int = 64,
        compile: bool = False,  # noqa: A002 - the name of what it does
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        loaded = load_pretrained(library, model, pretrained, revision, sha256)
        self._embedder = Embedder(
            loaded, device=device, dtype=dtype, batch_size=batch_size, compile=compile, cache=cache
        )
        self._rounding_check = RoundingCheck("goal_image")
        self._cosine = distance == "cosine"
        self._progress_delta = output == "difference"
        reach = 2.0 if self._cosine else np.inf
        self.spec = RewardSpec(
            name="goal_image",
            low=-reach,
            high=reach if self._progress_delta else 0.0,
            context=2 if self._progress_delta else 1,
            causal=True,
            needs_goal_image=True,
            predicts_success=False,
            paper="arXiv:2306.00958" if self._cosine else "arXiv:2210.00030",
        )

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame of every clip.

        Raises:
            InvalidInputError: a clip has no picture of the goal, or frames are too small for the
                network.
            InvalidScoreError: the network gives NaN.
        """
        goal_images = [clip.goal_image[None] for clip in clips if clip.goal_image is not None]
        if len(goal_images) < len(clips):
            raise InvalidInputError(
                "goal_image: every clip needs a picture of the goal; pass goal_image=frame."
            )
        # Frames and goals in one call, so that batches are full.
        vectors = self._embedder.embed([*(clip.frames for clip in clips), *goal_images])
        goals = [goal[0] for goal in vectors[len(clips) :]]
        values: list[FloatArray] = []
        for frames, goal in zip(vectors[: len(clips)], goals, strict=True):
            values.append(self._similarity(frames, goal))
        if clips:
            self._rounding_check.check(
                values, self._embedder.noise, lambda x: self._similarity(x, goals[0])
            )
        if self._progress_delta:
            values = [np.diff(value, prepend=value[:1]) for value in values]
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values]

    def _similarity(self, pictures: FloatArray, goal: FloatArray) -> FloatArray:
        if self._cosine:
            value = (normalize(pictures) @ normalize(goal) - 1).clip(-2, 0)
        else:
            value = -np.linalg.norm(pictures.astype(np.float64) - goal, axis=1)
        return value.astype(np.float32)
