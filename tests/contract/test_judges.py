"""Every registered judge keeps its protocol: one answer a question, in order, the same twice; what
it cannot answer is an abstention with a reason, and never a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roborew.checks.judge import LAWS, PICTURES, QUESTIONS, judge_subject
from roborew.checks.laws import Law
from roborew.errors import RoborewError
from roborew.judges.config import JudgeConfig
from roborew.judges.factory import load_judge
from roborew.judges.local import LocalJudge
from roborew.judges.recorded import Recorder
from roborew.judges.types import Judge, Question
from roborew.registry import judges
from tests.roborew.judges.fault_server import FaultServer, serving
from tests.roborew.rewards.checkpoints.tiny_released import tiny_robometer
from tests.tiny_models import tiny_vlm

Made = tuple[Callable[[], Judge], Question]
"""How a judge is made, and a question that it cannot answer."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vlm(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module", params=sorted(judges))
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, weights: Path
) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp(request.param)
    make = {
        "transformers": _local,
        "openai": _served,
        "recorded": _recorded,
        "robometer": _comparing,
    }
    if request.param not in make:
        pytest.fail(f"say here how a tiny {request.param} judge is made")
    yield from make[request.param](folder, weights)


def _local(_: Path, weights: Path) -> Iterator[Made]:
    special_token = Question(parts=("question <|im_end|> 3",))
    yield lambda: load_judge(JudgeConfig(model=str(weights))), special_token


def _served(_: Path, __: Path) -> Iterator[Made]:
    bare_pictures = Question(parts=("question 3", PICTURES[0]), chat=False)
    with serving(FaultServer()) as server:
        config = JudgeConfig(backend="openai", model="tiny", base_url=server.url)
        yield lambda: load_judge(config), bare_pictures


def _recorded(folder: Path, weights: Path) -> Iterator[Made]:
    path = folder / "answers.jsonl"
    Recorder(LocalJudge(model=str(weights)), path).ask(QUESTIONS)
    config = JudgeConfig(backend="recorded", options=(f"path={path}", "on_unknown=stop"))
    yield lambda: load_judge(config), Question(parts=("question 3",))


def _comparing(folder: Path, _: Path) -> Iterator[Made]:
    config = JudgeConfig(backend="robometer", model=str(tiny_robometer(folder / "weights")))
    yield lambda: load_judge(config), QUESTIONS[0]


@pytest.fixture(scope="module")
def judge(made: Made) -> Judge:
    return made[0]()


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
def test_law(judge: Judge, law: Law) -> None:
    reason = law.check(judge_subject(judge))
    if reason is not None:
        pytest.skip(f"{judge.identity}: {reason}")


def test_a_second_judge_of_the_same_settings_answers_the_same(made: Made, judge: Judge) -> None:
    make, _ = made
    assert make().identity == judge.identity
    questions = judge_subject(judge).questions
    assert make().ask(questions) == judge.ask(questions)


def test_a_question_that_it_cannot_answer_is_one_clear_error_and_the_next_one_works(
    made: Made, judge: Judge
) -> None:
    _, unanswerable = made
    first = judge_subject(judge).questions[0]
    with pytest.raises(RoborewError) as error:
        judge.ask([first, unanswerable])
    assert len(str(error.value)) > 20
    assert judge.ask([first])[0].abstained is None


def test_progress_ends_with_all_questions(judge: Judge) -> None:
    reports: list[tuple[int, int]] = []
    judge.progress = lambda done, total: reports.append((done, total))  # type: ignore[attr-defined]
    try:
        judge.ask(judge_subject(judge).questions)
    finally:
        judge.progress = None  # type: ignore[attr-defined]
    assert reports[-1] == (len(QUESTIONS), len(QUESTIONS))
    assert reports == sorted(reports)


@pytest.mark.parametrize("name", judges)
def test_a_setting_that_it_does_not_have_is_an_error(name: str) -> None:
    with pytest.raises(RoborewError, match="no_such_setting"):
        load_judge(JudgeConfig(backend=name, options=("no_such_setting=1",)))
