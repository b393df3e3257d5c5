"""Stored answers: found by the exact question, never guessed, whole after a crash."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    MissingBackendError,
    RoborewError,
    UnknownNameError,
)
from roborew.judges.config import JudgeConfig
from roborew.judges.factory import load_judge
from roborew.judges.recorded import QUESTIONS_PER_WRITE, RecordedJudge, Recorder, question_key
from roborew.judges.types import Answer, Judge, Question
from tests.roborew.judges.fault_server import FaultServer, serving

PICTURE = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


class Counting:
    """Answers each question with its number, and says how many it was asked."""

    identity = "counting@1"
    gives_probabilities = True

    def __init__(self, failing: bool = False) -> None:
        self.asked: list[int] = []
        self.failing = failing

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked.append(len(questions))
        if self.failing:
            return [Answer(abstained="no") for _ in questions]
        return [
            Answer(text=str(each.parts[0]), log_probs={"a": -0.5, "b": -math.inf})
            for each in questions
        ]


def questions(count: int) -> list[Question]:
    return [
        Question(parts=(f"q {number} é", PICTURE), choices=("a", "b")) for number in range(count)
    ]


def test_a_recording_replays_what_the_judge_said(tmp_path: Path) -> None:
    live = Recorder(Counting(), tmp_path / "new" / "answers.jsonl").ask(questions(5))
    replay = RecordedJudge(path=tmp_path / "new" / "answers.jsonl")
    assert (
        isinstance(replay, Judge) and replay.identity == "counting@1" and replay.gives_probabilities
    )
    assert replay.ask(questions(5)[::-1]) == live[::-1]


def test_no_question_is_asked_twice_not_even_by_the_next_process(tmp_path: Path) -> None:
    judge, path = Counting(), tmp_path / "answers.jsonl"
    first = Recorder(judge, path)
    assert first.ask(questions(3) * 2) == first.ask(questions(3)) * 2
    Recorder(judge, path).ask(questions(4))
    assert judge.asked == [3, 1]


def test_abstentions_are_asked_again(tmp_path: Path) -> None:
    judge = Counting(failing=True)
    recorder = Recorder(judge, tmp_path / "answers.jsonl")
    assert recorder.ask(questions(2))[1].abstained == "no"
    judge.failing = False
    assert recorder.ask(questions(2))[1].text == "q 1 é"


def test_long_work_is_stored_and_told_block_by_block(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    recorder = Recorder(Counting(), tmp_path / "answers.jsonl")
    recorder.ask(questions(10))
    recorder.progress = lambda done, total: seen.append((done, total))
    recorder.ask(questions(2 * QUESTIONS_PER_WRITE + 10))
    assert seen == [
        (QUESTIONS_PER_WRITE + 10, 2 * QUESTIONS_PER_WRITE + 10),
        (2 * QUESTIONS_PER_WRITE + 10, 2 * QUESTIONS_PER_WRITE + 10),
    ]


@pytest.mark.parametrize("on_unknown", ["abstain", "stop"])
def test_an_unknown_question_is_never_guessed(tmp_path: Path, on_unknown: str) -> None:
    path = tmp_path / "answers.jsonl"
    Recorder(Counting(), path).ask(questions(1))
    replay = RecordedJudge(path=path, on_unknown=on_unknown)  # pyright: ignore[reportArgumentType]
    if on_unknown == "stop":
        with pytest.raises(InvalidInputError, match="1 of 2 questions"):
            replay.ask(questions(2))
    else:
        assert [answer.abstained for answer in replay.ask(questions(2))] == [None, "not recorded"]


def test_everything_in_a_question_is_part_of_its_key() -> None:
    other = PICTURE.copy()
    other[0, 0, 0] ^= 1
    base = {"parts": ("a", PICTURE, "b"), "choices": ("x", "y")}
    changes = [
        {},
        {"parts": ("a", other, "b")},
        {"parts": ("a", PICTURE[None], "b")},
        {"parts": ("a", PICTURE.reshape(4, 5, 3), "b")},
        {"parts": ("a", PICTURE[:, ::-1], "b")},
        {"parts": (PICTURE, "a", "b")},
        {"parts": ("ab", PICTURE)},
        {"parts": ("a", PICTURE, PICTURE, "b")},
        {"choices": ("y", "x")},
        {"choices": ("x",)},
        {"max_tokens": 1},
        {"chat": False},
        {"fps": 2.0},
    ]
    keys = [question_key(Question(**{**base, **change})) for change in changes]
    assert len(set(keys)) == len(keys)
    assert question_key(Question(**base)) == question_key(
        Question(**{**base, "parts": ("a", PICTURE.copy("F"), "b")})
    )


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_cut_short_by_a_crash_costs_that_answer_only(tmp_path: Path, cut: int) -> None:
    path, judge = tmp_path / "answers.jsonl", Counting()
    Recorder(judge, path).ask(questions(3))
    path.write_bytes(path.read_bytes()[:-cut])
    again = Recorder(judge, path)
    assert [answer.text for answer in again.ask(questions(3))] == ["q 0 é", "q 1 é", "q 2 é"]
    assert judge.asked == [3, 1] and len(path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("content", ["one line of a thesis", '{"question": "a", "mo'])
def test_a_file_is_not_changed_by_being_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(content)
    with pytest.raises(RoborewError):
        RecordedJudge(path=path)
    assert path.read_text() == content
    (tmp_path / "link.jsonl").symlink_to(path)
    with pytest.raises(RoborewError):
        Recorder(Counting(), tmp_path / "link.jsonl")
    assert path.read_text() == content


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "nonsense",
        "null",
        '{"question": "a", "model": "m", "text": 3, "log_probs": {}}',
        "[" * 100_000,
    ]
    + [
        f'{{"question": "a", "model": "m", "text": "t", "log_probs": {bad}}}'
        for bad in ('{"x": 0.5}', '{"x": NaN}', "[1]")
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers.jsonl"
    Recorder(Counting(), path).ask(questions(1))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(CorruptFileError, match="line 2"):
        RecordedJudge(path=path)


def test_a_file_of_two_models_asks_which(tmp_path: Path) -> None:
    path, other = tmp_path / "answers.jsonl", Counting()
    other.identity = "other@2"
    Recorder(Counting(), path).ask(questions(1))
    Recorder(other, path).ask(questions(2))
    with pytest.raises(InvalidInputError, match=r"counting@1, other@2"):
        RecordedJudge(path=path)
    with pytest.raises(UnknownNameError, match="other@2"):
        RecordedJudge(path=path, model="other@3")
    assert RecordedJudge(path=path, model="counting@1").ask(questions(2))[1].abstained


def test_judges_are_opened_by_name_and_options(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Recorder(Counting(), path).ask(questions(1))
    judge = load_judge(JudgeConfig(backend="recorded", options=(f"path={path}", "on_unknown=stop")))
    assert judge.ask(questions(1))[0].text == "q 0 é"
    with serving(FaultServer()) as server:
        config = JudgeConfig(
            backend="openai",
            model="m",
            options=("deadline=3", f"base_url={server.url}"),
            cache=tmp_path / "cache.jsonl",
        )
        assert load_judge(config).identity == "m@served"


def test_a_judge_of_ones_own_is_taken_as_it_is_and_takes_no_settings(tmp_path: Path) -> None:
    judge = Counting()
    assert load_judge(JudgeConfig(backend=judge)) is judge
    for wrong in ({"model": "m"}, {"options": ("a=b",)}, {"cache": tmp_path / "cache.jsonl"}):
        with pytest.raises(InvalidInputError, match="loaded already"):
            load_judge(JudgeConfig(backend=judge, **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("openia", [], UnknownNameError),
        ("openai", [], InvalidInputError),
        ("openai", ["model=m", "urls=x"], UnknownNameError),
        ("openai", ["model=m", "deadline=0"], InvalidInputError),
        ("recorded", ["path=/nowhere/answers.jsonl"], InvalidInputError),
        ("transformers", ["model=/nowhere/model"], MissingBackendError),
    ],
)
def test_a_judge_that_cannot_be_had_is_an_error_and_never_another_judge(
    name: str, options: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        load_judge(JudgeConfig(backend=name, options=tuple(options)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"parts": ()},
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"choices": ("a", "a")},
        {"choices": ("",)},
        {"fps": 0.0},
        {"fps": math.nan},
        {"parts": (PICTURE.astype(np.float32),)},
        {"parts": (PICTURE[..., :2],)},
        {"parts": (PICTURE[:0],)},
    ],
)
def test_a_question_that_asks_nothing_or_shows_no_picture_is_refused(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(InvalidInputError):
        Question(**{"parts": ("a",), **wrong})


def test_stored_lines_are_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Recorder(Counting(), path).ask(questions(1))

    def refuse(constant: str) -> float:
        raise ValueError(constant)

    row = json.loads(path.read_text(), parse_constant=refuse)
    assert row["log_probs"] == {"a": -0.5, "b": None}
