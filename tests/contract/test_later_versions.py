"""A later version of a task is the first but for its end, and keeps the laws of tasks itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from roborew.checks.laws import Law
from roborew.checks.task import LAWS, TaskSubject
from roborew_envs import Task, TaskVectorEnv, make_task
from roborew_envs.experts.policies import first_version
from tests.contract.versions import LATER_VERSIONS

OWN = {"id", "failed", "train_timesteps", "train_init_std", "train_ppo", "train_oracle"}
"""What a later version may say otherwise; all else is the first one's."""


@pytest.fixture(scope="module", params=LATER_VERSIONS)
def subject(request: pytest.FixtureRequest) -> TaskSubject:
    return TaskSubject(make_task(request.param))


# Its pictures are those of the first version.
@pytest.mark.parametrize("law", [law for law in LAWS.laws if "camera" not in str(law)], ids=str)
def test_every_later_version_keeps_the_law(law: Law, subject: TaskSubject) -> None:
    reason = law.check(subject)
    assert reason is None, reason


def test_it_is_the_class_of_the_first_version_with_another_end(subject: TaskSubject) -> None:
    first = type(make_task(first_version(subject.task.id)))
    later = type(subject.task)
    assert issubclass(later, first) and later.failed is not Task.failed
    for kind in later.__mro__:
        if not issubclass(first, kind):
            declared = {name for name in vars(kind) if not name.startswith("_")}
            assert declared <= OWN, f"{kind.__name__}: {declared - OWN}"


def test_until_its_end_it_goes_the_way_of_the_first(subject: TaskSubject) -> None:
    envs = [
        TaskVectorEnv(task, 2) for task in (make_task(first_version(subject.task.id)), subject.task)
    ]
    try:
        first, later = (_observations(env, subject) for env in envs)
        for expected, got in zip(first, later, strict=True):
            np.testing.assert_array_equal(expected, got)
    finally:
        for env in envs:
            env.close()


def _observations(env: TaskVectorEnv, subject: TaskSubject) -> Iterator[np.ndarray]:
    yield env.reset(seed=2)[0]
    for actions in subject.actions(2, 3):
        observations, _, terminated, _, _ = env.step(actions)
        assert not terminated.any()
        yield observations
