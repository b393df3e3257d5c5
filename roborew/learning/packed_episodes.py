"""Demonstrations packed into one stack of frames, so that drawing a batch is one indexing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.errors import InvalidInputError
from roborew.learning.episode_layout import EpisodeLayout
from roborew.learning.examples import Example
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import progress_labels, success_labels
from roborew.learning.sampling import Indices, stratum


class PackedEpisodes(EpisodeLayout):
    """All frames of all examples in one tensor, with their labels and sentences in the same order.

    The examples' own arrays stay as they are. Frames and labels are joined when they are first
    read: who draws indices alone never copies a frame.

    Args:
        examples: at least one, all of one width.

    Attributes:
        instructions: which rows of ``text`` an episode may be shown under.
        text: shape (R, E), float32: the episodes' sentences, then the others of ``instructions``.

    Raises:
        InvalidInputError: no example.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        if not examples:
            raise InvalidInputError("fit: expected at least one demonstration; got none.")
        super().__init__([len(example.features) for example in examples])
        self.examples = tuple(examples)
        self.instructions = InstructionSampler(examples)
        self.text = torch.as_tensor(self.instructions.embeddings)

    @cached_property
    def frames(self) -> Tensor:
        """Shape (N, D), float32."""
        return torch.as_tensor(np.concatenate([example.features for example in self.examples]))

    @cached_property
    def progress(self) -> NDArray[np.float32]:
        """Labels as of `progress_labels`, shape (N,), NaN where nobody knows."""
        return np.concatenate([progress_labels(example) for example in self.examples])

    @cached_property
    def success(self) -> NDArray[np.float32]:
        """Labels as of `success_labels`, shape (N,), NaN where nobody knows."""
        return np.concatenate([success_labels(example) for example in self.examples])

    @cached_property
    def static_since(self) -> Indices:
        """Step of the earliest of the last few frames that each looks like, shape (N,)."""
        steps = [
            np.arange(len(example.features))
            if example.static_since is None
            else example.static_since
            for example in self.examples
        ]
        return np.concatenate(steps)

    @cached_property
    def strata(self) -> list[str]:
        """Task and outcome of each episode."""
        return [stratum(e.instruction, e.quality, e.success) for e in self.examples]

    @cached_property
    def same_task(self) -> list[list[int]]:
        """For each episode all episodes of its sentence, itself among them."""
        instructions = [example.instruction for example in self.examples]
        groups: dict[str, list[int]] = {}
        for number, instruction in enumerate(instructions):
            groups.setdefault(instruction, []).append(number)
        return [groups[instruction] for instruction in instructions]
