"""Laws of optimal transport between videos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.checks.synthetic import embedded_episode, embedded_episodes, query
from roborew.critics.objectives.temporal_ot import TemporalOT, preference_triplets
from roborew.critics.optimal_transport import cosine_costs, transport_plan
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example


def fitted(examples: list[Example], **options: float) -> TemporalOT:
    objective = TemporalOT(**options)  # pyright: ignore[reportArgumentType]
    objective.fit(examples, [], lambda what, value: None)
    return objective


def mean_score(objective: TemporalOT, example: Example) -> float:
    return float(objective.score_step([query(example)])[0][0].value.mean())


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 100))
def test_every_frame_is_moved_whole_and_none_out_of_the_band(
    rows: int, columns: int, seed: int
) -> None:
    cost = torch.as_tensor(np.random.default_rng(seed).random((rows, columns)).astype(np.float32))
    moved = transport_plan(cost, 0.3, 0.05, 50)
    torch.testing.assert_close(moved.sum(1), torch.full((rows,), 1 / rows), rtol=1e-3, atol=1e-5)
    apart = (torch.linspace(0, 1, rows)[:, None] - torch.linspace(0, 1, columns)).abs()
    assert float(moved[apart > max(0.3, 1 / max(1, min(rows, columns) - 1)) + 1e-5].sum()) < 1e-5


def test_demonstration_frames_get_equal_shares_where_the_plan_has_settled() -> None:
    cost = torch.as_tensor(np.random.default_rng(0).random((12, 9)).astype(np.float32))
    torch.testing.assert_close(
        transport_plan(cost, 1.0, 0.1, 200).sum(0), torch.full((9,), 1 / 9), rtol=1e-3, atol=1e-4
    )


def test_a_demonstration_is_moved_onto_itself_for_almost_nothing() -> None:
    example = embedded_episode("success", 3)
    objective = fitted([example])
    assert mean_score(objective, example) > -0.05
    assert mean_score(objective, example) > mean_score(objective, embedded_episode("undo", 3)) + 0.2


def test_cost_does_not_shrink_with_the_length_of_the_episode() -> None:
    objective, example = fitted([embedded_episode("success", 3)]), embedded_episode("failure", 5)
    twice = replace(example, features=np.repeat(example.features, 2, axis=0))
    assert mean_score(objective, twice) == pytest.approx(mean_score(objective, example), rel=0.15)


def test_context_tells_directions_apart_that_single_frames_do_not() -> None:
    """Neighbouring frames say which way the motion goes; one frame does not."""
    there = torch.eye(3)[[0, 1, 2, 1, 0]]
    assert cosine_costs(there, there, 1)[1, 3] == pytest.approx(0, abs=1e-6)
    assert float(cosine_costs(there, there, 2)[1, 3]) > 0.4


@pytest.mark.parametrize("aligned", [False, True])
def test_episodes_that_go_as_demonstrated_cost_less(aligned: bool) -> None:
    objective = fitted(embedded_episodes(3), aligned=aligned, steps=20)
    good = mean_score(objective, embedded_episode("success", 77))
    assert all(
        good > mean_score(objective, embedded_episode(kind, 77)) + 0.1
        for kind in ("failure", "undo")
    )


def test_aligning_turns_away_from_what_outcomes_do_not_depend_on() -> None:
    """A loud entry that says nothing of success hides the rest until preferences are heard."""
    rng = np.random.default_rng(0)
    noise = 4 * np.eye(12, dtype=np.float32)[7]
    examples = [
        replace(
            e,
            features=e.features
            + noise * rng.standard_normal((len(e.features), 1)).astype(np.float32),
        )
        for e in embedded_episodes(4)
    ]
    margins = {}
    for aligned in (False, True):
        objective = fitted(examples, aligned=aligned, steps=60)
        good, bad = (
            [mean_score(objective, e) for e in examples if bool(e.success) == kind]
            for kind in (True, False)
        )
        margins[aligned] = float(np.mean(np.array(good)[:, None] > np.array(bad)))
    assert margins[True] > margins[False]


def test_preferences_go_to_the_one_that_ends_further_and_need_another_success() -> None:
    examples = embedded_episodes(2)
    for triplet in preference_triplets(examples):
        better, worse = examples[triplet.better], examples[triplet.worse]
        assert (better.success, worse.success) != (False, True)
        assert triplet.references and triplet.better not in triplet.references
        assert all(examples[reference].success for reference in triplet.references)
    with pytest.raises(InvalidInputError, match="two successes"):
        preference_triplets([example for example in examples if example.success])


def test_without_a_success_there_is_nothing_to_be_moved_onto() -> None:
    with pytest.raises(InvalidInputError, match="at least one success"):
        fitted([example for example in embedded_episodes(1) if not example.success])


def test_saved_demonstrations_that_do_not_fit_are_refused() -> None:
    arrays = dict(fitted(embedded_episodes(2)).state_dict())
    for broken in (
        {"demonstrations/0": np.zeros((4, 5), np.float32)},
        {"demonstrations/9": np.zeros((4, 12), np.float32)},
    ):
        with pytest.raises(CorruptFileError):
            TemporalOT().load_state_dict(arrays | broken)


@pytest.mark.parametrize(
    "setting", [{"band": 0}, {"epsilon": 0}, {"num_context_frames": 0}, {"num_demonstrations": 0}]
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        TemporalOT(**setting)  # pyright: ignore[reportArgumentType]
