"""Scripted behaviors: the good succeed, the bad truly end where they claim to, and are graded by
what they did."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from gymnasium.error import Error

from roborew_envs import TASKS, make_task
from roborew_envs.core.task import Task
from roborew_envs.experts import behaviors as experts
from roborew_envs.experts import rollout
from roborew_envs.experts.behaviors import (
    Behavior,
    ScriptedPolicy,
    available_behaviors,
    make_policy,
)
from roborew_envs.experts.grading import ExpertPace
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes, measure_expert_pace
from roborew_envs.tasks import arm_task

SEEDS = range(900_000, 900_006)
"""Few: `python -m experiments.task_gallery.behaviors` runs more, and a test reads what it
found."""
SCRIPTED = [task_id for task_id in TASKS if make_task(task_id).scripted_policy is not None]

every_script = pytest.mark.parametrize("task_id", SCRIPTED)


@cache
def pace(task_id: str) -> ExpertPace:
    return measure_expert_pace(make_task(task_id))


@cache
def played(task_id: str, behavior: Behavior) -> list[TaskEpisode]:
    return collect_episodes(make_task(task_id), behavior, SEEDS)


def grades(task_id: str, behavior: Behavior) -> list[str]:
    return list(
        rollout.grade_episodes(make_task(task_id), played(task_id, behavior), pace(task_id))
    )


def arrival(task_id: str, behavior: Behavior) -> float:
    return float(np.median([np.argmax(episode.success) for episode in played(task_id, behavior)]))


def ends(task_id: str, behavior: Behavior) -> list[bool]:
    return [bool(episode.success[-1]) for episode in played(task_id, behavior)]


def test_twelve_families_are_scripted() -> None:
    assert len(SCRIPTED) == 12
    assert [
        task_id for task_id in SCRIPTED if "undo" not in available_behaviors(make_task(task_id))
    ] == ["roborew/Press-v0"]


@every_script
def test_the_expert_ends_in_success_and_passes_every_stage(task_id: str) -> None:
    assert all(ends(task_id, "expert")) and grades(task_id, "expert").count("success") >= 5
    for episode in played(task_id, "expert"):
        firsts = [
            int(np.argmax(episode.stage >= stage)) for stage in range(len(episode.stage_names))
        ]
        assert firsts == sorted(firsts) and episode.failure_onset is None


@every_script
def test_slow_ends_in_success_and_late(task_id: str) -> None:
    assert sum(ends(task_id, "slow")) >= 5
    assert arrival(task_id, "slow") > 1.3 * arrival(task_id, "expert")
    assert grades(task_id, "slow").count("suboptimal") >= 5


@every_script
def test_a_stall_stops_half_way_and_stays_there(task_id: str) -> None:
    for episode in played(task_id, "stall"):
        assert not episode.success.any() and episode.failure_onset is not None
        assert np.ptp(episode.progress[-15:]) < 0.08
        assert np.ptp(arm_task.ee_position(episode.qpos[-15:]), axis=0).max() < 0.01
    assert set(grades(task_id, "stall")) <= {"partial", "failure"}


@every_script
def test_a_near_miss_comes_close_and_misses(task_id: str) -> None:
    assert (
        not any(ends(task_id, "near_miss")) and grades(task_id, "near_miss").count("partial") >= 5
    )
    assert np.median([episode.progress.max() for episode in played(task_id, "near_miss")]) > 0.6


@pytest.mark.parametrize("task_id", SCRIPTED[1:])
def test_undo_reaches_the_goal_and_then_takes_it_back(task_id: str) -> None:
    assert not any(ends(task_id, "undo"))
    for episode in played(task_id, "undo"):
        reached = int(np.argmax(episode.success))
        assert (
            reached > 0
            and episode.failure_onset is not None
            and reached <= episode.failure_onset <= reached + 1
        )
    assert set(grades(task_id, "undo")) == {"partial"}


@every_script
def test_the_wrong_object_is_no_success_and_little_gained(task_id: str) -> None:
    assert (
        not any(ends(task_id, "wrong_object"))
        and grades(task_id, "wrong_object").count("failure") >= 5
    )


@every_script
def test_hovering_above_the_right_thing_is_no_success(task_id: str) -> None:
    assert not any(episode.success.any() for episode in played(task_id, "hover"))
    assert set(grades(task_id, "hover")) <= {"partial", "failure"}


@every_script
def test_noisy_is_the_expert_led_astray(task_id: str) -> None:
    """Its fingers do what the skill says and its moves are partly chance; what it is worth is read
    from the truth."""
    expert, noisy = (
        collect_episodes(make_task(task_id), name, SEEDS[:2], steps=8)
        for name in ("expert", "noisy")
    )
    for one, other in zip(expert, noisy, strict=True):
        np.testing.assert_array_equal(one.qpos[0], other.qpos[0])
        assert np.abs(one.actions[:, :3] - other.actions[:, :3]).mean() > 0.05
        assert one.actions[0, 3] == other.actions[0, 3]


def test_noisy_ends_anywhere_and_is_graded_by_the_truth() -> None:
    """It succeeds in some families' episodes and not in others."""
    ended = []
    for task_id in ("roborew/Press-v0", "roborew/DrawerOpen-v0", "roborew/Sweep-v0"):
        worth, found = grades(task_id, "noisy"), ends(task_id, "noisy")
        assert [grade in ("success", "suboptimal") for grade in worth] == found
        ended += found
    assert any(ended) and not all(ended)


