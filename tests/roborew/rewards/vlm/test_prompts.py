"""Questions stay what they were, to the last character and pixel.

Stored answers are found by a hash of the whole question, so a changed word makes every user's cache
and recorded file worthless. Change a digest here only together with a note in the changelog.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from roborew.judges.config import JudgeConfig
from roborew.judges.recorded import question_key
from roborew.judges.types import Question
from roborew.registry import rewards
from roborew.rewards.preferences import FramePair, PreferenceLabeler
from roborew.types import Clip
from tests.roborew.rewards.vlm.scripted_judge import Said, ScriptedJudge

PICTURES = np.random.default_rng(5).integers(0, 256, (4, 8, 12, 3), dtype=np.uint8)
REFERENCE = np.random.default_rng(9).integers(0, 256, (7, 8, 12, 3), dtype=np.uint8)
CASES: list[tuple[str, dict[str, Any], bool, str]] = [
    ("roboreward", {}, False, "7f45742c43ebd1a6"),
    ("roboreward", {}, True, "56f77637325fd47e"),
    ("roboreward", {"prompt": "released"}, False, "252d9131b52c7814"),
    ("robo_dopamine", {"prompt": "released"}, False, "e075482f47a76acf"),
    ("vlac", {"prompt": "released"}, False, "97b4c3e37e13cb56"),
    (
        "vlac",
        {"prompt": "released", "reference": REFERENCE, "num_references": 3},
        True,
        "98caae08ed9eb2b1",
    ),
    ("roboreward", {"score_at": "end", "fps": 2.0}, False, "63bf01147de1124e"),
    ("roboreward", {"score_at": "end", "fps": 2.0}, True, "3f210e88064c6b33"),
    ("verifier", {}, False, "44e8cc89ff813c93"),
    ("verifier", {}, True, "e7f21901fd97dc37"),
    ("topreward", {}, False, "9230a91777c67f42"),
    ("topreward", {"prompt": "general"}, False, "b191c017bb7bd7ad"),
    ("topreward", {"prompt": "general", "chat_template": True}, False, "e57c10f7d2f29f7d"),
    ("gvl", {}, True, "c1fd18c223331352"),
    ("vlac", {}, False, "2f3775f9664e3b55"),
    ("vlac", {}, True, "39b58903a4b39caa"),
    ("vlac", {"reference": REFERENCE, "num_references": 3}, False, "9b1867a54a36eda9"),
    ("vlac", {"reference": REFERENCE, "num_references": 3}, True, "0220b3eb52a1105d"),
    ("robo_dopamine", {}, False, "840cc83a69f03865"),
    ("robo_dopamine", {}, True, "07ce202836ca1ac0"),
    ("robo_dopamine", {"mode": "incremental", "num_cameras": 2}, False, "6bf890b1886bdca0"),
    ("robo_dopamine", {"mode": "incremental", "num_cameras": 2}, True, "718d7504d0e30db7"),
    ("robofume", {}, False, "bd13f54df321f289"),
    ("robofume", {}, True, "8f82b0754ff14c84"),
]


def rule(question: Question) -> Said:
    """The same answer to everything: what is asked next must not depend on more."""
    if question.choices:
        return dict.fromkeys(question.choices, 0.9 / len(question.choices))
    return "0%"


def digest(judge: ScriptedJudge) -> str:
    keys = "".join(question_key(question) for question in judge.asked)
    return hashlib.sha256(keys.encode()).hexdigest()[:16]


@pytest.mark.parametrize(("name", "options", "parse_text", "expected"), CASES)
def test_a_rewards_questions_are_what_they_were(
    name: str, options: dict[str, Any], parse_text: bool, expected: str
) -> None:
    judge = ScriptedJudge(rule, probabilities=not parse_text)
    seed = None if name == "topreward" else "seed"
    model = rewards.load(name)(judge=JudgeConfig(backend=judge, nonce_seed=seed), **options)
    clip = Clip(frames=PICTURES[:3], instruction='push "it" <now>', goal_image=PICTURES[3])
    model.score([clip])
    assert digest(judge) == expected


@pytest.mark.parametrize(
    ("parse_text", "expected"), [(False, "85b3e2bbf0fe5a1a"), (True, "82431a0138d20999")]
)
def test_the_questions_of_preferences_are_what_they_were(parse_text: bool, expected: str) -> None:
    judge = ScriptedJudge(
        lambda question: rule(question) if question.choices else "two pictures",
        probabilities=not parse_text,
    )
    labeler = PreferenceLabeler(judge=JudgeConfig(backend=judge, nonce_seed="seed"))
    labeler.compare([FramePair(first=PICTURES[0], second=PICTURES[1], instruction="open it")])
    assert digest(judge) == expected
