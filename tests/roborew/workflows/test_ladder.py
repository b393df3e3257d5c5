"""A ladder of goals: new frames against the best so far, and a run that goes on asks what it would have
asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from experiments.judges.oracle import Oracle, serving
from roborew.critics.critic import Critic
from roborew.critics.ensemble import PreferenceEnsemble
from roborew.data.preferences import Preference, Segment, read_preferences
from roborew.errors import BudgetError
from roborew.workflows.preference.ladder import best_against_each_other, discovery_pairs
from roborew.workflows.preference.teach import JudgeTeacher
from roborew.workflows.train.loop import start
from roborew.workflows.trained import critic_path
from tests.roborew.critics.films import demonstration
from tests.roborew.workflows.test_preference import config_of

EPISODES = [demonstration("success", row, length=5) for row in range(6)]
OLD, NEW = EPISODES[:3], EPISODES[3:]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(Oracle(tmp_path)) as address:
        yield address


def label(first: Segment, second: Segment, value: float | None) -> Preference:
    return Preference(first=first, second=second, label=value, by="judge")


def old_labels() -> list[Preference]:
    """Frame 3 of the first episode wins against all others."""
    best = (OLD[0].name, 3)
    others = [(one.name, step) for one in OLD for step in range(5) if (one.name, step) != best]
    return [label(other, best, 1.0) for other in others]


def test_new_frames_are_held_against_the_best() -> None:
    pairs = discovery_pairs(np.random.default_rng(0), EPISODES, 3, 12, old_labels())
    names = {episode.name for episode in NEW}
    for pair in pairs:
        assert (OLD[0].name, 3) in pair and sum(name in names for name, _ in pair) == 1
    assert {pair[0] == (OLD[0].name, 3) for pair in pairs} == {True, False}


def test_in_the_first_round_any_two_are_compared() -> None:
    pairs = discovery_pairs(np.random.default_rng(0), EPISODES, 6, 10, [])
    assert len(pairs) == 10


def test_the_best_are_put_in_order_and_no_pair_twice() -> None:
    labels = old_labels()
    rng = np.random.default_rng(0)
    discovery = discovery_pairs(rng, EPISODES, 3, 6, labels)
    found = [label(*pair, 0.0) for pair in discovery]
    pairs = best_against_each_other(rng, EPISODES, 3, 40, [*labels, *found], discovery)
    known = {frozenset(one.pair) for one in [*labels, *found]}
    chosen = [frozenset(pair) for pair in pairs]
    assert len(set(chosen)) == len(chosen) == 40 and known.isdisjoint(chosen)
    # What was said of these meanwhile changes nothing: a run that goes on finds it in the file.
    meanwhile = [*labels, *found, *(label(*pair, 1.0) for pair in pairs[:5])]
    again = np.random.default_rng(0)
    assert discovery_pairs(again, EPISODES, 3, 6, meanwhile) == discovery
    assert best_against_each_other(again, EPISODES, 3, 40, meanwhile, discovery) == pairs


def test_a_budget_that_runs_out_changes_no_rung(url: str, tmp_path: Path) -> None:
    ladder = {"selection": "ladder", "critic": "goal_ladder", "encoder": "mini"}
    with start(config_of(url, **ladder), tmp_path / "whole") as run:
        for number in (1, 2):
            JudgeTeacher()(run, number)
        critic = Critic.from_pretrained(critic_path(run, 2))
    assert critic.name == "goal_ladder" and isinstance(critic.objective, PreferenceEnsemble)
    scarce = config_of(url, **ladder, **{"judge.max_questions": 4})
    sessions = 0
    with start(scarce, tmp_path / "parts") as run:
        for number in (1, 2):
            while True:
                sessions += 1
                try:
                    JudgeTeacher()(run, number)
                    break
                except BudgetError:
                    assert sessions < 20
        other = Critic.from_pretrained(critic_path(run, 2))
    whole, parts = (
        read_preferences(tmp_path / name / "preferences" / "preferences.jsonl")
        for name in ("whole", "parts")
    )
    assert whole == parts and sessions > 3
    for name, array in critic.objective.state_dict().items():
        np.testing.assert_array_equal(array, other.objective.state_dict()[name], err_msg=name)
