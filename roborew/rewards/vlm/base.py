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
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidScoreError
from roborew.judges.factory import load_judge
from roborew.judges.parsing import (
    MIN_PROB_MASS,
    Abstention,
    expected_value,
    make_nonce,
    parse_choice,
    parse_percentage,
    parse_tagged,
    wrap_in_tags,
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
        answer_format: the allowed answers in words, for the prompt.
    """

    values: Mapping[str, float]
    answer_format: str

    @property
    def text_answer_format(self) -> str:
        """What a written reply should hold, in words, for the prompt."""
        return self.answer_format

    def from_probabilities(
        self, log_probs: Mapping[str, float], min_prob_mass: float
    ) -> float | Abstention:
        """Return the expected worth, ``sum_a p(a) value(a) / sum_a p(a)``."""
        return expected_value(log_probs, self.values, min_prob_mass)

    def from_text(self, text: str | Abstention) -> float | Abstention:
        """Return the worth of the answer that ``text`` is."""
        said = parse_choice(text, tuple(self.values))
        return said if isinstance(said, Abstention) else self.values[said]


class SignedPercent(Scale):
    """A fraction in [-1, 1]: any signed percentage in a text, some of them, as letters, where they
    are weighed."""

    @property
    def text_answer_format(self) -> str:
        """A percentage."""
        return "a percentage from -100% to +100% with its sign, or 0%"

    def from_text(self, text: str | Abstention) -> float | Abstention:
        """Return the fraction that a signed percentage is."""
        return parse_percentage(text)


_PERCENTS = {letter: 20 * step - 100 for step, letter in enumerate("ABCDEFGHIJK")}
SIGNED_PERCENT = SignedPercent(
    {letter: percent / 100 for letter, percent in _PERCENTS.items()},
    "one letter: "
    + ", ".join(f"{letter} for {percent:+d}%" for letter, percent in _PERCENTS.items() if percent)
    + ", F for 0%",
)
"""A is -100%, B -80%, ... F 0%, ... K +100%."""


@dataclass(frozen=True, slots=True)
class MarkedQuestion:
    """A question and the nonce that marks its answer, "" where probabilities are read instead of
    text."""

    question: Question
    nonce: str


class JudgeClient:
    """Asks a judge and keeps account of what it did not say.

    Attributes:
        judge: who is asked.
        abstentions: reason -> answers that gave no number for it so far.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "secret": "nonce_seed",
        "least_mass": "min_prob_mass",
        "text": "parse_text",
    }

    def __init__(
        self,
        name: str,
        judge: str | Judge,
        judge_options: Sequence[str] = (),
        cache: Path | None = None,
        nonce_seed: str | None = None,
        min_prob_mass: float = MIN_PROB_MASS,
        parse_text: bool = False,
        device: str = "cpu",
    ) -> None:
        """Open the judge.

        Args:
            name: of the reward, for the log.
            judge: a name of the registry of judges, or a judge.
            judge_options: ``key=value`` settings of a named judge.
            cache: file of stored answers of a named judge; give ``nonce_seed`` too, or no question
                comes twice.
            nonce_seed: what the nonces in prompts are drawn from; a new one each time if not given.
            min_prob_mass: probability, in [0, 1], that the allowed answers must hold together, or it
                is an abstention.
            parse_text: read the written reply of a judge that could tell probabilities, too: for servers
                that list none, and models that write before they answer.
            device: for a named judge that runs in this process.
        """
        self.judge: Judge = (
            load_judge(judge, judge_options, device=device, cache=cache)
            if isinstance(judge, str)
            else judge
        )
        self.abstentions: Counter[str] = Counter()
        self._name, self._min_prob_mass = name, min_prob_mass
        self._reads_probabilities = self.judge.gives_probabilities and not parse_text
        self._nonce_seed = nonce_seed if nonce_seed is not None else secrets.token_hex(16)

    def nonce(self, *context: str) -> str:
        """Return the mark of the answers about something, such as a goal."""
        return make_nonce(self._nonce_seed, self._name, *context)

    def make_question(
        self, parts: Sequence[Part], scale: Scale, instruction: str, fps: float = 1.0
    ) -> MarkedQuestion:
        """Return a question in the model's chat template that ends by saying which answers are
        allowed."""
        if self._reads_probabilities:
            closing = f"Reply with {scale.answer_format}, and with nothing else."
            asked = Question(
                parts=(*parts, closing), choices=tuple(scale.values), max_tokens=0, fps=fps
            )
            return MarkedQuestion(asked, "")
        nonce = self.nonce(instruction)
        placeholder = wrap_in_tags("...", TAG, nonce)
        closing = (
            f"End your reply with {placeholder}, in place of the dots {scale.text_answer_format}."
        )
        return MarkedQuestion(Question(parts=(*parts, closing), fps=fps), nonce)

    def ask_values(self, questions: Sequence[MarkedQuestion], *scales: Scale) -> Values:
        """Ask everything at once and read each answer on each scale; shape (n, number of
        scales)."""
        answers = self.ask([marked.question for marked in questions])
        numbers = np.full((len(answers), len(scales)), np.nan)
        for row, marked, answer in zip(numbers, questions, answers, strict=True):
            readings = [self._read(marked, answer, scale) for scale in scales]
            row[:] = [
                np.nan if isinstance(reading, Abstention) else reading for reading in readings
            ]
            self.count_abstention(
                next((reading for reading in readings if isinstance(reading, Abstention)), None)
            )
        return numbers

    def _read(self, marked: MarkedQuestion, answer: Answer, scale: Scale) -> float | Abstention:
        refused = abstention_of(answer)
        if refused is not None:
            return refused
        if not marked.nonce:
            return scale.from_probabilities(answer.log_probs, self._min_prob_mass)
        return scale.from_text(parse_tagged(answer.text, TAG, marked.nonce))

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

    def count_abstention(self, abstention: Abstention | None) -> None:
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


def abstention_of(answer: Answer) -> Abstention | None:
    """Return why a judge gave no answer; what follows a colon is detail. None where it gave one."""
    if answer.abstained is None:
        return None
    reason, _, detail = answer.abstained.partition(": ")
    return Abstention(reason, detail)


def split_by_length(values: Values, lengths: Sequence[int]) -> list[Values]:
    """Cut values of shape (sum of lengths, ...) into one piece for each length."""
    return np.split(values, np.cumsum(lengths)[:-1]) if lengths else []


def to_scores(value: Values, success: Values | None = None) -> Scores:
    """Return scores of one clip, shape (T,): valid where every number is there."""
    valid = np.isfinite(value) if success is None else np.isfinite(value) & np.isfinite(success)
    claims = None if success is None else success.astype(np.float32)
    return Scores(value.astype(np.float32), valid, claims)
