"""The laws of encoders: frames and sentences to vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roborew.checks.laws import LawBook, Outcome, assert_close
from roborew.checks.synthetic import PUSH, noise_video
from roborew.encoders.base import Encoder
from roborew.learning.examples import EpisodeFrames, Features

LAWS = LawBook("encoder")


@dataclass(frozen=True)
class EncoderSubject:
    """How an encoder is made.

    Attributes:
        make: returns a new encoder, always with the same settings and seed.
    """

    make: Callable[[], Encoder]

    @cached_property
    def fitted(self) -> Encoder:
        """One encoder that has seen the episodes, made once for all laws."""
        return self.fit()

    def fit(self) -> Encoder:
        """A new encoder that has seen the episodes."""
        encoder = self.make()
        text_embedding = encoder.encode_text(PUSH)
        encoder.learn([_episode(seed, text_embedding) for seed in range(4)], _silent)
        return encoder


def check_encoder(make: Callable[[], Encoder]) -> list[Outcome]:
    """Hold an encoder to the laws of encoders, on frames of noise.

    Args:
        make: returns a new encoder, always with the same settings and seed.

    Returns:
        How each law fared.

    Raises:
        ContractError: a law is broken; the message lists all that are.
    """
    return LAWS.require(EncoderSubject(make))


@LAWS.law("frames become finite float32 vectors of one width, whatever their size")
def vectors_have_one_width(subject: EncoderSubject) -> None:
    small = subject.fitted.encode(noise_video(3))
    large = subject.fitted.encode(noise_video(2, height=96, width=128))
    _assert_vectors(small, 3)
    _assert_vectors(large, 2)
    widths = (small.shape[1], large.shape[1])
    assert widths[0] == widths[1], f"widths {widths[0]} and {widths[1]}"


def _assert_vectors(vectors: Features, count: int) -> None:
    """Raise AssertionError unless there are ``count`` vectors as `Encoder.encode` promises."""
    assert vectors.ndim == 2, f"expected shape (T, D); got {vectors.shape}"
    assert len(vectors) == count, f"expected {count} vectors; got {len(vectors)}"
    assert vectors.dtype == np.float32, f"expected float32; got {vectors.dtype}"
    assert np.isfinite(vectors).all(), "a vector is NaN or infinite"


@LAWS.law("a frame has the same vector alone and in a batch")
def a_batch_equals_its_parts(subject: EncoderSubject) -> None:
    frames = noise_video(4)
    together = subject.fitted.encode(frames)
    alone = np.concatenate([subject.fitted.encode(frame[None]) for frame in frames])
    assert_close(together, alone)


@LAWS.law("other frames have other vectors")
def frames_are_told_apart(subject: EncoderSubject) -> None:
    vectors = subject.fitted.encode(noise_video(2))
    assert not np.array_equal(vectors[0], vectors[1]), "two frames of noise have one vector"


@LAWS.law("a sentence becomes a finite float32 vector, the same each time")
def sentences_have_vectors(subject: EncoderSubject) -> None:
    vector = subject.fitted.encode_text(PUSH)
    assert vector.ndim == 1, f"expected shape (E,); got {vector.shape}"
    assert vector.dtype == np.float32, f"expected float32; got {vector.dtype}"
    assert np.isfinite(vector).all(), "the vector is NaN or infinite"
    assert np.array_equal(vector, subject.fitted.encode_text(PUSH)), "the vectors differ"


@LAWS.law("the same settings and episodes give the same encoder")
def encoders_repeat(subject: EncoderSubject) -> None:
    twin = subject.fit()
    # Embeddings are kept by identity: one that changed by itself would find none of them.
    assert twin.identity == subject.fitted.identity, "the identities differ"
    frames = noise_video(2)
    same = np.array_equal(twin.encode(frames), subject.fitted.encode(frames))
    assert same, "the vectors differ"


@LAWS.law("state_dict and load_state_dict give equal vectors")
def saved_and_loaded_are_equal(subject: EncoderSubject) -> None:
    arrays = {name: np.array(array) for name, array in subject.fitted.state_dict().items()}
    loaded = subject.make()
    loaded.load_state_dict(arrays)
    frames = noise_video(2)
    same = np.array_equal(loaded.encode(frames), subject.fitted.encode(frames))
    assert same, "the vectors differ"


@LAWS.law("encoding does not write into the frames")
def frames_are_left_alone(subject: EncoderSubject) -> None:
    frames = noise_video(2)
    subject.fitted.encode(frames)
    # Drawn anew from the seed: a view kept from before would have changed along.
    assert np.array_equal(frames, noise_video(2)), "the frames were changed"


def _episode(seed: int, text_embedding: NDArray[np.float32]) -> EpisodeFrames:
    length = 6
    return EpisodeFrames(
        frames=noise_video(length, seed),
        text_embedding=text_embedding,
        progress=np.linspace(0, 1, length, dtype=np.float32),
        success=np.arange(length) == length - 1,
    )


def _silent(name: str, value: float) -> None:
    del name, value
