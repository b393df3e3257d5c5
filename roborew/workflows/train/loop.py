"""The loop: environment -> learned reward -> agent -> run directory."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Literal

from roborew.agents.rollout_report import RolloutReport
from roborew.errors import InvalidInputError
from roborew.storage.run import RunDirectory
from roborew.workflows.factories import load_reward, make_agent, make_env, make_reward_env, phase_of
from roborew.workflows.train.cameras import cameras_seen
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.cost import describe_training_cost, time_limit
from roborew.workflows.train.interrupt import stop_on_signal
from roborew.workflows.train.logger import Observer, TrainLogger
from roborew.wrappers.scorer import check_scorable

logger = logging.getLogger(__name__)

Refresh = Callable[[RunDirectory, int], None]
"""Makes critic number n, from 1, of a run that has come to its n-th refreshment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a session of training ended.

    Attributes:
        ended: ``"finished"`` all steps, used up its ``"minutes"``, or was ``"stopped"`` by Ctrl-C.
        steps: environment steps so far, over all sessions.
    """

    ended: Literal["finished", "minutes", "stopped"]
    steps: int


def start(config: TrainConfig, path: str | Path) -> RunDirectory:
    """Make the directory of a new run; give it to `train`.

    Raises:
        RunExistsError: ``path`` exists.
        RoborewError: a name, the goal, the reward or the cameras are no good, see
            `TrainConfig.resolved` and `cameras_seen`, or the agent knows no such actions; nothing
            was written.
    """
    config = config.resolved()
    model = load_reward(
        config
    )  # a reward that cannot be loaded, or cannot pay, should not leave an empty run behind
    if model is not None:
        check_scorable(
            model.spec,
            has_goal_image=config.goal_image is not None,
            whole_episodes=not model.spec.causal,
        )
    shaping = config.shaping or ("difference" if model is None else model.spec.shaping)
    config = replace(config, camera=cameras_seen(config, model), shaping=shaping)
    with closing(make_env(config, 1)) as env:
        make_agent(config, env)  # that it can act there at all
    return RunDirectory.create(path, config, seeds={"run": config.seed})


def no_refresh(run: RunDirectory, number: int) -> None:
    """Refuse: nobody said how.

    Raises:
        InvalidInputError: always.
    """
    raise InvalidInputError(
        f"{run.path} refreshes its critic: give train a way, `roborew.workflows.refit.refresh`."
    )


def train(
    run: RunDirectory, observe: Observer | None = None, refresh: Refresh = no_refresh
) -> Outcome:
    """Train the agent of a run, from its beginning or from its last checkpoint on.

    The first Ctrl-C ends it after the rollout that is under way; everything until there is kept.

    Args:
        run: from `start`, or from `RunDirectory.resume`.
        observe: is told how training stands after each rollout.
        refresh: makes the critic of a refreshment, if the configuration asks for any.

    Raises:
        RoborewError: the reward or the environment broke its promise, or the disk is full; the last
            checkpoint stands.
    """
    config = run.config(TrainConfig)
    deadline = math.inf if config.max_minutes is None else perf_counter() + 60 * config.max_minutes
    checkpoint = run.load_checkpoint()
    outcome = Outcome(ended="finished", steps=0 if checkpoint is None else checkpoint.step)
    with torch_threads(config.threads):
        for refreshments, until in enumerate(config.phases):
            if outcome.ended == "finished" and outcome.steps < until:
                if refreshments:
                    refresh(run, refreshments)
                outcome = _phase(run, refreshments, until, deadline, observe)
    return outcome


def _phase(
    run: RunDirectory, refreshments: int, until: int, deadline: float, observe: Observer | None
) -> Outcome:
    """Train from the last checkpoint on until so many steps, all of them paid by one reward
    model."""
    config = run.config(TrainConfig)
    paid = phase_of(run, config, refreshments)
    model = load_reward(paid)
    with closing(make_reward_env(paid, config.num_envs, model)) as env:
        agent = make_agent(config, env)
        n_steps = getattr(agent.config, "n_steps", None)
        for line in describe_training_cost(config, model, n_steps, time_limit(env)):
            logger.warning(line)
        diary = TrainLogger(run, config, env, agent, refreshments=refreshments, deadline=deadline)
        diary.go_on()
        with stop_on_signal() as stop:

            def after_rollout(report: RolloutReport) -> bool:
                status = diary.note(report)
                if observe is not None:
                    observe(status)
                return not (stop.requested or diary.minutes_used_up or report.steps >= until)

            agent.learn(env, config.timesteps, after_rollout)
            diary.save()
    finished = agent.steps >= until
    return Outcome(
        ended="finished" if finished else "stopped" if stop.requested else "minutes",
        steps=agent.steps,
    )


@contextmanager
def torch_threads(number: int) -> Generator[None]:
    """Let torch use so many threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
