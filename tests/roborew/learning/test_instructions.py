"""Which sentences a video is shown under, and that critics of a set of one sentence then read what
is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.checks.synthetic import (
    OPEN,
    PUSH,
    TEXT_DIM,
    TEXT_EMBEDDINGS,
    embedded_episode,
    embedded_episodes,
    query,
)
from roborew.critics.dataset.window_pairs import WindowPairSampler
from roborew.critics.ensemble import make_objective
from roborew.learning.examples import Example
from roborew.learning.instructions import InstructionSampler
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.critic_metrics import evaluate_critic
from roborew.workflows.fit.model_card import card
from roborew.workflows.fit.split import hold_out_instructions
from roborew.workflows.parts import CriticConfig, EncoderConfig
from tests.roborew.critics.films import demonstration

ROWS = np.eye(TEXT_DIM, dtype=np.float32)
ALSO, WRONG = (ROWS[2], ROWS[3]), (ROWS[4], ROWS[5], ROWS[6])


def worded(examples: Sequence[Example]) -> list[Example]:
    """Every episode with paraphrases, and every success with wrong sentences."""
    return [
        replace(e, paraphrase_embeddings=ALSO, negative_embeddings=WRONG if e.success else ())
        for e in examples
    ]


def drawn(sentences: InstructionSampler, how: str, episode: int, count: int = 300) -> set[bytes]:
    rows = getattr(sentences, how)(np.random.default_rng(0), np.full(count, episode))
    return {b"" if row < 0 else sentences.embeddings[row].tobytes() for row in rows}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([PUSH, OPEN]), min_size=1, max_size=8), st.integers(0, 1000))
def test_a_wrong_sentence_differs_wherever_there_is_another(asked: list[str], seed: int) -> None:
    table = InstructionSampler([embedded_episode("success", 0, 4, sentence) for sentence in asked])
    rows = table.sample_mismatched(np.random.default_rng(seed), np.arange(len(asked)))
    for sentence, row in zip(asked, rows, strict=True):
        assert (row == -1) == (len(set(asked)) == 1)
        assert row == -1 or (table.embeddings[row] != TEXT_EMBEDDINGS[sentence]).any()


def test_right_sentences_are_the_own_one_and_paraphrases_and_wrong_ones_never_are() -> None:
    examples = worded(embedded_episodes(1, instructions=(PUSH, OPEN)))
    table = InstructionSampler(examples)
    right = {TEXT_EMBEDDINGS[PUSH].tobytes(), *(row.tobytes() for row in ALSO)}
    listed = {row.tobytes() for row in WRONG}
    assert (
        drawn(table, "sample_matching", 0) == right and drawn(table, "sample_matching", 1) == right
    )
    assert drawn(table, "sample_negative", 0) == listed and drawn(
        table, "sample_mismatched", 0
    ) == listed | {TEXT_EMBEDDINGS[OPEN].tobytes()}
    assert drawn(table, "sample_negative", 1) == {b""} and drawn(table, "sample_mismatched", 1) == {
        TEXT_EMBEDDINGS[OPEN].tobytes()
    }


def test_another_episodes_paraphrase_of_the_same_goal_is_not_wrong() -> None:
    one = replace(embedded_episode("success", 0), paraphrase_embeddings=(TEXT_EMBEDDINGS[OPEN],))
    assert drawn(
        InstructionSampler([one, embedded_episode("success", 1, instruction=OPEN)]),
        "sample_mismatched",
        0,
    ) == {b""}


def test_a_video_under_a_wrong_sentence_has_no_progress_and_every_other_one_its_own() -> None:
    examples = worded(embedded_episodes(2))
    truth = np.concatenate([e.progress for e in examples if e.progress is not None])
    table = InstructionSampler(examples)
    wrong = {row.tobytes() for row in WRONG}
    for shown in WindowPairSampler(examples, 4).sample(np.random.default_rng(0), 300):
        misled = np.array([table.embeddings[row].tobytes() in wrong for row in shown.instruction])
        assert 0.02 < misled.mean() < 0.3
        assert not shown.progress[misled].any() and not shown.success[misled].any()
        np.testing.assert_array_equal(shown.progress[~misled], truth[shown.frames[~misled]])


SMALL = ("width=32", "layers=1", "frames=4", "batch=32", "steps=150")
READERS = {
    "progress": SMALL,
    "stages": SMALL,
    "pair": ("width=32", "batch=96", "steps=200"),
    "hop": ("width=32", "batch=96", "steps=200"),
    "preference": ("width=32", "batch=96", "steps=200"),
    "ranking_clip": ("steps=60",),
    "goal_classifier": ("members=1", "steps=250"),
    "liv": ("steps=60",),
}


@pytest.mark.parametrize("name", READERS)
def test_a_critic_of_one_sentence_tells_a_wrong_one_from_the_right_and_takes_a_paraphrase_for_it(
    name: str,
) -> None:
    objective = make_objective(name, ["seed=0", *READERS[name]])
    objective.fit(worded(embedded_episodes(2, length=12)), [], lambda what, value: None)
    asked = query(embedded_episode("success", 77))
    scores = objective.score_step(
        [replace(asked, text_embedding=text) for text in (asked.text_embedding, ALSO[0], WRONG[0])]
    )[0]
    right, same, wrong = (float(each.value[-1]) for each in scores)
    scale = objective.spec.high - objective.spec.low
    assert right - wrong > 0.1 * scale and same - wrong > 0.1 * scale


SENTENCES: dict[str, Any] = {
    "paraphrases": ("a b", "c d", "e f", "g h"),
    "wrong_instructions": ("i j", "k l", "m n", "o p", "q r"),
}


def test_held_out_sentences_are_some_of_each_kind_and_nobodys_fitted_ones() -> None:
    films = [
        demonstration("success", 0, **SENTENCES),
        demonstration("success", 1, instruction="i j", paraphrases=("k l",), wrong_instructions=()),
    ]
    unseen = hold_out_instructions(films, 0.4, np.random.default_rng(0))[
        "push the red cube onto the green pad"
    ]
    assert len(unseen.paraphrases) == 2 and set(unseen.paraphrases) < set(SENTENCES["paraphrases"])
    assert unseen.wrong and set(unseen.wrong) < {"m n", "o p", "q r"}
    nothing = hold_out_instructions(films, 0.0, np.random.default_rng(0))
    assert not any(each.paraphrases or each.wrong for each in nothing.values())


def test_the_card_says_what_the_critic_can_know_of_sentences() -> None:
    config = FitConfig(
        critic=CriticConfig(options={"steps": 2}),
        encoder=EncoderConfig(options={"steps": 2, "batch": 8}),
        calibrate=False,
    )
    for known in (SENTENCES, {}):
        fitted = fit_critic(
            [demonstration(k, row, **known) for k in ("success", "undo") for row in range(5)],
            config,
        )
        table = evaluate_critic(fitted, fitted.split.test)
        text = card(fitted, "tiny", "roborew fit tiny", table)
        assert (
            "up to 3 paraphrases and 4 wrong sentences each, evaluated on 1 and 1 others" in text
        ) == bool(known)
        assert ("does not read the instruction" in text) == (not known)
        assert ("paraphrase" in table) == bool(known)
        failed = [example for example in fitted.examples if example.success is False]
        assert not any(example.negative_embeddings for example in failed), (
            "a failure may do what a wrong sentence says"
        )
        few = fit_critic([demonstration("success", 0, **known)], config).examples[0]
        expected = (4, 5) if known else (0, 0)
        assert (len(few.paraphrase_embeddings), len(few.negative_embeddings)) == expected, (
            "none is held out where no episode is"
        )
