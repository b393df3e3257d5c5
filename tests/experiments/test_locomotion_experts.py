"""What is published acts as the agent that was trained, and training is paid with the truth
alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.locomotion_experts import run
from experiments.locomotion_experts.evolution import Evolution
from experiments.locomotion_experts.payment import GAIN, TrueProgress
from experiments.locomotion_experts.postures import SCALE, numbers, to_posture
from experiments.locomotion_experts.practice import PAY, Drill, Practice, Practised, practice
from experiments.locomotion_experts.published import exported, go_on_from, with_other_arms
from experiments.locomotion_experts.reflex import Reflex, WithReflex, shifted
from experiments.locomotion_experts.run import (
    SETTINGS,
    Settings,
    evaluate,
    reflex_of,
    train,
    training_environment,
)
from experiments.locomotion_experts.search import live, score, search
from roborew.agents.ppo import PPO, PPOConfig
from roborew.workflows.factories import make_env
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew_envs import TASKS, make_task
from roborew_envs.core.simulation import Simulation
from roborew_envs.experts.policies import load_policy_network, to_heading_frame
from roborew_envs.tasks.humanoid.humanoid import Humanoid


def environment(task_id: str, rent: float) -> TrueProgress:
    return TrueProgress(make_env(TrainConfig(env=EnvConfig(task_id)), 4), rent)


def test_the_exported_policy_acts_as_the_agent_does() -> None:
    env = environment("roborew/Hopper-v0", 0.1)
    agent = PPO(
        env.single_observation_space,
        env.single_action_space,
        PPOConfig(n_steps=8, n_epochs=1),
        seed=0,
    )
    agent.learn(env, 64)
    observations, _ = env.reset(seed=5)
    still = Reflex.none(observations.shape[1], env.single_action_space.shape[0])
    np.testing.assert_allclose(
        exported(agent, still)(observations), agent.act(observations), atol=1e-5
    )
    env.close()


def test_an_agent_that_goes_on_from_a_policy_acts_as_it_did() -> None:
    env = environment("roborew/Hopper-v0", 0.1)
    begun, fresh = (
        PPO(env.single_observation_space, env.single_action_space, seed=seed) for seed in (0, 1)
    )
    observations, _ = env.reset(seed=5)
    still = Reflex.none(observations.shape[1], env.single_action_space.shape[0])
    begun.learn(env, 64)
    go_on_from(fresh, exported(begun, still))
    np.testing.assert_allclose(fresh.act(observations), begun.act(observations), atol=1e-5)
    assert np.abs(fresh.act(observations)).max() > 1e-3
    env.close()


def test_with_other_arms_a_policy_moves_the_legs_alike_wherever_the_arms_are() -> None:
    task, policy = (
        make_task("roborew/HumanoidArmsCrossed-v0"),
        load_policy_network("roborew/HumanoidHandsOnHips-v0"),
    )
    assert isinstance(task, Humanoid)
    reflex = to_posture(task, "arms_crossed", numbers({}, 0.5, 0.05, (5.0, 0.1)))
    other, rng = with_other_arms(policy, task, "hands_on_hips", reflex), np.random.default_rng(0)
    qpos, still = (
        task.sample_pose(rng, "hands_on_hips", noise=0.0)[None],
        np.zeros((1, task.model.nv)),
    )
    seen = task.observe(qpos, still)
    np.testing.assert_allclose(other(seen)[:, :11], policy(seen)[:, :11], atol=1e-5)
    qpos[:, 18:] = task.joint_angles("arms_crossed")[11:]
    crossed = task.observe(qpos, still)
    np.testing.assert_allclose(other(crossed)[:, :11], other(seen)[:, :11], atol=1e-5)
    np.testing.assert_allclose(other(crossed)[:, 11:], 0, atol=1e-4)
    assert np.abs(policy(crossed)[:, :11] - policy(seen)[:, :11]).max() > 0.01


def test_with_a_reflex_the_published_policy_moves_the_body_as_the_agent_did() -> None:
    reflex = reflex_of("roborew/HumanoidStand-v0", SETTINGS["HumanoidStand"])
    env = WithReflex(make_env(TrainConfig(env=EnvConfig("roborew/HumanoidStand-v0")), 4), reflex)
    plain = make_env(TrainConfig(env=EnvConfig("roborew/HumanoidStand-v0")), 4)
    agent = PPO(
        env.single_observation_space,
        env.single_action_space,
        PPOConfig(n_steps=8, n_epochs=1),
        seed=0,
    )
    policy = exported(agent, reflex)
    observations, alike = env.reset(seed=5)[0], plain.reset(seed=5)[0]
    for _ in range(5):
        observations = env.step(agent.act(observations))[0]
        alike = plain.step(policy(alike))[0]
    np.testing.assert_allclose(to_heading_frame(alike, reflex.heading), observations, atol=1e-3)
    env.close()
    plain.close()


def test_a_reflex_rests_at_its_posture_and_pulls_towards_it() -> None:
    task = make_task("roborew/HumanoidStand-v0")
    assert isinstance(task, Humanoid)
    reflex = to_posture(task, "stand", numbers({}, stiffness=2.0, damping=0.1))
    qpos = task.sample_pose(np.random.default_rng(0), "stand", noise=0.0)[None]
    still = np.zeros((1, task.model.nv))
    np.testing.assert_allclose(reflex(task.observe(qpos, still)), 0, atol=1e-5)
    knee = task.model.joint("left_knee").qposadr[0]
    motor = [task.model.actuator(i).name for i in range(task.model.nu)].index("left_knee")
    qpos[0, knee] -= 0.1
    expected = np.zeros(task.model.nu)
    expected[motor] = 0.2
    np.testing.assert_allclose(reflex(task.observe(qpos, still))[0], expected, atol=1e-5)


def test_a_pose_is_shifted_on_both_sides_alike_and_within_the_joints_ranges() -> None:
    task = make_task("roborew/HumanoidStand-v0")
    assert isinstance(task, Humanoid)
    names = [task.model.joint(i).name for i in range(1, task.model.njnt)]
    moved = shifted(
        task, "stand", {"shoulder1": 10, "knee": -20, "abdomen_y": 999}
    ) - task.joint_angles("stand")
    turned = dict(zip(names, np.rad2deg(moved), strict=True))
    assert turned["left_shoulder1"] == pytest.approx(10) == -turned["right_shoulder1"]
    assert turned["left_knee"] == pytest.approx(-20) == turned["right_knee"]
    assert turned["abdomen_y"] == pytest.approx(30) and turned["left_hip_x"] == 0


def test_pitching_forward_is_answered_by_the_abdomen_and_both_hips() -> None:
    task = make_task("roborew/HumanoidLotus-v0")
    assert isinstance(task, Humanoid)
    told = numbers({}, stiffness=2.0, damping=0.1)
    plain = to_posture(task, "lotus", told)
    told[-4:] = 1, 0.1, 2, 0.2
    changed = [
        name
        for name in range(task.model.nu)
        if (to_posture(task, "lotus", told).weights != plain.weights)[:, name].any()
    ]
    assert {task.model.actuator(i).name for i in changed} == {
        "abdomen_y",
        "left_hip_y",
        "right_hip_y",
    }


def test_an_evolution_finds_the_top_of_a_stretched_hill() -> None:
    evolution, top, stretch = (
        Evolution(np.zeros(4), np.ones(4), 12, seed=0),
        np.array([1, -2, 0.5, 3]),
        10.0 ** np.arange(4),
    )
    for _ in range(150):
        evolution.tell(-((evolution.ask() - top) ** 2 @ stretch))
    np.testing.assert_allclose(evolution.mean, top, atol=1e-3)


def test_a_search_keeps_what_it_began_with_unless_it_finds_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, begun = make_task("roborew/HumanoidLotus-v0"), numbers({}, 6.0, 0.25)
    assert isinstance(task, Humanoid)

    def worse_elsewhere(task: object, made: object, told: np.ndarray, seeds: range) -> float:
        return -float(np.abs(told - begun).sum())

    monkeypatch.setattr("experiments.locomotion_experts.search.score", worse_elsewhere)
    found = search(
        task,
        lambda told: to_posture(task, "lotus", told),
        begun,
        SCALE,
        5,
        seed=0,
        tell=lambda said: None,
    )
    np.testing.assert_array_equal(found, begun)


def test_a_life_counts_the_truth_at_its_end_and_nothing_once_the_body_is_lost() -> None:
    task = make_task("roborew/HumanoidLotus-v0")
    assert isinstance(task, Humanoid)
    seated = to_posture(task, "lotus", numbers({"abdomen_y": -52}, 6.0, 0.25))
    progress = live(task, seated, range(2))
    assert progress.shape == (20, 2) and (progress[-1] == 1).any()
    limp = Reflex.none(len(seated.weights), task.model.nu)
    assert live(task, limp, range(2)).max() == 0
    assert score(task, lambda told: limp, np.zeros(1), range(2)) == 0


def practised(drill: Drill) -> Practised:
    task = make_task("roborew/HumanoidHandsOnHips-v0")
    assert isinstance(task, Humanoid)
    return Practised(practice(task, "hands_on_hips", drill, 4), drill)


def test_a_practised_body_falls_as_the_tasks_own_does() -> None:
    task = make_task("roborew/HumanoidHandsOnHips-v0")
    assert isinstance(task, Humanoid)
    start = task.sample_initial_state(np.random.default_rng(0))
    ends: list[np.ndarray] = []
    for each in (task, Practice(task, "hands_on_hips", Drill())):
        simulation = Simulation(each.model, 1, threads=1)
        simulation.place(0, *start)
        for _ in range(40):
            simulation.step(np.zeros((1, task.model.nu)), each.substeps)
        ends.append(simulation.qpos[0, 2:7].copy())
    assert abs(ends[0][0] - start[0][2]) > 0.1
    np.testing.assert_allclose(ends[1], ends[0], atol=0.02)


def test_practice_begins_at_the_tasks_own_starts_and_on_the_way_to_the_pose() -> None:
    task = make_task("roborew/HumanoidHandsOnHips-v0")
    assert isinstance(task, Humanoid)
    practising, elbow = (
        Practice(task, "hands_on_hips", Drill()),
        task.model.joint("left_elbow").qposadr[0],
    )
    elbows = np.rad2deg(
        [
            practising.sample_initial_state(np.random.default_rng(seed))[0][elbow]
            for seed in range(60)
        ]
    )
    standing, posed = -88, -24
    assert (np.abs(elbows - standing) < 10).mean() > 0.5
    assert (elbows > (standing + posed) / 2).any()
    only = Practice(task, "hands_on_hips", Drill(posed=0.0))
    for seed in range(20):
        rng, own = np.random.default_rng(seed), np.random.default_rng(seed)
        own.random()
        np.testing.assert_array_equal(
            np.concatenate(only.sample_initial_state(rng)),
            np.concatenate(task.sample_initial_state(own)),
        )


@pytest.mark.parametrize("held", [0.0, 0.5])
def test_practice_pays_most_in_the_pose_and_at_rest_and_nothing_after_a_fall(held: float) -> None:
    env = practised(Drill(held=held))
    task, simulation = env.unwrapped.task, env.unwrapped.core.simulation
    env.reset(seed=0)
    posed = task.sample_pose(np.random.default_rng(0), "hands_on_hips", noise=0.0)
    standing = task.sample_pose(np.random.default_rng(0), "stand", noise=0.0)
    drifting, still = np.zeros(task.model.nv), np.zeros(task.model.nv)
    drifting[0] = 0.5
    for i, state in enumerate(
        [(posed, still), (standing, still), (posed, drifting), (posed, still)]
    ):
        simulation.place(i, *state)
    simulation.qpos[3, 2] = 0.5
    _, rewards, terminated, _, _ = env.step(np.zeros(env.action_space.shape, np.float32))
    assert (
        (1.1 + held) * PAY < rewards[0] <= (1.2 + held) * PAY
        and rewards[0] > rewards[1:3].max()
        and rewards[1:3].min() > 0
    )
    assert rewards[3] == 0 and terminated.tolist() == [False, False, False, True]
    env.close()


def test_a_drill_says_how_long_an_episode_is_and_what_balance_and_drifting_count() -> None:
    rewards: list[np.ndarray] = []
    for drill in (Drill(), Drill(horizon=2, over=2.0), Drill(drift=1.0)):
        env = practised(drill)
        env.reset(seed=0)
        env.unwrapped.core.simulation.qvel[:, 0] = 1.0
        _, paid, _, cut, _ = env.step(np.zeros(env.action_space.shape, np.float32))
        assert not cut.any()
        rewards.append(paid)
        *_, cut, _ = env.step(np.zeros(env.action_space.shape, np.float32))
        assert cut.all() == (drill.horizon == 2)
        env.close()
    assert (rewards[1] > rewards[0]).all() and (rewards[2] < rewards[0]).all()


def test_a_pose_on_the_feet_is_practised_and_published_with_its_reflex() -> None:
    settings = replace(SETTINGS["HumanoidHandsOnHips"], steps=1, epochs=1)
    reflex = reflex_of("roborew/HumanoidHandsOnHips-v0", settings)
    env = training_environment("roborew/HumanoidHandsOnHips-v0", settings, reflex)
    assert isinstance(env, Practised)
    env.close()
    policy, _ = train("roborew/HumanoidHandsOnHips-v0", settings, seed=0)
    np.testing.assert_allclose(policy.reflex, reflex.weights, rtol=1e-6)
    assert tuple(policy.heading) == reflex.heading and policy.last.any()


def test_the_pay_is_the_gain_of_true_progress_and_a_rent_on_it() -> None:
    env = environment("roborew/Cheetah-v0", 0.1)
    _, before = env.reset(seed=0)
    _, rewards, terminated, _, after = env.step(np.ones(env.action_space.shape, np.float32))
    expected = GAIN * (after["progress"] - before["progress"]) + 0.1 * after["progress"]
    np.testing.assert_allclose(rewards, expected, atol=1e-5)
    assert not terminated.any()
    env.close()


def test_an_episode_ends_where_the_body_has_fallen() -> None:
    env = environment("roborew/Walker-v0", 0.1)
    env.reset(seed=0)
    env.unwrapped.core.simulation.qpos[2, 2] = 1.5
    terminated = env.step(np.zeros(env.action_space.shape, np.float32))[2]
    assert terminated.tolist() == [False, False, True, False]
    env.close()


def test_a_policy_is_evaluated_on_the_same_starts_each_time() -> None:
    policy, minutes = train("roborew/CartPole-v0", Settings(steps=64), seed=0)
    truth = evaluate("roborew/CartPole-v0", policy)
    assert truth == evaluate("roborew/CartPole-v0", policy)
    assert truth["kept"] <= truth["end"] / run.EPISODES <= truth["ever"]
    assert minutes > 0


def test_every_setting_is_of_a_task() -> None:
    assert {f"roborew/{name}-v0" for name in SETTINGS} <= set(TASKS)


def test_a_policy_that_mostly_fails_has_no_file(tmp_path: Path) -> None:
    policy, file = (
        load_policy_network("roborew/CartPole-v0"),
        tmp_path / "policies" / "CartPole.safetensors",
    )
    run.keep(file, policy, run.EXPERT)
    assert file.is_file()
    run.keep(file, policy, run.EXPERT - 0.01)
    assert not file.exists()


def test_evaluating_leaves_the_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "POLICIES", tmp_path)
    file = tmp_path / "CartPole.safetensors"
    file.write_bytes(b"what was shipped")
    row = run.run("CartPole", 0, evaluate_only=True)
    assert row["bytes"] == len(file.read_bytes()) == 16 and row["success"] == 1
