"""Everything that a model of Stable-Baselines3 goes on from, as named arrays and whole numbers.

Its own `save` leaves out the replay buffer, the generators and the running episodes, and pickles the
rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.torch_state import (
    Arrays,
    from_optimizer,
    from_tensors,
    load_optimizer,
    to_tensors,
)
from roborew.errors import InvalidInputError
from roborew.storage.checkpoints import select_prefix, with_prefix

COUNTERS = (
    "num_timesteps",
    "_episode_num",
    "_n_updates",
    "_n_calls",
    "exploration_rate",
    "_current_progress_remaining",
    "old_count",
)
"""Numbers that a model counts as it learns, where it has them."""
EPISODE_INFOS = ("r", "l")
"""Return and length of an ended episode, as Stable-Baselines3 abbreviates them."""
_LAST = ("_last_obs", "_last_original_obs", "_last_episode_starts")
_LSTM = ("pi", "vf")


def learned_arrays(model: Any) -> Arrays:
    """Return what a model has learned: networks, optimizers, temperature."""
    arrays: Arrays = {}
    for name, part in _learned_parts(model).items():
        is_optimizer = isinstance(part, torch.optim.Optimizer)
        state = from_optimizer(part) if is_optimizer else from_tensors(part)
        arrays |= with_prefix(state, f"{name}/")
    return arrays


def load_learned(model: Any, arrays: Mapping[str, NDArray[Any]], owner: str) -> None:
    """Give a model what `learned_arrays` returned.

    Raises:
        InvalidInputError: it is of another shape; the message begins with ``owner``.
    """
    for name, part in _learned_parts(model).items():
        saved = select_prefix(arrays, f"{name}/")
        if isinstance(part, torch.optim.Optimizer):
            load_optimizer(part, saved)
        else:
            _copy(part, to_tensors(saved), f"{owner}: the weights {name!r}")
    # Augmented random search keeps its parameters a second time, as one vector.
    if hasattr(model, "weights"):
        parameters = torch.nn.utils.parameters_to_vector(model.policy.parameters())
        model.weights = parameters.detach()


def counters(model: Any) -> dict[str, float]:
    """Return what a model has counted."""
    return {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)}


def replay_arrays(model: Any) -> Arrays:
    """Return what a model remembers; nothing of one without a replay buffer."""
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return {}
    rows = buffer.size()
    arrays = {name: column[:rows].copy() for name, column in _columns(buffer).items()}
    arrays["position"] = np.array([buffer.pos, buffer.full])
    return arrays


def load_replay(model: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a model what `replay_arrays` returned, of one of the same settings; nothing where it
    remembers as many environments as it has not."""
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None or "rewards" not in arrays or arrays["rewards"].shape[1] != buffer.n_envs:
        return
    position, is_full = arrays["position"].tolist()
    buffer.pos, buffer.full = int(position), bool(is_full)
    for name, column in _columns(buffer).items():
        saved = arrays[name]
        column[: len(saved)] = saved


def cut_off_episodes(model: Any) -> None:
    """Let what a model remembers of its running episodes end there, as by a time limit: what follows is
    of others, and no return may reach into it."""
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None or not buffer.size():
        return
    newest = buffer.pos - 1
    is_running = buffer.dones[newest] == 0
    buffer.dones[newest][is_running] = 1.0
    buffer.timeouts[newest][is_running] = 1.0


def episode_arrays(model: Any) -> Arrays:
    """Return where the running episodes stand; nothing before the first one began."""
    if model._last_obs is None:
        return {}
    arrays: Arrays = {}
    for name in _LAST:
        value = getattr(model, name)
        if value is not None:
            parts = _flat(value, name.removeprefix("_"))
            arrays |= {key: np.array(part) for key, part in parts.items()}
    states = getattr(model, "_last_lstm_states", None)
    if states is not None:
        for part in _LSTM:
            for index, tensor in enumerate(getattr(states, part)):
                arrays[f"lstm/{part}/{index}"] = tensor.detach().numpy().copy()
    infos = [[info[key] for key in EPISODE_INFOS] for info in model.ep_info_buffer]
    arrays["infos"] = np.array(infos, np.float64).reshape(-1, len(EPISODE_INFOS))
    arrays["successes"] = np.array(list(model.ep_success_buffer), np.float64)
    return arrays


def load_episodes(model: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Let a model go on within the episodes of `episode_arrays`."""
    for name in _LAST:
        setattr(model, name, _unflat(arrays, name.removeprefix("_")))
    if "lstm/pi/0" in arrays:
        parts = {
            part: tuple(torch.as_tensor(arrays[f"lstm/{part}/{i}"].copy()) for i in range(2))
            for part in _LSTM
        }
        model._last_lstm_states = type(model._last_lstm_states)(**parts)
    rows = arrays["infos"].tolist()
    infos = [dict(zip(EPISODE_INFOS, row, strict=True)) for row in rows]
    window = model._stats_window_size
    model.ep_info_buffer = deque(infos, maxlen=window)
    model.ep_success_buffer = deque(arrays["successes"].tolist(), maxlen=window)


def _learned_parts(model: Any) -> dict[str, Any]:
    """Networks as dictionaries of tensors, and optimizers, by the names that the model saves them
    under."""
    dictionaries, variables = model._get_torch_save_params()
    parts: dict[str, Any] = {}
    for path in dictionaries:
        part = model
        for name in path.split("."):
            part = getattr(part, name)
        is_optimizer = isinstance(part, torch.optim.Optimizer)
        parts[path] = part if is_optimizer else part.state_dict()
    for name in variables:
        parts[name] = {"value": getattr(model, name).data}
    return parts


def _copy(part: Mapping[str, Tensor], saved: Mapping[str, Tensor], owner: str) -> None:
    expected_shapes = {name: tensor.shape for name, tensor in part.items()}
    shapes = {name: tensor.shape for name, tensor in saved.items()}
    if shapes != expected_shapes:
        raise InvalidInputError(f"{owner} do not fit these spaces and settings.")
    with torch.no_grad():
        for name, tensor in part.items():
            tensor.copy_(saved[name])


def _columns(buffer: Any) -> Arrays:
    """The arrays of a replay buffer, one row a step."""
    arrays: Arrays = {}
    attributes = cast("dict[str, Any]", vars(buffer))
    for name, value in attributes.items():
        for key, part in _flat(value, name).items():
            if isinstance(part, np.ndarray):
                column = cast("NDArray[Any]", part)
                if column.shape[:1] == (buffer.buffer_size,):
                    arrays[key] = column
    return arrays


def _flat(value: Any, name: str) -> dict[str, Any]:
    """An observation, which may have several parts, under one name or several."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return {f"{name}/{key}": part for key, part in parts.items()}
    return {name: value}


def _unflat(arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    if name in arrays:
        return arrays[name].copy()
    parts = select_prefix(arrays, f"{name}/")
    return {key: part.copy() for key, part in parts.items()} or None
