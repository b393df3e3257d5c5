"""The nulls tell a model that sees from one that counts."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.errors import InvalidInputError
from roborew.evaluation import (
    Clock,
    SanityBaseline,
    TransformClips,
    sanity_table,
    score_with_sanity_baselines,
)
from roborew.evaluation.baselines import blank, last_frame, static
from roborew.types import Clip, RewardModel
from tests.roborew.evaluation.stairs import Green


def rising_clip(length: int = 9) -> Clip:
    frames = np.zeros((length, 4, 4, 3), np.uint8)
    frames[..., 0] = 9
    frames[..., 1] = np.linspace(10, 100, length).astype(np.uint8)[:, None, None]
    return Clip(frames=frames, instruction="climb the stairs")


def table(model: RewardModel) -> dict[str, SanityBaseline]:
    clips = [rising_clip(9), rising_clip(5)]
    progress = [np.linspace(0.1, 1, len(clip.frames)) for clip in clips]
    rows = sanity_table(
        score_with_sanity_baselines(model, clips, ["open the drawer"] * 2), progress
    )
    return {row.name: row for row in rows}


def test_a_model_that_sees_and_listens_passes_every_null() -> None:
    rows = table(Green())
    assert list(rows) == ["green", "clock", "static", "last frame", "blank", "wrong instruction"]
    assert rows["green"].spearman.value == pytest.approx(1)
    assert rows["green"].gain.value == pytest.approx(0.9)
    for null in ("static", "last frame", "wrong instruction"):
        assert (rows[null].spearman.value, rows[null].spearman.flag, rows[null].gain.value) == (
            0,
            "constant",
            0,
        )
    assert rows["last frame"].final.value == pytest.approx(1)
    assert rows["wrong instruction"].final.value == 0
    assert rows["blank"].abstention_rate == pytest.approx(12 / 14)


def test_a_model_that_counts_gains_on_every_null() -> None:
    """The clock wins the order correlation and is exposed by each null."""
    rows = table(Clock())
    for null in ("static", "last frame", "blank", "wrong instruction"):
        assert rows[null].spearman.value == pytest.approx(1)
        assert rows[null].gain.value == 1


@pytest.mark.parametrize("doctor", [static, last_frame, blank])
def test_a_doctored_clip_is_a_clip_of_the_same_length_without_motion(doctor) -> None:
    clip = rising_clip()
    doctored = doctor(clip)
    assert doctored.frames.shape == clip.frames.shape
    assert (doctored.frames == doctored.frames[0]).all()
    assert not (clip.frames == clip.frames[0]).all(), "the original is untouched"


def test_a_null_is_a_reward_model_that_promises_no_causality() -> None:
    model = TransformClips(Green(), "last frame", last_frame)
    assert isinstance(model, RewardModel)
    assert isinstance(Clock(), RewardModel)
    assert not model.spec.causal


def test_a_clip_without_a_wrong_instruction_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="one wrong instruction per clip"):
        score_with_sanity_baselines(Green(), [rising_clip()], [])
