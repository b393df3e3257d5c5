"""Every registered critic keeps the promise of its `RewardSpec`. A new one is found by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roborew.config import keyword_options
from roborew.critics.critic import Critic
from roborew.critics.ensemble import make_objective
from roborew.critics.objective import Objective, Query
from roborew.encoders.mini import MiniEncoder
from roborew.learning.examples import Example
from roborew.registry import critics
from roborew.types import RecurrentState, Scores
from tests.roborew.critics.worlds import OPEN, PUSH, query, world

STEPS = 6
EXAMPLES = world(2, sentences=(PUSH, OPEN), length=12)
ASKED = world(1, seed=900, length=9)


def words(name: str) -> list[str]:
    return [
        "seed=3",
        *([f"steps={STEPS}"] if "steps" in keyword_options(critics.load(name)) else []),
    ]


def made(name: str) -> Objective:
    return make_objective(name, words(name))


def fitted(name: str) -> Objective:
    objective = made(name)
    objective.fit(EXAMPLES[::2], EXAMPLES[1::2], lambda what, value: None)
    return objective


@pytest.fixture(scope="module", params=sorted(critics))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def objective(name: str) -> Objective:
    return fitted(name)


def asked(objective: Objective, example: Example) -> Query:
    return query(example, EXAMPLES[0].goal_embedding if objective.spec.needs_goal_image else None)


def scored(objective: Objective, queries: Sequence[Query]) -> list[Scores]:
    return objective.score_step(queries)[0]


def same(ones: Sequence[Scores], others: Sequence[Scores]) -> None:
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one.valid, other.valid)
        np.testing.assert_allclose(one.value[one.valid], other.value[other.valid], atol=1e-5)
        assert (one.success is None) == (other.success is None)
        if one.success is not None and other.success is not None:
            np.testing.assert_allclose(one.success, other.success, atol=1e-5)


def test_the_same_seed_and_examples_give_the_same_scores(name: str, objective: Objective) -> None:
    queries = [asked(objective, example) for example in ASKED]
    for one, other in zip(scored(objective, queries), scored(fitted(name), queries), strict=True):
        np.testing.assert_array_equal(one.value, other.value)


def test_scores_have_the_length_the_range_and_the_claims_that_are_promised(
    objective: Objective,
) -> None:
    for example, scores in zip(
        ASKED, scored(objective, [asked(objective, example) for example in ASKED]), strict=True
    ):
        assert len(scores) == len(example.features)
        assert scores.value.dtype == np.float32
        valid = scores.value[scores.valid]
        assert ((valid >= objective.spec.low) & (valid <= objective.spec.high)).all()
        assert (scores.success is not None) == objective.spec.predicts_success


def test_a_batch_of_two_equals_two_of_one(objective: Objective) -> None:
    queries = [asked(objective, example) for example in ASKED[:2]]
    same(scored(objective, queries), [scored(objective, [one])[0] for one in queries])


def test_whole_equals_in_parts(objective: Objective) -> None:
    if not objective.spec.causal:
        pytest.skip("only ever given whole episodes")
    whole = asked(objective, ASKED[0])
    memory: RecurrentState = {}
    values: list[np.ndarray] = []
    for part in np.array_split(whole.features, [1, 2, 6]):
        scores, memories = objective.score_step([replace(whole, features=part, state=memory)])
        memory = memories[0]
        values.append(scores[0].value)
    np.testing.assert_allclose(
        np.concatenate(values), scored(objective, [whole])[0].value, atol=1e-5
    )


def test_what_is_remembered_does_not_grow_with_the_episode(objective: Objective) -> None:
    whole = asked(objective, ASKED[0])
    sizes = []
    for repeats in (4, 40):
        memory = objective.score_step(
            [replace(whole, features=np.tile(whole.features, (repeats, 1)))]
        )[1][0]
        sizes.append(sum(array.nbytes for array in memory.values()))
    assert sizes[0] == sizes[1]


def test_the_future_does_not_change_a_causal_score(objective: Objective) -> None:
    if not objective.spec.causal:
        pytest.skip("does not claim to be causal")
    whole = asked(objective, ASKED[0])
    changed = whole.features.copy()
    changed[5:] *= -3
    other = scored(objective, [replace(whole, features=changed)])[0]
    np.testing.assert_allclose(other.value[:5], scored(objective, [whole])[0].value[:5], atol=1e-5)


def test_nothing_beyond_the_context_changes_a_score(objective: Objective) -> None:
    context = objective.spec.context
    if context is None:
        pytest.skip("may look at the whole episode")
    whole = asked(objective, ASKED[0])
    last = replace(whole, features=whole.features[-context:])
    assert scored(objective, [last])[0].value[-1] == pytest.approx(
        scored(objective, [whole])[0].value[-1], abs=1e-5
    )


def test_one_frame_is_scored(objective: Objective) -> None:
    whole = asked(objective, ASKED[0])
    assert len(scored(objective, [replace(whole, features=whole.features[:1])])[0]) == 1


def test_saved_and_loaded_scores_are_equal(name: str, objective: Objective, tmp_path: Path) -> None:
    """Through the files that `roborew fit` writes: single numbers and empty tables too come back as
    they were."""
    queries = [asked(objective, example) for example in ASKED]
    recipe = {"objective": words(name), "encoder_name": "mini", "encoder": []}
    folder = Critic(name, objective, MiniEncoder(), recipe).save_pretrained(tmp_path / "critic")
    loaded = Critic.from_pretrained(folder).objective
    for one, other in zip(scored(objective, queries), scored(loaded, queries), strict=True):
        np.testing.assert_array_equal(one.value, other.value)


def test_inputs_are_never_written_to(objective: Objective) -> None:
    whole = asked(objective, ASKED[0])
    memory = objective.score_step([whole])[1][0]
    kept = {key: array.copy() for key, array in memory.items()}
    for array in (whole.features, whole.text_embedding, *memory.values()):
        array.flags.writeable = False
    objective.score_step([replace(whole, state=memory)])
    for key, array in memory.items():
        np.testing.assert_array_equal(array, kept[key])


def test_it_learns_from_demonstrations_without_labels_of_one_sentence(name: str) -> None:
    objective = made(name)
    objective.fit(world(3, labelled=False, length=12), [], lambda what, value: None)
    for scores in scored(objective, [asked(objective, ASKED[0])]):
        assert np.isfinite(scores.value[scores.valid]).all()
