"""Evaluation runs each seed once, looks at the right state, and takes the simulator's word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorWrapper

from roborew.errors import CorruptFileError, InvalidInputError, InvalidScoreError
from roborew.evaluation import Evaluation, RewardMonitor, evaluate, record
from roborew.types import Scores
from roborew.wrappers import LearnedReward, SuccessDetector
from tests.roborew.evaluation.stairs import Green, climb, stairs

SEEDS = [4, 1, 10, 7, 2, 8, 3]
MONITOR = RewardMonitor(model=Green(), instruction="climb the stairs", score_every=4)


def test_each_seed_runs_once_and_keeps_its_place() -> None:
    evaluation = evaluate(stairs(), climb, SEEDS)
    assert [episode.seed for episode in evaluation.episodes] == SEEDS
    assert [episode.length for episode in evaluation.episodes] == [10, 9, 10, 9, 10, 10, 9]
    assert [episode.success_at_end for episode in evaluation.episodes] == [
        seed % 2 == 0 for seed in SEEDS
    ]


@pytest.mark.parametrize("num_envs", [1, 2, 16])
def test_the_number_of_slots_changes_nothing(num_envs: int) -> None:
    assert evaluate(stairs(num_envs), climb, SEEDS, monitor=MONITOR) == evaluate(
        stairs(), climb, SEEDS, monitor=MONITOR
    )


def test_the_figures_are_those_of_the_simulator() -> None:
    evaluation = evaluate(stairs(), climb, SEEDS)
    assert evaluation.true_success == 4 / 7
    assert evaluation.interval.low < 4 / 7 < evaluation.interval.high
    even = evaluation.episodes[0]
    assert even.true_return == pytest.approx(sum(0.125 * step for step in range(1, 11)))
    assert even.progress[:3] == pytest.approx((0, 0.125, 0.25))
    assert evaluation.learned_return is None
    assert evaluation.summary()["spearman_per_episode"] is None


def test_success_that_is_lost_again_does_not_count() -> None:
    """The first hit flatters: what is judged is the state at the end."""

    def climb_and_fall(observations: Any) -> Any:
        steps.append(0)
        return climb(observations) * (1 if len(steps) <= 8 else -1)

    steps: list[int] = []
    evaluation = evaluate(stairs(1), climb_and_fall, [0])
    assert evaluation.episodes[0].success_at_any_time
    assert not evaluation.episodes[0].success_at_end
    assert (evaluation.true_success, evaluation.success_at_any_time) == (0, 1)


def test_the_first_every_kth_and_last_state_are_scored() -> None:
    evaluation = evaluate(stairs(), climb, SEEDS, monitor=MONITOR)
    assert evaluation.episodes[0].score_steps == (0, 4, 8, 10)
    assert evaluation.episodes[1].score_steps == (0, 4, 8, 9)


def test_the_scored_picture_is_of_the_state_after_the_action_and_before_any_reset() -> None:
    """Green is the height: a picture of the next episode would score 0 at the end."""
    for episode in evaluate(stairs(2), climb, SEEDS, monitor=MONITOR).episodes:
        truth = [
            0.125 * step if episode.seed % 2 == 0 else 0.05 * step for step in episode.score_steps
        ]
        assert episode.scores == pytest.approx(truth, abs=0.0051)


def test_a_recording_shows_every_state_once() -> None:
    for recording in record(stairs(), climb, [2, 1], monitor=MONITOR):
        assert recording.frames[:, 0, 0, 0].tolist() == list(range(recording.episode.length + 1))
        assert (
            recording.episode
            == evaluate(stairs(), climb, [recording.episode.seed], monitor=MONITOR).episodes[0]
        )


def test_a_sound_model_makes_no_false_claim() -> None:
    evaluation = evaluate(stairs(), climb, SEEDS, monitor=MONITOR)
    assert (
        evaluation.predicted_successes,
        evaluation.false_successes,
        evaluation.false_success_state_rate.value,
    ) == (4, 0, 0)
    assert evaluation.episodes[0].predicted_success_step == 8
    assert evaluation.spearman_per_episode.value == pytest.approx(
        0.97, abs=0.01
    )  # progress stops at 1, the score does not
    assert evaluation.episodes[0].learned_return == pytest.approx(1.25)


def test_an_eager_model_is_caught_by_the_truth() -> None:
    """It claims at half the height: on odd seeds the top is never reached, on even ones not yet."""
    evaluation = evaluate(
        stairs(),
        climb,
        SEEDS,
        monitor=RewardMonitor(model=Green(eager=2), instruction="climb", score_every=4),
    )
    assert (evaluation.predicted_successes, evaluation.false_successes) == (4, 4)
    assert evaluation.episodes[0].success_when_predicted is False
    assert evaluation.true_success == 4 / 7, "a claim never counts as success"


def test_an_episode_can_end_at_its_claim() -> None:
    eager = RewardMonitor(
        model=Green(eager=2), instruction="climb", score_every=4, terminate_on_success=True
    )
    evaluation = evaluate(stairs(), climb, SEEDS, monitor=eager)
    assert evaluation.episodes[0].length == 4
    assert evaluation.episodes[0].true_return == pytest.approx(0.125 * (1 + 2 + 3 + 4))
    assert evaluation.true_success == 0
    assert len(record(stairs(), climb, [2], monitor=eager)[0].frames) == 5


class Paid(VectorWrapper):
    """A learned reward's infos, by hand: the reward is 7, scored at even steps."""

    def reset(self, **arguments: Any) -> Any:
        self.steps = np.where(arguments["options"]["reset_mask"], 0, getattr(self, "steps", 0))
        observations, infos = self.env.reset(**arguments)
        return observations, self.evaluation(infos)

    def step(self, actions: Any) -> Any:
        self.steps = self.steps + 1
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        infos = {**self.evaluation(infos), "true_reward": rewards}
        return (
            observations,
            np.full(self.num_envs, 7.0),
            terminated | infos["terminated_by_success_detector"],
            truncated,
            infos,
        )

    def evaluation(self, infos: dict[str, Any]) -> dict[str, Any]:
        scored = self.steps % 2 == 0
        score = np.where(scored, self.steps / 10, np.nan)
        return {
            **infos,
            "score": score,
            "score_valid": scored,
            "terminated_by_success_detector": scored & (self.steps == 6),
        }


