"""Laws and golden values of the shapings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.shaping import (
    OnInvalid,
    Potential,
    ProgressDelta,
    RawScore,
    Shaping,
    ShapingState,
)

GAMMA = 0.9


def pay(
    shaping: Shaping, scores: list[float | None], terminated: bool = False
) -> NDArray[np.float64]:
    """Rewards of one episode; None is a step without a valid score, ``terminated`` speaks of the
    last step."""
    value = np.array([[np.nan if score is None else score] for score in scores], np.float32)
    valid = np.isfinite(value)
    state = ShapingState.start(value[0], valid[0])
    rewards = []
    for t in range(1, len(scores)):
        last = np.array([terminated and t == len(scores) - 1])
        reward, state = shaping.step(state, value[t], valid[t], last)
        rewards.append(float(reward[0]))
    return np.array(rewards)


def discounted(rewards: NDArray[np.float64], gamma: float = GAMMA) -> float:
    return float(np.sum(gamma ** np.arange(len(rewards)) * rewards))


EPISODES = st.lists(st.one_of(st.none(), st.floats(0, 1, width=32)), min_size=2, max_size=12)
BRIDGES = st.sampled_from(["skip", "hold"])


def test_potential_pays_the_golden_values_and_nothing_in_all_when_it_terminates() -> None:
    rewards = pay(Potential(1.0, GAMMA), [0.0, 0.5, 0.8, 1.0], terminated=True)
    assert rewards == pytest.approx([0.45, 0.22, -0.8], abs=1e-6)
    assert discounted(rewards) == pytest.approx(0.0, abs=1e-6)


def test_a_truncated_state_keeps_its_potential() -> None:
    rewards = pay(Potential(1.0, GAMMA), [0.0, 0.5, 0.8])
    assert discounted(rewards) == pytest.approx(0.648, abs=1e-6)


def test_holding_a_potential_is_not_free() -> None:
    assert pay(Potential(1.0, GAMMA, "hold"), [0.8, None]) == pytest.approx([-0.08], abs=1e-6)


def test_a_skipped_step_pays_nothing_and_the_next_one_settles() -> None:
    rewards = pay(Potential(1.0, GAMMA, "skip"), [0.5, None, 0.8])
    assert rewards == pytest.approx([0.0, 0.164444], abs=1e-6)
    assert discounted(rewards) == pytest.approx(0.148, abs=1e-6)


@given(EPISODES, BRIDGES, st.booleans())
def test_the_discounted_potential_return_depends_on_the_ends_alone(
    scores: list[float | None], bridge: OnInvalid, terminated: bool
) -> None:
    rewards = pay(Potential(2.0, GAMMA, bridge), scores, terminated)
    seen = [t for t in range(len(scores)) if scores[t] is not None]
    if terminated:
        seen = [t for t in seen if t < len(scores) - 1]
    if not seen:
        assert not rewards.any()
        return
    first, last = (scores[seen[0]] or 0.0), (scores[seen[-1]] or 0.0)
    end = len(scores) - 1 if bridge == "hold" else seen[-1]
    expected = -first * GAMMA ** seen[0] + (0.0 if terminated else last * GAMMA**end)
    assert discounted(rewards) == pytest.approx(2.0 * expected, abs=1e-5)


@given(EPISODES, st.floats(0.1, 10))
def test_a_difference_telescopes_over_any_path_and_any_gap(
    scores: list[float | None], scale: float
) -> None:
    seen = [score for score in scores if score is not None]
    gain = seen[-1] - seen[0] if seen else 0.0
    assert pay(ProgressDelta(scale), scores).sum() == pytest.approx(scale * gain, abs=1e-5)


@given(EPISODES, st.floats(0.1, 10), st.floats(0.001, 1))
def test_with_a_raw_coef_the_return_is_the_gain_and_the_sum_of_the_scores(
    scores: list[float | None], scale: float, raw_coef: float
) -> None:
    """An invalid step counts as the next valid one, so scoring every k-th pays as much as all."""
    seen = [score for score in scores if score is not None]
    gain = seen[-1] - seen[0] if seen else 0.0
    total, following = 0.0, 0.0
    for score in reversed(scores[1:]):
        following = following if score is None else score
        total += following
    expected = scale * gain + raw_coef * total
    assert pay(ProgressDelta(scale, raw_coef), scores).sum() == pytest.approx(expected, abs=1e-5)


@given(EPISODES)
def test_an_undiscounted_truncated_potential_is_a_difference(scores: list[float | None]) -> None:
    assert pay(Potential(3.0, 1.0), scores) == pytest.approx(
        pay(ProgressDelta(3.0), scores), abs=1e-9
    )


def test_a_level_is_paid_again_and_again_and_can_be_farmed() -> None:
    assert pay(RawScore(2.0), [0.0, 0.5, None, 0.5]) == pytest.approx([1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    "shaping",
    [
        ProgressDelta(),
        ProgressDelta(raw_coef=0.5),
        Potential(1.0, GAMMA),
        Potential(1.0, GAMMA, "hold"),
        RawScore(),
    ],
)
def test_episodes_do_not_leak_into_each_other(shaping: Shaping) -> None:
    """Paying two episodes together equals paying each alone, and a restart forgets."""
    value, valid = np.array([0.2, 0.9], np.float32), np.array([True, True])
    state = ShapingState.start(value, valid)
    _, state = shaping.step(state, value[::-1], valid, ~valid)
    state = state.restart(np.array([True, False]), np.array([0.1, 7.0], np.float32), valid)
    reward, _ = shaping.step(state, np.array([0.6, 0.4], np.float32), valid, ~valid)
    assert reward[0] == pytest.approx(pay(shaping, [0.1, 0.6])[0])
    assert reward[1] == pytest.approx(pay(shaping, [0.9, 0.2, 0.4])[1])


def test_a_state_is_not_changed_by_a_step_and_is_read_back_from_its_arrays() -> None:
    state = ShapingState.start(np.array([0.2], np.float32), np.array([True]))
    kept = {name: array.copy() for name, array in state.arrays().items()}
    ProgressDelta().step(state, np.array([0.9], np.float32), np.array([True]), np.array([False]))
    for name, array in ShapingState.from_arrays(state.arrays()).arrays().items():
        assert np.array_equal(array, kept[name])


def test_a_valid_score_that_is_no_number_is_refused() -> None:
    state = ShapingState.start(np.array([0.2], np.float32), np.array([True]))
    with pytest.raises(InvalidScoreError, match="NaN or infinite"):
        ProgressDelta().step(
            state, np.array([np.nan], np.float32), np.array([True]), np.array([False])
        )


def test_a_shape_that_differs_from_the_states_is_refused_by_name() -> None:
    state = ShapingState.start(np.zeros(2, np.float32), np.ones(2, np.bool_))
    with pytest.raises(InvalidInputError, match=r"\(2,\)"):
        RawScore().step(state, np.zeros(3, np.float32), np.ones(3, np.bool_), np.zeros(3, np.bool_))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_teaches_nothing_or_the_opposite_is_refused(scale: float) -> None:
    with pytest.raises(InvalidInputError, match="scale"):
        ProgressDelta(scale)


@pytest.mark.parametrize("gamma", [0.0, 1.01, float("nan")])
def test_a_discount_outside_its_range_is_refused(gamma: float) -> None:
    with pytest.raises(InvalidInputError, match="discount"):
        Potential(1.0, gamma)
