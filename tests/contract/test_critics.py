"""Every registered critic keeps the laws of critics. A new one is found by itself."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from roborew.checks.critic import LAWS, CriticSubject
from roborew.checks.laws import Law
from roborew.config import keyword_options
from roborew.critics.critic import Critic
from roborew.critics.ensemble import make_objective
from roborew.encoders.mini import MiniEncoder
from roborew.registry import critics

STEPS = 6


def options(name: str) -> list[str]:
    steps = [f"steps={STEPS}"] if "steps" in keyword_options(critics.load(name)) else []
    return ["seed=3", *steps]


@pytest.fixture(scope="module", params=sorted(critics))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def subject(name: str) -> CriticSubject:
    return CriticSubject(lambda: make_objective(name, options(name)))


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
def test_every_critic_keeps_the_law(law: Law, subject: CriticSubject) -> None:
    reason = law.check(subject)
    if reason is not None:
        pytest.skip(reason)


def test_a_folder_gives_the_critic_back(name: str, subject: CriticSubject, tmp_path: Path) -> None:
    """Through the files that `roborew fit` writes: single numbers and empty tables too come back as
    they were."""
    recipe = {"objective": options(name), "encoder_name": "mini", "encoder": []}
    critic = Critic(name, subject.fitted, MiniEncoder(), recipe)
    loaded = Critic.from_pretrained(critic.save_pretrained(tmp_path / "critic")).objective
    scores = zip(subject.score(subject.queries), loaded.score_step(subject.queries)[0], strict=True)
    for first, second in scores:
        np.testing.assert_array_equal(first.value, second.value)


def test_a_folder_of_an_old_name_and_old_options_is_read(
    name: str, subject: CriticSubject, tmp_path: Path
) -> None:
    """Critics that were written before their names and options were the field's still load."""
    kind = critics.load(name)
    defaults = inspect.signature(kind).parameters
    old_words = [f"{old}={defaults[new].default}" for old, new in kind.RENAMED.items()]
    recipe = {"objective": options(name), "encoder_name": "mini", "encoder": []}
    critic = Critic(name, subject.fitted, MiniEncoder(), recipe)
    folder = critic.save_pretrained(tmp_path / "critic")
    config = json.loads((folder / "config.json").read_text())
    config["critic"] = (*critics[name].aliases, name)[0]
    config["recipe"]["objective"] += old_words
    (folder / "config.json").write_text(json.dumps(config))
    loaded = Critic.from_pretrained(folder).objective
    scores = zip(subject.score(subject.queries), loaded.score_step(subject.queries)[0], strict=True)
    for first, second in scores:
        np.testing.assert_array_equal(first.value, second.value)
