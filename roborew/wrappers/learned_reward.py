"""A reward model in place of an environment's own reward.

    frames --> score --> shaping --> agent

The simulator's truth (true reward, progress, success) passes through in the infos and is never read
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any, Literal, cast, get_args

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.shaping import ProgressDelta, Rewards, Shaping
from roborew.storage.checkpoints import select_prefix, with_prefix
from roborew.types import (
    BoolArray,
    Frame,
    RenderableVectorEnv,
    RewardModel,
    check_instruction,
    check_video,
    frame_renderer,
    renderable,
)
from roborew.wrappers.episode_tracker import EpisodeTracker, StepMasks, StepRewards, SuccessDetector
from roborew.wrappers.pixel_observations import PixelObservations
from roborew.wrappers.reset_mask import split_reset_mask
from roborew.wrappers.scorer import FrameScorer, check_scorable

StepResult = tuple[Any, NDArray[Any], BoolArray, BoolArray, dict[str, Any]]
"""Observations (N, ...), rewards (N,), terminated (N,), truncated (N,) and infos."""
Scoring = Literal["step", "rollout", "episode"]
SUPPORTED_MODES = (AutoresetMode.DISABLED, AutoresetMode.NEXT_STEP)
DEFAULT_SHAPING = ProgressDelta(scale=5.0)
DEFAULT_DETECTOR = SuccessDetector()


class RewardWrapper(VectorWrapper[Any, Any, Any, Any, Any]):
    """Replaces the rewards of a vector environment and keeps the true ones in
    ``infos["true_reward"]``.

    A predicted success sets ``terminated``. In ``DISABLED`` mode the caller resets such an
    environment like any other that is done; in ``NEXT_STEP`` mode the next step does.

    Attributes:
        seconds: wall-clock time spent so far [s], by what it was spent on.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], tracker: EpisodeTracker) -> None:
        super().__init__(env)
        mode = env.metadata.get("autoreset_mode")
        if mode not in SUPPORTED_MODES:
            raise InvalidInputError(
                f"autoreset: expected AutoresetMode.DISABLED or NEXT_STEP, got {mode}: after the "
                f"last action of an episode the environment must still show its final state, not "
                f"the next episode's first."
            )
        self.seconds: dict[str, float] = {"physics": 0.0}
        self._resets_itself = mode == AutoresetMode.NEXT_STEP
        self._tracker = tracker
        self._pixels = env if isinstance(env, PixelObservations) else None
        # Ended by a predicted success, of which the environment knows nothing.
        self._ended_early = np.zeros(env.num_envs, dtype=np.bool_)

    @property
    def ends_in_success(self) -> bool:
        """Whether a success, predicted or true, ends an episode."""
        return self._tracker.ends_in_success

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all environments, or those in ``options["reset_mask"]``; infos gain their
        scores."""
        begun, options = split_reset_mask(options, self.num_envs)
        start = perf_counter()
        observations, infos = self.env.reset(seed=cast(Any, seed), options=options)
        self.seconds["physics"] += perf_counter() - start
        if self._pixels is not None:
            self._note_drawing(self._pixels)
        self._ended_early = self._ended_early & ~begun
        outcome = self._reward(self._tracker.begin(begun), infos)
        return observations, infos | outcome.infos()

    def step(self, actions: Any) -> StepResult:
        """Step all environments; see the class for what is replaced and what infos gain.

        Raises:
            InvalidInputError: in ``DISABLED`` mode, an environment was not reset after its episode
                ended.
        """
        if not self._resets_itself and self._tracker.ended.any():
            raise InvalidInputError(
                f"step: the episodes of environments "
                f"{np.flatnonzero(self._tracker.ended).tolist()} have ended; reset them first "
                f"with reset(options={{'reset_mask': terminated | truncated}})."
            )
        start = perf_counter()
        observations, true_rewards, terminated, truncated, infos = self.env.step(actions)
        if self._resets_itself and self._ended_early.any():
            observations, infos = self._begin_after_early_end(infos)
            # The environment made one more step of the old episode, which no longer counts.
            true_rewards = np.where(self._ended_early, 0.0, true_rewards)
            terminated = terminated & ~self._ended_early
            truncated = truncated & ~self._ended_early
        self.seconds["physics"] += perf_counter() - start
        if self._pixels is not None:
            self._note_drawing(self._pixels)
        infos = infos | {"true_reward": true_rewards, "_true_reward": np.ones_like(terminated)}
        outcome = self._reward(self._tracker.advance(terminated, truncated), infos)
        success = outcome.terminated_by_success_detector
        # What the environment ended itself, it also resets itself.
        self._ended_early = success & ~(terminated | truncated)
        infos = infos | outcome.infos()
        return observations, outcome.rewards, terminated | success, truncated, infos

    def _reward(self, masks: StepMasks, infos: Mapping[str, Any]) -> StepRewards:
        """Score what is due and return what the environments get for this step or reset."""
        raise NotImplementedError

    def _note_drawing(self, pixels: PixelObservations) -> None:
        """Count the agent's pictures as drawing and not as physics."""
        drawing = pixels.take_drawing_seconds()
        self.seconds["drawing"] = self.seconds.get("drawing", 0.0) + drawing
        self.seconds["physics"] -= drawing

    def _begin_after_early_end(self, infos: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Reset what ended early, in place of the step that the environment has just made of it;
        return observations and infos with those of the reset put in."""
        ended = self._ended_early
        observations, reset_infos = self.env.reset(options={"reset_mask": ended.copy()})
        merged = dict(infos)
        for key, value in reset_infos.items():
            if isinstance(value, np.ndarray) and key in infos:
                merged[key] = np.where(ended, cast(NDArray[Any], value), infos[key])
        return observations, merged

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the environment and of this wrapper, for `set_state`.

        Raises:
            InvalidInputError: the environment cannot give its state.
        """
        own = self._tracker.get_state()
        own["terminated_by_success_detector"] = self._ended_early.copy()
        inner = self._stateful().get_state()
        return with_prefix(inner, "env/") | with_prefix(own, "reward/")

    def set_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned, of an environment made the same way."""
        self._stateful().set_state(select_prefix(arrays, "env/"))
        own = select_prefix(arrays, "reward/")
        self._tracker.set_state(own)
        # The release before this one called it claimed.
        name = "claimed" if "claimed" in own else "terminated_by_success_detector"
        self._ended_early = own[name].copy()

    def _stateful(self) -> RenderableVectorEnv:
        inner = renderable(self.env)
        if inner is None:
            raise InvalidInputError(
                f"get_state: {self.env.unwrapped} cannot give or take its state; use one of "
                f"roborew's own environments to be able to resume."
            )
        return inner


class LearnedReward(RewardWrapper):
    """Pays the shaped score of a reward model in every environment of a vector environment.

    The frame scored is that of the state after the action and before any reset. Infos gain, each of
    shape (N,): ``true_reward`` (the environment's own), ``score`` (float32, NaN where not scored or
    abstained), ``score_valid`` (bool) and ``terminated_by_success_detector`` (bool: the model
    predicted success, which paid the bonus and ended the episode).

    Args:
        env: a vector environment with ``render_mode="rgb_array"`` and autoreset ``DISABLED`` or
            ``NEXT_STEP``. A `RenderableVectorEnv` renders only the environments that are due,
            another one renders all of them.
        model: a causal reward model, or any with ``scoring="episode"``.
        instruction: the goal as a sentence.
        shaping: the law from successive scores to rewards.
        score_every: score every k-th step of an episode, its first frame and its last. The history
            that a model sees holds these.
        success_detector: what a predicted success does; None switches it off.
        goal_image: picture of the goal, shape (H, W, 3), uint8 RGB, for models that need one.
        max_invalid_rate: share of abstentions, in [0, 1], beyond which the run stops.
        scoring: ``"step"`` pays at once; ``"rollout"`` keeps the frames until `flush` scores them
            in one batch; ``"episode"`` scores each episode whole when it ends, and its last step is
            paid what all its steps are worth: for models that are not causal.

    Attributes:
        deferred: rewards are NaN until `flush` pays a whole rollout.

    Raises:
        InvalidInputError: an argument that breaks a rule; while running, frames that are no uint8
            RGB pictures.
        InvalidScoreError: the model returned something that is no score, or abstained too often.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        model: RewardModel,
        instruction: str,
        *,
        shaping: Shaping = DEFAULT_SHAPING,
        score_every: int = 4,
        success_detector: SuccessDetector | None = DEFAULT_DETECTOR,
        goal_image: Frame | None = None,
        max_invalid_rate: float = 0.1,
        scoring: Scoring = "step",
    ) -> None:
        _check_pictures(env.render_mode)
        _check_options(model, success_detector, max_invalid_rate, scoring)
        check_scorable(model.spec, goal_image is not None, scoring == "episode")
        if goal_image is not None:
            check_video(np.asarray(goal_image)[None], "goal_image")
        tracker = EpisodeTracker(env.num_envs, shaping, score_every, success_detector)
        super().__init__(env, tracker)
        self.seconds |= {"drawing": 0.0, "scoring": 0.0}
        self.deferred = scoring == "rollout"
        self._whole_episodes = scoring == "episode"
        self._render = frame_renderer(env)
        self._scorer = FrameScorer(
            model, check_instruction(instruction), goal_image, env.num_envs, max_invalid_rate
        )
        self._unpaid: list[StepMasks] = []

    def _reward(self, masks: StepMasks, infos: Mapping[str, Any]) -> StepRewards:
        due = np.flatnonzero(masks.scored)
        if len(due):
            start = perf_counter()
            # Pictures come from outside: they are checked here, and nowhere behind.
            frames = check_video(self._render(due), f"frames of environments {due.tolist()}")
            self.seconds["drawing"] += perf_counter() - start
            self._scorer.add(due, frames, masks.begun, row=len(self._unpaid))
        if self.deferred:
            self._unpaid.append(masks)
            return StepRewards.unknown(self.num_envs)
        start = perf_counter()
        if self._whole_episodes:
            ended = masks.acted & self._tracker.ended
            outcome = self._tracker.episode_rewards(masks, self._scorer.score_episodes(ended))
        else:
            outcome = self._tracker.step_rewards(masks, self._scorer.score(num_rows=1)[0])
        self.seconds["scoring"] += perf_counter() - start
        return outcome

    @property
    def score_moved(self) -> bool:
        """Whether the scores of any episode so far differed by enough to tell something."""
        return self._scorer.score_moved

    def flush(self) -> Rewards:
        """Return the rewards of all steps since the last flush, shape (T, N), scored in one batch.

        Only with ``scoring="rollout"``; the numbers equal those of scoring at each step.

        Raises:
            InvalidInputError: the rewards were paid step by step already.
        """
        if not self.deferred:
            raise InvalidInputError(
                "flush: every step was paid at once; make the wrapper with scoring='rollout'."
            )
        start = perf_counter()
        scores = self._scorer.score(num_rows=len(self._unpaid))
        rewards: list[Rewards] = []
        for masks, row in zip(self._unpaid, scores, strict=True):
            outcome = self._tracker.step_rewards(masks, row)
            # A reset changes the potential the next step starts from, but is a row of no rollout.
            if masks.is_step:
                rewards.append(outcome.rewards)
        self._unpaid = []
        self.seconds["scoring"] += perf_counter() - start
        return np.stack(rewards) if rewards else np.zeros((0, self.num_envs))

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the state of environment, episodes and frames; with ``scoring="rollout"`` call
        `flush` first."""
        arrays = super().get_state()
        if self._unpaid:
            raise InvalidInputError("get_state: steps wait for their rewards; call flush() first.")
        return arrays | with_prefix(self._scorer.get_state(), "reward/")

    def set_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned, of an environment made the same way."""
        super().set_state(arrays)
        self._scorer.set_state(select_prefix(arrays, "reward/"))
        self._unpaid = []


def _check_pictures(render_mode: str | None) -> None:
    if render_mode != "rgb_array":
        raise InvalidInputError(
            f"render_mode: expected 'rgb_array', got {render_mode!r}; the reward is read from "
            f"pictures, so make the environment with render_mode='rgb_array'."
        )


def _check_options(
    model: RewardModel,
    success_detector: SuccessDetector | None,
    max_invalid_rate: float,
    scoring: Scoring,
) -> None:
    if scoring not in get_args(Scoring):
        raise InvalidInputError(
            f"scoring: expected 'step', 'rollout' or 'episode'; got {scoring!r}."
        )
    if not 0 <= max_invalid_rate <= 1:
        raise InvalidInputError(
            f"max_invalid_rate: expected a share in [0, 1]; got {max_invalid_rate}."
        )
    if success_detector is None:
        return
    if not model.spec.predicts_success:
        raise InvalidInputError(
            f"reward {model.spec.name!r} predicts no success: pass success_detector=None."
        )
    if scoring != "step":
        raise InvalidInputError(
            f"scoring={scoring!r} learns of a predicted success only after the {scoring}, too late "
            f"to end the episode: pass success_detector=None or scoring='step'."
        )