def test_behind_a_learned_reward_the_true_one_is_kept_apart() -> None:
    evaluation = evaluate(Paid(stairs()), climb, SEEDS)
    first = evaluation.episodes[0]
    assert (first.length, first.learned_return, first.predicted_success_step) == (6, 42, 6)
    assert first.true_return == pytest.approx(0.125 * 21)
    assert (first.score_steps, first.scores) == ((0, 2, 4, 6), (0, 0.2, 0.4, 0.6))
    assert evaluation.false_successes == len(SEEDS)


@pytest.mark.parametrize("eager", [1.0, 2.0])
def test_watching_gives_the_scores_and_claims_that_would_have_been_paid(eager: float) -> None:
    """One clip at the end and one frame per step are two ways to the same numbers."""
    model = Green(eager=eager)
    paid = evaluate(
        LearnedReward(
            stairs(), model, "climb", score_every=4, success_detector=SuccessDetector(threshold=0.9)
        ),
        climb,
        SEEDS,
    )
    watch = RewardMonitor(
        model=model,
        instruction="climb",
        score_every=4,
        success_threshold=0.9,
        terminate_on_success=True,
    )
    watched = evaluate(stairs(), climb, SEEDS, monitor=watch)
    for ours, theirs in zip(watched.episodes, paid.episodes, strict=True):
        assert (ours.seed, ours.success, ours.score_steps) == (
            theirs.seed,
            theirs.success,
            theirs.score_steps,
        )
        assert (ours.scores, ours.predicted_success) == (theirs.scores, theirs.predicted_success)
        assert ours.true_return == pytest.approx(theirs.true_return)


def test_an_evaluation_survives_json() -> None:
    evaluation = evaluate(stairs(), climb, SEEDS, monitor=MONITOR)
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    for damaged in ("", "{}", '{"episodes": [{"seed": 1}]}', '{"episodes": []}'):
        with pytest.raises(CorruptFileError, match="to_json"):
            Evaluation.from_json(damaged)


class Lazy(Green):
    def score(self, clips: Any) -> list[Scores]:
        return super().score(clips)[:-1]


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda: evaluate(stairs(), climb, []), InvalidInputError, "at least one"),
        (lambda: evaluate(stairs(), climb, [1, 1]), InvalidInputError, "all different"),
        (
            lambda: evaluate(stairs(mode=AutoresetMode.NEXT_STEP), climb, [1]),
            InvalidInputError,
            "DISABLED",
        ),
        (lambda: evaluate(stairs(horizon=10**9), climb, [1]), InvalidInputError, "time limit"),
        (
            lambda: evaluate(Paid(stairs()), climb, [1], monitor=MONITOR),
            InvalidInputError,
            "no reward monitor",
        ),
        (lambda: RewardMonitor(model=Green(), instruction=" "), InvalidInputError, "goal"),
        (
            lambda: RewardMonitor(model=Green(), instruction="climb", score_every=0),
            InvalidInputError,
            "every",
        ),
        (
            lambda: evaluate(
                stairs(), climb, [1], monitor=RewardMonitor(model=Lazy(), instruction="climb")
            ),
            InvalidScoreError,
            "one score for each frame",
        ),
    ],
)
def test_a_mistake_is_named(mistake: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mistake()
