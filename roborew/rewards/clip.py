"""`clip`: how well a picture fits a sentence, by a pretrained image-text model (CLIP, SigLIP and
their kin)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from roborew.encoders.embedder import Dtype, Embedder, PretrainedModel, RoundingCheck
from roborew.encoders.open_clip import load_open_clip
from roborew.encoders.preprocess import vlm_rm
from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.types import Clip, FloatArray, RewardSpec, Scores

Vectors = NDArray[np.float64]
MIN_GOAL_BASELINE_DISTANCE = 1e-6
"""A goal and a baseline nearer than this are the same to the model."""


def normalize(vectors: NDArray[np.floating]) -> Vectors:
    """Return vectors (..., D) at length 1, in float64.

    Raises:
        InvalidScoreError: one of them has length 0.
    """
    exact = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(exact, axis=-1, keepdims=True)
    if not lengths.all():
        raise InvalidScoreError(
            "an embedding is zero and has no direction: the weights are not those of this model."
        )
    return exact / lengths


def alpha_sweep(
    x: Vectors, goal: Vectors, baseline: Vectors | None, alphas: Sequence[float]
) -> Vectors:
    """Goal-baseline regularisation (VLM-RM, arXiv:2310.12921) for several alphas, shape (A, N), in
    [-1, 1].

    Published: ``R = 1 - |M (x - g)|^2 / 2`` with ``M = alpha P + (1 - alpha) I`` and P the
    projection on ``d = g - b``. As P is a projection, with ``u = x - g`` this is
    ``R = 1 - ((1 - alpha)^2 |u|^2 + (1 - (1 - alpha)^2) (u d)^2 / |d|^2) / 2``: no D x D matrix,
    and two numbers a picture serve every alpha.

    Args:
        x: pictures, (N, D).
        goal: g, (D,).
        baseline: b, (D,); may be left out where every alpha is 0.
        alphas: in [0, 1].

    Raises:
        InvalidInputError: an alpha out of range, no baseline, or one equal to the goal, which gives
            no direction.
    """
    keep = 1 - np.asarray(alphas, np.float64)[:, None]
    if not bool(((keep >= 0) & (keep <= 1)).all()):
        raise InvalidInputError(f"alpha: expected numbers in [0, 1]; got {list(alphas)}.")
    u = x - goal
    along = np.zeros(len(x))
    if baseline is not None:
        d = goal - baseline
        if np.linalg.norm(d) < MIN_GOAL_BASELINE_DISTANCE:
            raise InvalidInputError(
                "baseline: the model reads goal and baseline as the same, so there is no "
                "direction from one to the "
                "other; let the baseline say what is seen before the goal is reached."
            )
        along = (u @ d) ** 2 / (d @ d)
    elif bool((keep < 1).any()):
        raise InvalidInputError(
            "alpha: above 0 it needs a baseline, such as baseline='a humanoid robot'."
        )
    return 1 - (keep**2 * (u**2).sum(axis=1) + (1 - keep**2) * along) / 2


def goal_baseline(x: Vectors, goal: Vectors, baseline: Vectors | None, alpha: float) -> Vectors:
    """`alpha_sweep` for one alpha, shape (N,)."""
    return alpha_sweep(x, goal, baseline, [alpha])[0]


def goal_probability(x: Vectors, goals: Vectors, others: Vectors, temperature: float) -> Vectors:
    """Probability of the goals among all texts, shape (N,) (Baumli et al. 2023, arXiv:2312.09187).

    ``p = sum over goals of exp(x g / temperature)``, divided by the same sum over goals and others.

    Args:
        x: pictures, (N, D).
        goals: each sentence of the goal, (G, D), of length 1.
        others: what else the picture may show, (L, D), of length 1.
        temperature: above 0.
    """
    logits = x @ np.concatenate([goals, others]).T / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers[:, : len(goals)].sum(axis=1) / powers.sum(axis=1)


Method = Literal["goal-baseline", "cosine", "softmax"]
SENTENCE_SEPARATOR = ";"


class ClipReward:
    """Scores every frame alone by its similarity to the clip's instruction, or to its picture of
    the goal.

    - "goal-baseline": VLM-RM (arXiv:2310.12921), see `roborew.rewards.clip.alpha_sweep`.
    - "cosine": the cosine of frame and goal; several sentences are averaged first.
    - "softmax": the probability of the goal among it and the baseline's sentences
      (arXiv:2312.09187), and, with a threshold, whether the probability is above it, as 1 or 0.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}

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
        goal: Literal["text", "picture"] = "text",
        temperature: float | None = None,
        threshold: float | None = None,
        preprocessing: Literal["model", "squash"] = "model",
        dtype: Dtype = "auto",
        batch_size: int = 64,
        compile: bool = False,  # noqa: A002 - the name of what it does
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        """Load the model.

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
            goal: compare frames with the instruction, or with the clip's picture of the goal.
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
        self._baseline, self._targets = _sentences(baseline), _sentences(targets)
        self._method, self._alpha, self._picture, self._threshold = (
            method,
            alpha,
            goal == "picture",
            threshold,
        )
        _check_options(
            self._method,
            alpha,
            self._picture,
            self._baseline,
            self._targets,
            temperature,
            threshold,
        )
        loaded = load_open_clip(model, pretrained, revision, sha256)
        tower = loaded.tower
        if preprocessing == "squash":
            tower = PretrainedModel(tower.network, vlm_rm(tower.preprocessing.size), tower.identity)
        self._temperature = temperature or 1 / loaded.logit_scale
        self._encode = loaded.encode_text
        self._text_vector = lru_cache(maxsize=1024)(self._encode_text)
        self._embedder = Embedder(
            tower, device=device, dtype=dtype, batch=batch_size, compile=compile, cache=cache
        )
        self._watch = RoundingCheck("clip")
        self.spec = RewardSpec(
            name="clip",
            low=0.0 if method == "softmax" else -1.0,
            high=1.0,
            context=1,
            causal=True,
            needs_goal_image=self._picture,
            predicts_success=False,
            paper="arXiv:2312.09187" if method == "softmax" else "arXiv:2310.12921",
        )

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame of every clip.

        Raises:
            InvalidInputError: goal and baseline are the same to the model, frames are too small, a
                sentence is longer than the model reads, or a picture of the goal is missing.
            InvalidScoreError: the model gives NaN.
        """
        pictures, goals = self.embed(clips)
        values = [
            self._values(x, clip.instruction, goal)
            for x, clip, goal in zip(pictures, clips, goals, strict=True)
        ]
        if clips:
            first, goal = clips[0].instruction, goals[0]
            self._watch.check(values, self._embedder.noise, lambda x: self._values(x, first, goal))
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values]

    def embed(self, clips: Sequence[Clip]) -> tuple[list[FloatArray], list[FloatArray | None]]:
        """Return embeddings of the frames, (T, D) a clip, and of its goal's picture if frames are
        compared with one.

        Raises:
            InvalidInputError: a picture of the goal is missing.
        """
        if not self._picture:
            return self._embedder.embed([clip.frames for clip in clips]), [None for _ in clips]
        shown = [clip.goal_image for clip in clips]
        goals = [picture[None] for picture in shown if picture is not None]
        if len(goals) < len(clips):
            raise InvalidInputError(
                "clip: goal=picture needs a picture of the goal with every clip; pass goal_image=frame."
            )
        found = self._embedder.embed([*(clip.frames for clip in clips), *goals])
        return found[: len(clips)], [each[0] for each in found[len(clips) :]]

    def alpha_sweep(self, clips: Sequence[Clip], alphas: Sequence[float]) -> list[FloatArray]:
        """Score clips by "goal-baseline" with several alphas, (A, T) a clip, at the cost of one
        embedding."""
        pictures, goals = self.embed(clips)
        return [
            alpha_sweep(
                normalize(x),
                self._goal_vector(clip.instruction, goal),
                self._mean_text(self._baseline),
                alphas,
            ).astype(np.float32)
            for x, clip, goal in zip(pictures, clips, goals, strict=True)
        ]

    def _values(
        self, pictures: FloatArray, instruction: str, picture: FloatArray | None
    ) -> FloatArray:
        x = normalize(pictures)
        if self._method == "softmax":
            goals, others = (
                np.stack([self._text_vector(t) for t in each])
                for each in (self._goal_sentences(instruction), self._baseline)
            )
            values = goal_probability(x, goals, others, self._temperature)
            values = (
                values if self._threshold is None else (values > self._threshold).astype(np.float64)
            )
        elif self._method == "cosine":
            values = x @ normalize(self._goal_vector(instruction, picture))
        else:
            goal = self._goal_vector(instruction, picture)
            values = goal_baseline(x, goal, self._mean_text(self._baseline), self._alpha)
        return values.astype(np.float32).clip(self.spec.low, self.spec.high)

    def _goal_vector(self, instruction: str, picture: FloatArray | None) -> Vectors:
        mean = (
            self._mean_text(self._goal_sentences(instruction))
            if picture is None
            else normalize(picture)
        )
        assert mean is not None
        return mean

    def _encode_text(self, text: str) -> Vectors:
        return normalize(self._encode(text))

    def _goal_sentences(self, instruction: str) -> tuple[str, ...]:
        return (instruction.strip(), *self._targets)

    def _mean_text(self, texts: Sequence[str]) -> Vectors | None:
        return np.mean([self._text_vector(text) for text in texts], axis=0) if texts else None


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(SENTENCE_SEPARATOR) if part.strip())


