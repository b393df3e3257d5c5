"""Whole rollouts as embeddings: large batches, every distinct frame once, on one device or
several."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.encoders.cache import EmbeddingCache
from roborew.encoders.preprocess import Preprocessing
from roborew.errors import CorruptFileError, InvalidInputError, InvalidScoreError, first_line
from roborew.learning.devices import find_device
from roborew.types import FloatArray, Frame, Video

logger = logging.getLogger(__name__)

MIN_SCORES = 16
"""Scores whose spread is measured together: an episode of so many frames alone, shorter clips as they
come."""


class RoundingCheck:
    """Warns, once, when scores spread less than bfloat16 noise moves them.

    Args:
        name: of the reward, for the warning.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._warned = False
        self._waiting: list[FloatArray] = []

    def check(
        self,
        values: Sequence[FloatArray],
        noise: RoundingProbes | None,
        score: Callable[[FloatArray], FloatArray],
    ) -> None:
        """Look at the scores of some clips.

        Args:
            values: of each clip, shape (T,).
            noise: of the embedder.
            score: from embeddings (n, D) to scores (n,), for one of these goals.
        """
        if noise is None or self._warned:
            return
        for value in values:
            self._waiting.append(value)
            scores = np.concatenate(self._waiting)
            if len(scores) < MIN_SCORES:
                continue
            self._waiting = []
            shift = np.abs(score(noise.exact) - score(noise.rounded)).max()
            self._warn_if_noise(float(np.ptp(scores)), float(shift))

    def _warn_if_noise(self, spread: float, shift: float) -> None:
        # Frames that are all the same, of no spread, say nothing of an episode.
        if not self._warned and shift > spread > 0:
            self._warned = True
            logger.warning(
                "%s: rounding to bfloat16 moves scores by up to %.2g, more than the %.2g by which "
                "those of an episode "
                "differ: the reward is mostly noise. Use dtype=float32.",
                self._name,
                shift,
                spread,
            )


@dataclass(frozen=True, slots=True)
class PretrainedModel:
    """A network from pictures to embeddings.

    Attributes:
        network: (B, 3, S, S) prepared pictures -> (B, D), in evaluation mode.
        preprocessing: makes its pictures.
        identity: architecture and SHA-256 of the weights; equal identities give equal embeddings.
        text: a sentence -> (D,), float32, by the text tower of the same model; None where it has
            none.
    """

    network: nn.Module
    preprocessing: Preprocessing
    identity: str
    encode_text: Callable[[str], FloatArray] | None = None


def too_long(sentence: str, context: int) -> InvalidInputError:
    """What to raise where a text tower would read only the beginning of a sentence, its first
    ``context`` tokens."""
    return InvalidInputError(
        f"goal: the model reads {context} tokens and {sentence[:60]!r}... has more; shorten it."
    )


Dtype = Literal["auto", "float32", "bfloat16"]
NUM_PROBES = 8
"""Frames, of the first that are embedded, on which the noise of bfloat16 is measured."""
MAX_REMEMBERED = 4096
"""Embeddings kept in memory."""


@dataclass(frozen=True, slots=True)
class RoundingProbes:
    """The same frames embedded in float32 and in bfloat16, each of shape (n, D), float32."""

    exact: FloatArray
    rounded: FloatArray


