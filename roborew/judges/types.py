"""What a judge is asked and what it answers: labels, never rewards by themselves. Every back end
speaks these types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from roborew.errors import InvalidInputError
from roborew.types import Frame, Video, check_video

Progress = Callable[[int, int], None]
"""Called with the questions done and the questions in all, while a judge works."""

Part = str | Frame | Video
"""A piece of a question: text, one picture (H, W, 3), or pictures in time order (T, H, W, 3), uint8
RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to a vision-language model.

    Attributes:
        parts: text and pictures, in the order in which they are shown.
        choices: if given, the judge also says how probable each of these continuations is, see
            `Answer.log_probs`.
        any_choices: those of them that the judge lists are enough.
        max_tokens: length of the answer at most; 0 asks for the probabilities of ``choices`` alone.
        chat: the parts are a user's turn of the model's chat template; False gives them to the
            model as bare text that it continues (some methods need it; a hosted chat endpoint
            cannot and must refuse).
        fps: frames per second at which videos among the parts were sampled, for models that are
            told.
        system: text of the turn before, where the model was trained with one.
    """

    parts: tuple[Part, ...]
    choices: tuple[str, ...] = ()
    any_choices: bool = False
    max_tokens: int = 128
    chat: bool = True
    fps: float = 1.0
    system: str = ""

    def __post_init__(self) -> None:
        for part in self.parts:
            if not isinstance(part, str):
                check_video(part if part.ndim == 4 else part[None], "question")
        if not self.parts or self.max_tokens < 0 or not (self.max_tokens or self.choices):
            raise InvalidInputError(
                "question: expected at least one part, and max_tokens >= 1 or some choices."
            )
        if "" in self.choices or len(set(self.choices)) != len(self.choices):
            raise InvalidInputError(
                f"question: expected choices that differ and are not empty; got {self.choices}."
            )
        if not 0 < self.fps < math.inf:
            raise InvalidInputError(f"question: expected fps above 0; got {self.fps}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a judge said, or why it said nothing.

    Attributes:
        text: the reply; None where there is none (refused, failed, or ``max_tokens`` was 0).
        log_probs: choice -> natural logarithm of its probability as the next text, for every choice
            asked for, or for those that are listed where these are enough; empty where the judge
            cannot tell.
        abstained: why there is no answer; None where there is one.
    """

    text: str | None = None
    log_probs: Mapping[str, float] = field(default_factory=dict[str, float])
    abstained: str | None = None


@runtime_checkable
class Judge(Protocol):
    """A vision-language model behind any back end. It answers or abstains with a reason; it never
    guesses."""

    @property
    def identity(self) -> str:
        """Model and revision, as they stand in reports and cache keys: ``model@revision``."""
        ...

    @property
    def gives_probabilities(self) -> bool:
        """Whether `Answer.log_probs` is filled for questions with choices."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question; entry i belongs to question i."""
        ...


class JudgeWrapper:
    """What every judge has in common that stands before another one.

    Args:
        judge: who is asked in the end.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    @property
    def identity(self) -> str:
        """The judge's own."""
        return self._judge.identity

    @property
    def gives_probabilities(self) -> bool:
        """The judge's own."""
        return self._judge.gives_probabilities
