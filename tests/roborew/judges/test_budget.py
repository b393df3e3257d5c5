"""A judge is asked no question too many, and what was answered is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from roborew.errors import BudgetError, InvalidInputError
from roborew.judges.budget import BudgetedJudge
from roborew.judges.config import JudgeConfig
from roborew.judges.factory import load_judge
from roborew.judges.recorded import Recorder
from roborew.judges.types import Judge, Question
from roborew.rewards.vlm.roboreward import RoboReward
from tests.roborew.rewards.vlm.scripted_judge import ScriptedJudge, clip


def question(number: int) -> Question:
    return Question(parts=(f"question {number}",))


def test_all_of_what_is_asked_at_once_or_nothing() -> None:
    scripted = ScriptedJudge(lambda question: "1", raw=True)
    judge = BudgetedJudge(scripted, 3)
    assert isinstance(judge, Judge) and judge.identity == scripted.identity
    assert len(judge.ask([question(0), question(1)])) == 2
    with pytest.raises(BudgetError, match="asked 2 of at most 3 questions, and 2 more"):
        judge.ask([question(2), question(3)])
    assert len(scripted.asked) == 2
    assert len(judge.ask([question(2)])) == 1 and judge.num_asked == 3


def test_what_is_stored_does_not_count(tmp_path: Path) -> None:
    scripted = ScriptedJudge(lambda question: "1", raw=True)
    judge = Recorder(BudgetedJudge(scripted, 2), tmp_path / "answers.jsonl")
    judge.ask([question(0), question(1)])
    assert len(judge.ask([question(0), question(1)])) == 2
    with pytest.raises(BudgetError):
        judge.ask([question(0), question(2)])
    again = Recorder(BudgetedJudge(scripted, 1), tmp_path / "answers.jsonl")
    assert len(again.ask([question(0), question(1), question(2)])) == 3


def test_a_reward_stops_when_its_questions_are_used_up() -> None:
    judge = ScriptedJudge(lambda question: "4")
    model = RoboReward(judge=JudgeConfig(backend=judge, max_questions=3))
    assert model.score([clip([0.1, 0.2, 0.3])])[0].valid.all()
    with pytest.raises(BudgetError, match="max-questions"):
        model.score([clip([0.1])])
    with pytest.raises(InvalidInputError, match="at least 1"):
        load_judge(JudgeConfig(backend=judge, max_questions=0))
