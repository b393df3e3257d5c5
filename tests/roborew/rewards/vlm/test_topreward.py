"""Log-odds of True, in bare text unless told otherwise, and nothing that knows the end of the
episode."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForImageTextToText, AutoProcessor

from roborew.errors import InvalidInputError
from roborew.judges.local import LocalJudge
from roborew.judges.types import Answer, Question
from roborew.rewards.vlm.topreward import MAX_LOG_ODDS, TopReward
from roborew.types import Clip
from tests.roborew.rewards.vlm.scripted_judge import GOAL, Said, ScriptedJudge, clip, levels, prompt
from tests.tiny_models import tiny_vlm

CURVE = [0.1, 0.4, 0.3, 0.9]


def by_level(question: Question) -> Said:
    share = 0.05 + 0.9 * levels(question)[-1]
    return dict(zip(question.choices, (0.01 * share, 0.01 * (1 - share)), strict=True))


def top(**options: object) -> TopReward:
    return TopReward(judge=ScriptedJudge(by_level, probabilities=True), **options)  # type: ignore[arg-type]


@given(st.floats(1e-6, 0.5), st.floats(1e-6, 0.5))
def test_each_reading_is_that_of_its_formula(true: float, false: float) -> None:
    judge = ScriptedJudge(
        lambda q: dict(zip(q.choices, (true, false), strict=True)), probabilities=True
    )

    def read(reading: str) -> float:
        return float(TopReward(judge=judge, reading=reading).score([clip([0.1])])[0].value[0])  # type: ignore[arg-type]

    assert read("log-odds") == pytest.approx(math.log(true) - math.log(false), abs=1e-5)
    assert read("log-probability") == pytest.approx(math.log(true), abs=1e-5)
    assert read("probability") == pytest.approx(true / (true + false), abs=1e-5)


def test_bare_text_ends_right_before_the_word_and_a_template_asks_for_the_word_itself() -> None:
    """With the chat template the published order correlation falls to a half: which one it is must
    be chosen."""
    for template, words in ((False, (" True", " False")), (True, ("True", "False"))):
        judge = ScriptedJudge(by_level, probabilities=True)
        TopReward(judge=judge, chat_template=template).score([clip([0.1])])
        (question,) = judge.asked
        assert (question.chat, question.choices, question.max_tokens) == (template, words, 0)
        assert prompt(question).endswith("The answer is:") and GOAL in prompt(question)
        assert not isinstance(question.parts[0], str), "the video comes first"


def test_a_later_frame_changes_no_earlier_score() -> None:
    """The published score is rescaled by the smallest and largest value of the whole episode."""
    whole = top().score([clip(CURVE)])[0].value
    for t in range(1, len(CURVE)):
        np.testing.assert_array_equal(top().score([clip(CURVE[:t])])[0].value, whole[:t])
    assert whole.max() != 1 and top().score([clip([0.3, 0.3])])[0].value.max() < 0, (
        "a constant clip is no success"
    )


def test_a_lone_frame_is_no_success() -> None:
    """Rescaled alone, any score is 1."""
    assert top(reading="probability").score([clip([0.1])])[0].value[0] == pytest.approx(
        0.14, abs=1e-6
    )


def test_a_judge_without_probabilities_is_refused() -> None:
    with pytest.raises(
        InvalidInputError, match="reads probabilities, which scripted@1 does not give"
    ):
        TopReward(judge=ScriptedJudge(by_level))


def test_extremes_stay_in_the_promised_range_and_what_is_impossible_is_an_abstention() -> None:
    class Extreme(ScriptedJudge):
        def __init__(self, true: float, false: float) -> None:
            super().__init__(by_level, probabilities=True)
            self.said = Answer(log_probs={" True": true, " False": false})

        def ask(self, questions: object) -> list[Answer]:
            return [self.said]

    for true, false, expected in ((-1e-9, -500.0, MAX_LOG_ODDS), (-500.0, -1e-9, -MAX_LOG_ODDS)):
        assert TopReward(judge=Extreme(true, false)).score([clip([0.1])])[0].value[0] == expected
    for true, false in ((-math.inf, -0.1), (-0.1, -math.inf), (math.nan, -1.0), (0.5, -1.0)):
        assert not TopReward(judge=Extreme(true, false)).score([clip([0.1])])[0].valid.any()


def test_a_missing_probability_is_an_abstention() -> None:
    judge = ScriptedJudge(lambda question: {" True": 0.5}, probabilities=True)
    assert not TopReward(judge=judge).score([clip(CURVE)])[0].valid.any()


@pytest.mark.parametrize("length", [2, 5])
def test_the_score_is_that_of_the_authors_code_on_the_same_weights(
    length: int, tmp_path: Path
) -> None:
    """huggingface/lerobot, rewards/topreward/processor_topreward.py, `_encode_batch`: a turn of the
    video and a prefix, cut before its end, then the rest and the word, whose log-probability it
    is."""
    folder = tiny_vlm(tmp_path)
    shown = np.random.default_rng(1).integers(0, 256, (length, 40, 48, 3), dtype=np.uint8)
    model = TopReward(judge=LocalJudge(model=str(folder)), reading="log-probability", fps=2.0)
    scores = model.score([Clip(frames=shown, instruction=GOAL)])[0]
    processor: Any = AutoProcessor.from_pretrained(folder)
    network: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
    prefix = (
        "The above video shows a robot manipulation trajectory that completes the following task: "
    )
    turn = [{"type": "video"}, {"type": "text", "text": prefix}]
    text: str = processor.apply_chat_template([{"role": "user", "content": turn}], tokenize=False)
    text = text.split(processor.tokenizer.eos_token)[0]
    text += f"{GOAL} Decide whether the above statement is True or not. The answer is: True"
    inputs = processor(
        text=[text],
        videos=[torch.as_tensor(shown).permute(0, 3, 1, 2)],
        video_metadata=[
            {"total_num_frames": length, "fps": 2.0, "frames_indices": list(range(length))}
        ],
        do_sample_frames=False,
        return_tensors="pt",
    )
    with torch.inference_mode():
        log_probs = network(**inputs).logits[0, -2].log_softmax(-1)
    expected = float(log_probs[inputs["input_ids"][0, -1]])
    assert scores.value[-1] == pytest.approx(expected, abs=1e-5)