@every_script
def test_the_stages_of_an_episode_cover_it_and_bear_the_tasks_names(task_id: str) -> None:
    for episode in played(
        task_id, "undo" if "undo" in available_behaviors(make_task(task_id)) else "expert"
    ):
        assert [span.start for span in episode.stage_spans] == [
            0,
            *(span.stop for span in episode.stage_spans[:-1]),
        ]
        assert episode.stage_spans[-1].stop == len(episode.qpos) == len(episode.actions) + 1
        assert {span.name for span in episode.stage_spans} <= set(make_task(task_id).stages)
        assert make_task(task_id).stages[-1] in {span.name for span in episode.stage_spans}, (
            "success was reached"
        )


def test_an_episode_tells_the_truth_of_its_own_states() -> None:
    task = make_task("roborew/Push-v0")
    episode = collect_episodes(task, "expert", [3])[0]
    still = np.zeros((len(episode.qpos), task.model.nv))
    np.testing.assert_allclose(task.progress(episode.qpos, still), episode.progress, atol=1e-6)
    np.testing.assert_array_equal(task.success(episode.qpos, still), episode.success)


def test_an_expert_has_as_long_as_it_needs_from_the_same_start_but_not_longer_than_usual() -> None:
    """A slow push from near takes no longer than an expert's from afar."""
    task = make_task("roborew/Push-v0")
    expert, slow = played(task.id, "expert"), played(task.id, "slow")
    arrivals = np.array([np.argmax(episode.success) for episode in expert])
    usual = ExpertPace(success_step=float(arrivals.max()), max_progress_drop=1.0)
    assert "success" in [episode.grade(usual) for episode in slow]
    assert set(rollout.grade_episodes(task, slow, usual)) == {"suboptimal"}
    assert set(rollout.grade_episodes(task, expert, usual)) == {"success"}
    strict = ExpertPace(success_step=float(arrivals.min()), max_progress_drop=1.0)
    late = arrivals > 1.25 * arrivals.min()
    assert late.any()
    assert [
        grade == "suboptimal" for grade in rollout.grade_episodes(task, expert, strict)
    ] == late.tolist()


def test_a_start_depends_on_its_seed_alone() -> None:
    task = make_task("roborew/Push-v0")
    alone, among = (
        collect_episodes(task, "expert", [7])[0],
        collect_episodes(task, "expert", [5, 7, 9])[1],
    )
    np.testing.assert_array_equal(alone.qpos[0], among.qpos[0])


def test_a_behavior_that_a_task_lacks_is_refused_with_the_list() -> None:
    task = make_task("roborew/Press-v0")
    assert "undo" not in available_behaviors(task)
    with pytest.raises(ValueError, match=r"no behavior 'undo'. Available: expert, slow"):
        ScriptedPolicy(task, "undo", np.random.default_rng(0))


def test_a_task_without_a_plan_or_a_policy_is_played_by_chance_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(experts, "available_policies", lambda: ())
    task = make_task("roborew/CartPole-v0")
    assert available_behaviors(task) == ("random",)
    with pytest.raises(ValueError, match=r"no behavior 'expert'. Available: random\."):
        make_policy(task, "expert", np.random.default_rng(0))
    played = collect_episodes(task, "random", SEEDS)
    assert all(episode.actions.std() > 0.1 for episode in played)
    assert set(rollout.grade_episodes(task, played, measure_expert_pace(task))) <= {
        "failure",
        "partial",
    }


@pytest.mark.parametrize("task_id", TASKS)
def test_every_task_is_played_by_chance(task_id: str) -> None:
    task = make_task(task_id)
    assert "random" in available_behaviors(task)
    (episode,) = collect_episodes(task, "random", [5], steps=3)
    assert episode.actions.shape == (3, task.action_size)


