"""A law that cannot be broken says nothing: parts that break one are told so, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from roborew.agents.ppo import PPO
from roborew.agents.ppo_config import PPOConfig
from roborew.checks import check_agent, check_critic, check_encoder, check_reward, check_task
from roborew.checks.synthetic import TEXT_DIM
from roborew.critics.objective import Query
from roborew.critics.objectives.ridge import Ridge
from roborew.encoders.mini import MiniEncoder
from roborew.errors import ContractError, InvalidInputError, RoborewError, UnknownNameError
from roborew.types import Clip, RecurrentState, RewardSpec, Scores, Video
from roborew.workflows.check import Kind, check_part, kind_of
from roborew_envs import make_task
from roborew_envs.tasks.desk.push import Push
from tests.roborew.ascent import Height
from tests.roborew.rewards.checkpoints.tiny_released import tiny_classifier


def scores(values: Any) -> Scores:
    array = np.asarray(values, np.float32)
    return Scores(array, np.ones(len(array), np.bool_))


class Brightness:
    """The mean of a frame: keeps every law."""

    spec = RewardSpec(
        name="brightness",
        low=0,
        high=1,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="a test double",
    )

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        return [scores(self.curve(clip.frames)) for clip in clips]

    def curve(self, frames: Video) -> NDArray[Any]:
        return frames.mean(axis=(1, 2, 3)) / 255


class OutOfRange(Brightness):
    def curve(self, frames: Video) -> NDArray[Any]:
        return 2 + super().curve(frames)


class SeesTheFuture(Brightness):
    def curve(self, frames: Video) -> NDArray[Any]:
        return super().curve(frames)[::-1]


class Remembers(Brightness):
    def curve(self, frames: Video) -> NDArray[Any]:
        curve = super().curve(frames)
        return np.cumsum(curve) / np.arange(1, len(curve) + 1)


class DependsOnItsBatch(Brightness):
    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        return [scores(self.curve(clip.frames) / len(clips)) for clip in clips]


class Restless(Brightness):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def curve(self, frames: Video) -> NDArray[Any]:
        return self.rng.random(len(frames))


class WritesIntoFrames(Brightness):
    def curve(self, frames: Video) -> NDArray[Any]:
        curve = super().curve(frames)
        frames[:] = 0
        return curve


class Raises(Brightness):
    def curve(self, frames: Video) -> NDArray[Any]:
        raise ZeroDivisionError("by zero")


def test_a_reward_that_keeps_its_laws_passes() -> None:
    outcomes = check_reward(Brightness())
    assert {outcome.verdict for outcome in outcomes} == {"kept", "skipped"}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (OutOfRange(), "scores have the clip's length, float32, the promised range and success"),
        (SeesTheFuture(), "the future does not change a causal score"),
        (Remembers(), "nothing beyond the context changes a score"),
        (DependsOnItsBatch(), "a batch of two equals two of one"),
        (Restless(), "the same clip scores the same twice"),
        (WritesIntoFrames(), "scoring does not write into the frames"),
        (Raises(), "ZeroDivisionError: by zero"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Brightness) else "",
)
def test_a_reward_that_breaks_a_law_is_told_which(model: Brightness, said: str) -> None:
    with pytest.raises(ContractError) as raised:
        check_reward(model)
    assert said in str(raised.value)


class Forgets(Ridge):
    """Loads nothing of what it saved."""

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().load_state_dict({name: np.zeros_like(array) for name, array in arrays.items()})


class GrowsItsState(Ridge):
    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        found, _ = super().score_step(queries)
        return found, [{"frames": query.features.copy()} for query in queries]


@pytest.mark.parametrize(
    ("critic", "said"),
    [
        (Forgets, "state_dict and load_state_dict give equal scores"),
        (GrowsItsState, "the recurrent state does not grow with the episode"),
    ],
)
def test_a_critic_that_breaks_a_law_is_told_which(critic: type[Ridge], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_critic(critic)


class ReadsItsBatch(MiniEncoder):
    def encode(self, frames: Video) -> NDArray[np.float32]:
        return super().encode(frames) + np.float32(len(frames))


class SaysNothing(MiniEncoder):
    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        del sentence
        return np.full(TEXT_DIM, np.nan, np.float32)


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (ReadsItsBatch, "a frame has the same vector alone and in a batch"),
        (SaysNothing, "a sentence becomes a finite float32 vector"),
    ],
)
def test_an_encoder_that_breaks_a_law_is_told_which(encoder: type[MiniEncoder], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_encoder(encoder)


class NeverLearns(PPO):
    def learn(self, *arguments: Any, **options: Any) -> None:
        pass


class LeavesTheSpace(PPO):
    def act(self, *arguments: Any, **options: Any) -> NDArray[np.float32]:
        return super().act(*arguments, **options) + 5


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (NeverLearns, "learning changes what it does"),
        (LeavesTheSpace, "actions have the space's shape and lie within it"),
    ],
)
def test_an_agent_that_breaks_a_law_is_told_which(agent: type[PPO], said: str) -> None:
    config = PPOConfig(n_steps=16, n_epochs=1, batch_size=64)
    with pytest.raises(ContractError, match=said):
        check_agent(lambda observations, actions, seed: agent(observations, actions, config, seed))


class SolvedAtOnce(Push):
    def success(self, qpos: NDArray[Any], qvel: NDArray[Any]) -> NDArray[np.bool_]:
        return np.ones(len(qpos), np.bool_)


class SpeaksTooLittle(Push):
    @property
    def paraphrases(self) -> tuple[str, ...]:
        return super().paraphrases[:3]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (SolvedAtOnce(), "initial states are not solved"),
        (SpeaksTooLittle(), "there are 8 paraphrases"),
    ],
)
def test_a_task_that_breaks_a_law_is_told_which(task: Push, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_task(task)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("clip", "reward"),
        ("vice", "critic"),
        ("goal_classifier", "critic"),
        ("conv", "encoder"),
        ("ppo", "agent"),
        ("roborew/Push-v0", "task"),
        ("tests.roborew.ascent:Height", "reward"),
        ("roborew.critics.objectives.ridge:Ridge", "critic"),
        ("roborew.encoders.mini:MiniEncoder", "encoder"),
        ("roborew.agents.ppo:PPO", "agent"),
        ("roborew_envs.tasks.desk.push:Push", "task"),
    ],
)
def test_a_name_is_enough_to_know_what_it_is(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_a_name_of_two_parts_and_of_none_is_one_clear_error() -> None:
    with pytest.raises(InvalidInputError, match=r"several parts \(reward, encoder\).*--kind"):
        kind_of("mini")
    with pytest.raises(UnknownNameError, match="Did you mean 'clip'"):
        kind_of("clipp")
    with pytest.raises(InvalidInputError, match="fits no kind of part"):
        kind_of("json:JSONDecoder")


def test_a_part_is_checked_by_its_name_with_its_options() -> None:
    kind, outcomes = check_part("ridge", ("seed=3",))
    assert kind == "critic"
    assert not [outcome for outcome in outcomes if outcome.verdict == "broken"]
    kind, outcomes = check_part(f"{Height.__module__}:Height")
    assert kind == "reward" and len(outcomes) == 9


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ppo", "agent"),
        ("sb3-ppo", "agent"),
        ("ridge", "critic"),
        ("conv", "encoder"),
        ("mini", "reward"),
        ("roborew/Reach-v0", "task"),
    ],
)
def test_no_setting_of_any_kind_of_part_is_ignored(name: str, kind: Kind) -> None:
    with pytest.raises(RoborewError, match="no_such_setting"):
        check_part(name, ("no_such_setting=1",), kind)


def test_a_folder_of_weights_is_checked_with_its_settings(tmp_path: Path) -> None:
    folder = str(tiny_classifier(tmp_path))
    kind, outcomes = check_part(folder, ["threshold=0.5"])
    assert kind == "reward" and not [one for one in outcomes if one.verdict == "broken"]
    with pytest.raises(RoborewError, match="treshold"):
        check_part(folder, ["treshold=0.5"])


def test_an_agent_is_checked_with_its_settings() -> None:
    with pytest.raises(InvalidInputError, match="gamma"):
        check_part("ppo", ("gamma=7",))


def test_the_instance_of_a_task_is_enough() -> None:
    assert {outcome.verdict for outcome in check_task(make_task("roborew/Reach-v0"))} == {"kept"}
