"""The one form in which a released judge replies, read strictly: the whole reply is that form, or
nothing is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from roborew.judges.parsing import WHITESPACE, Abstention


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """How a reply is written.

    Attributes:
        pattern: of the whole reply, with one group: the answer.
        answer: how the group is written on the question's scale, with a place for it.
        example: for messages.
    """

    pattern: re.Pattern[str]
    answer: str
    example: str

    def read(self, reply: str | None) -> str | Abstention:
        """Return the answer in a reply, as a text of the question's scale."""
        if reply is None:
            return Abstention("no reply")
        match = self.pattern.fullmatch(reply.strip(WHITESPACE))
        if match is None:
            shortened = ascii(reply[:60])
            return Abstention("not in the model's own form", f"{shortened}, not {self.example}")
        return self.answer.format(match[1])


# [0-9], since \d also matches the digits of other scripts. A number without its sign may have lost it.
GRM_SCORE = ReplyForm(
    re.compile(r"<score> ?([+-][0-9]{1,3}(?:\.[0-9])?|0(?:\.0)?) ?% ?</score>"),
    "{}%",
    "<score>+33%</score>",
)
GRADE = ReplyForm(re.compile(r"ANSWER: ?([1-5])"), "{}", "ANSWER: 4")
VLAC_SCORE = ReplyForm(re.compile(r"([+-][0-9]{1,3}|0) ?%?"), "{}%", "+23")
VLAC_DONE = ReplyForm(re.compile(r"([01])"), "{}", "1")
