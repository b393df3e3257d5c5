"""Every registered task keeps the laws that a user's own task is held to; later versions, see
`test_later_versions`."""

from __future__ import annotations

import pytest

from roborew.checks.laws import Law
from roborew.checks.task import LAWS, TaskSubject
from roborew_envs import make_task
from tests.contract.versions import FIRST_VERSIONS


@pytest.fixture(scope="module", params=FIRST_VERSIONS)
def subject(request: pytest.FixtureRequest) -> TaskSubject:
    return TaskSubject(make_task(request.param))


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
def test_every_task_keeps_the_law(law: Law, subject: TaskSubject) -> None:
    reason = law.check(subject)
    assert reason is None, reason
