"""Laws of the goal classifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roborew.checks.synthetic import (
    OPEN,
    PUSH,
    TEXT_EMBEDDINGS,
    embedded_episode,
    embedded_episodes,
    query,
)
from roborew.critics.objectives.vice import Vice
from roborew.data import read_picture
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example
from roborew.types import Clip
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import CriticConfig, EncoderConfig
from tests.roborew.critics.films import demonstration


def silent(what: str, value: float) -> None:
    del what, value


def fitted(examples: list[Example], steps: int = 100, **settings: float) -> Vice:
    objective = Vice(steps=steps, batch_size=64, **settings)  # pyright: ignore[reportArgumentType]
    objective.fit(examples, [], silent)
    return objective


def claims(objective: Vice, example: Example) -> np.ndarray:
    success = objective.score_step([query(example)])[0][0].success
    assert success is not None
    return success


def test_the_end_of_a_success_is_claimed_and_the_end_of_a_failure_is_not() -> None:
    objective = fitted(embedded_episodes())
    assert claims(objective, embedded_episode("success", 77))[-1] > 0.7
    for kind in ("failure", "undo"):
        assert claims(objective, embedded_episode(kind, 78))[-1] < 0.3


def test_a_goal_that_is_undone_is_no_longer_claimed() -> None:
    example = embedded_episode("undo", 5)
    success = claims(fitted(embedded_episodes()), example)
    assert success.max() - success[-1] > 0.4


def test_goal_pictures_stand_in_for_successes() -> None:
    failures = [example for example in embedded_episodes() if not example.success]
    goal = embedded_episode("success", 3).features[-1]
    objective = fitted(
        [replace(example, goal_embedding=goal) for example in failures if "failure" in example.name]
    )
    assert (
        claims(objective, embedded_episode("success", 77))[-1]
        > claims(objective, embedded_episode("failure", 78))[-1] + 0.3
    )


def test_the_goal_of_one_task_is_no_goal_under_another_sentence() -> None:
    objective = fitted(embedded_episodes(instructions=(PUSH, OPEN)), steps=300)
    push = embedded_episode("success", 77)
    wrong = replace(push, instruction=OPEN, text_embedding=TEXT_EMBEDDINGS[OPEN])
    assert claims(objective, push)[-1] > claims(objective, wrong)[-1] + 0.3


def test_states_that_the_agent_exploits_lose_their_claim_once_they_are_negatives() -> None:
    """What VICE is for: a state far from every demonstration may look like the goal until it was
    seen."""
    examples = embedded_episodes(3)
    hack = embedded_episode("success", 9)
    features = hack.features.copy()
    features[:, 5] += 4
    visited = replace(hack, features=features, success=None, progress=None)
    objective = fitted(examples)
    before = claims(objective, visited)[-1]
    objective.refit(examples, [visited], silent)
    assert before > 0.5 > claims(objective, visited)[-1]


def test_pessimism_never_raises_a_score() -> None:
    examples = embedded_episodes(3)
    plain, wary = (
        fitted(examples, pessimism_coef=share).score_step([query(examples[0])])[0][0]
        for share in (0.0, 1.0)
    )
    assert (wary.value <= plain.value + 1e-6).all() and (wary.value < plain.value).any()


def test_mixup_keeps_the_ensemble_from_being_sure() -> None:
    examples = embedded_episodes(3)
    mixed, plain = (
        fitted(examples, mixup_alpha=share).score_step([query(examples[0])])[0][0]
        for share in (0.4, 0.0)
    )
    assert np.abs(mixed.value).max() < np.abs(plain.value).max()


@pytest.mark.parametrize("kept", [("failure",), ()])
def test_without_a_goal_the_message_says_what_to_give(kept: tuple[str, ...]) -> None:
    examples = [
        example for example in embedded_episodes() if any(kind in example.name for kind in kept)
    ]
    with pytest.raises(InvalidInputError, match="goal"):
        fitted(examples)


def test_without_anything_else_the_message_says_what_to_give() -> None:
    still = [
        replace(e, progress=np.ones_like(e.progress))
        for e in embedded_episodes()
        if e.success and e.progress is not None
    ]
    with pytest.raises(InvalidInputError, match="others"):
        fitted(still)


@pytest.mark.parametrize(
    "setting",
    [
        {"batch_size": 1},
        {"ensemble_size": 0},
        {"mixup_alpha": -1},
        {"success_threshold": 0},
        {"pessimism_coef": np.nan},
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        Vice(**setting)  # pyright: ignore[reportArgumentType]


def pictures(folder: Path, count: int = 2) -> Path:
    """Goals that nobody filmed: the bar of `films` as it would be at the end."""
    folder.mkdir()
    for row in range(count):
        frame = np.full((24, 32, 3), 20 + row, np.uint8)
        frame[8:16, :31] = 250
        Image.fromarray(frame).save(folder / f"{row}.png")
    return folder


def test_pictures_that_are_given_are_the_goals_also_where_nothing_succeeded(tmp_path: Path) -> None:
    """LfVoid (arXiv:2307.07837): somebody draws or edits the goal; no success was ever filmed."""
    failures = [demonstration("failure", row, progress=None) for row in range(4)]
    options = {
        "critic": CriticConfig("vice", {"steps": 60}),
        "encoder": EncoderConfig("mini"),
        "calibrate": False,
    }
    with pytest.raises(InvalidInputError, match="expected a success"):
        fit_critic(failures, FitConfig(**options))
    fitted = fit_critic(failures, FitConfig(**options, goal_images=pictures(tmp_path / "goals")))
    encode, goals = (
        fitted.critic.encoder.encode,
        [example.goal_embedding for example in fitted.examples],
    )
    frames = np.stack([read_picture(tmp_path / "goals" / f"{row % 2}.png") for row in range(4)])
    np.testing.assert_allclose(
        np.stack([goal for goal in goals if goal is not None]), encode(frames), atol=1e-5
    )
    film = Clip(frames=demonstration("success", 9).video(), instruction=failures[0].instruction)
    value = fitted.critic.score([film])[0].value
    assert value[-1] > value[0] + 1


@pytest.mark.parametrize(
    ("critic", "count", "said"),
    [("robometer", 2, "Able to: vice"), ("vice", 5, "got 5 in")],
)
def test_pictures_that_would_not_be_learned_from_are_refused(
    tmp_path: Path, critic: str, count: int, said: str
) -> None:
    films = [demonstration("success", row) for row in range(3)]
    config = FitConfig(
        critic=CriticConfig(critic),
        encoder=EncoderConfig("mini"),
        goal_images=pictures(tmp_path / "goals", count),
    )
    with pytest.raises(InvalidInputError, match=said):
        fit_critic(films, config)
    with pytest.raises(InvalidInputError, match="folder with pictures"):
        fit_critic(
            films,
            FitConfig(
                critic=CriticConfig("vice"),
                encoder=EncoderConfig("mini"),
                goal_images=tmp_path,
            ),
        )
