"""Stored answers: replayed where no model is at hand, and kept so that no question is paid for
twice."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from roborew.errors import CorruptFileError, InvalidInputError, UnknownNameError
from roborew.judges.types import Answer, Judge, JudgeWrapper, Part, Progress, Question
from roborew.storage.json_files import check_plain_file, parse_json
from roborew.storage.lines import append_lines, cut_unfinished_line

logger = logging.getLogger(__name__)

MAX_LOG_PROB = 1e-3
LINE_START = b'{"question": '
QUESTIONS_PER_WRITE = 64
"""Questions asked before their answers are stored."""


class RecordedJudge:
    """Replays the answers of a file; a question that is not in it is never guessed.

    Args:
        path: JSON lines written by `Recorder`.
        model: whose answers, ``model@revision``; None where the file holds one model's only.
        on_unknown: "abstain" from a question that is not in the file, or "stop".

    Raises:
        InvalidInputError: no such file, or ``model`` is needed to choose.
        CorruptFileError: a line that is no stored answer.
    """

    def __init__(
        self,
        *,
        path: Path,
        model: str | None = None,
        on_unknown: Literal["abstain", "stop"] = "abstain",
    ) -> None:
        if not path.is_file():
            raise InvalidInputError(
                f"recorded judge: {path} is no file; make one with "
                f"roborew.judges.recorded.Recorder."
            )
        stored = read_answers(path)
        if model is None and len(stored) != 1:
            names = ", ".join(sorted(stored)) or "none"
            raise InvalidInputError(
                f"recorded judge: {path} holds the answers of {names}; choose with model=."
            )
        self._identity = model or next(iter(stored))
        if self._identity not in stored:
            raise UnknownNameError("recorded model", self._identity, stored)
        self._answers = stored[self._identity]
        self._on_unknown = on_unknown
        self._path = path
        self.progress: Progress | None = None

    @property
    def identity(self) -> str:
        """The model whose answers these are."""
        return self._identity

    @property
    def gives_probabilities(self) -> bool:
        """Whether any stored answer carries probabilities."""
        return any(answer.log_probs for answer in self._answers.values())

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the stored answers.

        Raises:
            InvalidInputError: a question is not in the file and ``on_unknown`` is "stop".
        """
        answers = [self._answers.get(question_key(question)) for question in questions]
        if self._on_unknown == "stop" and None in answers:
            raise InvalidInputError(
                f"recorded judge: {answers.count(None)} of {len(answers)} questions are not in "
                f"{self._path}; "
                "record them with a live judge, or abstain from them with on_unknown=abstain."
            )
        if self.progress:
            self.progress(len(questions), len(questions))
        return [answer or Answer(abstained="not recorded") for answer in answers]


class Recorder(JudgeWrapper):
    """Asks a judge and stores what it says; what is already stored is not asked again.

    Answers are on the disk after every `BLOCK` questions, so that interrupted work goes on where it
    was. Abstentions
    are not stored: they are asked again.

    Args:
        judge: who is asked.
        path: JSON lines, made where there are none; answers of other models in it stay.
    """

    def __init__(self, judge: Judge, path: Path) -> None:
        super().__init__(judge)
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._answers = read_answers(path).get(judge.identity, {}) if path.exists() else {}
        cut_unfinished_line(path)
        self.progress: Progress | None = None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question, from the file or from the judge; the same question is asked
        once."""
        keys = [question_key(question) for question in questions]
        unknown = {
            key: question
            for key, question in zip(keys, questions, strict=True)
            if key not in self._answers
        }
        answers = {key: self._answers[key] for key in keys if key in self._answers}
        waiting = list(unknown)
        total = len(answers) + len(unknown)
        for start in range(0, len(waiting), QUESTIONS_PER_WRITE):
            block = waiting[start : start + QUESTIONS_PER_WRITE]
            block_answers = self._judge.ask([unknown[key] for key in block])
            answers.update(zip(block, block_answers, strict=True))
            # An abstention may be a server's bad day: it is asked again the next time.
            self._store({key: answers[key] for key in block if answers[key].abstained is None})
            if self.progress:
                self.progress(len(answers), total)
        return [answers[key] for key in keys]

    def _store(self, answers: Mapping[str, Answer]) -> None:
        lines = "".join(
            _to_line(key, self.identity, answer) for key, answer in answers.items()
        ).encode()
        # On the disk, since an answer may have cost money and minutes.
        append_lines(self._path, lines)
        self._answers.update(answers)


def question_key(question: Question) -> str:
    """Return a hash of everything in a question: texts, pixels, shapes, choices, limits and
    mode."""
    parts = [_part_key(part) for part in question.parts]
    limits = [question.choices, question.max_tokens, question.chat, question.fps]
    # Users' files are found by this hash: its content and order must never change.
    system = [question.system] if question.system else []
    content = json.dumps([parts, limits, *system])
    digest = hashlib.sha256(content.encode())
    return digest.hexdigest()


def is_recording(path: Path) -> bool:
    """Whether a file is there that begins as stored answers do, or is empty."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LINE_START)) in (b"", LINE_START)


def read_answers(path: Path) -> dict[str, dict[str, Answer]]:
    """Read a file of stored answers: model -> question key -> answer. A last line cut short by a
    crash is left out.

    Raises:
        CorruptFileError: any other line that is no stored answer.
    """
    check_plain_file(path)
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    rest = content[whole:]
    if rest and rest[: len(LINE_START)] != LINE_START[: len(rest)]:
        raise CorruptFileError(f"{path}: expected stored answers; it ends in {rest[:60]!r}.")
    if rest:
        logger.warning("%s: the last line was cut short; that answer will be asked again", path)
    stored: dict[str, dict[str, Answer]] = {}
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            row = parse_json(line, str(path))
            stored.setdefault(str(row["model"]), {})[str(row["question"])] = _to_answer(row)
        except (CorruptFileError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptFileError(
                f"{path}, line {number}: expected a stored answer; got {line[:60]!r}."
            ) from error
    return stored


def _part_key(part: Part) -> list[Any]:
    if isinstance(part, str):
        return ["text", part]
    pixels = np.ascontiguousarray(part).tobytes()
    # The shape, too: the same bytes may be a wide picture or a tall one.
    return ["pictures", part.shape, str(part.dtype), hashlib.sha256(pixels).hexdigest()]


def _to_line(key: str, model: str, answer: Answer) -> str:
    # An impossible answer has minus infinity, which JSON cannot hold.
    log_probs = {
        choice: value if math.isfinite(value) else None
        for choice, value in answer.log_probs.items()
    }
    row = {"question": key, "model": model, "text": answer.text, "log_probs": log_probs}
    return json.dumps(row, allow_nan=False) + "\n"


def _to_answer(row: Mapping[str, Any]) -> Answer:
    text = row["text"]
    if not (text is None or isinstance(text, str)):
        raise ValueError(text)
    recorded = cast("Mapping[str, Any]", row["log_probs"])
    log_probs: dict[str, Any] = {}
    for choice, value in recorded.items():
        # JSON has no infinity: a choice of no probability is written as null.
        log_probs[str(choice)] = -math.inf if value is None else value
    if not _are_log_probs(log_probs.values()):
        raise ValueError(log_probs)
    return Answer(text=text, log_probs=log_probs)


def _are_log_probs(values: Iterable[Any]) -> bool:
    # Rounding may leave a certain answer a little above log 1.
    return all(isinstance(value, float | int) and value <= MAX_LOG_PROB for value in values)
