"""Robometer's third head as a judge: which of two pictures, or of two episodes, got further; it answers
nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from roborew.errors import InvalidInputError
from roborew.judges.pretrained import revision_of
from roborew.judges.types import Answer, Part, Progress, Question
from roborew.rewards.checkpoints.files import find_folder
from roborew.rewards.checkpoints.robometer import Robometer
from roborew.types import Clip, Video

FIRST, SECOND = "first", "second"
"""Choices of a comparison."""
EXAMPLE_SIZE = (2, 40, 48, 3)


def comparison(instruction: str, first: Part, second: Part) -> Question:
    """Return the question which of two pictures, or of two videos, got further with a task.

    Args:
        instruction: the task.
        first: (H, W, 3) or (T, H, W, 3), uint8 RGB.
        second: likewise.
    """
    return Question(parts=(instruction, first, second), choices=(FIRST, SECOND), max_tokens=0)


def _example_questions() -> tuple[Question, ...]:
    pictures = np.random.default_rng(0).integers(0, 256, EXAMPLE_SIZE, dtype=np.uint8)
    first, second = pictures
    pairs = ((first, second), (second, first), (pictures, first))
    return tuple(comparison("open the drawer", *pair) for pair in pairs)


class RobometerJudge:
    """Says how probable it is that the first of two got further, and the second.

    Each comparison goes through the network alone, so that no other one changes its last bits.

    Args:
        model: folder or hub id of a Robometer, in its authors' layout or LeRobot's.
        revision: commit of a hub id.
        processor: folder or hub id of the tokenizer and the processor, where none lie beside the
            weights.
        max_frames: frames of each video that are shown at most, at least 2; the model's own if not
            given.
        dtype: number format; "auto" is bfloat16 on CUDA and float32 elsewhere.
        device: of torch.

    Raises:
        RoborewError: the weights are not here, not whole, or of another model.
    """

    examples: ClassVar[tuple[Question, ...]] = _example_questions()
    """Questions that it answers."""

    def __init__(
        self,
        *,
        model: str,
        revision: str | None = None,
        processor: str | None = None,
        max_frames: int | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: str = "cpu",
    ) -> None:
        self._robometer = Robometer(
            weights=model,
            revision=revision,
            processor=processor,
            max_frames=max_frames,
            dtype=dtype,
            device=device,
        )
        self._identity = f"{model}@{revision_of(model, find_folder(model, revision))}"
        self.progress: Progress | None = None

    @property
    def identity(self) -> str:
        """``model@revision``."""
        return self._identity

    @property
    def gives_probabilities(self) -> bool:
        """Always."""
        return True

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every comparison.

        Raises:
            InvalidInputError: another question.
        """
        clips = [self._clips(question) for question in questions]
        answers: list[Answer] = []
        for first, second in clips:
            probability = self._robometer.preference(first, second)
            shares = {FIRST: probability, SECOND: 1 - probability}
            log_probs = {
                choice: math.log(share) if share > 0 else -math.inf
                for choice, share in shares.items()
            }
            answers.append(Answer(log_probs=log_probs))
            if self.progress:
                self.progress(len(answers), len(questions))
        return answers

    def _clips(self, question: Question) -> tuple[Clip, Clip]:
        texts = [part for part in question.parts if isinstance(part, str)]
        media = [part for part in question.parts if not isinstance(part, str)]
        is_comparison = question.choices == (FIRST, SECOND) and not question.max_tokens
        if len(texts) != 1 or len(media) != 2 or not is_comparison:
            raise InvalidInputError(
                f"robometer judge: {self._identity} compares two pictures, and answers no other "
                "question; --reward preference asks it so, and --reward robometer scores with it."
            )
        first, second = (Clip(frames=_video(part), instruction=texts[0]) for part in media)
        return first, second


def _video(part: Video) -> Video:
    return part if part.ndim == 4 else part[None]
