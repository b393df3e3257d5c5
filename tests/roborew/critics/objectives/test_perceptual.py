"""Laws of perceptual rewards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roborew.checks.synthetic import OPEN, PUSH, embedded_episode, embedded_episodes, query
from roborew.critics.objectives.perceptual import Perceptual
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example


def fitted(examples: list[Example], **settings: float) -> Perceptual:
    objective = Perceptual(**settings)  # pyright: ignore[reportArgumentType]
    objective.fit(examples, [], lambda what, value: None)
    return objective


def ends(objective: Perceptual, *examples: Example) -> list[float]:
    return [
        float(scores.value[-1])
        for scores in objective.score_step([query(example) for example in examples])[0]
    ]


def test_a_few_successes_tell_the_goal_from_what_is_undone_and_from_failure() -> None:
    objective = fitted(
        [embedded_episode("success", seed, labeled=False) for seed in range(5)], top_k=2
    )
    success, failure, undo = ends(
        objective, *(embedded_episode(kind, 77) for kind in ("success", "failure", "undo"))
    )
    assert success > 2 * max(failure, undo)


def test_entries_that_say_nothing_are_not_kept() -> None:
    chosen = fitted(embedded_episodes(), top_k=2).state_dict()["chosen"]
    assert chosen.sum(-1).tolist() == [[2.0] * 3]
    assert chosen[0, -1, 0] == 1
    assert chosen[0, :, 2:].sum() <= 2


def test_noise_in_entries_that_are_not_kept_changes_nothing() -> None:
    objective, example = fitted(embedded_episodes(), top_k=1), embedded_episode("success", 77)
    features = example.features + 5 * (1 - objective.state_dict()["chosen"][0].max(0))
    one, other = objective.score_step([query(example), query(replace(example, features=features))])[
        0
    ]
    np.testing.assert_allclose(one.value, other.value, atol=1e-6)


def test_the_sentence_says_whose_steps_are_looked_for() -> None:
    objective = fitted(embedded_episodes(instructions=(PUSH, OPEN)), top_k=2)
    push = embedded_episode("success", 77)
    wrong = replace(
        push, text_embedding=embedded_episode("success", 1, instruction=OPEN).text_embedding
    )
    right, other = ends(objective, push, wrong)
    assert right > other


def test_entries_that_never_move_do_not_divide_by_zero() -> None:
    examples = [
        replace(e, features=np.where(np.arange(12) < 2, e.features, np.float32(3)))
        for e in embedded_episodes()
    ]
    value = fitted(examples, top_k=12).score_step([query(examples[0])])[0][0].value
    assert np.isfinite(value).all()


def test_without_a_success_or_with_short_ones_the_message_says_so() -> None:
    with pytest.raises(InvalidInputError, match="at least one success"):
        fitted([example for example in embedded_episodes() if not example.success])
    with pytest.raises(InvalidInputError, match="fewer stages"):
        fitted([embedded_episode("success", 1, length=4)])


def test_saved_gaussians_that_do_not_fit_are_refused() -> None:
    arrays = dict(fitted(embedded_episodes(2)).state_dict())
    for broken in (
        {"mean": arrays["mean"][:, 1:]},
        {"deviation": 0 * arrays["deviation"]},
        {"more": arrays["mean"]},
    ):
        with pytest.raises(CorruptFileError):
            Perceptual().load_state_dict(arrays | broken)


@pytest.mark.parametrize("setting", [{"num_stages": 1}, {"top_k": 0}, {"std_coef": -1}])
def test_settings_that_mean_nothing_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        Perceptual(**setting)  # pyright: ignore[reportArgumentType]
