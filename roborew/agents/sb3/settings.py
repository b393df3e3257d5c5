"""The settings of an algorithm as a dataclass: what its constructor in Stable-Baselines3 takes, under
the same names, and a few of ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass
from types import NoneType
from typing import Any, Literal, get_args

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from roborew.agents.sb3.algorithms import Algorithm
from roborew.bounds import check_setting

DECIDED_HERE = frozenset(
    {"policy", "env", "seed", "device", "verbose", "tensorboard_log", "optimize_memory_usage"}
)
"""What a constructor takes and a user does not choose: the run decides it. Memory is not saved by
leaving out what time limits need."""
LEAST = {
    "learning_starts": 0,
    "gradient_steps": -1,
    "sde_sample_freq": -1,
    "top_quantiles_to_drop_per_net": 0,
}
"""Smallest value of a whole number; 1 of all others."""
SHARES = ("gamma", "gae_lambda", "tau", "exploration_fraction")
POSITIVE = ("learning_rate", "delta_std")
_KINDS = (str, int, float, bool, NoneType)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, type, default and what is written about it."""

    name: str
    kind: Any
    default: Any
    doc: str


def own_settings(kind: type[Any]) -> Iterator[Setting]:
    """Settings that Stable-Baselines3 has under no such name, of an algorithm's class."""
    parameters = inspect.signature(kind).parameters
    schedule = Literal["constant", "linear"]
    yield Setting(
        "learning_rate_schedule",
        schedule,
        "constant",
        "Whether the learning rate stays, or falls in a line to 0 over the run.",
    )
    if "LinearPolicy" not in kind.policy_aliases:
        yield Setting("hidden_dim", int, 64, "Units of each of the two hidden layers.")
    if issubclass(kind, OnPolicyAlgorithm):
        log_std = "Logarithm of the first policy's standard deviation, of continuous actions."
        yield Setting("log_std_init", float, 0.0, log_std)
    if "MlpLstmPolicy" in kind.policy_aliases:
        yield Setting("lstm_hidden_size", int, 256, "Units of the recurrent layer.")
    if issubclass(kind, OffPolicyAlgorithm):
        every = "Steps of every environment between two reports."
        yield Setting("report_every", int, 32, every)
    if "action_noise" in parameters:
        noise = "Standard deviation of Gaussian noise on actions in [-1, 1] while it learns."
        yield Setting("action_noise_std", float, 0.0, noise)


def settings_class(algorithm: Algorithm) -> type[Any]:
    """Return the frozen dataclass of an algorithm's settings.

    Raises:
        MissingBackendError: the package of the algorithm is not installed.
    """
    kind = algorithm.load()
    defaults = algorithm.defaults
    settings = [*_constructor_settings(kind), *own_settings(kind)]
    # Those of the table first: they are what is worth another value.
    settings.sort(key=lambda setting: [*defaults, setting.name].index(setting.name))
    columns: list[tuple[str, Any, Any]] = []
    for setting in settings:
        default = defaults.get(setting.name, setting.default)
        described = field(default=default, metadata={"doc": setting.doc})
        columns.append((setting.name, setting.kind, described))
    namespace = {
        "__doc__": f"Settings of {algorithm.name}, named as in Stable-Baselines3.",
        "__module__": "roborew.agents.sb3",
        "__post_init__": _check,
        # Not every algorithm has a network.
        "RENAMED": {"width": "hidden_dim"} if "hidden_dim" in algorithm.defaults else {},
    }
    name = f"SB3{algorithm.class_name}Config"
    return make_dataclass(name, columns, namespace=namespace, frozen=True, slots=True, kw_only=True)


def own_names(kind: type[Any]) -> frozenset[str]:
    """Names of settings that the constructor of an algorithm's class does not take."""
    return frozenset(setting.name for setting in own_settings(kind))


def _constructor_settings(kind: type[Any]) -> Iterator[Setting]:
    docs = _parameter_docs(kind)
    for parameter in inspect.signature(kind).parameters.values():
        readable = _readable_type(parameter.annotation)
        is_private = parameter.name[0] == "_"
        if readable is None or is_private or parameter.name in DECIDED_HERE:
            continue
        doc = docs.get(parameter.name, "See Stable-Baselines3.")
        yield Setting(parameter.name, readable, parameter.default, doc)


def _readable_type(annotation: Any) -> Any:
    """What of a type a command line can say, None where that is nothing."""
    members = get_args(annotation) or (annotation,)
    # In this order: of text or number a command line then keeps the text, such as "auto".
    readable = [kind for kind in _KINDS if kind in members]
    if not readable or readable == [NoneType]:
        return None
    union = readable[0]
    for kind in readable[1:]:
        union = union | kind
    return union


def _parameter_docs(kind: type[Any]) -> dict[str, str]:
    pattern = r":param (\w+):(.*?)(?=\n\s*:|\Z)"
    pairs = re.findall(pattern, inspect.getdoc(kind) or "", re.DOTALL)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in pairs}


def _check(config: Any) -> None:
    """Raise where a value has no meaning."""
    for setting in config.__dataclass_fields__.values():
        name = setting.name
        value = getattr(config, name)
        if name in SHARES:
            check_setting(config, name, 0 <= value <= 1, "a number in [0, 1]")
        elif name in POSITIVE:
            check_setting(config, name, value > 0, "a positive number")
        elif setting.type is int:
            least = LEAST.get(name, 1)
            check_setting(config, name, value >= least, f"a whole number from {least} up")
