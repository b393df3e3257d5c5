"""A judge from its configuration."""

from __future__ import annotations

import inspect

from roborew.config import keyword_options, parse_options
from roborew.errors import InvalidInputError
from roborew.judges.budget import BudgetedJudge
from roborew.judges.config import JudgeConfig
from roborew.judges.recorded import Recorder
from roborew.judges.server import ServerJudge
from roborew.judges.types import Judge
from roborew.registry import judges


def load_judge(config: JudgeConfig, device: str = "cpu") -> Judge:
    """Load the configured judge. One that cannot be had is an error, never another judge.

    Args:
        config: the back end and its settings; how answers are read is not looked at.
        device: torch device of a back end that has one and whose options name none.

    Raises:
        UnknownNameError: no such judge or option.
        InvalidInputError: an option is missing, has a value of another type, or goes with a judge
            that is loaded already.
        MissingBackendError: its package or weights are absent, or its server does not answer.
    """
    options = backend_options(config)
    if not isinstance(config.backend, str):
        if options or config.cache is not None:
            raise InvalidInputError(
                f"judge: {config.backend.identity} is loaded already and takes neither options "
                f"nor a cache; got {', '.join(options) or config.cache}. Give a name as backend, "
                "or wrap it in roborew.judges.recorded.Recorder."
            )
        if config.max_questions is not None:
            return BudgetedJudge(config.backend, config.max_questions)
        return config.backend
    judge = _make(config.backend, options, device)
    # Stored answers may be all that is asked for, and then nobody need listen.
    if isinstance(judge, ServerJudge) and not (config.cache and config.cache.exists()):
        judge.check_reachable()
    if config.max_questions is not None:
        judge = BudgetedJudge(judge, config.max_questions)
    # Outside of the budget: what is stored is not asked.
    return judge if config.cache is None else Recorder(judge, config.cache)


def backend_options(config: JudgeConfig) -> tuple[str, ...]:
    """Return all settings of the back end as ``key=value``."""
    options: list[str] = []
    if config.model is not None:
        options.append(f"model={config.model}")
    if config.base_url is not None:
        options.append(f"base_url={config.base_url}")
    return (*options, *config.options)


def _make(name: str, options: tuple[str, ...], device: str) -> Judge:
    factory = judges.load(name)
    arguments = parse_options(factory, options)
    option_names = keyword_options(factory)
    # A served or recorded judge has no device.
    if "device" in option_names:
        arguments.setdefault("device", device)
    # Bound before it is called: a TypeError from inside a back end is a fault, not a bad option.
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        raise InvalidInputError(
            f"judge {name!r}: {error} (--judge.KEY VALUE on the command line); options: "
            f"{', '.join(option_names)}."
        ) from error
    return factory(**arguments)
