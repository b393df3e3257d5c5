"""What a critic adds to its objective: a success is one only if the frame before shows it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from roborew.critics.critic import Critic
from roborew.critics.objective import Query
from roborew.encoders.mini import MiniEncoder
from roborew.learning.examples import Example, Report
from roborew.types import Clip, RecurrentState, RewardSpec, Scores

SAID = np.array([0.95, 0.2, 0.96, 0.1, 0.97, 0.98, 0.99], np.float32)
HELD = np.array([0.95, 0.2, 0.2, 0.1, 0.1, 0.97, 0.98], np.float32)
"""The smaller of each frame and the one before it."""


class Told:
    """Says of the frames of an episode what it was told, one after the other; abstains where asked
    to."""

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="told",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="none",
    )

    def __init__(self, silent: Sequence[int] = ()) -> None:
        self.silent = list(silent)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        raise NotImplementedError

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        scores: list[Scores] = []
        memories: list[RecurrentState] = []
        for query in queries:
            assert set(query.state) <= {"at"}, "only its own memory is its business"
            start = int(query.state.get("at", np.zeros(1))[0])
            at = np.arange(start, start + len(query.features))
            valid = ~np.isin(at, self.silent)
            scores.append(
                Scores(SAID[at], valid, np.where(valid, SAID[at], np.nan).astype(np.float32))
            )
            memories.append({"at": np.array([at[-1] + 1])})
        return scores, memories

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        return {}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        raise NotImplementedError


def critic(silent: Sequence[int] = ()) -> Critic:
    return Critic("told", Told(silent), MiniEncoder(), {})


def clip(frames: int) -> Clip:
    return Clip(frames=np.zeros((frames, 72, 96, 3), np.uint8), instruction="open the drawer")


def test_success_is_that_of_two_frames_in_a_row_and_the_score_is_left_alone() -> None:
    found = critic().score([clip(len(SAID))])[0]
    np.testing.assert_array_equal(found.success, HELD)
    np.testing.assert_array_equal(found.value, SAID)


@pytest.mark.parametrize("cuts", [[1], [2, 3], [1, 2, 3, 4, 5, 6], [5]])
def test_in_parts_it_is_what_it_is_in_one(cuts: list[int]) -> None:
    memory: RecurrentState = {}
    said: list[np.ndarray] = []
    for part in np.split(np.arange(len(SAID)), cuts):
        (scores,), (memory,) = critic().score_step([clip(len(part))], [memory])
        assert scores.success is not None
        said.append(scores.success)
    np.testing.assert_array_equal(np.concatenate(said), HELD)


def test_a_frame_that_nothing_was_said_of_confirms_nothing() -> None:
    found = critic(silent=[4]).score([clip(len(SAID))])[0]
    np.testing.assert_array_equal(
        found.success, np.array([0.95, 0.2, 0.2, 0.1, 0, 0, 0.98], np.float32)
    )


def test_a_claim_may_depend_on_one_frame_more_than_a_score() -> None:
    assert critic().spec.context == Told.spec.context + 1
