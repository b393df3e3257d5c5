"""The laws of the learned reward: which frame is scored, what it pays, what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

import roborew_envs  # noqa: F401 - registers the ids
from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.rewards.mini import Mini
from roborew.shaping import Potential, ProgressDelta
from roborew.types import Clip, Scores
from roborew.wrappers import LearnedReward, SingleLearnedReward, SuccessDetector
from tests.roborew.wrappers.clock_environment import ClockEnv, ClockModel, NativeClocks, clocks

MODES = [AutoresetMode.DISABLED, AutoresetMode.NEXT_STEP]
MAKERS: list[Callable[[Sequence[int]], VectorEnv[Any, Any, Any]]] = [
    NativeClocks,
    clocks,
    lambda horizons: clocks(horizons, AutoresetMode.NEXT_STEP),
]
Steps = list[tuple[NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]]


def run(env: LearnedReward, steps: int) -> Steps:
    """Step, reset what is done in DISABLED mode, and return rewards, terminated, truncated and
    infos."""
    env.reset(seed=0)
    history: Steps = []
    for _ in range(steps):
        history.append(env.step(np.zeros((env.num_envs, 1), dtype=np.float32))[1:])
        done = history[-1][1] | history[-1][2]
        if env.metadata["autoreset_mode"] == AutoresetMode.DISABLED and done.any():
            env.reset(options={"reset_mask": done})
    return history


def learned(env: VectorEnv[Any, Any, Any], model: Any = None, **options: Any) -> LearnedReward:
    return LearnedReward(
        env,
        model or ClockModel(),
        "read the clock",
        **{"success_detector": None, "score_every": 1, **options},
    )


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("every", [1, 3, 4])
def test_the_last_action_of_an_episode_is_scored_on_its_own_final_frame(
    make: Any, every: int
) -> None:
    """A wrapper that draws after the reset pays every last action with the wrong picture."""
    horizons = np.array([5, 7, 8])
    finals = 0
    for _, terminated, truncated, infos in run(learned(make(horizons), score_every=every), 40):
        done = terminated | truncated
        np.testing.assert_allclose(infos["score"][done], horizons[done] / 100)
        finals += int(done.sum())
    assert finals >= 10


@pytest.mark.parametrize(
    "shaping", [ProgressDelta(5.0, 0.1), Potential(5.0, 0.9), Potential(5.0, 0.9, "hold")]
)
def test_an_episode_is_paid_the_same_whenever_others_begin(shaping: Any) -> None:
    """The reset of some environments is no step of the others between two of their scores."""
    horizons = [5, 7, 9]
    together = [
        step[0] for step in run(learned(clocks(horizons), shaping=shaping, score_every=4), 30)
    ]
    for column, horizon in enumerate(horizons):
        env = learned(clocks([horizon]), shaping=shaping, score_every=4)
        alone = [step[0][0] for step in run(env, 30)]
        np.testing.assert_allclose([rewards[column] for rewards in together], alone)


def test_the_single_wrapper_scores_the_final_frame_too() -> None:
    env = SingleLearnedReward(
        ClockEnv(5), ClockModel(), "read the clock", score_every=2, success_detector=None
    )
    for _ in range(3):
        _, info = env.reset()
        assert info["score"] == 0
        infos = [env.step(np.zeros(1))[4] for _ in range(5)]
        np.testing.assert_allclose(
            [i.get("score", np.nan) for i in infos], [np.nan, 0.02, np.nan, 0.04, 0.05]
        )
        with pytest.raises(InvalidInputError, match="reset"):
            env.step(np.zeros(1))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("every", [1, 2, 3, 100])
def test_the_return_of_an_episode_is_last_score_minus_first_however_often_it_is_scored(
    make: Any, every: int
) -> None:
    """Differences telescope through the wrapper; the environments' own reward is NaN and never
    read."""
    env = learned(make([6]), score_every=every, shaping=ProgressDelta(scale=10.0))
    period = 7 if env.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP else 6
    rewards = np.array([step[0][0] for step in run(env, 4 * period)]).reshape(4, period)
    np.testing.assert_allclose(rewards.sum(axis=1), 0.6, rtol=1e-6)


def test_unscored_steps_pay_nothing_and_draw_nothing() -> None:
    clock = NativeClocks([8, 8])
    model = ClockModel()
    history = run(learned(clock, model, score_every=4), 8)
    paid = [bool(rewards.any()) for rewards, *_ in history]
    assert paid == [False, False, False, True] * 2
    assert (
        clock.drawn == [[0, 1]] * 4
    )  # first frames, step 4, step 8, first frames of the next episodes
    assert [infos["score_valid"].all() for *_, infos in history] == paid


def test_two_environments_get_what_each_gets_alone() -> None:
    together = np.stack([step[0] for step in run(learned(clocks([5, 7])), 20)], axis=1)
    alone = [np.array([step[0][0] for step in run(learned(clocks([h])), 20)]) for h in (5, 7)]
    np.testing.assert_array_equal(together, alone)


def test_the_single_wrapper_pays_what_the_vector_wrapper_pays() -> None:
    options: Any = {
        "score_every": 3,
        "shaping": Potential(scale=2.0, gamma=0.9),
        "success_detector": SuccessDetector(threshold=0.5, bonus=3.0),
    }
    vector = [
        float(step[0][0])
        for step in run(learned(clocks([9]), ClockModel(claim_at=6), **options), 12)
    ]
    env = SingleLearnedReward(ClockEnv(9), ClockModel(claim_at=6), "read the clock", **options)
    single: list[float] = []
    while len(single) < 12:
        env.reset()
        terminated = truncated = False
        while not (terminated or truncated):
            _, reward, terminated, truncated, _ = env.step(np.zeros(1))
            single.append(float(reward))
    assert single == vector


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("context", [1, 3, None])
@pytest.mark.parametrize("every", [1, 4])
def test_scoring_a_rollout_at_once_pays_what_scoring_each_step_pays(
    make: Any, context: int | None, every: int
) -> None:
    shaping = Potential(scale=2.0, gamma=0.9)
    horizons = [5, 7, 9]
    options: Any = {"score_every": every, "shaping": shaping}
    expected = [
        step[0] for step in run(learned(make(horizons), ClockModel(context), **options), 24)
    ]
    model = ClockModel(context)
    env = learned(make(horizons), model, scoring="rollout", **options)
    assert all(np.isnan(step[0]).all() for step in run(env, 24))
    assert not model.clips
    np.testing.assert_array_equal(env.flush(), expected)
    assert env.flush().shape == (0, 3)


@pytest.mark.parametrize("context", [2, None])
def test_flushing_often_changes_no_number(context: int | None) -> None:
    whole = learned(NativeClocks([5, 7]), ClockModel(context), scoring="rollout")
    run(whole, 20)
    parts = learned(NativeClocks([5, 7]), ClockModel(context), scoring="rollout")
    pieces = []
    parts.reset()
    for step in range(20):
        _, _, terminated, truncated, _ = parts.step(np.zeros((2, 1)))
        if (terminated | truncated).any():
            parts.reset(options={"reset_mask": terminated | truncated})
        if step % 3 == 2 or step == 19:
            pieces.append(parts.flush())
    np.testing.assert_array_equal(np.concatenate(pieces), whole.flush())


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("context", "longest"), [(1, 1), (3, 3), (None, 10)])
def test_a_window_has_its_length_and_never_reaches_into_the_last_episode(
    make: Any, context: int | None, longest: int
) -> None:
    """`ClockModel` itself asserts that a clip shows one episode only."""
    model = ClockModel(context)
    run(learned(make([6, 9]), model), 30)
    assert max(len(clip.frames) for clip in model.clips) == longest
    for clip in model.clips:
        steps = clip.frames[:, 0, 0, 0].astype(int)
        assert (np.diff(steps) == 1).all()


def test_later_frames_change_no_earlier_reward() -> None:
    class Liar(ClockModel):
        def score(self, clips: Sequence[Clip]) -> list[Scores]:
            changed = [c.frames.copy() for c in clips]
            for frames in changed:
                frames[frames[:, 0, 0, 0] > 5, 0, 0] = 99
            return super().score(
                [
                    Clip(frames=f, instruction=c.instruction)
                    for f, c in zip(changed, clips, strict=True)
                ]
            )

    for context in (1, None):
        honest, lied = (
            run(learned(clocks([9]), model(context)), 9) for model in (ClockModel, Liar)
        )
        np.testing.assert_array_equal([s[0] for s in honest[:5]], [s[0] for s in lied[:5]])
        assert honest[5][0] != lied[5][0]


@pytest.mark.parametrize("make", MAKERS)
def test_a_claim_pays_its_bonus_once_and_ends_the_episode(make: Any) -> None:
    """In NEXT_STEP mode the environment knows nothing of the claim; the wrapper resets it in the
    step after."""
    env = learned(
        make([9, 9]),
        ClockModel(claim_at=4),
        success_detector=SuccessDetector(bonus=2.0),
        shaping=ProgressDelta(scale=100.0),
    )
    resets_itself = env.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    episode = [1.0, 1.0, 1.0, 3.0] + [0.0] * resets_itself
    history = run(env, 3 * len(episode))
    np.testing.assert_allclose([step[0][0] for step in history], episode * 3, rtol=1e-6)
    ends = [False, False, False, True] + [False] * resets_itself
    assert [bool(step[1][1]) for step in history] == ends * 3
    assert [bool(step[3]["terminated_by_success_detector"][1]) for step in history] == ends * 3


def test_a_true_termination_empties_the_potential_and_a_truncation_keeps_it() -> None:
    def last_reward(terminates: bool) -> float:
        env = learned(clocks([4], terminates=terminates), shaping=Potential(scale=100.0, gamma=0.5))
        return float(run(env, 4)[-1][0][0])

    assert last_reward(terminates=True) == pytest.approx(0 - 3)
    assert last_reward(terminates=False) == pytest.approx(0.5 * 4 - 3)


def test_truth_passes_through_untouched() -> None:
    history = run(learned(NativeClocks([4, 5])), 3)
    for t, (rewards, _, _, infos) in enumerate(history, start=1):
        assert np.isnan(infos["true_reward"]).all() and np.isfinite(rewards).all()
        np.testing.assert_allclose(infos["progress"], [t / 4, t / 5])


def test_saved_and_restored_equals_never_interrupted() -> None:
    """Windows, potentials and step counts go on in the middle of an episode."""
    options: Any = {"score_every": 2, "shaping": Potential(scale=2.0, gamma=0.9)}
    actions = np.zeros((2, 1))

    def roll(env: LearnedReward, steps: int) -> list[NDArray[Any]]:
        rewards = []
        for _ in range(steps):
            _, reward, terminated, truncated, _ = env.step(actions)
            rewards.append(reward)
            if (terminated | truncated).any():
                env.reset(options={"reset_mask": terminated | truncated})
        return rewards

    whole = learned(NativeClocks([5, 9]), ClockModel(3), **options)
    whole.reset()
    roll(whole, 7)
    saved = whole.get_state()
    fresh = learned(NativeClocks([5, 9]), ClockModel(3), **options)
    fresh.set_state({key: value.copy() for key, value in saved.items()})
    np.testing.assert_array_equal(roll(fresh, 15), roll(whole, 15))


def test_an_environment_that_cannot_be_saved_says_so() -> None:
    with pytest.raises(InvalidInputError, match="get_state"):
        learned(clocks([4])).get_state()
    waiting = learned(NativeClocks([4]), scoring="rollout")
    waiting.reset()
    with pytest.raises(InvalidInputError, match="flush"):
        waiting.get_state()


class Abstainer(ClockModel):
    """Abstains from every frame whose step is a multiple of ``from_every``, but the first."""

    def __init__(self, from_every: int) -> None:
        super().__init__()
        self._from_every = from_every

    def _score(self, clip: Clip) -> Scores:
        scores, steps = super()._score(clip), clip.frames[:, 0, 0, 0]
        return Scores(scores.value, (steps == 0) | (steps % self._from_every != 0), scores.success)


def test_an_abstention_pays_nothing_and_its_gain_is_paid_later() -> None:
    env = learned(
        clocks([5]), Abstainer(2), shaping=ProgressDelta(scale=100.0), max_invalid_rate=1.0
    )
    history = run(env, 5)
    np.testing.assert_allclose([s[0][0] for s in history], [1, 0, 2, 0, 2], rtol=1e-5)
    assert [bool(s[3]["score_valid"][0]) for s in history] == [True, False, True, False, True]
    assert np.isnan(history[1][3]["score"][0])


def test_too_many_abstentions_stop_the_run_with_the_rate() -> None:
    with pytest.raises(InvalidScoreError, match=r"abstained from 2\d of 1\d\d scores \(2\d\.\d%\)"):
        run(learned(clocks([9, 9]), Abstainer(4), max_invalid_rate=0.2), 100)
    run(learned(clocks([9, 9]), Abstainer(4), max_invalid_rate=0.3), 100)


class Broken(ClockModel):
    def __init__(self, breaking: Callable[[list[Scores]], list[Scores]]) -> None:
        super().__init__()
        self._break = breaking

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        return self._break(super().score(clips))


def make_nan(scores: list[Scores]) -> list[Scores]:
    scores[1].value[0] = np.nan
    return scores


def double(scores: list[Scores]) -> list[Scores]:
    return [scores[0], Scores(np.zeros(2, np.float32), np.ones(2, np.bool_))]


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (make_nan, "environment 1 .*NaN"),
        (lambda scores: scores[:1], r"expected 2 scores.*\[0, 1\]; got 1"),
        (double, "expected 1 scores.*environment 1; got 2"),
    ],
)
def test_what_is_no_score_is_an_error_that_names_the_environment(
    breaking: Any, message: str
) -> None:
    with pytest.raises(InvalidScoreError, match=message):
        learned(clocks([4, 4]), Broken(breaking)).reset()


class OddPictures(ClockEnv):
    def __init__(self, picture: Any) -> None:
        super().__init__(5)
        self._picture = picture

    def render(self) -> Any:
        return self._picture


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.random.default_rng(0).random((4, 6, 3)), "environment 0.*dtype float64"),
        (np.zeros((3, 4, 6), np.uint8), "environment 0.*channels first"),
        (np.zeros((4, 6, 4), np.uint8), "environment 0.*RGBA"),
        (None, "environment 0.*NoneType"),
        (np.zeros((4, 6, 3), np.uint8), "environment 0 has one colour only"),
        (np.full((4, 6, 3), [9, 8, 7], np.uint8), "environment 0 has one colour only"),
    ],
)
def test_what_is_no_picture_is_an_error_that_names_the_environment(
    picture: Any, message: str
) -> None:
    env = SingleLearnedReward(
        OddPictures(picture), ClockModel(), "read the clock", success_detector=None
    )
    with pytest.raises(InvalidInputError, match=message):
        env.reset()


def test_an_environment_that_shows_no_pictures_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="render_mode: expected 'rgb_array', got None"):
        learned(clocks([4], render_mode=None))
    with pytest.raises(InvalidInputError, match="render_mode"):
        SingleLearnedReward(ClockEnv(4, render_mode=None), ClockModel(), "read the clock")


def test_same_step_autoreset_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="DISABLED or NEXT_STEP, got .*SAME_STEP"):
        learned(clocks([4], AutoresetMode.SAME_STEP))


@pytest.mark.parametrize(
    ("promises", "options", "message"),
    [
        ({"causal": False}, {}, "not causal"),
        ({"needs_goal_image": True}, {}, "goal_image=frame"),
        (
            {"predicts_success": False},
            {"success_detector": SuccessDetector()},
            "success_detector=None",
        ),
        ({}, {"success_detector": SuccessDetector(), "scoring": "rollout"}, "too late"),
        ({}, {"scoring": "never"}, "'step', 'rollout' or 'episode'"),
        ({}, {"score_every": 0}, "every"),
        ({}, {"max_invalid_rate": 2.0}, "max_invalid_rate"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(
    promises: Any, options: Any, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        learned(clocks([4]), ClockModel(**promises), **options)


@pytest.mark.parametrize("make", [LearnedReward, SingleLearnedReward])
def test_an_option_that_does_not_exist_is_an_error(make: Any) -> None:
    env = clocks([4]) if make is LearnedReward else ClockEnv(4)
    with pytest.raises(TypeError, match="unexpected keyword argument 'evry'"):
        make(env, ClockModel(), "read the clock", evry=1)


def test_what_an_earlier_release_saved_is_read() -> None:
    env = learned(NativeClocks([5, 9]), ClockModel(3), score_every=2)
    env.reset()
    env.step(np.zeros((2, 1)))
    saved = env.get_state()
    old_names = {
        "reward/terminated_by_success_detector": "reward/claimed",
        "reward/has_score": "reward/seen",
        "reward/steps_since": "reward/since",
    }
    old = {old_names.get(name, name): array.copy() for name, array in saved.items()}
    assert old.keys() != saved.keys()
    fresh = learned(NativeClocks([5, 9]), ClockModel(3), score_every=2)
    fresh.set_state(old)
    expected, actual = fresh.get_state(), saved
    assert expected.keys() == actual.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(array, actual[name], err_msg=name)


def test_a_claim_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="threshold"):
        SuccessDetector(threshold=0.0)
    with pytest.raises(InvalidInputError, match="bonus"):
        SuccessDetector(bonus=np.nan)


def test_stepping_past_an_end_is_an_error_that_names_the_environment() -> None:
    env = learned(NativeClocks([2, 3]))
    env.reset()
    env.step(np.zeros((2, 1)))
    env.step(np.zeros((2, 1)))
    with pytest.raises(InvalidInputError, match=r"environments \[0\] have ended"):
        env.step(np.zeros((2, 1)))


def test_the_time_is_split_by_what_it_was_spent_on() -> None:
    env = learned(NativeClocks([4]))
    run(env, 4)
    assert set(env.seconds) == {"physics", "drawing", "scoring"}
    assert all(seconds > 0 for seconds in env.seconds.values())


@pytest.mark.parametrize("value", [-0.01, 2.56, 1e9])
def test_a_score_outside_the_promised_range_is_refused_with_both(value: float) -> None:
    """Nothing that a model makes up beyond its promise may be paid."""

    class Liar(ClockModel):
        def score(self, clips: Any) -> Any:
            return [replace(scores, value=scores.value + value) for scores in super().score(clips)]

    expected = re.escape(f"environment 0 is {value:g}, outside the range [0, 2.55]")
    with pytest.raises(InvalidScoreError, match=expected):
        learned(clocks([5]), Liar()).reset()


def test_rounding_at_the_end_of_the_range_is_no_lie() -> None:
    spec = ClockModel().spec
    valid = np.ones(2, np.bool_)
    spec.check_range(Scores(np.array([-1e-5, 2.55001], np.float32), valid))
    unbounded = ClockModel(low=-np.inf, high=np.inf).spec
    unbounded.check_range(Scores(np.array([-1e9, 1e9], np.float32), valid))


@pytest.mark.filterwarnings("ignore::UserWarning")  # advice on spaces, not on wrappers
def test_a_wrapped_environment_passes_the_check_of_gymnasium() -> None:
    env = gymnasium.make("roborew/Press-v0", render_mode="rgb_array")
    with closing(SingleLearnedReward(env, Mini(), "press the button")) as wrapped:
        check_env(wrapped)


def test_an_unknown_option_of_reset_is_refused_with_the_closest_name() -> None:
    single = gymnasium.make("roborew/Press-v0")
    with closing(single), pytest.raises(gymnasium.error.Error, match="unknown option 'evry'"):
        single.reset(options={"evry": 1})
    make_vec: Any = gymnasium.make_vec
    vector = make_vec("roborew/Press-v0", 2, "vector_entry_point")
    with closing(vector), pytest.raises(gymnasium.error.Error, match="Did you mean 'reset_mask'"):
        vector.reset(options={"reset_msk": np.ones(2, np.bool_)})
