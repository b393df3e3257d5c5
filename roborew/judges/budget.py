"""At most so many questions: answers may cost money."""

from __future__ import annotations

from collections.abc import Sequence

from roborew.errors import BudgetError, InvalidInputError
from roborew.judges.types import Answer, Judge, JudgeWrapper, Progress, Question


class BudgetedJudge(JudgeWrapper):
    """Asks a judge until a number of questions is used up, and never half of what is asked at once.

    Args:
        judge: who is asked.
        max_questions: that this object asks, at least 1.
    """

    def __init__(self, judge: Judge, max_questions: int) -> None:
        if max_questions < 1:
            raise InvalidInputError(
                f"judge.max_questions: expected at least 1; got {max_questions}."
            )
        super().__init__(judge)
        self._max_questions = max_questions
        self.num_asked = 0
        """Questions so far."""

    @property
    def progress(self) -> Progress | None:
        """The judge's own."""
        return getattr(self._judge, "progress", None)

    @progress.setter
    def progress(self, progress: Progress | None) -> None:
        if hasattr(self._judge, "progress"):
            self._judge.progress = progress  # pyright: ignore[reportAttributeAccessIssue]

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question.

        Raises:
            BudgetError: they would be too many; none of them was asked.
        """
        if self.num_asked + len(questions) > self._max_questions:
            raise BudgetError(
                f"{self.identity} was asked {self.num_asked:,} of at most {self._max_questions:,} "
                f"questions, and {len(questions):,} more are needed now. What is finished is kept: "
                "give the same command again, or train --resume RUN, for as many again, or a larger "
                "--judge.max-questions; with --judge.cache FILE no question is paid for twice."
            )
        self.num_asked += len(questions)
        return self._judge.ask(questions)
