"""A judge on plain pictures: does it answer, does it see them, does it favor a place, does it tell
probabilities?"""

from __future__ import annotations

from collections.abc import Sequence

from roborew.judges.server import ServerJudge
from roborew.judges.types import Answer, Judge
from roborew.workflows.doctor.check import Check
from roborew.workflows.doctor.probes import COLORS, PLACES, Plain, word_of

MAX_REPLY_CHARACTERS = 40
"""Of a reply that is quoted."""
NOT_SEEN = (
    "serve a vision-language model with its chat template and its picture processor (llama-server: "
    "--mmproj); a model of text alone cannot judge"
)
OTHER_MODEL = "another model may be served there: give its name as --judge.model"
BIASED = "take a stronger model: this one answers by the place of a picture, not by what is in it"


def check_model(judge: Judge) -> Check:
    """Which model it is, as the server itself says where there is one; asked after the questions."""
    if not isinstance(judge, ServerJudge):
        return Check(name="judge", ok=True, needed=True, finding=f"{judge.identity} is loaded")
    expected_model = judge.identity.rpartition("@")[0]
    listed = judge.check_reachable()
    finding = f"{judge.identity} is reachable"
    if judge.usage.models:
        finding += f"; {', '.join(sorted(judge.usage.models))} answers"
    if listed and expected_model not in listed:
        finding += f"; the server lists {', '.join(sorted(listed)[:5])}"
    # transformers serve puts a revision behind the name, and lists what is in its cache alone.
    answering = {name.partition("@")[0] for name in judge.usage.models}
    ok = not listed or expected_model in listed or answering == {expected_model}
    return Check(
        name="judge", ok=ok, needed=False, finding=finding, remedy="" if ok else OTHER_MODEL
    )


def check_answers(answers: Sequence[Answer]) -> Check | None:
    """What is wrong where not one question was answered; None where one was."""
    reasons = [answer.abstained for answer in answers]
    if not all(reasons):
        return None
    return Check(
        name="answers",
        ok=False,
        needed=True,
        finding=f"none to {len(answers)} questions: {reasons[0]}",
        remedy="look at the server's log; --judge.model must be a name that the server knows, and its "
        "model one that takes pictures",
    )


def check_sight(questions: Sequence[Plain], answers: Sequence[Answer], *, needed: bool) -> Check:
    """Whether the answers about a red and a blue picture show that they were seen."""
    words = [word_of(answer, COLORS) for answer in answers]
    right = [one.right for one in questions]
    ok, finding = True, "it names the colors of plain pictures"
    if words != right:
        quotes = " and ".join(map(_quote, answers))
        # Of the same sentence twice, only the picture can have made the difference.
        ok = _differ(*answers)
        finding = f"it names no colors, but its answers change with the picture: {quotes}"
        if not ok:
            finding = f"the same answer to a red and to a blue picture: {quotes}"
    remedy = "" if ok else NOT_SEEN
    return Check(name="sees pictures", ok=ok, needed=needed, finding=finding, remedy=remedy)


def check_places(questions: Sequence[Plain], answers: Sequence[Answer], *, needed: bool) -> Check:
    """Whether it tells which of two pictures is red in both orders."""
    name = "order of pictures"
    words = [word_of(answer, PLACES) for answer in answers]
    if words == [one.right for one in questions]:
        finding = "it finds the red one of two pictures in both orders"
        return Check(name=name, ok=True, needed=needed, finding=finding)
    finding = f"it names neither place: {' and '.join(map(_quote, answers))}"
    if None not in words:
        finding = f"it says {words[0]} and then {words[1]} of the same two pictures, expected " + (
            " and then ".join(one.right for one in questions)
        )
    return Check(name=name, ok=False, needed=needed, finding=finding, remedy=BIASED)


def check_probabilities(answers: Sequence[Answer], *, needed: bool) -> Check:
    """Whether any answer came with probabilities."""
    ok = any(answer.log_probs for answer in answers)
    finding = "it tells how probable its answers are"
    remedy = ""
    if not ok:
        finding = "it tells none, so that replies are read as text"
    if needed and not ok:
        finding = "it was asked for them and told none"
        remedy = (
            "start the server with probabilities (vLLM: --max-logprobs 20), or let text be read: "
            "--judge.options top_logprobs=0"
        )
    return Check(name="probabilities", ok=ok, needed=needed, finding=finding, remedy=remedy)


def _differ(first: Answer, second: Answer) -> bool:
    if first.abstained or second.abstained:
        return False
    return first.text != second.text or dict(first.log_probs) != dict(second.log_probs)


def _quote(answer: Answer) -> str:
    text = answer.abstained or answer.text or ""
    return ascii(text if len(text) <= MAX_REPLY_CHARACTERS else f"{text[:MAX_REPLY_CHARACTERS]}...")
