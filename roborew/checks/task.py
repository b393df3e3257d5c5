"""The laws of tasks: language, initial states, truth and frames."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env

from roborew.checks.laws import LawBook, Outcome
from roborew_envs import Task, TaskEnv, TaskVectorEnv

NUM_STATES = 64
NUM_STEPS = 12

LAWS = LawBook("task")


@dataclass(frozen=True)
class TaskSubject:
    """A task and states that it is asked about."""

    task: Task

    @cached_property
    def states(self) -> tuple[np.ndarray, np.ndarray]:
        """Initial states and those that random actions lead to: qpos (N, nq) and qvel (N, nv)."""
        env = TaskVectorEnv(self.task, NUM_STATES)
        try:
            env.reset(seed=0)
            for actions in self.actions(NUM_STATES, NUM_STEPS):
                env.step(actions)
            simulation = env.core.simulation
            visited = (simulation.qpos.copy(), simulation.qvel.copy())
        finally:
            env.close()
        starts = self.initial_states(NUM_STATES)
        qpos, qvel = (np.concatenate(pair) for pair in zip(visited, starts, strict=True))
        return qpos, qvel

    def initial_states(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Initial states by one generator: qpos (count, nq) and qvel (count, nv)."""
        rng = np.random.default_rng(0)
        starts = [self.task.sample_initial_state(rng) for _ in range(count)]
        return np.stack([qpos for qpos, _ in starts]), np.stack([qvel for _, qvel in starts])

    def actions(self, num_envs: int, steps: int) -> np.ndarray:
        """Random actions in [-1, 1], shape (steps, num_envs, action_size), float32."""
        shape = (steps, num_envs, self.task.action_size)
        return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def check_task(task: Task) -> list[Outcome]:
    """Hold a task to the laws of tasks. It needs OpenGL, since frames are part of a task.

    Returns:
        How each law fared.

    Raises:
        ContractError: a law is broken; the message lists all that are.
    """
    return LAWS.require(TaskSubject(task))


@LAWS.law("Gymnasium's check_env accepts it")
def gymnasium_accepts_it(subject: TaskSubject) -> None:
    env = TaskEnv(subject.task, render_mode="rgb_array", width=24, height=16)
    try:
        with warnings.catch_warnings():
            # Observations without bounds are usual in MuJoCo: Gymnasium warns of its own tasks too.
            warnings.filterwarnings("ignore", ".*Box observation space (min|max)imum value is")
            check_env(env, skip_render_check=True)
    finally:
        env.close()


@LAWS.law("there are 8 paraphrases and 4 wrong instructions, and none is both")
def language_is_enough(subject: TaskSubject) -> None:
    task = subject.task
    # Sets: a sentence given twice counts once.
    right = {task.instruction, *task.paraphrases}
    paraphrases = len(right) - 1
    assert paraphrases >= 8, f"expected 8 paraphrases; got {paraphrases}"
    wrong = set(task.wrong_instructions)
    assert len(wrong) >= 4, f"expected 4 wrong instructions; got {len(wrong)}"
    assert right.isdisjoint(wrong), f"right and wrong at once: {sorted(right & wrong)}"


@LAWS.law("progress lies in [0, 1] and is 1 exactly where the task succeeds")
def progress_and_success_agree(subject: TaskSubject) -> None:
    progress = subject.task.progress(*subject.states)
    success = subject.task.success(*subject.states)
    inside = (progress >= 0) & (progress <= 1)
    assert inside.all(), f"expected [0, 1]; got {progress[~inside].tolist()}"
    assert ((progress == 1) == success).all(), "progress is 1 without success, or less with it"


@LAWS.law("the stage is the last one exactly where the task succeeds")
def stage_and_success_agree(subject: TaskSubject) -> None:
    stage = subject.task.stage(*subject.states)
    success = subject.task.success(*subject.states)
    last = len(subject.task.stages) - 1
    assert ((stage >= 0) & (stage <= last)).all(), f"expected 0 to {last}; got {stage.tolist()}"
    assert ((stage == last) == success).all(), "the last stage without success, or success before"


@LAWS.law("what has failed is no success and no initial state, and ends the episode")
def failure_is_the_end(subject: TaskSubject) -> None:
    failed = subject.task.failed(*subject.states)
    success = subject.task.success(*subject.states)
    assert failed.dtype == np.bool_, f"expected bool; got {failed.dtype}"
    assert not (failed & success).any(), f"{int((failed & success).sum())} states are both"
    at_start = subject.task.failed(*subject.initial_states(NUM_STATES))
    assert not at_start.any(), f"{int(at_start.sum())} of {NUM_STATES} initial states have failed"
    env = TaskVectorEnv(subject.task, 3, autoreset_mode="Disabled")
    try:
        env.reset(seed=3)
        _, _, terminated, _, _ = env.step(subject.actions(3, 1)[0])
        simulation = env.core.simulation
        expected = subject.task.failed(simulation.qpos, simulation.qvel)
    finally:
        env.close()
    assert np.array_equal(terminated, expected), f"failed: {expected}, terminated: {terminated}"


