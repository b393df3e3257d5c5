"""Clips and scores as bytes: safetensors, whose one more tensor ``about`` holds JSON. Nothing in them
can run.

| tensor | of clip number i | shape, dtype |
|---|---|---|
| ``i/frames`` | frames | (T, H, W, 3), uint8 |
| ``i/goal_image`` | goal picture, where there is one | (H', W', 3), uint8 |
| ``i/robot_states`` | states of the robot, where they are known | (T, D), float32 |
| ``i/state/NAME`` | what is remembered of the episode, both ways | as the model makes it |
| ``i/value``, ``i/valid``, ``i/success`` | the answer | (T,), float32, bool, float32 |

``about`` is ``{"instructions": [...]}`` in a question and ``{"clips": n}`` in an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.types import Clip, RecurrentState, Scores

Arrays = dict[str, NDArray[Any]]
ABOUT = "about"
DTYPES = {
    **{f"u{size}": f"U{8 * size}" for size in (1, 2, 4, 8)},
    **{f"i{size}": f"I{8 * size}" for size in (1, 2, 4, 8)},
    **{f"f{size}": f"F{8 * size}" for size in (2, 4, 8)},
    "b1": "BOOL",
}
"""NumPy's short names of what safetensors holds."""
IDENTITY = "Roborew-Identity"
"""Header of every answer: which model gave it."""


def pack_clips(clips: Sequence[Clip], states: Sequence[RecurrentState] | None = None) -> bytes:
    """Return a question; ``states`` where the clips go on."""
    arrays = _about({"instructions": [clip.instruction for clip in clips]})
    for number, clip in enumerate(clips):
        arrays[f"{number}/frames"] = clip.frames
        if clip.goal_image is not None:
            arrays[f"{number}/goal_image"] = clip.goal_image
        if clip.robot_states is not None:
            arrays[f"{number}/robot_states"] = clip.robot_states
    return _pack(arrays, states)


def unpack_clips(body: bytes) -> tuple[list[Clip], list[RecurrentState]]:
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
    arrays = _about({"clips": len(scores)})
    for number, one in enumerate(scores):
        arrays |= {f"{number}/value": one.value, f"{number}/valid": one.valid}
        if one.success is not None:
            arrays[f"{number}/success"] = one.success
    return _pack(arrays, states)


def unpack_scores(body: bytes, lengths: Sequence[int]) -> tuple[list[Scores], list[RecurrentState]]:
    """Return the scores of an answer.

    Args:
        body: as `pack_scores` made it.
        lengths: of the clips that were asked about.

    Raises:
        InvalidScoreError: it is no such answer, or one to another question.
    """
    try:
        arrays, about = _unpack(body)
    except InvalidInputError as error:
        raise InvalidScoreError(f"answer: {error}") from error
    if about.get("clips") != len(lengths):
        raise InvalidScoreError(
            f"answer: expected scores of {len(lengths)} clips; got {about.get('clips')}."
        )
    scores: list[Scores] = []
    for number, length in enumerate(lengths):
        value, valid = arrays.get(f"{number}/value"), arrays.get(f"{number}/valid")
        success = arrays.get(f"{number}/success")
        dtypes = [None if array is None else array.dtype for array in (value, valid, success)]
        if value is None or valid is None or value.shape != (length,):
            raise InvalidScoreError(f"answer: expected {length} scores of clip {number}.")
        if dtypes[:2] != [np.float32, np.bool_] or dtypes[2] not in (None, np.float32):
            raise InvalidScoreError(f"answer: expected float32, bool, float32; got {dtypes}.")
        scores.append(Scores(value, valid, success))
    return scores, _states(arrays, len(lengths))


def _pack(arrays: Arrays, states: Sequence[RecurrentState] | None) -> bytes:
    for number, state in enumerate(states or ()):
        arrays |= {f"{number}/state/{name}": array for name, array in state.items()}
    return _save(arrays)


def _save(arrays: Arrays) -> bytes:
    """Arrays as safetensors; each is copied once, by `safetensors.numpy.save` three times."""
    tensors: dict[str, dict[str, Any]] = {}
    parts: list[memoryview] = []
    end = 0
    for name, array in arrays.items():
        part = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        start, end = end, end + part.size
        tensors[name] = {
            "dtype": DTYPES[array.dtype.newbyteorder("=").str[1:]],
            "shape": array.shape,
            "data_offsets": (start, end),
        }
        parts.append(part.data)
    header = json.dumps(tensors).encode()
    return b"".join([len(header).to_bytes(8, "little"), header, *parts])


def _unpack(body: bytes) -> tuple[Arrays, Mapping[str, Any]]:
    try:
        arrays = load(body)
        about = json.loads(arrays.pop(ABOUT).tobytes())
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
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
