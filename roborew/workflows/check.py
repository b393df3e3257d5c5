"""Find out what kind of part a name stands for, make one, and hold it to the laws of its kind."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, get_args

from roborew.checks.agent import LAWS as AGENT_LAWS
from roborew.checks.agent import AgentSubject
from roborew.checks.critic import LAWS as CRITIC_LAWS
from roborew.checks.critic import CriticSubject
from roborew.checks.encoder import LAWS as ENCODER_LAWS
from roborew.checks.encoder import EncoderSubject
from roborew.checks.judge import LAWS as JUDGE_LAWS
from roborew.checks.judge import judge_subject
from roborew.checks.laws import Outcome
from roborew.checks.reward import LAWS as REWARD_LAWS
from roborew.checks.reward import reward_subject
from roborew.checks.task import LAWS as TASK_LAWS
from roborew.checks.task import TaskSubject
from roborew.config import keyword_options, parse_options, parse_settings
from roborew.errors import InvalidInputError, UnknownNameError
from roborew.judges.config import JudgeConfig
from roborew.judges.factory import load_judge
from roborew.learning.devices import check_devices
from roborew.registry import Registry, agents, critics, encoders, judges, rewards
from roborew.workflows.factories import construct_agent
from roborew.workflows.parts import RewardConfig
from roborew.workflows.rewards import load_reward
from roborew_envs import TASKS, Task, make_task

Kind = Literal["reward", "critic", "encoder", "agent", "judge", "task"]
REGISTRIES: dict[Kind, Registry] = {
    "reward": rewards,
    "critic": critics,
    "encoder": encoders,
    "agent": agents,
    "judge": judges,
}
NUM_CHECK_STEPS = 6
"""Gradient steps of a critic or encoder that is only tried; laws do not need a good one."""


def check_part(
    name: str, options: Sequence[str] = (), kind: Kind | None = None
) -> tuple[Kind, list[Outcome]]:
    """Hold a part to the laws of its kind.

    Args:
        name: of a registry or a task's id, ``package.module:Class``, or the folder of a reward.
        options: settings of the part as key=value words.
        kind: of part; found out if not given.

    Returns:
        The kind, and how each law fared; nothing is raised for a broken law.

    Raises:
        UnknownNameError: no such name.
        InvalidInputError: a name of several kinds, or of none; or an unknown setting.
        MissingBackendError: it cannot be imported.
    """
    if kind in (None, "reward") and RewardConfig(name).is_folder:
        settings = parse_settings(RewardConfig(name).factory(), options)
        model = load_reward(name, **settings)
        return "reward", REWARD_LAWS.run(reward_subject(model))
    kind = kind or kind_of(name)
    if kind == "task":
        if options:
            raise InvalidInputError(f"{name}: a task has no settings; got {', '.join(options)}.")
        return kind, TASK_LAWS.run(TaskSubject(make_task(name)))
    if kind == "judge":
        # As a reward loads it: a server that nobody listens for is said at once.
        judge = load_judge(JudgeConfig(backend=name, options=tuple(options)))
        return kind, JUDGE_LAWS.run(judge_subject(judge))
    return kind, _run_laws(kind, REGISTRIES[kind].load(name), options)


def _run_laws(kind: Kind, part: Any, options: Sequence[str]) -> list[Outcome]:
    words = list(options)
    if kind in ("critic", "encoder"):
        words += _few_steps(part, options)
    settings = parse_options(part, words)
    check_devices(settings.get("device", "cpu"))
    # Made once before: a value out of its range breaks no law.
    if kind == "agent":
        subject = AgentSubject(partial(construct_agent, part, options=settings))
        subject.fresh()
        return AGENT_LAWS.run(subject)
    instance = part(**settings)
    if kind == "critic":
        return CRITIC_LAWS.run(CriticSubject(lambda: part(**settings)))
    if kind == "encoder":
        return ENCODER_LAWS.run(EncoderSubject(lambda: part(**settings)))
    return REWARD_LAWS.run(reward_subject(instance))


def kind_of(name: str) -> Kind:
    """Find out what kind of part a name stands for.

    Raises:
        UnknownNameError: no such name; close matches and the list are offered.
        InvalidInputError: the name stands for several kinds, or for none.
    """
    if ":" in name:
        return _kind_of_class(name, rewards.load(name))
    # A critic and a reward may share a name: guessing would check the wrong one in silence.
    kinds: list[Kind] = [kind for kind, registry in REGISTRIES.items() if name in registry]
    if name in TASKS:
        kinds.append("task")
    if len(kinds) > 1:
        raise InvalidInputError(
            f"{name!r} names several parts ({', '.join(kinds)}): say which with --kind {kinds[0]}."
        )
    if not kinds:
        names = {entry for registry in REGISTRIES.values() for entry in registry}
        raise UnknownNameError("part", name, names | set(TASKS))
    return kinds[0]


def _kind_of_class(name: str, part: Any) -> Kind:
    """The kind that a class fits, by what its instances can do."""
    if inspect.isclass(part) and issubclass(part, Task):
        return "task"
    methods = {
        "agent": ("act", "learn"),
        "critic": ("fit", "score_step"),
        "encoder": ("encode", "encode_text"),
        "reward": ("score",),
        "judge": ("ask",),
    }
    for kind, names in methods.items():
        if all(callable(getattr(part, method, None)) for method in names):
            return kind  # pyright: ignore[reportReturnType] - the keys are kinds
    raise InvalidInputError(
        f"{name}: fits no kind of part. Expected a class with score (a reward), fit and score_step "
        "(a critic), encode and encode_text (an encoder), act and learn (an agent), ask (a judge), or "
        f"a subclass of roborew_envs.Task; or say which of {', '.join(get_args(Kind))} it is with --kind."
    )


def _few_steps(part: Any, options: Sequence[str]) -> list[str]:
    names = {option.partition("=")[0] for option in options}
    # A user who sets the number of steps gets that number.
    has_default_steps = "steps" in keyword_options(part) and "steps" not in names
    return [f"steps={NUM_CHECK_STEPS}"] if has_default_steps else []