def _check_options(
    method: Method,
    alpha: float,
    picture: bool,
    baseline: Sequence[str],
    targets: Sequence[str],
    temperature: float | None,
    threshold: float | None,
) -> None:
    rules = [
        (0 <= alpha <= 1, f"alpha: expected a number in [0, 1]; got {alpha}."),
        (
            method == "goal-baseline" or alpha == 0,
            f"alpha: belongs to goal-baseline, not to {method}.",
        ),
        (
            alpha == 0 or baseline,
            "alpha: above 0 it needs a baseline, such as baseline='a humanoid robot'.",
        ),
        (
            method != "goal-baseline" or not baseline or len(baseline) == len(targets) + 1,
            f"baseline: expected as many sentences as the goal has, {len(targets) + 1}; got "
            f"{len(baseline)}.",
        ),
        (
            method != "softmax" or baseline,
            "softmax: needs other sentences to compare with; give baseline='a; b'.",
        ),
        (method != "cosine" or not baseline, "baseline: cosine uses none; leave it out."),
        (
            not picture or not (baseline or targets),
            "goal: a picture goes with neither targets nor baseline.",
        ),
        (
            method == "softmax" or (temperature, threshold) == (None, None),
            "temperature, threshold: belong to softmax.",
        ),
        (
            temperature is None or temperature > 0,
            f"temperature: expected a number above 0; got {temperature}.",
        ),
        (
            threshold is None or 0 < threshold < 1,
            f"threshold: expected a number in (0, 1); got {threshold}.",
        ),
    ]
    for kept, message in rules:
        if not kept:
            raise InvalidInputError(message)
