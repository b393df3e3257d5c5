"""The laws of judges: questions to answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roborew.checks.laws import LawBook, Outcome
from roborew.checks.synthetic import noise_video
from roborew.judges.types import Answer, Judge, Question

LAWS = LawBook("judge")
PICTURES = noise_video(3, height=40, width=48)
QUESTIONS = (
    Question(parts=("question 0", PICTURES[0]), choices=("Yes", "No"), max_tokens=0),
    Question(parts=("question 1", PICTURES), choices=("Yes", "No"), max_tokens=4),
    Question(parts=("question 2",), max_tokens=4),
)
PADDING_TOLERANCE = 1e-4
"""Of a log-probability: batches of other lengths are padded."""


@dataclass(frozen=True)
class JudgeSubject:
    """A judge and what it is asked.

    Attributes:
        judge: loaded.
        questions: a few different ones.
    """

    judge: Judge
    questions: Sequence[Question] = QUESTIONS


def judge_subject(judge: Judge) -> JudgeSubject:
    """A judge with the questions that it answers, where these are of one kind only (its `examples`)."""
    return JudgeSubject(judge, getattr(judge, "examples", QUESTIONS))


def check_judge(judge: Judge, questions: Sequence[Question] = QUESTIONS) -> list[Outcome]:
    """Hold a judge to the laws of judges; it is asked about thirty questions.

    Args:
        judge: loaded.
        questions: to ask, on pictures of noise where none are given.

    Returns:
        How each law fared.

    Raises:
        ContractError: a law is broken; the message lists all that are.
    """
    return LAWS.require(JudgeSubject(judge, questions))


@LAWS.law("it names its model and revision, and keeps the name")
def it_has_a_name(subject: JudgeSubject) -> None:
    judge = subject.judge
    model, _, revision = judge.identity.rpartition("@")
    assert model and revision, f"expected model@revision; got {judge.identity!r}"
    assert judge.identity == judge.identity


@LAWS.law("some question gets an answer")
def it_answers(subject: JudgeSubject) -> None:
    answers = subject.judge.ask(subject.questions)
    reasons = [answer.abstained for answer in answers]
    assert None in reasons, f"it abstains from all: {', '.join(map(str, reasons))}"


@LAWS.law("the same question has the same answer twice")
def it_repeats_itself(subject: JudgeSubject) -> None:
    _assert_same(subject.judge.ask(subject.questions), subject.judge.ask(subject.questions))


@LAWS.law("questions asked together have the answers that they have alone, in any order")
def a_batch_equals_its_parts(subject: JudgeSubject) -> None:
    alone = [subject.judge.ask([question])[0] for question in subject.questions]
    _assert_same(subject.judge.ask(subject.questions), alone)
    _assert_same(subject.judge.ask(subject.questions[::-1]), alone[::-1])


@LAWS.law("no questions have no answers")
def nothing_is_nothing(subject: JudgeSubject) -> None:
    assert subject.judge.ask([]) == []


@LAWS.law("an answer is what was asked for or an abstention, and never both")
def an_answer_or_a_reason(subject: JudgeSubject) -> None:
    for question, answer in zip(
        subject.questions, subject.judge.ask(subject.questions), strict=True
    ):
        if answer.abstained is not None:
            assert answer.text is None and not answer.log_probs, "an abstention with an answer"
            continue
        is_asked = question.max_tokens > 0
        assert (answer.text is not None) == is_asked, f"text asked: {is_asked}; got {answer.text!r}"


@LAWS.law("choices have probabilities, which add up to at most one")
def probabilities_are_some(subject: JudgeSubject) -> str | None:
    if not subject.judge.gives_probabilities:
        return "it gives none"
    answers = subject.judge.ask(subject.questions)
    for question, answer in zip(subject.questions, answers, strict=True):
        if answer.abstained is None:
            expected = set(question.choices)
            assert set(answer.log_probs) == expected, f"{set(answer.log_probs)}, not {expected}"
            total = sum(math.exp(value) for value in answer.log_probs.values())
            assert total <= 1 + 1e-6, f"they add up to {total:.3f}"
    return None


@LAWS.law("asking does not write into the pictures")
def pictures_stay(subject: JudgeSubject) -> None:
    pictures = [
        part for one in subject.questions for part in one.parts if not isinstance(part, str)
    ]
    before = [picture.copy() for picture in pictures]
    subject.judge.ask(subject.questions)
    for picture, copy in zip(pictures, before, strict=True):
        assert np.array_equal(picture, copy), "a picture was written into"


def _assert_same(first: Sequence[Answer], second: Sequence[Answer]) -> None:
    assert len(first) == len(second), f"{len(first)} answers, not {len(second)}"
    for one, again in zip(first, second, strict=True):
        assert one.text == again.text, f"{one.text!r}, then {again.text!r}"
        assert one.abstained == again.abstained, f"{one.abstained}, then {again.abstained}"
        difference = _largest_difference(one.log_probs, again.log_probs)
        assert difference <= PADDING_TOLERANCE, f"log-probabilities differ by {difference:.2g}"


def _largest_difference(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Of two answers' log-probabilities; infinite where they are of other choices."""
    if first.keys() != second.keys():
        return math.inf
    differences = [abs(log_prob - second[choice]) for choice, log_prob in first.items()]
    return max(differences, default=0.0)
