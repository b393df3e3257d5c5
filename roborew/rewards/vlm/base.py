"""What the rewards on vision-language judges share: asking, reading answers strictly, counting
abstentions.

Where the judge tells probabilities, an answer is read as the expectation over the allowed answers
and no text is generated; otherwise the reply is read, between tags with a nonce
(`roborew.judges.parsing`). What cannot be read is an
abstention: NaN in here, an invalid score outside, never a number.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidScoreError
from roborew.judges.factory import open_judge
from roborew.judges.parsing import (
    LEAST_MASS,
    Abstention,
    choice,
    expectation,
    new_nonce,
    percentage,
    tagged,
    tags,
)
from roborew.judges.types import Answer, Judge, Part, Question
from roborew.types import Scores

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]
"""Numbers read from answers, float64, NaN where the judge abstained."""
TAG = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What scoring asks of a judge.

    Attributes:
        per_frame: questions for each frame.
        per_clip: questions for each clip beside those.
        pictures: shown with one question, at most.
    """

    per_frame: int = 0
    per_clip: int = 0
    pictures: int


@dataclass(frozen=True, slots=True)
class Scale:
    """The allowed answers to a question and what each is worth.

    Attributes:
        values: allowed answer -> its worth, finite; no answer begins another. Letters and digits
            are one token each to most models, and cost one look at the pictures together.
        wanted: the allowed answers in words, for the prompt.
    """

    values: Mapping[str, float]
    wanted: str

    @property
    def wanted_in_text(self) -> str:
        """What a written reply should hold, in words, for the prompt."""
        return self.wanted

    def from_probabilities(
        self, log_probs: Mapping[str, float], least_mass: float
    ) -> float | Abstention:
        """Return the expected worth, ``sum_a p(a) value(a) / sum_a p(a)``."""
        return expectation(log_probs, self.values, least_mass)

    def from_text(self, text: str | Abstention) -> float | Abstention:
        """Return the worth of the answer that ``text`` is."""
        said = choice(text, tuple(self.values))
        return said if isinstance(said, Abstention) else self.values[said]


class SignedPercent(Scale):
    """A fraction in [-1, 1]: any signed percentage in a text, some of them, as letters, where they
    are weighed."""

    @property
    def wanted_in_text(self) -> str:
        """A percentage."""
        return "a percentage from -100% to +100% with its sign, or 0%"

    def from_text(self, text: str | Abstention) -> float | Abstention:
        """Return the fraction that a signed percentage is."""
        return percentage(text)


_PERCENTS = {letter: 20 * step - 100 for step, letter in enumerate("ABCDEFGHIJK")}
SIGNED_PERCENT = SignedPercent(
    {letter: percent / 100 for letter, percent in _PERCENTS.items()},
    "one letter: "
    + ", ".join(f"{letter} for {percent:+d}%" for letter, percent in _PERCENTS.items() if percent)
    + ", F for 0%",
)
"""A is -100%, B -80%, ... F 0%, ... K +100%."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question and the nonce that marks its answer, "" where probabilities are read instead of
    text."""

    question: Question
    nonce: str


