"""Laws of the ranking adapter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from roborew.checks.synthetic import (
    OPEN,
    PUSH,
    TEXT_EMBEDDINGS,
    embedded_episode,
    embedded_episodes,
    query,
)
from roborew.critics.dataset.ranked_pairs import RankedPairSampler
from roborew.critics.objectives.clip_adapter import Adapters, ClipAdapter
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example


def fitted(examples: list[Example], steps: int = 120) -> ClipAdapter:
    objective = ClipAdapter(steps=steps, batch_size=64)
    objective.fit(examples, [], lambda what, value: None)
    return objective


@pytest.mark.parametrize("labelled", [True, False])
def test_frames_are_ranked_by_progress_and_fall_when_it_is_undone(labelled: bool) -> None:
    objective = fitted(embedded_episodes(labeled=labelled))
    for kind in ("success", "undo"):
        example = embedded_episode(kind, 77)
        assert example.progress is not None
        value = objective.score_step([query(example)])[0][0].value
        assert np.corrcoef(value, example.progress)[0, 1] > 0.7


def test_a_frame_scores_higher_under_its_own_sentence() -> None:
    objective = fitted(embedded_episodes(instructions=(PUSH, OPEN)), steps=200)
    push = embedded_episode("success", 77)
    wrong = replace(push, text_embedding=TEXT_EMBEDDINGS[OPEN])
    right, other = (
        float(scores.value[-1]) for scores in objective.score_step([query(push), query(wrong)])[0]
    )
    assert right > other + 0.2


def test_before_learning_the_score_is_the_encoders_own_similarity() -> None:
    frames, text = torch.randn(5, 8), torch.randn(5, 8)
    torch.testing.assert_close(
        Adapters(8, 8, 4)(frames, text), functional.cosine_similarity(frames, text)
    )


def test_pairs_are_of_one_sentence_and_ranked_as_their_labels_say() -> None:
    examples = embedded_episodes(2, instructions=(PUSH, OPEN))
    progress = np.concatenate([e.progress for e in examples if e.progress is not None])
    sentence = np.concatenate([[e.instruction] * len(e.features) for e in examples])
    drawn = RankedPairSampler(examples).sample(np.random.default_rng(0), 500)
    assert (sentence[drawn.first] == sentence[drawn.second]).all()
    gap = progress[drawn.second] - progress[drawn.first]
    assert (
        (gap[drawn.order > 0] > 0).all()
        and (gap[drawn.order < 0] < 0).all()
        and (drawn.order != 0).mean() > 0.5
    )
    names = np.array([e.instruction for e in examples])
    assert (names[drawn.mismatched] != names[drawn.matching]).all()


def test_frames_of_an_unlabelled_failure_only_lose_against_the_end_of_a_success() -> None:
    examples = embedded_episodes(2, labeled=False)
    failed = np.concatenate(
        [
            np.arange(len(e.features)) > 0 if not e.success else np.zeros(len(e.features), bool)
            for e in examples
        ]
    )
    drawn = RankedPairSampler(examples).sample(np.random.default_rng(0), 2000)
    assert (drawn.order[failed[drawn.first] & failed[drawn.second]] == 0).all()
    mixed = failed[drawn.second] & ~failed[drawn.first]
    assert (drawn.order[mixed] <= 0).all() and (drawn.order[mixed] < 0).any()


def test_episodes_in_which_nothing_progresses_are_refused() -> None:
    still = [
        replace(e, progress=np.zeros_like(e.progress), success=False)
        for e in embedded_episodes(2)
        if e.progress is not None
    ]
    with pytest.raises(InvalidInputError, match="no two frames"):
        fitted(still)


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"hidden_dim": 0}, {"logit_scale": 0}])
def test_settings_that_mean_nothing_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        ClipAdapter(**setting)  # pyright: ignore[reportArgumentType]
