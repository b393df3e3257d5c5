"""Expert policies of the tasks that no script can solve, trained on the truth by our own PPO.

    python -m experiments.locomotion_experts.run [--only CartPole --only Hopper] [--seed 0]
    [--evaluate]

Each task gives one safetensors file in ``envs/roborew_envs/assets/policies`` and one row of
``results.csv`` beside this file, both written as soon as it is done; a task whose row is there is
not trained again, a poor policy has no file.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

import roborew_envs
from experiments.locomotion_experts.payment import TrueProgress
from experiments.locomotion_experts.postures import SCALE, numbers, to_posture
from experiments.locomotion_experts.practice import Drill, Practised, practice
from experiments.locomotion_experts.published import exported, go_on_from, with_other_arms
from experiments.locomotion_experts.reflex import Reflex, WithReflex, to_stance
from experiments.locomotion_experts.search import search
from roborew import PPO, EnvConfig, PPOConfig, TrainConfig
from roborew.agents.rollout_report import RolloutReport
from roborew.evaluation.statistics import wilson
from roborew.workflows.factories import make_env
from roborew_envs.experts.policies import PolicyNetwork, load_policy_network, policy_file
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.humanoid.poses import Pose
from roborew_envs.tasks.locomotion.quadruped_stand import QuadrupedStand

RESULTS = Path(__file__).parent / "results.csv"
POLICIES = Path(roborew_envs.__file__).parent / "assets" / "policies"
HEADER = (
    "task",
    "seed",
    "steps",
    "minutes",
    "success",
    "success_low",
    "success_high",
    "episodes",
    "success_at_any_time",
    "success_through_last_second",
    "final_progress",
    "random_success",
    "bytes",
)
EVALUATION_SEED, EPISODES = 90_000, 50
NUM_ENVS = 64
EXPERT = 0.8
"""Success from which a policy is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs between tasks."""

    steps: int
    rent: float = 0.02
    alive: float = 0.0
    pose: Pose | None = None
    drill: Drill | None = None
    """How a humanoid practises its pose on the feet; without one, true progress alone pays."""
    after: str | None = None
    """Task whose expert this one goes on from; in no steps, only its arms change."""
    arms: tuple[float, float] | None = None
    """Stiffness and damping of the arms, where they are not those of the other joints."""
    shift: Mapping[str, float] = field(default_factory=dict)
    stiffness: float = 6.0
    damping: float = 0.05
    generations: int = 0
    discount: float = 0.99
    exploration: float = 0.6
    final_std: float = 0.15
    learning_rate: float = 1e-3
    epochs: int = 10

    def config(self) -> PPOConfig:
        """The agent's settings."""
        return PPOConfig(
            n_steps=32,
            n_epochs=self.epochs,
            batch_size=512,
            gamma=self.discount,
            gae_lambda=0.95,
            learning_rate=self.learning_rate,
            init_std=self.exploration,
            final_std=self.final_std,
            normalize_rewards=self.drill is not None,
        )


