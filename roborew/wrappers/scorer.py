"""A reward model held against the frames of N running episodes."""

from __future__ import annotations

from collections.abc import Sequence
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

ENOUGH_SCORES = 100
"""Scores before the rate of abstentions is judged."""


@dataclass(slots=True)
class Segment:
    """Frames of one episode: the first ``known`` are history that was scored before, the rest wait
    for a score.

    An incremental model keeps its own history, ``memory``, and ``known`` stays 0.
    """

    env: int
    frames: list[Frame] = field(default_factory=list[Frame])
    known: int = 0
    memory: RecurrentState = field(default_factory=dict[str, NDArray[Any]])


class FrameScorer:
    """Keeps frames, window by window, and scores all that wait in one batch.

    A window never reaches back over the start of an episode. It holds the frames that were kept, so
    a model with history that is scored at every k-th step sees every k-th frame. An
    `IncrementalRewardModel` is shown each frame once.
    """

    def __init__(
        self,
        model: RewardModel,
        instruction: str,
        goal: Frame | None,
        num_envs: int,
        max_invalid_rate: float,
        whole: bool = False,
    ) -> None:
        check_payable(model.spec, has_goal=goal is not None, whole=whole)
        self._model, self._instruction, self._goal = model, instruction, goal
        self._max_invalid_rate = max_invalid_rate
        self._current = [Segment(env) for env in range(num_envs)]
        self._waiting: list[Segment] = []
        self._counts = np.zeros(2, dtype=np.int64)  # scores asked for, abstentions
        self._seen_any = False

    def keep(self, envs: NDArray[np.int64], frames: Video, begun: BoolArray) -> None:
        """Keep a frame (n, H, W, 3) of each of ``envs``, shape (n,); the first of its episode where
        ``begun``."""
        if not self._seen_any:
            check_picture(frames, envs)
            self._seen_any = True
        for env, frame in zip(cast(list[int], envs.tolist()), frames, strict=True):
            if begun[env]:
                self._current[env] = Segment(env)
            segment = self._current[env]
            if len(segment.frames) == segment.known:
                self._waiting.append(segment)
            segment.frames.append(frame.copy())

    def score(self, scored: Sequence[BoolArray]) -> list[FrameScores]:
        """Score everything that waits, in one call of the model.

        Args:
            scored: for each step since the last call, shape (N,), which environments had a frame
                kept.

        Returns:
            The labels of each step.

        Raises:
            InvalidScoreError: the model returned no proper scores, or abstained too often.
        """
        mask = np.stack(scored)
        value, success = (np.full(mask.shape, np.nan, dtype=np.float32) for _ in range(2))
        valid = np.zeros(mask.shape, dtype=np.bool_)
        said: dict[int, list[tuple[NDArray[Any], ...]]] = {}
        for segment, scores in zip(self._waiting, self._ask(), strict=True):
            claims = (
                scores.success if scores.success is not None else np.full_like(scores.value, np.nan)
            )
            said.setdefault(segment.env, []).append(
                tuple(part[segment.known :] for part in (scores.value, scores.valid, claims))
            )
            self._trim(segment)
        self._waiting = []
        for env, parts in said.items():
            rows = mask[
                :, env
            ]  # an environment's scores and the rows in which it was scored: both in time order
            value[rows, env], valid[rows, env], success[rows, env] = map(
                np.concatenate, zip(*parts, strict=True)
            )
        self._count(valid[mask])
        return [FrameScores(*row) for row in zip(value, valid, success, strict=True)]

    def score_episodes(self, over: BoolArray) -> dict[int, Scores]:
        """Score the episodes that are over, shape (N,), each as one clip of all the frames that
        were kept of it.

        Returns:
            By environment.

        Raises:
            InvalidScoreError: as `score`.
        """
        self._waiting = [self._current[env] for env in np.flatnonzero(over).tolist()]
        said = {
            segment.env: scores for segment, scores in zip(self._waiting, self._ask(), strict=True)
        }
        for env in said:
            self._current[env] = Segment(env)
        self._waiting = []
        self._count(
            np.concatenate([np.zeros(0, np.bool_), *(scores.valid for scores in said.values())])
        )
        return said

    def _ask(self) -> list[Scores]:
        if not self._waiting:
            return []
        clips = [
            Clip(frames=np.stack(s.frames), instruction=self._instruction, goal_image=self._goal)
            for s in self._waiting
        ]
        try:
            answers = self._score(clips)
        except InvalidScoreError as error:
            error.add_note(
                f"while scoring environments {[segment.env for segment in self._waiting]}"
            )
            raise
        name = self._model.spec.name
        if len(answers) != len(clips):
            raise InvalidScoreError(
                f"reward {name!r}: expected {len(clips)} scores, one for each clip of environments "
                f"{[segment.env for segment in self._waiting]}; got {len(answers)}."
            )
        for segment, answer in zip(self._waiting, answers, strict=True):
            _check_answer(name, segment, answer)
        return answers

    def _score(self, clips: list[Clip]) -> list[Scores]:
        if not isinstance(self._model, IncrementalRewardModel):
            return self._model.score(clips)
        answers, memories = self._model.score_step(
            clips, [segment.memory for segment in self._waiting]
        )
        if len(memories) != len(clips):
            raise InvalidScoreError(
                f"reward {self._model.spec.name!r}: expected {len(clips)} memories, one for each "
                f"clip; "
                f"got {len(memories)}."
            )
        for segment, memory in zip(self._waiting, memories, strict=True):
            segment.memory = memory
        return answers

    def _trim(self, segment: Segment) -> None:
        context = self._model.spec.context
        if isinstance(self._model, IncrementalRewardModel):
            segment.frames = []
        elif context is not None:
            segment.frames = segment.frames[
                len(segment.frames) - min(context - 1, len(segment.frames)) :
            ]
        segment.known = len(segment.frames)

    def _count(self, valid: BoolArray) -> None:
        self._counts += (len(valid), int((~valid).sum()))
        asked, abstained = self._counts.tolist()
        if asked >= ENOUGH_SCORES and abstained > self._max_invalid_rate * asked:
            raise InvalidScoreError(
                f"reward {self._model.spec.name!r} abstained from {abstained} of {asked} scores "
                f"({abstained / asked:.1%}), more than the allowed {self._max_invalid_rate:.1%}: "
                "mend the model, or raise max_invalid_rate."
            )

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return everything `set_state` needs, all frames having been scored."""
        histories = {f"history/{s.env}": np.stack(s.frames) for s in self._current if s.frames}
        memories = {
            f"memory/{s.env}/{key}": array.copy()
            for s in self._current
            for key, array in s.memory.items()
        }
        return {"counts": self._counts.copy()} | histories | memories

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        self._counts, self._waiting = arrays["counts"].copy(), []
        for segment in self._current:
            segment.frames = list(arrays.get(f"history/{segment.env}", []))
            segment.known = len(segment.frames)
            prefix = f"memory/{segment.env}/"
            segment.memory = {
                key.removeprefix(prefix): a.copy()
                for key, a in arrays.items()
                if key.startswith(prefix)
            }


def check_payable(spec: RewardSpec, has_goal: bool, whole: bool) -> None:
    """Raise if a reward model cannot pay step by step though it is to (not ``whole`` episodes), or
    lacks the picture that it needs."""
    if not (spec.causal or whole):
        raise InvalidInputError(
            f"reward {spec.name!r} is not causal: its score of a frame depends on later frames, "
            f"so it cannot pay step "
            "by step. Pay whole episodes at their end with scoring='episode'."
        )
    if spec.needs_goal_image and not has_goal:
        raise InvalidInputError(
            f"reward {spec.name!r} needs a picture of the goal: pass goal_image=frame, or --goal-image "
            f"on the command line."
        )


def check_picture(frames: Video, envs: NDArray[np.int64]) -> None:
    """Raise if a picture, of frames (n, H, W, 3), shows nothing, for which a camera or driver is to
    blame."""
    for env, frame in zip(cast(list[int], envs.tolist()), frames, strict=True):
        if fault := picture_fault(frame):
            raise InvalidInputError(
                f"frames: the first frame of environment {env} {fault}; "
                "check the camera and the OpenGL driver (roborew doctor)."
            )


def _check_answer(name: str, segment: Segment, answer: Scores) -> None:
    if len(answer) != len(segment.frames):
        raise InvalidScoreError(
            f"reward {name!r}: expected {len(segment.frames)} scores, one for each frame of "
            f"environment "
            f"{segment.env}; got {len(answer)}."
        )
    if not np.isfinite(answer.value[answer.valid]).all():
        raise InvalidScoreError(
            f"reward {name!r}: a score of environment {segment.env} marked valid is NaN or "
            f"infinite; "
            "mark it invalid instead."
        )
