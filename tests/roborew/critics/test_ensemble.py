"""Ensembles: their mean is the score, their disagreement an abstention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from roborew.checks.synthetic import embedded_episode, embedded_episodes, query
from roborew.critics.dataset.preferences import SegmentComparison
from roborew.critics.ensemble import Ensemble, PreferenceEnsemble, make_objective
from roborew.critics.objective import Objective, Query, Refittable
from roborew.critics.objectives.ridge import Ridge
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.sampling import stratified_bootstrap
from roborew.types import RecurrentState, Scores

WORDS = ("seed=4", "steps=40", "batch_size=32", "hidden_dim=16")


@pytest.fixture(scope="module")
def ensemble() -> Objective:
    made = make_objective("vlac_pairs", WORDS, members=3)
    made.fit(embedded_episodes(3), embedded_episodes(1, seed=500), lambda what, value: None)
    return made


def test_one_member_is_the_objective_itself() -> None:
    assert isinstance(make_objective("ridge", ("seed=1",)), Ridge)
    with pytest.raises(InvalidInputError, match="at least 1"):
        make_objective("ridge", (), members=0)


def test_its_score_is_the_mean_of_members_that_differ(ensemble: Objective) -> None:
    asked = query(embedded_episode("success", 9))
    members = [make_objective("vlac_pairs", WORDS) for _ in range(3)]
    for row, member in enumerate(members):
        member.load_state_dict(
            {
                n.removeprefix(f"{row}/"): a
                for n, a in ensemble.state_dict().items()
                if n.startswith(f"{row}/")
            }
        )
    alone = np.stack([member.score_step([asked])[0][0].value for member in members])
    assert alone.std(axis=0).max() > 0
    np.testing.assert_allclose(
        ensemble.score_step([asked])[0][0].value, alone.mean(axis=0), atol=1e-6
    )


class Leaning(Ridge):
    """Agrees with the others where the last entry of a vector is small, as it is in every
    demonstration."""

    def __init__(self, lean: float) -> None:
        super().__init__()
        self._lean = lean

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        values = [np.clip(0.5 + self._lean * q.features[:, -1], 0, 1) for q in queries]
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values], [
            {} for _ in queries
        ]


def test_it_scores_what_it_knows_and_abstains_where_its_members_disagree() -> None:
    ensemble = Ensemble([Leaning(0.0), Leaning(0.1), Leaning(-0.1)])
    ensemble.fit(embedded_episodes(2), embedded_episodes(2, seed=50), lambda what, value: None)
    known = query(embedded_episode("success", 9))
    features = known.features.copy()
    features[::2, -1] = 4
    told = ensemble.score_step([known, replace(known, features=features)])[0]
    assert told[0].valid.all()
    np.testing.assert_array_equal(told[1].valid, np.arange(len(features)) % 2 == 1)


def test_whole_equals_in_parts_and_saved_equals_loaded(ensemble: Objective) -> None:
    asked = query(embedded_episode("undo", 9))
    whole = ensemble.score_step([asked])[0][0]
    _, (memory,) = ensemble.score_step([replace(asked, features=asked.features[:5])])
    rest = ensemble.score_step([replace(asked, features=asked.features[5:], state=memory)])[0][0]
    np.testing.assert_allclose(rest.value, whole.value[5:], atol=1e-5)
    loaded = make_objective("vlac_pairs", WORDS, members=3)
    loaded.load_state_dict(ensemble.state_dict())
    np.testing.assert_array_equal(loaded.score_step([asked])[0][0].value, whole.value)
    with pytest.raises(CorruptFileError, match="limit"):
        loaded.load_state_dict({})


@pytest.mark.parametrize("name", ["ridge", "perceptual", "temporal_ot"])
def test_members_that_draw_nothing_at_random_differ_by_the_episodes_they_are_fitted_to(
    name: str,
) -> None:
    ensemble = make_objective(name, ("seed=1",), members=3)
    ensemble.fit(embedded_episodes(4), [], lambda what, value: None)
    arrays = ensemble.state_dict()
    keys = [key.removeprefix("0/") for key in arrays if key.startswith("0/")]
    assert any(
        arrays[f"0/{key}"].shape != arrays[f"1/{key}"].shape
        or (arrays[f"0/{key}"] != arrays[f"1/{key}"]).any()
        for key in keys
    )
    asked = query(embedded_episode("undo", 3))
    alone = [make_objective(name, ("seed=1",)) for _ in range(2)]
    for row, member in enumerate(alone):
        member.load_state_dict(
            {n.removeprefix(f"{row}/"): a for n, a in arrays.items() if n.startswith(f"{row}/")}
        )
    one, other = (member.score_step([asked])[0][0].value for member in alone)
    assert np.abs(one - other).max() > 1e-6


def kept(name: str) -> tuple[str, ...]:
    return ("seed=2", "steps=20", "batch_size=16") if name != "ridge" else ("seed=2",)


@pytest.mark.parametrize("name", ["vice", "gail"])
def test_members_that_learn_from_an_agent_do_so_in_an_ensemble_too(name: str) -> None:
    """Nobody labelled what the agent visited: it is shown as that, not as one more success."""
    visited = [
        replace(one, success=None, progress=None)
        for one in embedded_episodes(1, seed=70, labeled=False)
    ]
    ensemble, alone = make_objective(name, kept(name), members=2), make_objective(name, kept(name))
    assert isinstance(ensemble, Refittable) and isinstance(alone, Refittable)
    ensemble.refit(embedded_episodes(2), visited, lambda what, value: None)
    rng = np.random.default_rng(2)  # the first order that an ensemble of this seed deals
    drawn = stratified_bootstrap(
        rng, [(one.instruction, one.quality) for one in embedded_episodes(2)]
    )
    alone.refit(
        [embedded_episodes(2)[int(row)] for row in drawn], visited, lambda what, value: None
    )
    for key, array in alone.state_dict().items():
        np.testing.assert_array_equal(ensemble.state_dict()[f"0/{key}"], array)
    assert np.isfinite(ensemble.state_dict()["limit"]).all()


def test_members_that_need_labels_make_an_ensemble_that_does() -> None:
    assert not isinstance(make_objective("ridge", kept("ridge"), members=2), Refittable)


def test_members_that_learn_from_preferences_differ_and_never_abstain() -> None:
    examples = [replace(one, progress=None, success=None) for one in embedded_episodes(3)]
    answers = [
        SegmentComparison(first=(row, 0), second=(row, len(one.features) - 1), label=1.0)
        for row, one in enumerate(examples)
    ]
    made = make_objective("bradley_terry", ("seed=4", "steps=20"), members=3)
    assert isinstance(made, PreferenceEnsemble)
    made.learn(examples, answers, lambda what, value: None)
    asked = [query(one) for one in examples]
    values = made.member_values(asked)
    assert values[0].shape == (3, len(examples[0].features)) and values[0].std(axis=0).max() > 0
    scores, _ = made.score_step(asked)
    assert all(one.valid.all() for one in scores)
    np.testing.assert_allclose(scores[0].value, values[0].mean(axis=0), atol=1e-6)
