"""A judge that answers by a rule from the pictures it is shown. A picture's level, in [0, 1], is in
its first pixel."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.judges.types import Answer, Question
from roborew.types import Clip, Frame, Video

GOAL = "open the drawer"
TAGS = re.compile(r"<([a-z]+-[0-9a-f]+)>\.\.\.</\1>")
Said = str | Mapping[str, float] | None
"""Text between the tags, or the probabilities of choices, or an abstention."""
Rule = Callable[[Question], Said]


class ScriptedJudge:
    """Keeps every question it was asked."""

    identity = "scripted@1"

    def __init__(self, rule: Rule, probabilities: bool = False, raw: bool = False) -> None:
        self.gives_probabilities = probabilities
        self.asked: list[Question] = []
        self.calls = 0
        self._rule, self._raw = rule, raw

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.calls += 1
        self.asked += questions
        return [self._answer(question, self._rule(question)) for question in questions]

    def _answer(self, question: Question, said: Said) -> Answer:
        if said is None:
            return Answer(abstained="out of order: no reply")
        if isinstance(said, str):
            return Answer(text=said if self._raw else tagged_reply(question, said))
        return Answer(log_probs={a: math.log(p) if p else -math.inf for a, p in said.items()})


def tagged_reply(question: Question, content: str) -> str:
    """What a well-behaved model replies; it quotes nothing."""
    match = TAGS.search(prompt(question))
    return f"I looked. <{match[1]}>{content}</{match[1]}>" if match else content


def prompt(question: Question) -> str:
    return "\n".join(part for part in question.parts if isinstance(part, str))


def pictures(question: Question) -> list[Frame]:
    """All pictures of a question in order, those of videos one by one."""
    parts = [part for part in question.parts if not isinstance(part, str)]
    return [picture for part in parts for picture in (part if part.ndim == 4 else part[None])]


def levels(question: Question) -> list[float]:
    return [level(picture) for picture in pictures(question)]


def level(picture: Frame) -> float:
    return float(picture[0, 0, 0]) / 200


def video(curve: Sequence[float] | NDArray[Any], size: tuple[int, int] = (4, 6)) -> Video:
    """Frames whose levels are multiples of 0.005; their last pixel makes them no picture of one
    colour."""
    frames = np.zeros((len(curve), *size, 3), np.uint8)
    frames[:, 0, 0] = np.round(np.asarray(curve) * 200)[:, None]
    frames[:, -1, -1] = 255
    return frames


def clip(
    curve: Sequence[float] | NDArray[Any], goal: float | None = None, instruction: str = GOAL
) -> Clip:
    return Clip(
        frames=video(curve),
        instruction=instruction,
        goal_image=None if goal is None else video([goal])[0],
    )


def spread(value: float, values: Mapping[str, float]) -> dict[str, float]:
    """Probabilities over two neighbouring answers whose expectation is ``value``."""
    names = sorted(values, key=values.__getitem__)
    worth = np.array([values[name] for name in names])
    upper = int(np.clip(np.searchsorted(worth, value), 1, len(worth) - 1))
    share = (value - worth[upper - 1]) / (worth[upper] - worth[upper - 1])
    return dict.fromkeys(names, 0.0) | {names[upper - 1]: 1 - share, names[upper]: share}


def signed(fraction: float) -> str:
    """A signed percentage with enough digits to be exact to 1e-8."""
    return f"{100 * fraction:+.6f}%" if fraction else "0%"
