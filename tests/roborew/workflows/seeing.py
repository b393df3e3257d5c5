"""A judge that sees the doctor's pictures and answers rightly, or has one stated fault."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from roborew.judges.types import Answer, Question
from roborew.types import Frame
from tests.roborew.rewards.vlm.scripted_judge import pictures, prompt, tagged_reply

FAULTS = ("none", "blind", "biased", "mute", "rambling", "no probabilities", "numb")
PAIR = re.compile(r"Pair 1: pictures ([12]) and ([12])\.")


def redness(picture: Frame) -> float:
    """How far red stands out, and how far to the right."""
    red = (picture[..., 0] > 150) & (picture[..., 1] < 100)
    return float(np.flatnonzero(red.any(axis=0)).mean()) / picture.shape[1] if red.any() else 0.0


class Seeing:
    """Args:
    fault: "blind" sees nothing, "biased" prefers what is shown first, "mute" abstains, "rambling"
        forgets the form of an answer, "no probabilities" promises some and gives none, "numb"
        gives every picture of a robot the same grade.
    """

    identity = "seeing@1"

    def __init__(self, *, fault: str = "none") -> None:
        assert fault in FAULTS
        self._fault = fault
        self.gives_probabilities = fault == "no probabilities"
        self.asked = 0

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += len(questions)
        if self._fault == "mute":
            return [Answer(abstained="server: status 400: 'takes no pictures'") for _ in questions]
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        if not question.max_tokens:
            return Answer(abstained="the server does not list every choice")
        said = self._say(question)
        plain = "one word" in prompt(question)
        if plain or self._fault == "rambling":
            return Answer(text=said)
        return Answer(text=tagged_reply(question, said))

    def _say(self, question: Question) -> str:
        text = prompt(question)
        shown = [0.3 if self._fault == "blind" else redness(one) for one in pictures(question)]
        if "color of this picture" in text:
            return "red" if shown[0] else "blue"
        if "Which of the two" in text:
            return "first" if self._fault == "biased" or shown[0] > shown[1] else "second"
        if PAIR.search(text):
            first, second = (int(number) - 1 for number in PAIR.findall(text)[0])
            if self._fault == "biased":
                return "1" if first == 0 else "2"
            return "1" if shown[first] > shown[second] else "2"
        if self._fault == "numb":
            return "3"
        return str(1 + math.floor(4.99 * shown[-1]))
