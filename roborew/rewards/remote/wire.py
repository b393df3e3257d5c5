"""Clips and scores as bytes: safetensors, whose one more tensor ``about`` holds JSON. Nothing in them
can run.

| tensor | what it is | shape, dtype |
|---|---|---|
| ``i/frames`` | frames of clip number i | (T, H, W, 3), uint8 |
| ``i/goal_image`` | its goal picture, where there is one | (H', W', 3), uint8 |
| ``i/robot_states`` | its states of the robot, where they are known | (T, D), float32 |
| ``i/state/NAME`` | what is remembered of the episode, both ways | as the model makes it |
| ``value``, ``valid`` | the answer, one clip after another | (sum of T,), float32 and bool |
| ``success`` | likewise, of the clips of which the model says it | (sum of T,), float32 |

``about`` is ``{"instructions": [...]}`` in a question and ``{"clips": n, "success": [i, ...]}`` in an
answer: how many clips, and the numbers of those with a ``success``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.rewards.remote.tensors import Arrays, Body, Packed, pack, unpack
from roborew.types import Clip, RecurrentState, Scores

ABOUT = "about"
IDENTITY = "Roborew-Identity"
"""Header of every answer: which model gave it."""


def pack_clips(clips: Sequence[Clip], states: Sequence[RecurrentState] | None = None) -> Packed:
    """Return a question, to be sent piece by piece; ``states`` where the clips go on."""
    arrays = _about({"instructions": [clip.instruction for clip in clips]})
    for number, clip in enumerate(clips):
        arrays[f"{number}/frames"] = clip.frames
        if clip.goal_image is not None:
            arrays[f"{number}/goal_image"] = clip.goal_image
        if clip.robot_states is not None:
            arrays[f"{number}/robot_states"] = clip.robot_states
    return Packed(arrays | _of_states(states))


def unpack_clips(body: Body) -> tuple[list[Clip], list[RecurrentState]]:
    """Return the clips of a question and what is remembered of each.

    Raises:
        InvalidInputError: it is no such question, or its clips break a rule of `Clip`.
    """
    arrays, about = _unpack(body)
    sentences = about.get("instructions")
    if not isinstance(sentences, list):
        raise InvalidInputError("question: expected instructions, one a clip.")
    clips: list[Clip] = []
    for number, sentence in enumerate(cast("list[Any]", sentences)):
        frames: Any = arrays.get(f"{number}/frames")
        clip = Clip(
            frames=frames,
            instruction=sentence,
            goal_image=arrays.get(f"{number}/goal_image"),
            robot_states=arrays.get(f"{number}/robot_states"),
        )
        clips.append(clip)
    return clips, _states(arrays, len(clips))


def pack_scores(scores: Sequence[Scores], states: Sequence[RecurrentState] | None = None) -> bytes:
    """Return an answer."""
    claims = {i: one.success for i, one in enumerate(scores) if one.success is not None}
    arrays = _about({"clips": len(scores), "success": list(claims)})
    parts = {
        "value": [one.value for one in scores],
        "valid": [one.valid for one in scores],
        "success": list(claims.values()),
    }
    arrays |= {name: np.concatenate(part) for name, part in parts.items() if part}
    return pack(arrays | _of_states(states))


def unpack_scores(body: bytes, lengths: Sequence[int]) -> tuple[list[Scores], list[RecurrentState]]:
    """Return the scores of an answer.

    Args:
        body: as `pack_scores` made it.
        lengths: of the clips that were asked about.

    Raises:
        InvalidScoreError: it is no such answer, or one to another question.
    """
    try:
        # A copy: a caller may write into what it gets.
        arrays, about = _unpack(bytearray(body))
    except InvalidInputError as error:
        raise InvalidScoreError(f"answer: {error}") from error
    if about.get("clips") != len(lengths):
        raise InvalidScoreError(
            f"answer: expected scores of {len(lengths)} clips; got {about.get('clips')}."
        )
    with_success = _with_success(about, len(lengths))
    value = _answers(arrays, "value", np.float32, lengths)
    valid = _answers(arrays, "valid", np.bool_, lengths)
    claims = _answers(arrays, "success", np.float32, [lengths[i] for i in with_success])
    success = dict(zip(with_success, claims, strict=True))
    scores = [Scores(value[i], valid[i], success.get(i)) for i in range(len(lengths))]
    return scores, _states(arrays, len(lengths))


def _with_success(about: Mapping[str, Any], count: int) -> list[int]:
    """Numbers of the clips of which an answer says success."""
    numbers = about.get("success")
    if not isinstance(numbers, list) or numbers != [i for i in range(count) if i in numbers]:
        raise InvalidScoreError(f"answer: expected numbers of clips, below {count}; got {numbers}.")
    return cast("list[int]", numbers)


def _answers(
    arrays: Arrays, name: str, dtype: type[np.generic], lengths: Sequence[int]
) -> list[NDArray[Any]]:
    """One part of an answer, clip by clip."""
    array = arrays.get(name, np.zeros(0, dtype))
    if array.shape != (sum(lengths),) or array.dtype != dtype:
        raise InvalidScoreError(
            f"answer: expected {name} as {np.dtype(dtype)} of shape ({sum(lengths)},); got "
            f"{array.dtype} of shape {array.shape}."
        )
    return np.split(array, np.cumsum(lengths)[:-1]) if lengths else []


def _of_states(states: Sequence[RecurrentState] | None) -> Arrays:
    """What is remembered of each clip under its name."""
    return {
        f"{number}/state/{name}": array
        for number, state in enumerate(states or ())
        for name, array in state.items()
    }


def _unpack(body: Body) -> tuple[Arrays, Mapping[str, Any]]:
    arrays = unpack(body)
    try:
        about = json.loads(arrays.pop(ABOUT).tobytes())
    except (KeyError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"expected safetensors with the tensor {ABOUT!r}.") from error
    if not isinstance(about, dict):
        raise InvalidInputError(f"expected a JSON object in {ABOUT!r}.")
    return arrays, cast("dict[str, Any]", about)


def _about(content: Mapping[str, Any]) -> Arrays:
    return {ABOUT: np.frombuffer(json.dumps(content).encode(), np.uint8)}


def _states(arrays: Arrays, count: int) -> list[RecurrentState]:
    states: list[dict[str, NDArray[Any]]] = [{} for _ in range(count)]
    for name, array in arrays.items():
        number, is_state, rest = name.partition("/state/")
        if is_state and number.isdecimal() and int(number) < count:
            states[int(number)][rest] = array
    return list(states)
