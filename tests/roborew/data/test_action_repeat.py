"""Demonstrations for an agent whose actions are repeated."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.data.action_repeat import with_action_repeat
from roborew.errors import InvalidInputError
from tests.roborew.critics.films import demonstration

LENGTH = 12
STEPS = np.arange(LENGTH, dtype=np.float32)
FILM = demonstration(
    length=LENGTH,
    success=STEPS >= 10,
    observations=STEPS[:, None],
    actions=np.stack([STEPS, -STEPS], axis=1),
    rewards=STEPS,
)


@pytest.mark.parametrize("repeat", [1, 2, 4, 5])
def test_every_kth_frame_is_left_with_its_labels_and_the_last_one(repeat: int) -> None:
    film = with_action_repeat(FILM, repeat)
    expected = np.unique([*range(0, LENGTH, repeat), LENGTH - 1])
    assert film.observations is not None and film.success is not None
    np.testing.assert_array_equal(film.observations[:, 0], expected)
    np.testing.assert_array_equal(film.success, expected >= 10)
    np.testing.assert_array_equal(film.video(), FILM.video()[expected])
    assert film.fps == FILM.fps / repeat


@pytest.mark.parametrize("repeat", [2, 4, 5])
def test_actions_go_the_same_way_and_rewards_add_up_to_the_same(repeat: int) -> None:
    film = with_action_repeat(FILM, repeat)
    assert film.actions is not None and film.rewards is not None and film.observations is not None
    steps = np.diff(film.observations[:, 0])
    way = (film.actions[:-1] * steps[:, None]).sum(axis=0)
    np.testing.assert_allclose(way, [STEPS[:-1].sum(), -STEPS[:-1].sum()])
    assert film.rewards[:-1].sum() == STEPS[:-1].sum()
    np.testing.assert_array_equal(film.actions[-1], film.actions[-2])


def test_what_is_not_repeated_stays_the_same() -> None:
    assert with_action_repeat(FILM, 1) is FILM


def test_an_episode_that_is_too_short_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Repeat less"):
        with_action_repeat(FILM, 20)