@LAWS.law("the truth of a state does not depend on its company")
def truth_is_of_each_state(subject: TaskSubject) -> None:
    qpos, qvel = (part[:6] for part in subject.states)
    together = subject.task.progress(qpos, qvel)
    rows = [slice(row, row + 1) for row in range(len(qpos))]
    alone = [subject.task.progress(qpos[row], qvel[row])[0] for row in rows]
    assert np.array_equal(together, alone), "progress of a state depends on its batch"


@LAWS.law("initial states are not solved, differ, and repeat by seed")
def initial_states_are_fair(subject: TaskSubject) -> None:
    qpos, qvel = subject.initial_states(NUM_STATES)
    solved = subject.task.success(qpos, qvel)
    assert not solved.any(), f"{int(solved.sum())} of {NUM_STATES} are solved"
    distinct = len(np.unique(np.hstack([qpos, qvel]), axis=0))
    assert distinct > 1, "all of them are the same"
    again, _ = subject.initial_states(NUM_STATES)
    assert np.array_equal(qpos, again), "one seed gives two initial states"


@LAWS.law("a seed gives the same episode alone and among others")
def company_changes_nothing(subject: TaskSubject) -> None:
    many, alone = TaskVectorEnv(subject.task, 3), TaskVectorEnv(subject.task, 1)
    try:
        # Environment i has the seed 7 + i, so the third of many is the one that stands alone.
        observations, single = many.reset(seed=7)[0], alone.reset(seed=9)[0]
        for actions in subject.actions(3, 5):
            assert np.array_equal(observations[2], single[0]), "the observations differ"
            observations, single = many.step(actions)[0], alone.step(actions[2:])[0]
    finally:
        many.close()
        alone.close()


@LAWS.law("rewards add up to the progress gained")
def rewards_telescope(subject: TaskSubject) -> None:
    env = TaskVectorEnv(subject.task, 3)
    try:
        _, infos = env.reset(seed=3)
        # float64, so that rounding of this sum is not taken for a fault of the rewards.
        expected = infos["progress"].astype(np.float64)
        for actions in subject.actions(3, NUM_STEPS):
            _, rewards, terminated, truncated, infos = env.step(actions)
            expected += rewards
            # The next step would begin an episode, from a progress of its own.
            if (terminated | truncated).any():
                break
    finally:
        env.close()
    difference = float(np.abs(expected - infos["progress"]).max())
    assert difference < 1e-6, f"they differ by {difference:.2g}"


@LAWS.law("get_state and set_state go on bit for bit")
def saved_and_restored_are_equal(subject: TaskSubject) -> None:
    env, twin = TaskVectorEnv(subject.task, 2), TaskVectorEnv(subject.task, 2)
    try:
        env.reset(seed=5)
        before, after = np.split(subject.actions(2, 6), 2)
        for actions in before:
            env.step(actions)
        # The twin was never reset: all that it goes on from must have come with the state.
        twin.set_state(env.get_state())
        for actions in after:
            expected, actual = env.step(actions), twin.step(actions)
            assert np.array_equal(expected[0], actual[0]), "the observations differ"
            assert np.array_equal(expected[1], actual[1]), "the rewards differ"
    finally:
        env.close()
        twin.close()


@LAWS.law("every camera draws uint8 frames that show something")
def cameras_show_something(subject: TaskSubject) -> None:
    cameras = subject.task.cameras
    # One environment for all of them: what costs is to begin drawing, not to draw.
    views = _frames(subject.task, ",".join(cameras))
    assert views.dtype == np.uint8, f"expected uint8; got {views.dtype}"
    expected = (2, 36, 48 * len(cameras), 3)
    assert views.shape == expected, f"expected shape {expected}; got {views.shape}"
    for camera, frames in zip(cameras, np.split(views, len(cameras), axis=2), strict=True):
        assert np.ptp(frames) > 16, f"{camera}: the frames have one color"


def _frames(task: Task, cameras: str) -> np.ndarray[Any, Any]:
    """Two starts as these cameras see them, side by side."""
    env = TaskVectorEnv(task, 2, render_mode="rgb_array", camera=cameras, width=48, height=36)
    try:
        env.reset(seed=0)
        return env.render_frames()
    finally:
        env.close()
