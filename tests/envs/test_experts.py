"""Scripted behaviours: the good succeed, the bad truly end where they claim to."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import experts, make_task
from roborew_envs.demonstrations import Episode, demonstrate
from roborew_envs.experts import Script, actor, behaviours
from roborew_envs.task import Task

DESK = ("roborew/Press-v0", "roborew/Push-v0", "roborew/DrawerOpen-v0")
SEEDS = range(900_000, 900_100)


def share(episodes: list[Episode], happened: str) -> float:
    return float(np.mean([getattr(episode.success, happened)() for episode in episodes]))


@pytest.mark.parametrize("task_id", DESK)
def test_the_expert_succeeds_from_nearly_every_start(task_id: str) -> None:
    assert share(demonstrate(make_task(task_id), "expert", SEEDS), "any") >= 0.98


@pytest.mark.parametrize("task_id", DESK)
@pytest.mark.parametrize("behaviour", ["stall", "wrong_object", "hover"])
def test_flawed_behaviours_end_without_success(task_id: str, behaviour: str) -> None:
    episodes = demonstrate(make_task(task_id), behaviour, SEEDS)  # type: ignore[arg-type]
    assert np.mean([episode.success[-1] for episode in episodes]) <= 0.05


@pytest.mark.parametrize("task_id", DESK)
def test_a_near_miss_comes_close_and_misses(task_id: str) -> None:
    episodes = demonstrate(make_task(task_id), "near_miss", SEEDS)
    assert np.mean([episode.success[-1] for episode in episodes]) <= 0.15
    assert np.median([episode.progress.max() for episode in episodes]) > 0.55


@pytest.mark.parametrize("task_id", ["roborew/Push-v0", "roborew/DrawerOpen-v0"])
def test_undo_reaches_the_goal_and_then_takes_it_back(task_id: str) -> None:
    episodes = demonstrate(make_task(task_id), "undo", SEEDS)
    assert share(episodes, "any") >= 0.95
    assert np.mean([episode.success[-1] for episode in episodes]) <= 0.05


def test_a_stall_stops_half_way_and_stays_there() -> None:
    for episode in demonstrate(make_task("roborew/DrawerOpen-v0"), "stall", range(5)):
        assert np.ptp(episode.progress[-15:]) < 0.05


def test_slow_is_slower_than_the_expert() -> None:
    task = make_task("roborew/Press-v0")
    fast, slow = (demonstrate(task, name, range(20)) for name in ("expert", "slow"))
    assert np.mean([np.argmax(e.success) for e in slow]) > 1.5 * np.mean([np.argmax(e.success) for e in fast])


def test_an_episode_tells_the_truth_of_its_own_states() -> None:
    task = make_task("roborew/Push-v0")
    episode = demonstrate(task, "expert", [3])[0]
    still = np.zeros((len(episode.qpos), task.model.nv))
    np.testing.assert_allclose(task.progress(episode.qpos, still), episode.progress, atol=1e-6)
    np.testing.assert_array_equal(task.success(episode.qpos, still), episode.success)


def test_a_start_depends_on_its_seed_alone() -> None:
    task = make_task("roborew/Push-v0")
    alone, among = demonstrate(task, "expert", [7])[0], demonstrate(task, "expert", [5, 7, 9])[1]
    np.testing.assert_array_equal(alone.qpos[0], among.qpos[0])


def test_a_behaviour_that_a_task_lacks_is_refused_with_the_list() -> None:
    task = make_task("roborew/Press-v0")
    assert "undo" not in behaviours(task)
    with pytest.raises(ValueError, match=r"no behaviour 'undo'. Available: expert, slow"):
        Script(task, "undo", np.random.default_rng(0))


def test_a_task_without_a_plan_or_a_policy_has_no_behaviour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experts, "policies", lambda: ())
    task = make_task("roborew/Cheetah-v0")
    assert behaviours(task) == ()
    with pytest.raises(ValueError, match="no behaviour 'expert'. Available: none"):
        actor(task, "expert", np.random.default_rng(0))


@pytest.fixture
def cheetah(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task with a policy that always pushes with all its force."""
    monkeypatch.setattr(experts, "policies", lambda: ("roborew/Cheetah-v0",))
    monkeypatch.setattr(
        experts, "load_policy", lambda _: lambda observations: np.ones((len(observations), 6), np.float32)
    )
    return make_task("roborew/Cheetah-v0")


def test_a_policy_plays_the_expert_half_an_expert_and_nothing_else(cheetah: Task) -> None:
    assert behaviours(cheetah) == ("expert", "stall", "random")
    (whole,) = demonstrate(cheetah, "expert", [3], steps=20)
    assert (whole.actions == 1).all()
    (wild,) = demonstrate(cheetah, "random", [3], steps=20)
    assert np.abs(wild.actions).max() <= 1 and wild.actions.std() > 0.1
    with pytest.raises(ValueError, match="no behaviour 'undo'. Available: expert, stall, random"):
        demonstrate(cheetah, "undo", [3])


def test_a_policy_that_stalls_does_nothing_more_once_it_is_half_way(cheetah: Task) -> None:
    stalled = actor(cheetah, "stall", np.random.default_rng(0))
    qpos, seen = np.zeros((2, cheetah.model.nq)), np.zeros((2, 3), np.float32)
    assert (stalled.actions(qpos, np.array([0.3, 0.3]), seen) == 1).all()
    assert (stalled.actions(qpos, np.array([0.3, 0.7]), seen) == [[1.0], [0.0]]).all()
    assert (stalled.actions(qpos, np.array([0.3, 0.1]), seen) == [[1.0], [0.0]]).all()
