"""Laws of the tokenizer: stable across processes, total over all text, aware of what it does not
know."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.encoders.tokens import (
    CUT,
    MAX_WORDS,
    ROWS,
    SUB_IDS,
    UNKNOWN,
    encode,
    split_words,
    table_size,
)

VOCABULARY = ("open", "the", "drawer", "do", "not", "don't")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_every_text_gives_ids_inside_the_table_and_a_mask_of_the_used_rows(sentence: str) -> None:
    ids, mask = encode(sentence, VOCABULARY)
    assert ids.shape == (ROWS, SUB_IDS) and ids.dtype == np.int64
    assert mask.shape == (ROWS,) and mask.dtype == np.bool_
    assert ids.min() >= 0 and ids.max() < table_size(VOCABULARY)
    words = len(split_words(sentence))
    assert mask.sum() == min(words, MAX_WORDS) + (words > MAX_WORDS)
    assert not ids[~mask].any(), "unused rows are padding only"


def test_capitals_punctuation_and_hyphens_change_nothing() -> None:
    plain, _ = encode("open the drawer don't", VOCABULARY)
    for spelling in (
        "Open the drawer, don't!",
        "OPEN   THE-DRAWER... DON’T",
        "open_the_drawer don't?",
    ):
        assert np.array_equal(encode(spelling, VOCABULARY)[0], plain), spelling


def test_word_order_changes_the_ids() -> None:
    assert not np.array_equal(
        encode("open the drawer", VOCABULARY)[0], encode("drawer the open", VOCABULARY)[0]
    )


def test_known_words_have_ids_of_their_own_and_unknown_words_share_one() -> None:
    ids, mask = encode(" ".join((*VOCABULARY, "door", "buton")), VOCABULARY)
    known = ids[: len(VOCABULARY), 0]
    assert len(set(known.tolist())) == len(VOCABULARY) and (known > CUT).all()
    assert (ids[len(VOCABULARY) : mask.sum(), 0] == UNKNOWN).all()


def test_a_misspelt_word_shares_more_trigrams_with_the_right_one_than_another_word_does() -> None:
    right, wrong, other = (
        set(encode(word, ())[0][0, 1:].tolist()) - {0} for word in ("button", "buton", "window")
    )
    assert len(right & wrong) > len(right & other)


def test_a_text_of_more_than_the_longest_length_is_cut_and_marked() -> None:
    fits, fits_mask = encode("open " * MAX_WORDS, VOCABULARY)
    cut, cut_mask = encode("open " * MAX_WORDS + "drawer", VOCABULARY)
    assert np.array_equal(fits[:MAX_WORDS], cut[:MAX_WORDS])
    assert not fits_mask[-1] and cut_mask[-1] and cut[-1, 0] == CUT


def test_another_process_gives_the_same_ids() -> None:
    """Python salts ``hash`` per process; a model's weights would then mean something else in each
    run."""
    sentence = "open the öffne schublade quickly"
    code = f"from roborew.encoders.tokens import encode; print(encode({sentence!r}, {VOCABULARY!r})[0].tolist())"
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(encode(sentence, VOCABULARY)[0].tolist())
