"""Laws of mini's language: the label is right, the splits do not meet, the same seed gives the same
sentences."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from experiments.mini import language
from experiments.mini.grammar import spaced
from experiments.mini.language import KINDS, TASKS, Split
from experiments.mini.task_text import TASK_TEXT
from roborew.encoders.tokens import split_words
from roborew.types import check_instruction

SPLITS: tuple[Split, ...] = ("train", "held_out")
NONE_KINDS = tuple(kind for kind in KINDS if kind != "other_task")


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_same_seed_gives_the_same_batch_and_another_seed_another() -> None:
    first, again, other = (language.batch(_rng(seed), 300) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("task", TASKS)
def test_a_paraphrase_is_in_the_language_of_its_task_and_of_no_other(task: str) -> None:
    for sentence in language.paraphrases(task, "train", _rng(), 120):
        assert language.recognise(sentence, "train") == (task,), sentence


@pytest.mark.parametrize("task", TASKS)
def test_a_held_out_paraphrase_is_nothing_that_training_may_draw(task: str) -> None:
    """Decided by the grammar of the train language, not by comparing samples."""
    listed = language.held_out_paraphrases(task)
    assert len(listed) >= 15
    for sentence in listed:
        assert language.recognise(sentence, "train") == (), sentence
        assert set(language.recognise(sentence)) <= {task}, sentence


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", NONE_KINDS)
def test_a_negative_is_in_the_language_of_no_task(kind: str, split: Split) -> None:
    for task in TASKS:
        for sentence in language.negatives(task, kind, split, _rng(2), 40):
            assert language.recognise(sentence) == (), sentence


def test_an_other_task_is_exactly_one_task_and_not_this_one() -> None:
    for task in TASKS:
        for sentence in language.negatives(task, "other_task", "train", _rng(3), 30):
            (other,) = language.recognise(sentence)
            assert other != task, sentence
        others = {
            spaced(text)
            for other in TASKS
            if other != task
            for text in language.held_out_paraphrases(other)
        }
        assert {
            spaced(text) for text in language.negatives(task, "other_task", "held_out", _rng(3), 30)
        } <= others


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_negatives_are_never_drawn_in_training(kind: str) -> None:
    drawn = {
        split: {
            spaced(text)
            for task in TASKS
            for text in language.negatives(task, kind, split, _rng(4), 100)
        }
        for split in SPLITS
    }
    assert drawn["train"].isdisjoint(drawn["held_out"])


@pytest.mark.parametrize("task", TASKS)
def test_a_minimal_pair_is_one_positive_and_one_negative_of_mostly_the_same_words(
    task: str,
) -> None:
    shared: list[float] = []
    for positive, negative in language.minimal_pairs(task, _rng(5), 80):
        assert language.recognise(positive) == (task,), (positive, negative)
        assert language.recognise(negative) == (), (positive, negative)
        left, right = set(split_words(positive)), set(split_words(negative))
        shared.append(len(left & right) / len(left | right))
    assert np.mean(shared) > 0.5


@pytest.mark.parametrize("task", TASKS)
def test_one_wrong_part_leaves_a_sentence_of_the_tasks_own_words(task: str) -> None:
    """What is not the task differs from it in one part: half of its words, or more, are words of
    the task."""
    own = language.grammar().words(
        [(task, name) for form in language.POSITIVE_FORMS for name in form], held_out=False
    )
    shares = [
        np.mean([word in own for word in split_words(text)])
        for text in language.negatives(task, "one_part", "train", _rng(9), 100)
    ]
    assert np.mean(shares) > 0.5


def test_no_positive_contains_a_word_that_turns_a_request_round() -> None:
    negations = language.word_set("negation_word") - {
        "no",
        "not",
        "nothing",
        "without",
    }  # "without haste" asks
    written = language.grammar().words(
        [(task, name) for task in TASKS for form in language.POSITIVE_FORMS for name in form],
        held_out=True,
    )
    assert written.isdisjoint(negations)
    assert all(
        negations & set(split_words(text))
        for text in ("don't press the button", "avoid the drawer", "never kneel")
    )


def test_a_positive_has_no_foreign_letter_and_is_a_goal_that_the_library_accepts() -> None:
    for sentence, label in language.batch(_rng(6), 2000):
        assert check_instruction(sentence) == sentence
        assert label is None or sentence.isascii()


def test_a_batch_is_balanced_over_labels_and_tasks() -> None:
    labels = Counter(label for _, label in language.batch(_rng(7), 4000, positives=0.5))
    assert abs(labels.pop(None) / 4000 - 0.5) < 0.05
    assert set(labels) == set(TASKS)
    assert max(labels.values()) < 1.4 * min(labels.values())
    assert {label for _, label in language.batch(_rng(7), 100, positives=0.0)} == {None}


@pytest.mark.parametrize("task", TASKS)
def test_there_are_thousands_of_different_positives(task: str) -> None:
    drawn = {spaced(text) for text in language.paraphrases(task, "train", _rng(8), 5000)}
    assert len(drawn) > 2000


@pytest.mark.parametrize("task", TASKS)
def test_the_tasks_own_sentences_have_the_right_label_and_split(task: str) -> None:
    instruction, paraphrases, wrong = TASK_TEXT[task]
    assert len(set(paraphrases)) >= 10 and len(set(wrong)) >= 8
    trained, held_out = (language.known_paraphrases(task, split) for split in SPLITS)
    assert (*trained, *held_out) == (instruction, *paraphrases)
    patterns = {text: language.recognise(text, "train") for text in (*trained, *held_out)}
    assert all(patterns[text] == (task,) for text in trained), patterns
    assert not any(patterns[text] for text in held_out), patterns
    assert not any(task in language.recognise(text) for text in wrong)


WRONG = """close the drawer; push the cube off the pad; switch the lamp off; run backwards; do not open the drawer
never touch the button; open nothing; without opening the drawer, wait; press the red cube; open the door; open
push the blue cube onto the green pad; push the red cube into the drawer; throw the cube; lift the drawer; the; cube
drawer the open green onto; hello; asdf qwer; colourless green ideas; stand on one leg; raise one arm; 42"""


@pytest.mark.parametrize("sentence", WRONG.replace("\n", "; ").split("; "))
def test_the_wrong_sentences_that_users_write_ask_for_nothing(sentence: str) -> None:
    assert language.recognise(sentence) == ()


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("Push the button!", "press"),
        ("please turn on the light", "press"),
        ("push the red block onto the green pad", "push"),
        ("could you slide the red cube to the green square?", "push"),
        ("pull open the drawer", "drawer"),
        ("open drawer", "drawer"),
        ("sprint forward", "cheetah"),
        ("stand up straight", "stand"),
        ("get down on your knees", "kneel"),
        ("put your hands up", "raise_arms"),
    ],
)
def test_the_right_sentences_that_users_write_ask_for_their_task(sentence: str, task: str) -> None:
    assert language.recognise(sentence) == (task,)


def test_the_vocabulary_has_the_words_of_the_tasks_and_no_random_or_held_out_word() -> None:
    words = language.vocabulary()
    assert list(words) == sorted(set(words))
    assert {"open", "drawer", "not", "close", "blue", "forward", "backwards"} <= set(words)
    assert set(words).isdisjoint({"incidentally", "qwer"})


def test_an_unknown_task_or_kind_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(KeyError, match="salad"):
        language.negatives("push", "rude", "train", _rng(), 1)