ON_FEET: dict[str, Any] = {
    "steps": 3_000_000,
    "exploration": 0.5,
    "final_std": 0.15,
    "learning_rate": 4e-4,
    "epochs": 8,
    "stiffness": 0.5,
    "drill": Drill(),
}
FROM_HANDS_ON_HIPS: dict[str, Any] = ON_FEET | {
    "after": "HumanoidHandsOnHips",
    "exploration": 0.4,
    "final_std": 0.1,
}
RISE = Drill(lowest=0.7, horizon=120, posed=0.0, over=2.0, held=3.0, drift=0.3)
OTHER_ARMS: dict[str, Any] = {
    "steps": 0,
    "after": "HumanoidHandsOnHips",
    "stiffness": ON_FEET["stiffness"],
    "arms": (5.0, 0.1),
}
SETTINGS = {
    "CartPole": Settings(steps=130_000, rent=0.1),
    "MountainCar": Settings(steps=300_000, rent=0.1),
    "Cheetah": Settings(steps=250_000),
    "Hopper": Settings(steps=500_000),
    "QuadrupedStand": Settings(
        steps=0
    ),  # its reflex stands by itself; learning on top only shook it
    "Walker": Settings(steps=600_000, alive=0.01),
    "Ant": Settings(steps=500_000, exploration=0.3, alive=0.005),
    "HumanoidStand": Settings(
        **FROM_HANDS_ON_HIPS | {"steps": 5_000_000, "drill": RISE}, pose="hands_on_hips"
    ),
    "HumanoidKneel": Settings(  # sits on its heels, which is what lasts
        steps=0,
        pose="kneel",
        shift={"abdomen_y": -5, "hip_x": -20, "hip_y": -74, "knee": -58},
        stiffness=5.0,
        damping=0.2,
        generations=20,
    ),
    "HumanoidRaiseArms": Settings(**OTHER_ARMS, pose="raise_arms"),
    "HumanoidHandsOnHips": Settings(**ON_FEET, pose="hands_on_hips"),
    "HumanoidArmsCrossed": Settings(**OTHER_ARMS, pose="arms_crossed", shift={"elbow": -12}),
    "HumanoidOneLeg": Settings(
        **FROM_HANDS_ON_HIPS | {"steps": 7_000_000, "drill": Drill(held=3.0)}, pose="one_leg"
    ),
    "HumanoidSideSplits": Settings(
        steps=0,
        pose="side_splits",
        shift={"abdomen_y": -20, "hip_y": 10, "knee": -25},
        stiffness=3.5,
        damping=0.07,
        generations=20,
    ),
    "HumanoidLotus": Settings(
        steps=0, pose="lotus", shift={"abdomen_y": -52}, damping=0.25, generations=10
    ),
}


def train(task_id: str, settings: Settings, seed: int) -> tuple[PolicyNetwork, float]:
    """Train one agent on the true progress; returns what it learned and the minutes that it
    took."""
    begun = said = perf_counter()
    reflex = reflex_of(task_id, settings, seed)
    if settings.after is not None and not settings.steps:
        return adapted(task_id, settings.after, reflex), (perf_counter() - begun) / 60
    env = training_environment(task_id, settings, reflex)
    agent = PPO(env.single_observation_space, env.single_action_space, settings.config(), seed)
    if settings.after is not None:
        go_on_from(agent, load_policy_network(f"roborew/{settings.after}-v0"))

    def tell(report: RolloutReport) -> None:
        nonlocal said
        if report.episodes and perf_counter() - said > 15:
            said = perf_counter()
            figures = (
                f"progress {report.final['progress']:.3f}, success {report.final['success']:.2f}"
            )
            length = f"episodes of {report.mean_length:.0f} steps"
            print(f"  {report.steps} steps, {said - begun:.0f} s, {figures}, {length}", flush=True)

    agent.learn(env, settings.steps, tell)
    env.close()
    policy = exported(agent, reflex)
    if not settings.steps:
        policy.last[:] = policy.last_bias[:] = 0  # nothing was learned
    return policy, (perf_counter() - begun) / 60


def adapted(task_id: str, after: str, reflex: Reflex) -> PolicyNetwork:
    """The expert of another task, with the arms of this one."""
    task, seen = roborew_envs.make_task(task_id), SETTINGS[after].pose
    assert isinstance(task, Humanoid) and seen is not None
    return with_other_arms(load_policy_network(f"roborew/{after}-v0"), task, seen, reflex)


def training_environment(
    task_id: str, settings: Settings, reflex: Reflex
) -> VectorEnv[Any, Any, Any]:
    """Simulations of a task, or of its practice, with a reflex and the pay."""
    task, pose, drill = roborew_envs.make_task(task_id), settings.pose, settings.drill
    if isinstance(task, Humanoid) and pose is not None and drill is not None:
        return Practised(WithReflex(practice(task, pose, drill, NUM_ENVS), reflex), drill)
    env = WithReflex(make_env(TrainConfig(env=EnvConfig(task_id)), NUM_ENVS), reflex)
    return TrueProgress(env, settings.rent, settings.alive)


