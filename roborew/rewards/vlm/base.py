"""What the rewards on vision-language judges share: asking, reading answers strictly, counting
abstentions, announcing the cost.

Where the judge gives probabilities, an answer is the expectation over the allowed answers and no
text is generated; otherwise the reply is parsed, between tags with a nonce
(`roborew.judges.parsing`). What cannot be read is an abstention: NaN in here, an invalid score
outside, never a number.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.judges.config import DEFAULT_JUDGE, JudgeConfig
from roborew.judges.factory import load_judge
from roborew.judges.parsing import (
    MIN_PROB_MASS,
    Abstention,
    make_nonce,
    parse_tagged,
    wrap_in_tags,
)
from roborew.judges.recorded import Recorder
from roborew.judges.types import Answer, Judge, Part, Question
from roborew.rewards.vlm.released.reply import ReplyForm
from roborew.rewards.vlm.scales import ListedScale, Scale, Values, number_or_nan
from roborew.short_repr import reward_repr
from roborew.types import RewardSpec, Scores

logger = logging.getLogger(__name__)

TAG = "answer"
LIST_CHOICES = (
    "let its text be read with --judge.options top_logprobs=0, or list more tokens with "
    "--judge.options top_logprobs=N (vLLM: --max-logprobs N)"
)
_READ_TEXT = "a model that writes more than its answer needs a stronger one, or another method"
REMEDIES = MappingProxyType(
    {
        "the server does not list every choice": LIST_CHOICES,
        "no probability for an allowed answer": LIST_CHOICES,
        "an answer has no probability": LIST_CHOICES,
        "no text in the reply": "look at the server's log: it returned no message",
        "filtered by the server": "the server refuses the pictures or the sentence: use another one",
        "server": "look at the server's log; --judge.options on_failure=stop ends the run instead",
        "not recorded": "record the questions with a live judge: --judge.cache FILE",
        "no tag with the nonce": _READ_TEXT,
        "several tags": _READ_TEXT,
        "not an allowed answer": _READ_TEXT,
        "not in the model's own form": (
            "this is not the model that was released, or it is served with another chat template; "
            "ask any other model with prompt=general"
        ),
    }
)
"""Reason of an abstention -> what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What scoring asks of a judge.

    Attributes:
        questions: number of questions; a few more where the judge abstains and a comparison is
            asked again from an older frame.
        pictures: pictures in all of these questions together, at most; a frame that stands in two
            questions counts twice.
    """

    questions: int
    pictures: int

    def __add__(self, addend: Cost) -> Cost:
        return Cost(
            questions=self.questions + addend.questions, pictures=self.pictures + addend.pictures
        )


@dataclass(frozen=True, slots=True)
class MarkedQuestion:
    """A question and how its answer is found.

    Attributes:
        question: to ask.
        nonce: that marks the answer in a text, "" where probabilities are read instead.
        reply: the form of the whole reply, of a released judge that is asked in its own words.
    """

    question: Question
    nonce: str = ""
    reply: ReplyForm | None = None


class JudgeClient:
    """Asks a judge, reads its answers and counts its abstentions.

    Attributes:
        judge: who is asked.
        abstentions: reason -> answers that gave no number for it so far.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "judge": "judge.backend",
        "judge_options": "judge.options",
        "cache": "judge.cache",
        "secret": "judge.nonce_seed",
        "least_mass": "judge.min_prob_mass",
        "text": "judge.parse_text",
    }
    UNREAD_SETTINGS: ClassVar[tuple[str, ...]] = ()
    """Settings of `JudgeConfig` that the method cannot honour; giving one is an error."""
    DEFAULT_MIN_PROB_MASS: ClassVar[float] = MIN_PROB_MASS

    def __init__(self, name: str, judge: JudgeConfig | Judge, device: str) -> None:
        """Load the judge.

        Args:
            name: of the method, for the log.
            judge: its configuration, or a judge with the default settings.
            device: torch device of a judge in this process.

        Raises:
            InvalidInputError: a setting that the method does not read.
        """
        config = judge if isinstance(judge, JudgeConfig) else JudgeConfig(backend=judge)
        for setting in self.UNREAD_SETTINGS:
            if getattr(config, setting) != getattr(DEFAULT_JUDGE, setting):
                raise InvalidInputError(
                    f"{name} does not use judge.{setting}; leave it out. "
                    f"Got {getattr(config, setting)!r}."
                )
        self.judge: Judge = load_judge(config, device)
        self.abstentions: Counter[str] = Counter()
        self._name = name
        self._reads_probabilities = self.judge.gives_probabilities and not config.parse_text
        # Fixed for the life of the reward, so that the same question has the same nonce twice.
        fresh_seed = secrets.token_hex(16)
        self._nonce_seed = fresh_seed if config.nonce_seed is None else config.nonce_seed
        mass = config.min_prob_mass
        self._min_prob_mass = self.DEFAULT_MIN_PROB_MASS if mass is None else mass

    def nonce(self, *context: str) -> str:
        """Return the mark of the answers about something, such as an instruction."""
        return make_nonce(self._nonce_seed, self._name, *context)

    def make_question(
        self, parts: Sequence[Part], scale: Scale, instruction: str, fps: float = 1.0
    ) -> MarkedQuestion:
        """Return a question in the model's chat template that ends by saying which answers are
        allowed."""
        if self._reads_probabilities:
            closing = f"Reply with {scale.answer_format}, and with nothing else."
            choices = tuple(scale.values)
            question = Question(
                parts=(*parts, closing),
                choices=choices,
                any_choices=isinstance(scale, ListedScale),
                max_tokens=0,
                fps=fps,
            )
            return MarkedQuestion(question, "")
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
        values = np.full((len(answers), len(scales)), np.nan)
        for row, marked, answer in zip(values, questions, answers, strict=True):
            readings = [self._read(marked, answer, scale) for scale in scales]
            row[:] = [number_or_nan(reading) for reading in readings]
            abstentions = [reading for reading in readings if isinstance(reading, Abstention)]
            # An answer counts once, however many scales could not read it.
            if abstentions:
                self.count_abstention(abstentions[0])
        return values

    def _read(self, marked: MarkedQuestion, answer: Answer, scale: Scale) -> float | Abstention:
        abstention = abstention_of(answer)
        if abstention is not None:
            return abstention
        if marked.reply is not None:
            return scale.from_text(marked.reply.read(answer.text))
        if not marked.nonce:
            return scale.from_probabilities(answer.log_probs, self._min_prob_mass)
        return scale.from_text(parse_tagged(answer.text, TAG, marked.nonce))

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return one answer for each question.

        Raises:
            InvalidScoreError: the judge returned another number of answers.
        """
        # A judge of another package may not expect an empty list.
        answers = self.judge.ask(questions) if questions else []
        if len(answers) != len(questions):
            raise InvalidScoreError(
                f"reward {self._name!r}: asked {self.judge.identity} {len(questions)} questions, "
                f"got {len(answers)} answers; no answer can be matched to its question."
            )
        return answers

    def count_abstention(self, abstention: Abstention) -> None:
        """Count an abstention, and log the first one of each reason."""
        self.abstentions[abstention.reason] += 1
        if self.abstentions[abstention.reason] == 1:
            remedy = REMEDIES.get(abstention.reason)
            logger.warning(
                "%s: no score from %s (%s); more of the kind are counted, not logged%s",
                self._name,
                self.judge.identity,
                abstention,
                f". What to do: {remedy}." if remedy else "",
            )


class JudgeReward(JudgeClient):
    """A reward on a judge; a subclass sets `spec` and says what scoring costs."""

    __repr__ = reward_repr

    spec: RewardSpec

    def estimate_cost(self, num_frames: int) -> Cost:
        """Return what scoring a clip of ``num_frames`` frames asks of the judge."""
        raise NotImplementedError


def describe_cost(model: object, clip_lengths: Sequence[int]) -> str | None:
    """Return a sentence on what scoring clips of these lengths asks of a reward's judge.

    None for a reward that asks no judge.
    """
    if not isinstance(model, JudgeReward):
        return None
    total = Cost(questions=0, pictures=0)
    for length in clip_lengths:
        total += model.estimate_cost(length)
    stored = "; stored answers are not asked again" if isinstance(model.judge, Recorder) else ""
    return (
        f"{model.spec.name} will ask {model.judge.identity} {total.questions:,} questions with "
        f"up to {total.pictures:,} pictures{stored}"
    )


def abstention_of(answer: Answer) -> Abstention | None:
    """Return why a judge gave no answer; what follows a colon is detail. None where it gave one."""
    if answer.abstained is None:
        return None
    reason, _, detail = answer.abstained.partition(": ")
    return Abstention(reason, detail)


def to_scores(value: Values, success: Values | None = None) -> Scores:
    """Return scores of one clip, shape (T,): valid where every number is there."""
    # Value and success are valid or not together: a spec promises both or neither.
    valid = np.isfinite(value)
    if success is None:
        return Scores(value.astype(np.float32), valid, None)
    valid &= np.isfinite(success)
    return Scores(value.astype(np.float32), valid, success.astype(np.float32))
