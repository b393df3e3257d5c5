"""`clip`: how well a picture fits a sentence, by a pretrained image-text model (CLIP, SigLIP and
their kin)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from roborew.encoders.embedder import Dtype, Embedder, PretrainedModel, RoundingCheck
from roborew.encoders.open_clip import load_open_clip
from roborew.encoders.preprocess import vlm_rm
from roborew.errors import InvalidInputError
from roborew.rewards.similarity import (
    Vectors,
    alpha_sweep,
    goal_baseline,
    goal_probability,
    normalize,
)
from roborew.short_repr import reward_repr
from roborew.types import Clip, FloatArray, RewardSpec, Scores

Method = Literal["goal-baseline", "cosine", "softmax"]
SENTENCE_SEPARATOR = ";"


class ClipReward:
    """Scores every frame alone by its similarity to the clip's instruction, or to its goal image.

    - "goal-baseline": VLM-RM (arXiv:2310.12921), see `roborew.rewards.similarity.alpha_sweep`.
    - "cosine": the cosine of frame and goal; several sentences are averaged first.
    - "softmax": the probability of the goal among it and the baseline's sentences
      (arXiv:2312.09187), and, with a threshold, whether the probability is above it, as 1 or 0.

    Args:
        model: architecture of open_clip, ``hf-hub:owner/name``, or a folder that holds a whole
            model.
        pretrained: weights of an architecture: tag, ``hf-hub:owner/name``, .safetensors file,
            or "random".
        revision: commit of a repository on the hub; pin it, or scores may change with the
            repository.
        sha256: that the weight file must have.
        method: how similarity becomes a score, see the class.
        alpha: of "goal-baseline", in [0, 1]: 0 is the cosine with one sentence, 1 only counts
            the way from baseline to goal.
        baseline: sentences separated by ";": what is seen before the goal is reached; for
            "softmax" what else may be seen.
        targets: more sentences for the goal, separated by ";".
        compare_with: the "text" of the instruction, or the "picture", the clip's goal image.
        temperature: of "softmax", above 0; the model's own if not given.
        threshold: of "softmax", in (0, 1).
        preprocessing: "model" is what the model was trained with, "squash" the resize of
            VLM-RM's code.
        dtype: number format of the image tower; the text tower is always float32.
        batch_size: frames that go through the model at once.
        compile: use torch.compile.
        cache: a folder in which embeddings are kept for the next run.
        device: of torch; several, separated by commas, share the work.

    Raises:
        InvalidInputError: options out of range, or that do not go together.
        UnknownNameError: no such architecture or tag; close matches are offered.
        MissingBackendError: the weights are not here; the message says what to download and
            where to put it.
        CorruptFileError: a damaged file, another checksum, or weights of another architecture.
    """

    __repr__ = reward_repr

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size", "goal": "compare_with"}

    def __init__(
        self,
        *,
        model: str = "ViT-B-32",
        pretrained: str | None = None,
        revision: str | None = None,
        sha256: str | None = None,
        method: Method = "goal-baseline",
        alpha: float = 0.0,
        baseline: str = "",
        targets: str = "",
        compare_with: Literal["text", "picture"] = "text",
        temperature: float | None = None,
        threshold: float | None = None,
        preprocessing: Literal["model", "squash"] = "model",
        dtype: Dtype = "auto",
        batch_size: int = 64,
        compile: bool = False,  # noqa: A002 - the name of what it does
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        self._method: Method = method
        self._alpha = alpha
        self._baseline = _sentences(baseline)
        self._targets = _sentences(targets)
        self._with_picture = compare_with == "picture"
        self._threshold = threshold
        self._check_options(temperature)
        loaded = load_open_clip(model, pretrained, revision, sha256)
        self._temperature = temperature or 1 / loaded.logit_scale
        self._encode = loaded.encode_text
        self._text_vector = lru_cache(maxsize=1024)(self._encode_text)  # sentences repeat
        tower = _squashing(loaded.tower) if preprocessing == "squash" else loaded.tower
        self._embedder = Embedder(
            tower, device=device, dtype=dtype, batch_size=batch_size, compile=compile, cache=cache
        )
        self._rounding_check = RoundingCheck("clip")
        self.spec = self._make_spec()

    def _make_spec(self) -> RewardSpec:
        softmax = self._method == "softmax"
        return RewardSpec(
            name="clip",
            low=0.0 if softmax else -1.0,
            high=1.0,
            context=1,
            causal=True,
            needs_goal_image=self._with_picture,
            predicts_success=False,
            paper="arXiv:2312.09187" if softmax else "arXiv:2310.12921",
        )

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame of every clip.

        Raises:
            InvalidInputError: goal and baseline are the same to the model, frames are too small, a
                sentence is longer than the model reads, or a goal image is missing.
            InvalidScoreError: the model gives NaN.
        """
        pictures, goals = self.embed(clips)
        values: list[FloatArray] = []
        for x, clip, goal in zip(pictures, clips, goals, strict=True):
            values.append(self._values(x, clip.instruction, goal))
        if clips:
            self._rounding_check.check(
                values,
                self._embedder.noise,
                lambda x: self._values(x, clips[0].instruction, goals[0]),
            )
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values]

    def embed(self, clips: Sequence[Clip]) -> tuple[list[FloatArray], list[FloatArray | None]]:
        """Return embeddings of the frames, (T, D) a clip, and of its goal image if frames are
        compared with one.

        Raises:
            InvalidInputError: a goal image is missing.
        """
        frames = [clip.frames for clip in clips]
        if not self._with_picture:
            return self._embedder.embed(frames), [None for _ in clips]
        goal_images = [clip.goal_image[None] for clip in clips if clip.goal_image is not None]
        if len(goal_images) < len(clips):
            raise InvalidInputError(
                "clip: compare_with=picture needs a picture of the goal with every clip; pass "
                "goal_image=frame."
            )
        vectors = self._embedder.embed([*frames, *goal_images])
        goals: list[FloatArray | None] = [goal[0] for goal in vectors[len(clips) :]]
        return vectors[: len(clips)], goals

    def alpha_sweep(self, clips: Sequence[Clip], alphas: Sequence[float]) -> list[FloatArray]:
        """Score clips by "goal-baseline" with several alphas, (A, T) a clip, at the cost of one
        embedding."""
        pictures, goals = self.embed(clips)
        baseline = self._mean_text(self._baseline) if self._baseline else None
        sweeps: list[FloatArray] = []
        for x, clip, goal_image in zip(pictures, clips, goals, strict=True):
            goal = self._goal_vector(clip.instruction, goal_image)
            sweep = alpha_sweep(normalize(x), goal, baseline, alphas)
            sweeps.append(sweep.astype(np.float32))
        return sweeps

    def _values(
        self, pictures: FloatArray, instruction: str, picture: FloatArray | None
    ) -> FloatArray:
        x = normalize(pictures)
        if self._method == "softmax":
            values = self._probabilities(x, instruction)
        elif self._method == "cosine":
            # A mean of unit vectors is shorter than 1.
            values = x @ normalize(self._goal_vector(instruction, picture))
        else:
            goal = self._goal_vector(instruction, picture)
            baseline = self._mean_text(self._baseline) if self._baseline else None
            values = goal_baseline(x, goal, baseline, self._alpha)
        # Rounding to float32 must not leave the promised range.
        return values.astype(np.float32).clip(self.spec.low, self.spec.high)

    def _probabilities(self, x: Vectors, instruction: str) -> Vectors:
        goals = self._text_vectors(self._goal_sentences(instruction))
        baselines = self._text_vectors(self._baseline)
        probabilities = goal_probability(x, goals, baselines, self._temperature)
        if self._threshold is None:
            return probabilities
        return (probabilities > self._threshold).astype(np.float64)

    def _goal_vector(self, instruction: str, picture: FloatArray | None) -> Vectors:
        if picture is not None:
            return normalize(picture)
        return self._mean_text(self._goal_sentences(instruction))

    def _goal_sentences(self, instruction: str) -> tuple[str, ...]:
        return (instruction.strip(), *self._targets)

    def _mean_text(self, texts: Sequence[str]) -> Vectors:
        # Of unit vectors: each sentence weighs the same.
        return np.mean(self._text_vectors(texts), axis=0)

    def _text_vectors(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._text_vector(text) for text in texts])

    def _encode_text(self, text: str) -> Vectors:
        return normalize(self._encode(text))

    def _check_options(self, temperature: float | None) -> None:
        """Raise the first rule that the options break."""
        rules = [*self._alpha_rules(), *self._sentence_rules(), *self._softmax_rules(temperature)]
        for holds, message in rules:
            if not holds:
                raise InvalidInputError(message)

    def _alpha_rules(self) -> list[tuple[bool, str]]:
        regularized = self._method == "goal-baseline"
        num_goals = len(self._targets) + 1
        pairs_up = not self._baseline or len(self._baseline) == num_goals
        return [
            (0 <= self._alpha <= 1, f"alpha: expected a number in [0, 1]; got {self._alpha}."),
            (
                regularized or self._alpha == 0,
                f"alpha: belongs to goal-baseline, not to {self._method}.",
            ),
            (
                self._alpha == 0 or bool(self._baseline),
                "alpha: above 0 it needs a baseline, such as baseline='a humanoid robot'.",
            ),
            (
                not regularized or pairs_up,
                f"baseline: expected as many sentences as the goal has, {num_goals}; got "
                f"{len(self._baseline)}.",
            ),
        ]

    def _sentence_rules(self) -> list[tuple[bool, str]]:
        more_sentences = bool(self._baseline or self._targets)
        return [
            (
                self._method != "softmax" or bool(self._baseline),
                "softmax: needs other sentences to compare with; give baseline='a; b'.",
            ),
            (
                self._method != "cosine" or not self._baseline,
                "baseline: cosine uses none; leave it out.",
            ),
            (
                not self._with_picture or not more_sentences,
                "compare_with: a picture goes with neither targets nor baseline.",
            ),
        ]

    def _softmax_rules(self, temperature: float | None) -> list[tuple[bool, str]]:
        threshold = self._threshold
        unset = temperature is None and threshold is None
        return [
            (self._method == "softmax" or unset, "temperature, threshold: belong to softmax."),
            (
                temperature is None or temperature > 0,
                f"temperature: expected a number above 0; got {temperature}.",
            ),
            (
                threshold is None or 0 < threshold < 1,
                f"threshold: expected a number in (0, 1); got {threshold}.",
            ),
        ]


def _sentences(text: str) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(SENTENCE_SEPARATOR)]
    return tuple(part for part in parts if part)


def _squashing(model: PretrainedModel) -> PretrainedModel:
    """The same network behind the resize of VLM-RM's code, which ignores the aspect."""
    preprocessing = vlm_rm(model.preprocessing.size)
    return PretrainedModel(model.network, preprocessing, model.identity)