@pytest.fixture
def cheetah(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task with a policy that always pushes with all its force."""
    monkeypatch.setattr(experts, "available_policies", lambda: ("roborew/Cheetah-v0",))
    monkeypatch.setattr(
        experts,
        "load_policy_network",
        lambda _: lambda observations: np.ones((len(observations), 6), np.float32),
    )
    return make_task("roborew/Cheetah-v0")


def test_a_policy_plays_the_expert_half_an_expert_and_nothing_else(cheetah: Task) -> None:
    assert available_behaviors(cheetah) == ("expert", "stall", "noisy", "random")
    (whole,) = collect_episodes(cheetah, "expert", [3], steps=20)
    assert (whole.actions == 1).all()
    (wild,) = collect_episodes(cheetah, "random", [3], steps=20)
    assert np.abs(wild.actions).max() <= 1 and wild.actions.std() > 0.1
    noisy = collect_episodes(cheetah, "noisy", [3, 4, 5, 6], steps=20)
    for episode in noisy:
        # More or less like the expert, who pushes with all its force.
        assert (
            np.abs(episode.actions).max() <= 1 and wild.actions.mean() < episode.actions.mean() < 1
        )
    likeness = [episode.actions.mean() for episode in noisy]
    assert max(likeness) - min(likeness) > 0.05
    with pytest.raises(
        ValueError, match="no behavior 'undo'. Available: expert, stall, noisy, ran"
    ):
        collect_episodes(cheetah, "undo", [3])


def test_a_policy_that_stalls_does_nothing_more_once_it_is_half_way_from_its_start(
    cheetah: Task,
) -> None:
    stalled = make_policy(cheetah, "stall", np.random.default_rng(0))
    qpos, seen = np.zeros((2, cheetah.model.nq)), np.zeros((2, 3), np.float32)
    assert (stalled.act(qpos, np.array([0.0, 0.8]), seen) == 1).all()
    assert (stalled.act(qpos, np.array([0.3, 0.85]), seen) == 1).all(), (
        "half of the way from 0.8 is 0.9"
    )
    assert (stalled.act(qpos, np.array([0.3, 0.93]), seen) == [[1.0], [0.0]]).all()
    assert (stalled.act(qpos, np.array([0.3, 0.1]), seen) == [[1.0], [0.0]]).all()


@pytest.mark.parametrize(
    ("task_id", "seeds"),
    [("roborew/CartPole-v0", range(900_000, 900_012)), ("roborew/HumanoidKneel-v0", [900_000])],
)
def test_a_policys_stall_stops_and_never_succeeds(task_id: str, seeds: list[int]) -> None:
    """Stopped half way and no earlier, four of the twelve poles and the kneeling body come to
    succeed by themselves."""
    for episode in collect_episodes(make_task(task_id), "stall", seeds):
        still = (episode.actions == 0).all(axis=1)
        stop = int(np.argmax(still))
        assert still[-1] and still[stop:].all()
        assert not episode.success.any() and episode.failure_onset is not None


def test_a_stalled_policy_is_half_way_from_its_start() -> None:
    for episode in collect_episodes(make_task("roborew/MountainCar-v0"), "stall", SEEDS):
        stop = int(np.argmax((episode.actions == 0).all(axis=1)))
        share = (episode.progress - episode.progress[0]) / (1 - episode.progress[0])
        assert share[stop - 1] < 0.6 and share[stop] >= 0.4


def test_a_start_that_becomes_a_success_by_itself_has_no_stall() -> None:
    episode = collect_episodes(make_task("roborew/CartPole-v0"), "expert", [3], steps=100)[0]
    assert episode.success.any()
    with pytest.raises(Error, match="here: seed 3 succeeds without being touched: no stall"):
        experts.shorten_stalls("here", [episode], np.array([5]), lambda which, stops: [episode])


def test_a_later_version_has_the_expert_of_the_first_and_its_stall_ends_at_the_fall() -> None:
    first, second = make_task("roborew/Hopper-v0"), make_task("roborew/Hopper-v1")
    assert available_behaviors(second) == available_behaviors(first)
    (whole,), (cut,) = (collect_episodes(task, "stall", [4]) for task in (first, second))
    num_actions = len(cut.actions)
    assert len(cut.qpos) == num_actions + 1 < len(whole.qpos)
    np.testing.assert_array_equal(cut.qpos, whole.qpos[: num_actions + 1])
    still = np.zeros((num_actions + 1, second.model.nv))
    assert second.failed(cut.qpos, still).tolist() == [False] * num_actions + [True]
