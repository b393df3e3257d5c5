"""VLAC's own questions."""

from __future__ import annotations

from collections.abc import Sequence

from roborew.judges.parsing import sanitize_instruction
from roborew.judges.types import Question
from roborew.rewards.vlm.base import MarkedQuestion
from roborew.rewards.vlm.released.pictures import squashed
from roborew.rewards.vlm.released.reply import VLAC_DONE, VLAC_SCORE, ReplyForm
from roborew.rewards.vlm.released.template import FOLDER, Template, read_template
from roborew.types import Frame


class VlacWords:
    """Questions as VLAC's released models were trained on them."""

    def __init__(self) -> None:
        self._system = (FOLDER / "vlac_system.txt").read_text(encoding="utf-8")
        self._compare = read_template(FOLDER / "vlac_compare.txt", 2)
        self._compare_begun = read_template(FOLDER / "vlac_compare_begun.txt", 3)
        self._done = read_template(FOLDER / "vlac_done.txt", 0)
        self._done_goal = read_template(FOLDER / "vlac_done_goal.txt", 2)

    def comparison(
        self,
        instruction: str,
        pictures: tuple[Frame, Frame],
        references: Sequence[Frame],
        start: Frame,
    ) -> MarkedQuestion:
        """Return the question whether the second of two pictures is nearer.

        Args:
            instruction: the task.
            pictures: the two.
            references: of a success, shown before them; with these the start of this attempt, too.
            start: the first frame of this attempt.
        """
        if not references:
            return self._question(self._compare, VLAC_SCORE, instruction, pictures)
        text = f"{_trajectory(instruction, len(references))}{self._compare_begun.text}"
        media = (*references, start, *pictures)
        return self._question(Template(text), VLAC_SCORE, instruction, media)

    def is_done(self, instruction: str, frame: Frame, goal: Frame | None) -> MarkedQuestion:
        """Return the question whether the task is done in a frame."""
        if goal is None:
            # The text names no place for its one picture; it stands before it.
            template = Template(f"<image>{self._done.text}")
            return self._question(template, VLAC_DONE, instruction, [frame])
        return self._question(self._done_goal, VLAC_DONE, instruction, [goal, frame])

    def _question(
        self, template: Template, reply: ReplyForm, instruction: str, media: Sequence[Frame]
    ) -> MarkedQuestion:
        parts = template.parts(instruction, [squashed(picture) for picture in media])
        return MarkedQuestion(Question(parts=parts, system=self._system), reply=reply)


def _trajectory(instruction: str, count: int) -> str:
    """The pictures of another attempt, each after its share of completion."""
    goal = sanitize_instruction(instruction)
    pictures = "".join(f" {int(number / (count - 1) * 100)}% <image>\n" for number in range(count))
    return f"<trajectory> <task> {goal} </task>:{pictures}</trajectory>"
