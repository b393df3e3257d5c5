"""What is shown to who labels a set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from roborew.bounds import check_whole_number
from roborew.data.label_file import PERSON
from roborew.errors import InvalidInputError
from roborew.judges.config import JudgeConfig
from roborew.workflows.label.questions import QuestionForm
from roborew.workflows.parts import Name, PartConfig

FRAMES = 16
"""Length of the films that a person is shown [frames]."""


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """What is shown to who labels a set."""

    outcomes: bool = False
    """Ask of each episode whether it ends in success, in place of pairs: the episodes of which the set
    does not say it."""
    pairs: int = 200
    """Pairs in all, those that are labeled already among them; where a run waits for some, these are
    shown and no others."""
    frames: int | None = None
    """Length of each film [frames]; 1 shows pictures. 16 for a person if not given; a judge is shown
    pictures. Labels of one set are of one length."""
    cameras: tuple[str, ...] = ()
    """Cameras that are shown, the first if not given; the pictures of several, or of "all", are set
    side by side."""
    critic: Path | None = None
    """Folder of an ensemble that was fitted to labels (fit --critic bradley_terry --ensemble-size 3):
    of eight times as many pairs, those on which its members differ most. Any pairs if not given."""
    pairs_per_question: int = 1
    """Pairs in one question to a judge. One is RL-VLM-F: two descriptions and two labels of each. Of
    several the pictures are shown once and the labels listed, in two questions for both orders."""
    pictures_per_question: int = 2
    """Pictures that a judge puts in order in one question, up to 16, and again in the other order: of
    eight 28 labels. 2 asks about pairs."""
    seed: int = 0
    """Random seed of the pairs: the same seed and set give the same ones."""

    def __post_init__(self) -> None:
        check_whole_number("pairs", self.pairs)
        if self.frames is not None:
            check_whole_number("frames", self.frames)
        check_whole_number("seed", self.seed, smallest=0)
        self.form.check_labels("pairs", self.pairs)
        if self.outcomes:
            self._check_no_pairs()

    def _check_no_pairs(self) -> None:
        """Raise where a setting of pairs is given to who is asked about episodes."""
        of_both = ("outcomes", "cameras")
        for setting in fields(self):
            if setting.name not in of_both and getattr(self, setting.name) != setting.default:
                name = setting.name.replace("_", "-")
                raise InvalidInputError(f"--{name} is of pairs: leave it out, or --outcomes.")

    @property
    def form(self) -> QuestionForm:
        """What stands in a question to a judge."""
        return QuestionForm(self.pairs_per_question, self.pictures_per_question)


@dataclass(frozen=True, slots=True)
class LabelerConfig(PartConfig):
    """Who labels: --judge person, or a vision-language model, whose settings are --judge.KEY VALUE;
    --judge.help lists them."""

    name: Name = PERSON
    """A name of `roborew list judges`; person opens a page."""

    kind: ClassVar[str] = "judge"

    @property
    def is_person(self) -> bool:
        """Whether a person labels."""
        return self.name == PERSON

    def factory(self) -> Callable[..., Any]:
        """The settings of any judge."""
        return JudgeConfig

    def judge(self) -> JudgeConfig:
        """The configuration of the judge.

        Raises:
            RoborewError: no such setting, or a value of another type.
        """
        if self.is_person and self.options:
            setting = next(iter(self.options)).replace("_", "-")
            raise InvalidInputError(
                f"--judge.{setting}: a person has no settings; name a judge, such as --judge openai."
            )
        return replace(JudgeConfig(**self.typed_options()), backend=self.name)
