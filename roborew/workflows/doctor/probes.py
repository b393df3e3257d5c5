"""What a judge or a reward is tried with: a short film of a task that is done in it, and questions about
plain pictures that whoever sees them answers rightly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from roborew.judges.types import Answer, Judge, JudgeWrapper, Question
from roborew.types import Clip, Frame, Video

HEIGHT, WIDTH = 96, 128
"""Of the pictures, in pixels: few tokens to any model."""
INSTRUCTION = "push the red cube onto the green pad"
NUM_FRAMES = 3
PLAIN_TOKENS = 16
"""Length of the answer to a question about plain pictures, which is one word."""
RED, BLUE = (200, 30, 30), (30, 30, 200)
COLORS = ("red", "blue")
PLACES = ("first", "second")
COLOR_REQUEST = "What is the color of this picture? Reply with one word, red or blue."
PLACE_REQUEST = "Which of the two pictures is red? Reply with one word, first or second."


@dataclass(frozen=True, slots=True)
class Plain:
    """A question about plain pictures.

    Attributes:
        question: to ask.
        right: the word that is right.
    """

    question: Question
    right: str


def plain(color: tuple[int, int, int]) -> Frame:
    """A picture of one color."""
    return np.full((HEIGHT, WIDTH, 3), color, np.uint8)


def plain_questions() -> list[Plain]:
    """The color of a red and of a blue picture, then which of the two is red, in both orders."""
    red, blue = plain(RED), plain(BLUE)
    colors = [((red, COLOR_REQUEST), "red"), ((blue, COLOR_REQUEST), "blue")]
    questions = [_plain_question(parts, COLORS, right) for parts, right in colors]
    for pictures, right in (((red, blue), "first"), ((blue, red), "second")):
        parts = ("First:", pictures[0], "Second:", pictures[1], PLACE_REQUEST)
        questions.append(_plain_question(parts, PLACES, right))
    return questions


def _plain_question(parts: Sequence[str | Frame], words: tuple[str, ...], right: str) -> Plain:
    question = Question(
        parts=tuple(parts), choices=words, any_choices=True, max_tokens=PLAIN_TOKENS
    )
    return Plain(question, right)


def word_of(answer: Answer, words: Sequence[str]) -> str | None:
    """The one word of these that an answer says, or holds to be the most probable; None without.

    >>> word_of(Answer(text="It is **Red**."), ("red", "blue"))
    'red'
    >>> word_of(Answer(text="?", log_probs={"red": -3.0, "blue": -0.1}), ("red", "blue"))
    'blue'
    """
    text = (answer.text or "").lower()
    matches = [word for word in words if re.search(rf"\b{word}\b", text)]
    if len(matches) == 1:
        return matches[0]
    return _likeliest(answer.log_probs)


def _likeliest(log_probs: Mapping[str, float]) -> str | None:
    # Of one word alone nobody can say that it is the more probable one.
    if len(log_probs) < 2 or len(set(log_probs.values())) == 1:
        return None
    return max(log_probs, key=log_probs.__getitem__)


def film(num_cameras: int = 1) -> Video:
    """Pictures (T, H, W, 3) of a red cube on its way onto a green pad; done in the last one."""
    frames = np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), 210, np.uint8)
    pad = slice(WIDTH - 44, WIDTH - 12)
    frames[:, 52:84, pad] = (40, 160, 60)
    for frame, left in zip(frames, np.linspace(12, WIDTH - 38, NUM_FRAMES), strict=True):
        frame[58:78, int(left) : int(left) + 20] = RED
    return np.concatenate([frames] * num_cameras, axis=2)


def film_clip(instruction: str = INSTRUCTION, num_cameras: int = 1) -> Clip:
    """The film with its sentence, and its last picture as the goal."""
    frames = film(num_cameras)
    return Clip(frames=frames, instruction=instruction, goal_image=frames[-1])


class WatchedJudge(JudgeWrapper):
    """Keeps what a judge is asked and what it answers, and how long it takes.

    Args:
        judge: who is asked.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__(judge)
        self.questions: list[Question] = []
        self.answers: list[Answer] = []
        self.seconds = 0.0

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question."""
        began = perf_counter()
        answers = self._judge.ask(questions)
        self.seconds += perf_counter() - began
        self.questions += questions
        self.answers += answers
        return answers