class Embedder:
    """Embeds frames with a picture tower.

    A frame is known by the SHA-256 of its bytes and size together with the tower's weights, the
    preprocessing and the number format; a known frame is not embedded again.

    Attributes:
        dtype: number format of the network, decided.
        noise: with bfloat16, what rounding does to the first frames; None before them and with
            float32.

    Args:
        tower: the network; taken over, not copied.
        device: of torch; several, separated by commas, each get a replica and a share of the
            batches.
        dtype: "auto" is bfloat16 where the device multiplies it faster, float32 elsewhere.
        batch_size: frames that go through a replica at once.
        compile: let ``torch.compile`` translate the network; needs a C++ compiler on CPU.
        cache: a folder in which embeddings are kept for the next run.
        remembered: embeddings kept in memory.

    Raises:
        InvalidInputError: an argument out of range, or a device that torch cannot use.
    """

    def __init__(
        self,
        tower: PretrainedModel,
        *,
        device: str = "cpu",
        dtype: Dtype = "auto",
        batch_size: int = 64,
        compile: bool = False,  # noqa: A002 - the name of what it does
        cache: Path | None = None,
        remembered: int = MAX_REMEMBERED,
    ) -> None:
        if batch_size < 1 or remembered < 0:
            raise InvalidInputError(
                f"batch_size: expected at least 1, remembered at least 0; got {batch_size} and "
                f"{remembered}."
            )
        self._devices = [find_device(name.strip()) for name in device.split(",")]
        self.dtype = _resolve_dtype(dtype, self._devices)
        self.noise: RoundingProbes | None = None
        self._prepare = tower.preprocessing
        self._batch_size = batch_size
        self._compile = compile
        self._identity = f"{tower.identity} {tower.preprocessing} {self.dtype}".encode()
        self._cache = EmbeddingCache(remembered, cache)
        self._exact = tower.network.eval().requires_grad_(False)
        self._replicas: list[Callable[[Tensor], Tensor]] = []

    def embed(self, videos: Sequence[Video]) -> list[FloatArray]:
        """Return an embedding of every frame, (T, D) float32 for a video of T frames; not
        normalised.

        Args:
            videos: each (T, H, W, 3), uint8 RGB; sizes may differ.

        Raises:
            InvalidInputError: frames too small for the network.
            InvalidScoreError: the network gives NaN or infinity.
        """
        video_keys = [self._keys(video) for video in videos]
        embeddings: dict[bytes, FloatArray] = {}
        new: dict[bytes, Frame] = {}
        for keys, video in zip(video_keys, videos, strict=True):
            for key, frame in zip(keys, video, strict=True):
                if key in embeddings or key in new:
                    continue
                cached = self._cache.get(key)
                if cached is None:
                    new[key] = frame
                else:
                    embeddings[key] = cached
        fresh = dict(zip(new, self._compute(list(new.values())), strict=True))
        self._cache.put(fresh)
        embeddings |= fresh

        results: list[FloatArray] = []
        for keys in video_keys:
            results.append(np.stack([embeddings[key] for key in keys]))
        return results

    def _keys(self, video: Video) -> list[bytes]:
        return [self._key(frame) for frame in video]

    def _key(self, frame: Frame) -> bytes:
        # With its shape: the same bytes may be a tall frame or a wide one.
        digest = hashlib.sha256(self._identity + str(frame.shape).encode())
        # A cropped view has gaps in memory, over which no hash can be taken.
        digest.update(np.ascontiguousarray(frame).data)
        return digest.digest()

    def _compute(self, frames: list[Frame]) -> list[FloatArray]:
        """Embed distinct frames, those of one size together."""
        if not frames:
            return []
        if not self._replicas:
            self._start(frames)
        batch_rows: list[list[int]] = []
        # Frames of two sizes cannot be stacked into one batch.
        for shape in dict.fromkeys(frame.shape for frame in frames):
            rows = [row for row, frame in enumerate(frames) if frame.shape == shape]
            for start in range(0, len(rows), self._batch_size):
                batch_rows.append(rows[start : start + self._batch_size])
        batches: list[list[Frame]] = []
        for rows in batch_rows:
            batches.append([frames[row] for row in rows])
        by_row: dict[int, FloatArray] = {}
        for rows, embeddings in zip(batch_rows, self._share(batches), strict=True):
            by_row |= dict(zip(rows, embeddings, strict=True))
        return [by_row[row] for row in range(len(frames))]

    def _start(self, frames: list[Frame]) -> None:
        """Measure the noise of rounding while the exact weights are still there, then make the
        replicas."""
        first = self._devices[0]
        probes = [frame for frame in frames if frame.shape == frames[0].shape][:NUM_PROBES]
        network = self._exact.to(first)
        exact: FloatArray | None = None
        if self.dtype == torch.bfloat16:
            exact = self._run(network, first, torch.float32, probes)
        network = cast(Any, network).to(self.dtype, memory_format=torch.channels_last)
        self._replicas = [network]
        for device in self._devices[1:]:
            self._replicas.append(deepcopy(network).to(device))
        if self._compile:
            # Dynamic: batches of every length would each be translated otherwise.
            self._replicas = [torch.compile(copy, dynamic=True) for copy in self._replicas]
        if exact is not None:
            rounded = self._run(self._replicas[0], first, self.dtype, probes)
            self.noise = RoundingProbes(exact, rounded)

    def _share(self, batches: list[list[Frame]]) -> list[FloatArray]:
        """Embed batches, every n-th of them on the same of n replicas."""
        count = len(self._replicas)
        shares: dict[int, list[FloatArray]] = {}

        def work(device: torch.device) -> None:
            for replica, network in enumerate(self._replicas):
                if self._devices[replica] != device:
                    continue
                shares[replica] = []
                for batch in batches[replica::count]:
                    shares[replica].append(self._run(network, device, self.dtype, batch))

        # Devices work at the same time. Replicas on one take turns: two of them would ask for the
        # same cores, and wait.
        distinct = list(dict.fromkeys(self._devices))
        if len(distinct) == 1:
            work(distinct[0])
        else:
            with ThreadPoolExecutor(len(distinct)) as pool:
                list(pool.map(work, distinct))
        # Undoes ``batches[replica::count]``, so that rows and embeddings stay in step.
        return [shares[place % count][place // count] for place in range(len(batches))]

    @torch.inference_mode()
    def _run(
        self,
        network: Callable[[Tensor], Tensor],
        device: torch.device,
        dtype: torch.dtype,
        frames: list[Frame],
    ) -> FloatArray:
        pictures = self._prepare(torch.as_tensor(np.stack(frames)).to(device))
        inputs = pictures.to(dtype, memory_format=torch.channels_last)
        try:
            vectors = network(inputs)
        except (TypeError, ValueError, IndexError) as error:
            raise CorruptFileError(
                f"the network cannot read pictures of {tuple(inputs.shape[-2:])} pixels, which its "
                f"settings ask for: {first_line(error)}"
            ) from error
        # float32 first: NumPy has no bfloat16.
        embeddings = vectors.float().cpu().numpy()
        if not np.isfinite(embeddings).all():
            raise InvalidScoreError(
                f"the network gives NaN or infinity in {dtype}; try dtype=float32, or other "
                f"weights."
            )
        return cast("NDArray[np.float32]", embeddings)


def _resolve_dtype(dtype: Dtype, devices: Sequence[torch.device]) -> torch.dtype:
    # Without hardware for it, bfloat16 is emulated: slower than float32, and coarser.
    if dtype == "auto" and all(_fast_bfloat16(device) for device in devices):
        return torch.bfloat16
    return torch.bfloat16 if dtype == "bfloat16" else torch.float32


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether matrices in bfloat16 are multiplied in hardware: a GPU that says so, a CPU with AMX
    or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = Path("/proc/cpuinfo")
    if device.type != "cpu" or not flags.exists():
        return False
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags.read_text().split())
