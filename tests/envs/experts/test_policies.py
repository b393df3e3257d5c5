"""Expert policies: loaded without torch, each acts on its own task and is small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import roborew_envs
from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.experts import policies
from roborew_envs.experts.policies import (
    PolicyNetwork,
    load_policy_network,
    policy_file,
    to_heading_frame,
)
from roborew_envs.tasks.humanoid.humanoid import Humanoid

FOLDER = Path(roborew_envs.__file__).parent / "assets" / "policies"
KNOWN = policies.available_policies()

every_policy = pytest.mark.parametrize("task_id", KNOWN)


@every_policy
def test_a_policy_acts_on_its_task(task_id: str) -> None:
    task, policy = make_task(task_id), load_policy_network(task_id)
    starts = [task.sample_initial_state(np.random.default_rng(i)) for i in range(3)]
    observations = task.observe(*(np.stack(part) for part in zip(*starts, strict=True)))
    actions = policy(observations)
    assert actions.shape == (3, task.action_size) and actions.dtype == np.float32
    assert np.abs(actions).max() <= 1
    np.testing.assert_allclose(policy(observations[:1])[0], actions[0], atol=1e-6)


@every_policy
def test_it_succeeds_at_the_end_of_most_episodes(task_id: str) -> None:
    task, policy = make_task(task_id), load_policy_network(task_id)
    env = TaskVectorEnv(task, 10)
    observations, infos = env.reset(seed=70_000)
    assert not infos["success"].any()
    for _ in range(task.horizon):
        observations, _, _, _, infos = env.step(policy(observations))
    assert infos["success"].sum() >= 7
    env.close()


@every_policy
def test_its_file_is_small(task_id: str) -> None:
    assert (FOLDER / policy_file(task_id)).stat().st_size <= 200_000


def test_all_files_together_are_small() -> None:
    assert sum((FOLDER / policy_file(task_id)).stat().st_size for task_id in KNOWN) < 1_000_000


def test_every_file_belongs_to_a_task() -> None:
    assert KNOWN and set(KNOWN) <= set(roborew_envs.TASKS)


def test_a_policy_that_was_saved_acts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    shapes = {
        "mean": (3,),
        "scale": (3,),
        "first": (3, 8),
        "first_bias": (8,),
        "second": (8, 8),
        "second_bias": (8,),
    }
    shapes |= {"last": (8, 2), "last_bias": (2,), "reflex": (3, 2), "reflex_bias": (2,)}
    arrays = {name: rng.uniform(0.1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    policy = PolicyNetwork(**arrays, heading=np.zeros(0, np.int64))
    policy.save(tmp_path / "Cheetah.safetensors")
    monkeypatch.setattr(policies, "_FOLDER", tmp_path)
    observations = rng.standard_normal((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        load_policy_network("roborew/Cheetah-v0")(observations), policy(observations)
    )


def test_a_body_that_faces_along_x_sees_the_same_wherever_it_faced() -> None:
    task, turn = make_task("roborew/HumanoidStand-v0"), 0.9
    assert isinstance(task, Humanoid)
    qpos, qvel = (part[None] for part in task.sample_initial_state(np.random.default_rng(0)))
    turned, moved = qpos.copy(), qvel.copy()
    w, x, y, z = qpos[0, 3:7]
    cosine, sine = np.cos(turn / 2), np.sin(turn / 2)
    turned[0, 3:7] = (
        cosine * w - sine * z,
        cosine * x - sine * y,
        cosine * y + sine * x,
        cosine * z + sine * w,
    )
    (forward, aside), cosine, sine = qvel[0, :2], np.cos(turn), np.sin(turn)
    moved[0, :2] = cosine * forward - sine * aside, sine * forward + cosine * aside
    before, after = task.observe(qpos, qvel), task.observe(turned, moved)
    assert np.abs(before - after).max() > 0.1
    np.testing.assert_allclose(
        to_heading_frame(after, (1, 22)), to_heading_frame(before, (1, 22)), atol=1e-6
    )
    np.testing.assert_array_equal(to_heading_frame(before, ()), before)


def test_a_task_without_one_is_answered_with_the_list() -> None:
    with pytest.raises(
        gymnasium.error.Error, match=r"no expert policy for 'roborew/Dance-v0'.*roborew/CartPole-v0"
    ):
        load_policy_network("roborew/Dance-v0")


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Ant.safetensors").write_bytes(b"not weights")
    monkeypatch.setattr(policies, "_FOLDER", tmp_path)
    with pytest.raises(gymnasium.error.Error, match=r"roborew/Ant-v0 is damaged"):
        load_policy_network("roborew/Ant-v0")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("first", np.zeros((4, 64), np.float32)),
        ("last_bias", np.zeros((1, 6), np.float32)),
        ("second", np.full((64, 64), np.nan, np.float32)),
        ("scale", np.zeros(18, np.float32)),
        ("heading", np.array([1, 17])),
        ("heading", np.array([-1, 3])),
        ("nose", np.zeros(3, np.float32)),
        ("mean", None),
    ],
)
def test_a_file_of_other_sizes_or_without_numbers_is_refused(
    name: str, values: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = load_file(FOLDER / "Cheetah.safetensors")
    arrays |= {} if values is None else {name: values}
    save_file(
        {key: array for key, array in arrays.items() if values is not None or key != name},
        tmp_path / "Cheetah.safetensors",
    )
    monkeypatch.setattr(policies, "_FOLDER", tmp_path)
    with pytest.raises(gymnasium.error.Error, match=rf"roborew/Cheetah-v0 is damaged \(.*{name}"):
        load_policy_network("roborew/Cheetah-v0")


def test_a_policy_of_another_body_is_refused_when_it_acts() -> None:
    with pytest.raises(
        ValueError, match=r"got observations of shape \(2, 12\), expected \(N, 18\)"
    ):
        load_policy_network("roborew/Cheetah-v0")(np.zeros((2, 12), np.float32))


def test_acting_needs_no_torch() -> None:
    script = f"""
from roborew_envs.experts.policies import load_policy_network
load_policy_network({KNOWN[0]!r})
import sys
print('torch' in sys.modules)"""
    environment = {"PYTHONPATH": str(Path(roborew_envs.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "False\n"
