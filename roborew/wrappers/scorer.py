"""A reward model held against the frames of N running episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.types import (
    BoolArray,
    Clip,
    Frame,
    IncrementalRewardModel,
    RecurrentState,
    RewardModel,
    RewardSpec,
    Scores,
    Video,
    picture_fault,
)
from roborew.wrappers.episode_tracker import FrameScores

MIN_SCORES_FOR_RATE = 100
"""Scores before the rate of abstentions can stop a run."""


@dataclass(slots=True)
class Window:
    """Frames of one episode that a model is shown.

    Attributes:
        env: index of the environment.
        frames: oldest first; the first ``num_scored`` are history that was scored before. An
            incremental model keeps its own history, so its windows hold new frames only.
        num_scored: see ``frames``.
        rows: of each frame that waits for its score, the step since the last call of the model.
        recurrent_state: what an incremental model remembers of the episode.
        lowest: score of the episode since it was begun or taken up again.
        highest: the same.
    """

    env: int
    frames: list[Frame] = field(default_factory=list[Frame])
    num_scored: int = 0
    rows: list[int] = field(default_factory=list[int])
    recurrent_state: RecurrentState = field(default_factory=dict[str, NDArray[Any]])
    lowest: float = math.inf
    highest: float = -math.inf

    def widen(self, scores: Scores) -> None:
        """Take scores of the episode into its lowest and highest."""
        values = scores.value[scores.valid]
        if len(values):
            self.lowest = min(self.lowest, float(values.min()))
            self.highest = max(self.highest, float(values.max()))


class FrameScorer:
    """Keeps frames, window by window, and scores all that wait in one batch.

    A window never reaches back over the start of an episode. It holds the frames that were added,
    so a model with history that is scored at every k-th step sees every k-th frame. An
    `IncrementalRewardModel` is shown each frame once.

    Args:
        model: see `check_scorable`.
        instruction: checked by the caller, like ``goal_image`` and all frames.
        goal_image: shape (H, W, 3), uint8 RGB, for models that need one.
        num_envs: N.
        max_invalid_rate: share of abstentions, in [0, 1], beyond which the run stops.

    Attributes:
        score_moved: whether the scores of any episode so far differed by enough to tell something.
    """

    def __init__(
        self,
        model: RewardModel,
        instruction: str,
        goal_image: Frame | None,
        num_envs: int,
        max_invalid_rate: float,
    ) -> None:
        self._model = model
        self._spec = model.spec
        self._incremental = model if isinstance(model, IncrementalRewardModel) else None
        self._instruction = instruction
        self._goal_image = goal_image
        self._max_invalid_rate = max_invalid_rate
        self._windows = [Window(env) for env in range(num_envs)]
        self._waiting: list[Window] = []
        self._num_scores = 0
        self._num_invalid = 0
        self._checked_first = False
        self.score_moved = False

    def add(self, envs: NDArray[np.int64], frames: Video, begun: BoolArray, row: int) -> None:
        """Keep the frames of one step.

        Args:
            envs: shape (n,), of which environments.
            frames: shape (n, H, W, 3).
            begun: shape (N,), where the frame is the first of its episode.
            row: steps since the last call of `score`.
        """
        if not self._checked_first:
            check_first_frames(frames, envs)
            self._checked_first = True
        for env, frame in zip(cast(list[int], envs.tolist()), frames, strict=True):
            if begun[env]:
                self._windows[env] = Window(env)
            window = self._windows[env]
            if not window.rows:
                self._waiting.append(window)
            window.rows.append(row)
            # A renderer may draw the next frames into the same memory.
            window.frames.append(frame.copy())

    def score(self, num_rows: int) -> list[FrameScores]:
        """Score everything that waits, in one call of the model.

        Args:
            num_rows: steps since the last call, whether frames were added in them or not.

        Returns:
            One entry for each of these steps.

        Raises:
            InvalidScoreError: the model returned no proper scores, or abstained too often.
        """
        shape = (num_rows, len(self._windows))
        value = np.full(shape, np.nan, dtype=np.float32)
        success = np.full(shape, np.nan, dtype=np.float32)
        valid = np.zeros(shape, dtype=np.bool_)

        answers = self._ask(self._waiting)
        for window, scores in zip(self._waiting, answers, strict=True):
            place = (window.rows, window.env)
            new = slice(window.num_scored, None)
            value[place] = scores.value[new]
            valid[place] = scores.valid[new]
            if scores.success is not None:
                success[place] = scores.success[new]

        self._forget(self._waiting)
        self._waiting = []
        by_row = zip(value, valid, success, strict=True)
        return [FrameScores(*row) for row in by_row]

    def score_episodes(self, over: BoolArray) -> dict[int, Scores]:
        """Score the episodes that are over, shape (N,), each as one clip of all its frames.

        Returns:
            By environment.

        Raises:
            InvalidScoreError: as `score`.
        """
        envs = np.flatnonzero(over).tolist()
        ended = [self._windows[env] for env in envs]
        answers = self._ask(ended)
        for window in ended:
            self._windows[window.env] = Window(window.env)
        self._waiting = []
        return dict(zip(envs, answers, strict=True))

    def _ask(self, windows: Sequence[Window]) -> list[Scores]:
        """The model's scores of each window, checked."""
        if not windows:
            return []
        clips = [
            Clip.unchecked(np.stack(window.frames), self._instruction, self._goal_image)
            for window in windows
        ]
        try:
            if self._incremental is None:
                answers = self._model.score(clips)
            else:
                states = [window.recurrent_state for window in windows]
                answers, states = self._incremental.score_step(clips, states)
                self._remember(windows, states)
        except InvalidScoreError as error:
            error.add_note(f"while scoring environments {[window.env for window in windows]}")
            raise
        self._check_answers(windows, answers)
        return answers

    def _remember(self, windows: Sequence[Window], states: Sequence[RecurrentState]) -> None:
        if len(states) != len(windows):
            raise InvalidScoreError(
                f"reward {self._spec.name!r}: expected {len(windows)} recurrent states, one for "
                f"each clip; got {len(states)}."
            )
        for window, state in zip(windows, states, strict=True):
            window.recurrent_state = state

    def _check_answers(self, windows: Sequence[Window], answers: Sequence[Scores]) -> None:
        """Raise unless there is a score for each frame, finite where marked valid, and few enough of
        all so far are abstentions."""
        name = self._spec.name
        if len(answers) != len(windows):
            raise InvalidScoreError(
                f"reward {name!r}: expected {len(windows)} scores, one for each clip of "
                f"environments {[window.env for window in windows]}; got {len(answers)}."
            )
        for window, scores in zip(windows, answers, strict=True):
            if len(scores.value) != len(window.frames):
                raise InvalidScoreError(
                    f"reward {name!r}: expected {len(window.frames)} scores, one for each frame of "
                    f"environment {window.env}; got {len(scores.value)}."
                )
            values = scores.value[scores.valid]
            # Again, for the arrays may have been written since `Scores` checked them.
            if not np.isfinite(values).all():
                raise InvalidScoreError(
                    f"reward {name!r}: a score of environment {window.env} marked valid is NaN or "
                    f"infinite; mark it invalid instead."
                )
            # Asked only where a score leaves the range, which rounding may explain.
            if ((values < self._spec.low) | (values > self._spec.high)).any():
                self._spec.check_range(scores, f"environment {window.env}")
            # History was counted when it was new; again, it would weigh the rate by its age.
            new_valid = scores.valid[window.num_scored :]
            self._num_scores += len(new_valid)
            self._num_invalid += len(new_valid) - int(new_valid.sum())
            if not self.score_moved:
                window.widen(scores)
                self.score_moved = self._spec.moves(window.lowest, window.highest)
        max_invalid = self._max_invalid_rate * self._num_scores
        if self._num_scores >= MIN_SCORES_FOR_RATE and self._num_invalid > max_invalid:
            rate = self._num_invalid / self._num_scores
            raise InvalidScoreError(
                f"reward {name!r} abstained from {self._num_invalid} of {self._num_scores} scores "
                f"({rate:.1%}), more than the allowed {self._max_invalid_rate:.1%}: mend the model, "
                f"or raise max_invalid_rate."
            )

    def _forget(self, windows: Sequence[Window]) -> None:
        """Keep of the scored frames what the next one's score depends on."""
        context = self._spec.context
        for window in windows:
            if self._incremental is not None:
                window.frames = []
            elif context is not None:
                # Not frames[-(context - 1):], which for a context of 1 keeps all.
                # context - 1 frames: with the next new one they fill the context.
                first_kept = max(0, len(window.frames) - (context - 1))
                window.frames = window.frames[first_kept:]
            window.num_scored = len(window.frames)
            window.rows = []

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return everything `set_state` needs, all frames having been scored."""
        arrays: dict[str, NDArray[Any]] = {
            "counts": np.array([self._num_scores, self._num_invalid], dtype=np.int64),
            # Not the length of the history: frames of an episode that is paid whole wait unscored.
            "num_scored": np.array([window.num_scored for window in self._windows]),
        }
        for window in self._windows:
            if window.frames:
                arrays[f"history/{window.env}"] = np.stack(window.frames)
            for name, array in window.recurrent_state.items():
                arrays[f"recurrent_state/{window.env}/{name}"] = array.copy()
        return arrays

    def set_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned, in this release or the one before."""
        num_scores, num_invalid = arrays["counts"]
        self._num_scores = int(num_scores)
        self._num_invalid = int(num_invalid)
        self._waiting = []
        num_envs = len(self._windows)
        self._windows = [Window(env) for env in range(num_envs)]
        for window in self._windows:
            window.frames = list(arrays.get(f"history/{window.env}", []))
            window.num_scored = len(window.frames)
        if "num_scored" in arrays:  # the release before did not write it
            for window, num_scored in zip(self._windows, arrays["num_scored"], strict=True):
                window.num_scored = int(num_scored)
        for key, array in arrays.items():
            kind, *place = key.split("/", 2)
            # "memory" is what the release before called it.
            if kind not in ("recurrent_state", "memory"):
                continue
            env, name = place
            window = self._windows[int(env)]
            state = cast(dict[str, NDArray[Any]], window.recurrent_state)
            state[name] = array.copy()


def check_scorable(spec: RewardSpec, has_goal_image: bool, whole_episodes: bool) -> None:
    """Raise if a reward model cannot pay step by step though it is to (not ``whole_episodes``), or
    lacks the picture that it needs."""
    if not (spec.causal or whole_episodes):
        raise InvalidInputError(
            f"reward {spec.name!r} is not causal: its score of a frame depends on later frames, "
            f"so it cannot pay step by step. Pay whole episodes at their end with "
            f"scoring='episode'."
        )
    if spec.needs_goal_image and not has_goal_image:
        raise InvalidInputError(
            f"reward {spec.name!r} needs a picture of the goal: pass goal_image=frame, or "
            f"--goal-image on the command line."
        )


def check_first_frames(frames: Video, envs: NDArray[np.int64]) -> None:
    """Raise if a frame, of (n, H, W, 3), shows nothing, for which a camera or driver is to
    blame."""
    for env, frame in zip(cast(list[int], envs.tolist()), frames, strict=True):
        fault = picture_fault(frame)
        if fault is not None:
            raise InvalidInputError(
                f"frames: the first frame of environment {env} {fault}; "
                "check the camera and the OpenGL driver (roborew doctor)."
            )