def reflex_of(task_id: str, settings: Settings, seed: int = 0) -> Reflex:
    """What the body does by itself; where ``settings`` ask for generations, what a search made of
    that."""
    task, pose = roborew_envs.make_task(task_id), settings.pose
    if isinstance(task, Humanoid) and pose is not None:
        made = partial(to_posture, task, pose)
        start = numbers(settings.shift, settings.stiffness, settings.damping, settings.arms)
        return made(search(task, made, start, SCALE, settings.generations, seed))
    if isinstance(task, QuadrupedStand):
        return to_stance(task)
    qpos, qvel = task.sample_initial_state(np.random.default_rng(0))
    return Reflex.none(task.observe(qpos[None], qvel[None]).shape[1], task.action_size)


def evaluate(task_id: str, policy: PolicyNetwork | None) -> dict[str, float]:
    """Truth of 50 fresh starts; without a policy, of random actions."""
    env = make_env(TrainConfig(env=EnvConfig(task_id)), EPISODES)
    rng = np.random.default_rng(EVALUATION_SEED)
    observations, infos = env.reset(seed=EVALUATION_SEED)
    task, truths = roborew_envs.make_task(task_id), [infos["success"]]
    for _ in range(task.horizon):
        actions = (
            rng.uniform(-1, 1, env.action_space.shape) if policy is None else policy(observations)
        )
        observations, _, _, _, infos = env.step(actions)
        truths.append(infos["success"])
    env.close()
    success, second = np.array(truths), round(1 / (task.substeps * task.model.opt.timestep))
    return {
        "end": int(success[-1].sum()),
        "ever": float(success.any(axis=0).mean()),
        "kept": float(success[-second:].all(axis=0).mean()),
        "progress": float(infos["progress"].mean()),
    }


def run(name: str, seed: int, evaluate_only: bool = False) -> dict[str, Any]:
    """Train, export and evaluate the expert of one task, or evaluate the one that is there; returns its
    row."""
    task_id, settings = f"roborew/{name}-v0", SETTINGS[name]
    if evaluate_only:
        policy, minutes = load_policy_network(task_id), float(trained()[name]["minutes"])
    else:
        policy, minutes = train(task_id, settings, seed)
    truth, chance = evaluate(task_id, policy), evaluate(task_id, None)
    file = POLICIES / policy_file(task_id)
    if not evaluate_only:
        keep(file, policy, truth["end"] / EPISODES)
    interval = wilson(int(truth["end"]), EPISODES)
    figures = (
        truth["end"] / EPISODES,
        interval.low,
        interval.high,
        EPISODES,
        *(truth[key] for key in ("ever", "kept", "progress")),
    )
    size = file.stat().st_size if file.is_file() else 0
    row = (name, seed, settings.steps, minutes, *figures, chance["end"] / EPISODES, size)
    return dict(zip(HEADER, row, strict=True))


def keep(file: Path, policy: PolicyNetwork, success: float) -> None:
    """Write the file of an expert; of anything less there is none."""
    file.parent.mkdir(exist_ok=True)
    if success < EXPERT:
        file.unlink(missing_ok=True)
    else:
        policy.save(file)


def trained() -> dict[str, dict[str, str]]:
    """Rows that are there, by task."""
    if not RESULTS.is_file():
        return {}
    with RESULTS.open(newline="") as file:
        return {row["task"]: row for row in csv.DictReader(file)}


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Write all rows."""
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=list(SETTINGS), action="append", help="default: every task without a row"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help="evaluate the policies that are there, and train none",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.only or [
        name for name in SETTINGS if (name in trained()) == options.evaluate
    ]:
        row = run(name, options.seed, options.evaluate)
        row = {
            key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.items()
        }
        print(*row.values(), flush=True)
        rows = trained() | {name: row}
        write([rows[each] for each in SETTINGS if each in rows])


if __name__ == "__main__":
    main()
