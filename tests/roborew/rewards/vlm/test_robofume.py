"""Yes or no, for each frame alone."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.rewards.vlm.robofume import RoboFuME
from tests.roborew.rewards.vlm.scripted_judge import ScriptedJudge, clip, levels

CURVE = [0.2, 0.95, 0.4]


def test_the_score_and_the_claim_are_the_probability_of_yes() -> None:
    judge = ScriptedJudge(
        lambda q: {"Yes": 0.6 * levels(q)[0], "No": 0.6 * (1 - levels(q)[0])}, probabilities=True
    )
    scores = RoboFuME(judge=judge).score([clip(CURVE)])[0]
    np.testing.assert_allclose(scores.value, CURVE, atol=1e-5)
    np.testing.assert_array_equal(scores.value, scores.success)
    assert [levels(question) for question in judge.asked] == [[x] for x in CURVE]


def test_written_answers_are_0_and_1() -> None:
    judge = ScriptedJudge(lambda question: "yes" if levels(question)[0] > 0.9 else "No")
    assert RoboFuME(judge=judge).score([clip(CURVE)])[0].value.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "reply", ["Yes", "Yes, <answer>Yes</answer>", "No, not yet. Yes?", "\u0443es"]
)
def test_a_yes_outside_of_the_tag_claims_nothing(reply: str) -> None:
    scores = RoboFuME(judge=ScriptedJudge(lambda question: reply, raw=True)).score([clip(CURVE)])[0]
    assert not scores.valid.any()
