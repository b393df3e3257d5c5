"""Every registered reward model keeps the laws of `RewardSpec`. A new one is found by itself."""

from __future__ import annotations

import pytest

from roborew.checks.laws import Law
from roborew.checks.reward import LAWS, RewardSubject, reward_subject
from roborew.registry import rewards
from tests.contract.tiny_rewards import tiny_options


@pytest.fixture(scope="module", params=sorted(rewards))
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> RewardSubject:
    options = tiny_options(request.param, tmp_path_factory.mktemp(request.param))
    return reward_subject(rewards.load(request.param)(device="cpu", **options))


def test_it_says_its_registered_name(subject: RewardSubject) -> None:
    assert subject.model.spec.name in rewards


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
def test_every_reward_keeps_the_law(law: Law, subject: RewardSubject) -> None:
    reason = law.check(subject)
    if reason is not None:
        pytest.skip(f"{subject.model.spec.name}: {reason}")