class Judged:
    """Asks a judge and keeps account of what it did not say.

    Attributes:
        judge: who is asked.
        abstentions: reason -> answers that gave no number for it so far.
    """

    def __init__(
        self,
        name: str,
        judge: str | Judge,
        judge_options: Sequence[str] = (),
        cache: Path | None = None,
        secret: str | None = None,
        least_mass: float = LEAST_MASS,
        text: bool = False,
        device: str = "cpu",
    ) -> None:
        """Open the judge.

        Args:
            name: of the reward, for the log.
            judge: a name of the registry of judges, or a judge.
            judge_options: ``key=value`` settings of a named judge.
            cache: file of stored answers of a named judge; give ``secret`` too, or no question
                comes twice.
            secret: what the nonces in prompts are drawn from; a new one each time if not given.
            least_mass: probability, in [0, 1], that the allowed answers must hold together, or it
                is an abstention.
            text: read the written reply of a judge that could tell probabilities, too: for servers
                that list none, and models that write before they answer.
            device: for a named judge that runs in this process.
        """
        self.judge: Judge = (
            open_judge(judge, judge_options, device=device, cache=cache)
            if isinstance(judge, str)
            else judge
        )
        self.abstentions: Counter[str] = Counter()
        self._name, self._least_mass = name, least_mass
        self._weighs = self.judge.gives_probabilities and not text
        self._secret = secret if secret is not None else secrets.token_hex(16)

    def nonce(self, *about: str) -> str:
        """Return the mark of the answers about something, such as a goal."""
        return new_nonce(self._secret, self._name, *about)

    def inquire(
        self, parts: Sequence[Part], scale: Scale, instruction: str, fps: float = 1.0
    ) -> Inquiry:
        """Return a question in the model's chat template that ends by saying which answers are
        allowed."""
        if self._weighs:
            closing = f"Reply with {scale.wanted}, and with nothing else."
            asked = Question(
                parts=(*parts, closing), choices=tuple(scale.values), max_tokens=0, fps=fps
            )
            return Inquiry(asked, "")
        nonce = self.nonce(instruction)
        closing = f"End your reply with {tags('...', TAG, nonce)}, in place of the dots {scale.wanted_in_text}."
        return Inquiry(Question(parts=(*parts, closing), fps=fps), nonce)

    def values(self, inquiries: Sequence[Inquiry], *scales: Scale) -> Values:
        """Ask everything at once and read each answer on each scale; shape (n, number of
        scales)."""
        answers = self.ask([inquiry.question for inquiry in inquiries])
        numbers = np.full((len(answers), len(scales)), np.nan)
        for row, inquiry, answer in zip(numbers, inquiries, answers, strict=True):
            readings = [self._read(inquiry, answer, scale) for scale in scales]
            row[:] = [
                np.nan if isinstance(reading, Abstention) else reading for reading in readings
            ]
            self.note(
                next((reading for reading in readings if isinstance(reading, Abstention)), None)
            )
        return numbers

    def _read(self, inquiry: Inquiry, answer: Answer, scale: Scale) -> float | Abstention:
        refused = refusal(answer)
        if refused is not None:
            return refused
        if not inquiry.nonce:
            return scale.from_probabilities(answer.log_probs, self._least_mass)
        return scale.from_text(tagged(answer.text, TAG, inquiry.nonce))

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return one answer for each question.

        Raises:
            InvalidScoreError: the judge returned another number of answers.
        """
        answers = self.judge.ask(questions) if questions else []
        if len(answers) != len(questions):
            raise InvalidScoreError(
                f"reward {self._name!r}: asked {self.judge.identity} {len(questions)} questions, "
                f"got {len(answers)} answers; no answer can be told to belong to its question."
            )
        return answers

    def note(self, abstention: Abstention | None) -> None:
        """Count an abstention, and log the first one of each reason."""
        if abstention is None:
            return
        self.abstentions[abstention.reason] += 1
        if self.abstentions[abstention.reason] == 1:
            logger.warning(
                "%s: no score from %s (%s); more of the kind are counted, not logged",
                self._name,
                self.judge.identity,
                abstention,
            )


def refusal(answer: Answer) -> Abstention | None:
    """Return why a judge gave no answer; what follows a colon is detail. None where it gave one."""
    if answer.abstained is None:
        return None
    reason, _, detail = answer.abstained.partition(": ")
    return Abstention(reason, detail)


def split(values: Values, lengths: Sequence[int]) -> list[Values]:
    """Cut values of shape (sum of lengths, ...) into one piece for each length."""
    return np.split(values, np.cumsum(lengths)[:-1]) if lengths else []


def to_scores(value: Values, success: Values | None = None) -> Scores:
    """Return scores of one clip, shape (T,): valid where every number is there."""
    valid = np.isfinite(value) if success is None else np.isfinite(value) & np.isfinite(success)
    claims = None if success is None else success.astype(np.float32)
    return Scores(value.astype(np.float32), valid, claims)
