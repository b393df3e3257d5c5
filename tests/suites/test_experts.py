"""Who may be the expert of a set: an agent that was trained, or a function of the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError, RoborewError
from roborew.storage.run import RunDirectory
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start, train
from roborew.workflows.trained import load_trained
from tests.suites.test_demos import CHANCE, as_fast_as_it_goes


def trained(path: Path, **changes: Any) -> Path:
    """An agent that learned for a moment."""
    small = {"hidden_dim": 8, "batch_size": 8, "gradient_steps": 1, "report_every": 4}
    config = TrainConfig(
        env=EnvConfig("tests/Timer-v0"),
        instruction="move about",
        reward=RewardConfig("env"),
        agent=AgentConfig("sac", {**small, "learning_starts": 8}),
        total_timesteps=32,
        num_envs=2,
    )
    with start(replace(config, **changes), path) as run:
        train(run)
    return path


def test_an_agent_may_be_the_expert_where_a_suite_brings_none(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    config = replace(CHANCE, behaviors=("expert", "random"), expert=run)
    films = list(
        read_demonstrations(collect_demonstrations("tests/Timer-v0", config, tmp_path / "set"))
    )
    agent = load_trained(RunDirectory.open(run)).agent
    assert [film.notes["behavior"] for film in films] == ["expert"] * 2 + ["random"] * 2
    film = films[0]
    assert film.observations is not None and film.actions is not None
    for observed, action in zip(film.observations[:-1], film.actions[:-1], strict=True):
        np.testing.assert_allclose(agent.act(observed[None])[0], action, rtol=1e-5)


def test_an_agent_that_repeats_its_actions_shows_each_as_often(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", env=EnvConfig("tests/Timer-v0", action_repeat=2))
    config = replace(CHANCE, behaviors=("expert", "noisy"), expert=run)
    films = list(
        read_demonstrations(collect_demonstrations("tests/Timer-v0", config, tmp_path / "set"))
    )
    for film in films[:2]:
        assert film.actions is not None
        np.testing.assert_array_equal(film.actions[0:4:2], film.actions[1:4:2])
        assert (film.actions[0] != film.actions[2]).all()


def test_a_run_that_cannot_show_it_is_no_expert(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    for env, message in (
        ("tests/Timer-black-v0", "trained in tests/Timer-v0"),
        ("roborew/Press-v0", "expert of its own"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            collect_demonstrations(env, replace(CHANCE, expert=run), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_function_may_be_the_expert(tmp_path: Path) -> None:
    config = replace(
        CHANCE,
        behaviors=("expert", "random"),
        expert=Path(f"{as_fast_as_it_goes.__module__}:as_fast_as_it_goes"),
    )
    films = list(read_demonstrations(collect_demonstrations("tests/Timer-v0", config, tmp_path)))
    assert [film.notes["behavior"] for film in films] == ["expert"] * 2 + ["random"] * 2
    for film in films[:2]:
        assert film.actions is not None
        assert (film.actions == 4).all()


@pytest.mark.parametrize(
    ("expert", "message"),
    [
        (f"{__name__}:CHANCE", "expected a class or function"),
        (f"{__name__}:nobody", "nobody"),
        ("no.such.module:expert", "no.such"),
        ("no-such-run", "no-such-run"),
    ],
)
def test_what_is_no_expert_is_said_before_anything_is_written(
    expert: str, message: str, tmp_path: Path
) -> None:
    config = replace(CHANCE, behaviors=("expert",), expert=Path(expert))
    with pytest.raises(RoborewError, match=message):
        collect_demonstrations("tests/Timer-v0", config, tmp_path / "set")
    assert not (tmp_path / "set").exists()
