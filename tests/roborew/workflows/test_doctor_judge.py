"""The doctor of a judge finds what is wrong with it by few questions, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roborew import cli
from roborew.errors import InvalidInputError
from roborew.rewards.vlm.base import JudgeReward
from roborew.types import RewardModel
from roborew.workflows.doctor.check import Check
from roborew.workflows.doctor.probes import NUM_FRAMES, film_clip
from roborew.workflows.doctor.reward import Examination, examine
from roborew.workflows.parts import ExaminedReward, RewardConfig
from roborew.workflows.rewards import load_reward
from tests.roborew.judges.fault_server import FaultServer, serving
from tests.roborew.rewards.checkpoints.tiny_released import tiny_classifier
from tests.tiny_models import tiny_vlm

SEEING = "tests.roborew.workflows.seeing:Seeing"
LISTS = {"pairs_per_question": 4}


def examined(name: str, fault: str = "none", **options: Any) -> Examination:
    judge = {"judge.backend": SEEING, "judge.options": [f"fault={fault}"]}
    return examine(RewardConfig(name, {**judge, **options}), lambda _: None)


def failed(examination: Examination) -> set[str]:
    return {check.name for check in examination.checks if check.needed and not check.ok}


@pytest.mark.parametrize(
    ("name", "options"), [("roboreward", {}), ("preference", LISTS), ("roboreward", {"fps": 2.0})]
)
def test_a_good_judge_is_well_and_costs_what_was_said(name: str, options: dict[str, Any]) -> None:
    said: list[str] = []
    judge = {"judge.backend": SEEING}
    examination = examine(RewardConfig(name, {**judge, **options}), said.append)
    assert not failed(examination), examination.checks
    assert all(check.ok for check in examination.checks if check.name != "probabilities")
    (announced,) = said
    assert f"asked {examination.questions} questions" in announced
    run = next(check for check in examination.checks if check.name == "a run")
    assert f"{examination.run_questions:,} questions" in run.finding


@pytest.mark.parametrize(
    ("name", "fault", "wrong", "words"),
    [
        ("roboreward", "blind", {"sees pictures"}, "the same answer to a red and to a blue"),
        ("roboreward", "mute", {"answers"}, "status 400: 'takes no pictures'"),
        ("roboreward", "rambling", {"replies", "score"}, "0 of 3 are read; no tag"),
        (
            "roboreward",
            "no probabilities",
            {"replies", "score", "probabilities"},
            "does not list every choice",
        ),
        ("roboreward", "biased", set[str](), "it says first and then first"),
        ("preference", "biased", {"order of pictures", "both orders"}, "different label of one"),
        ("roboreward", "numb", set[str](), "0.5 at the start"),
    ],
)
def test_a_fault_is_found_and_has_a_remedy(
    name: str, fault: str, wrong: set[str], words: str
) -> None:
    examination = examined(name, fault, **(LISTS if name == "preference" else {}))
    assert failed(examination) == wrong
    unwell = [check for check in examination.checks if not check.ok]
    assert any(words in check.finding for check in unwell)
    assert all(check.remedy for check in unwell if check.name != "probabilities")


@pytest.mark.parametrize("fault", ["500", "HTML with 200", "no such model", "no probabilities"])
def test_a_server_that_cannot_judge_is_said(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FaultServer(fault)) as server:
        words = ["--judge", "openai", "--judge.model", "M", "--judge.base-url", server.url]
        options = ["--judge.options", "deadline=0.5"]
        assert cli.main(["doctor", *words, *options, "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    checks = [Check(**{k: v for k, v in row.items() if k != "class"}) for row in content["checks"]]
    assert content["judge"] == "M@served" and any(c.needed and not c.ok for c in checks)


def test_nobody_there_and_no_folder_are_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["--judge", "openai", "--judge.model", "M", "--judge.base-url", "http://127.0.0.1:9/v1"],
        ["--judge.model", str(tmp_path / "absent")],
        ["--reward", "http://127.0.0.1:9"],
    ):
        assert cli.main(["doctor", *words]) == 1
        assert "FAILS" in capsys.readouterr().out


def test_the_model_that_answers_and_its_tokens_are_the_servers_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = {"prompt_tokens": 100, "completion_tokens": 7}
    monkeypatch.setattr(
        "roborew.judges.server.read_reply",
        lambda body: {**json.loads(body), "model": "another", "usage": counted},
    )
    with serving(FaultServer()) as server:
        judge = {"judge.backend": "openai", "judge.model": "M", "judge.base_url": server.url}
        examination = examine(RewardConfig("roboreward", judge), lambda _: None)
    assert examination.prompt_tokens == 100 * examination.questions
    assert examination.completion_tokens == 7 * examination.questions
    assert "another answers" in examination.checks[0].finding


def test_a_budget_that_is_too_small_is_said_before_anything_is_asked() -> None:
    with pytest.raises(InvalidInputError, match="7 questions try roboreward"):
        examined("roboreward", **{"judge.max_questions": 6})
    assert examined("roboreward", **{"judge.max_questions": 7}).questions == 7


@pytest.mark.parametrize("name", ["topreward", "verifier", "gvl", "robofume", "vlac"])
def test_every_reward_asks_in_its_own_words_in_process(name: str, tmp_path: Path) -> None:
    judge = {"judge.model": str(tiny_vlm(tmp_path / "vlm"))}
    examination = examine(RewardConfig(name, judge), lambda _: None)
    names = [check.name for check in examination.checks]
    assert {"judge", "sees pictures", "replies", "score", "speed", "a run"} <= set(names)
    # Random numbers see, and say nothing that is allowed; TOPReward reads any two probabilities.
    assert failed(examination) <= {"replies", "score", "order of pictures"}
    assert (not failed(examination)) == (name == "topreward")
    model = load_reward(name, **judge)
    assert isinstance(model, JudgeReward) and isinstance(model, RewardModel)
    assert examination.questions >= 4 + model.estimate_cost(NUM_FRAMES).questions


def test_a_reward_without_a_judge_scores_the_video(tmp_path: Path) -> None:
    examination = examine(RewardConfig(str(tiny_classifier(tmp_path / "own"))), lambda _: None)
    assert [check.name for check in examination.checks] == ["loads", "score", "speed", "a run"]
    assert not examination.judge and not examination.run_questions and not failed(examination)


def test_a_recording_is_not_asked(tmp_path: Path) -> None:
    options = {"judge.backend": SEEING, "judge.cache": str(tmp_path / "answers.jsonl")}
    load_reward("roboreward", **options).score([film_clip()])
    recorded = {
        "judge.backend": "recorded",
        "judge.options": [f"path={tmp_path / 'answers.jsonl'}"],
    }
    examination = examine(RewardConfig("roboreward", recorded), lambda _: None)
    assert examination.questions == 0 and not failed(examination)
    assert "answers of seeing@1" in examination.checks[0].finding


def test_auto_is_the_reward_of_a_released_judge() -> None:
    assert not ExaminedReward().is_given
    for model, name in (("InternRobotics/VLAC", "vlac"), ("Qwen/Qwen3-VL", "roboreward")):
        assert ExaminedReward("auto", {"judge.model": model}).chosen().name == name
    with pytest.raises(InvalidInputError, match="a person is no model"):
        examine(RewardConfig("preference", {"judge.backend": "person"}), lambda _: None)
