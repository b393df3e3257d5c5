"""The loop: environment -> learned reward -> agent -> run directory."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

from roborew.agents.base import Agent
from roborew.agents.rollout_report import RolloutReport
from roborew.errors import DiskFullError, InvalidInputError
from roborew.registry import trust
from roborew.storage.names import check_file_name
from roborew.storage.run import RunDirectory
from roborew.storage.staging import Target
from roborew.types import RewardModel
from roborew.workflows.environments import robot_state
from roborew.workflows.factories import make_agent
from roborew.workflows.fitness import describe_unfitted
from roborew.workflows.rewards import RewardEnv, load_model, make_reward_env, pay_reward
from roborew.workflows.train.cameras import with_cameras
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.cost import describe_training_cost
from roborew.workflows.train.demonstrations import (
    check_agent_demonstrations,
    describe_demonstrations,
    give_demonstrations,
)
from roborew.workflows.train.experience import (
    forget_experience,
    keep_pictures,
    make_logged_env,
    read_experience,
)
from roborew.workflows.train.interrupt import stop_on_signal
from roborew.workflows.train.logger import Observer, TrainLogger
from roborew.workflows.train.memory import check_memory, with_room
from roborew.workflows.train.origin import cache_paths
from roborew.workflows.train.patience import Patience
from roborew.workflows.train.resolve import resolve, resolve_for_reward
from roborew.workflows.train.trackers import Tracker, import_tracker, open_trackers
from roborew.workflows.trained import config_of_phase
from roborew.wrappers.scorer import check_scorable

logger = logging.getLogger(__name__)

Refit = Callable[[RunDirectory, int], None]
"""Makes critic number n, from 1, of a run that has come to its n-th refit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a session of training ended.

    Attributes:
        ended: ``"finished"`` all steps, used up its ``"minutes"``, or was ``"stopped"`` by Ctrl-C.
        steps: environment steps so far, over all sessions.
    """

    ended: Literal["finished", "minutes", "stopped"]
    steps: int


@contextmanager
def begin(config: TrainConfig, path: Target) -> Generator[RunDirectory]:
    """Give a new run to train, from `start`; where it fails before anything was logged, its folder is
    removed again."""
    with start(config, path) as run:
        try:
            yield run
        except (OSError, DiskFullError):
            raise  # the same run can go on once there is space again
        except Exception:
            if run.is_empty:
                run.discard()
            raise


def start(config: TrainConfig, path: Target) -> RunDirectory:
    """Make the directory of a new run; give it to `train`.

    Args:
        config: of the run.
        path: folder of the run, which must not exist; of several the first one that is free is
            taken.

    Raises:
        RunExistsError: ``path`` exists.
        RoborewError: a name, the goal, the reward or the cameras are no good, see
            `resolve` and `choose_cameras`, the agent knows no such actions, or a tracker is
            not installed; nothing was written.
    """
    if isinstance(path, str | Path):
        check_file_name(Path(path).name, "name of the run")
    # Named by the user: the file of this run may name it from now on.
    for name in (*config.part_names.values(), *cache_paths(config.reward.options).values()):
        trust(name)
    config = resolve(config)
    for name in config.log:
        import_tracker(name)
    # A reward that cannot be loaded, or cannot pay, should not leave an empty run behind.
    model = load_model(config)
    spec = None if model is None else model.spec
    if spec is not None:
        has_goal_image = config.goal_image is not None
        check_scorable(spec, has_goal_image=has_goal_image, whole_episodes=not spec.causal)
    config = resolve_for_reward(config, spec)
    config = with_cameras(config, model)
    with closing(make_reward_env(config, 1, model)) as env:
        # That it can be paid and act there at all, before there is a folder.
        agent = make_agent(config, env)
        config = check_agent_demonstrations(config, agent, env)
        path = with_room(path, config, agent, env)
    return RunDirectory.create(path, config, seeds={"run": config.seed})


def no_refit(run: RunDirectory, number: int) -> None:
    """Refuse: no way to refit was given.

    Raises:
        InvalidInputError: always.
    """
    raise InvalidInputError(
        f"{run.path} refits its critic: give train a way, `roborew.workflows.refit.refit`."
    )


def train(run: RunDirectory, observe: Observer | None = None, refit: Refit = no_refit) -> Outcome:
    """Train the agent of a run, from its beginning or from its last checkpoint on.

    The first Ctrl-C ends it after the rollout that is under way; everything until there is kept.

    Args:
        run: from `start`, or from `RunDirectory.resume`.
        observe: is told how training stands after each rollout.
        refit: makes the critic of a refit, if the configuration asks for any.

    Raises:
        RoborewError: the reward or the environment broke its promise, or the disk is full; the last
            checkpoint stands.
    """
    config = run.config(TrainConfig)
    deadline = math.inf if config.max_minutes is None else perf_counter() + 60 * config.max_minutes
    checkpoint = run.load_checkpoint()
    outcome = Outcome(ended="finished", steps=0 if checkpoint is None else checkpoint.step)
    if outcome.steps >= config.timesteps:
        # It may have been killed between its last checkpoint and this.
        forget_experience(run)
        return outcome
    with torch_threads(config.threads), open_trackers(run, config, outcome.steps) as trackers:
        for refits, until in enumerate(config.phases):
            if outcome.ended == "finished" and outcome.steps < until:
                if refits:
                    refit(run, refits)
                outcome = _phase(run, refits, until, deadline, observe, trackers)
    if outcome.ended == "finished":
        forget_experience(run)
    return outcome


def _phase(
    run: RunDirectory,
    refits: int,
    until: int,
    deadline: float,
    observe: Observer | None,
    trackers: Sequence[Tracker],
) -> Outcome:
    """Train from the last checkpoint on until so many steps, all of them paid by one reward
    model."""
    config = run.config(TrainConfig)
    phase = config_of_phase(run, config, refits)
    model = load_model(phase)
    logged = make_logged_env(run, config, refits)
    with closing(pay_reward(phase, logged, model)) as env:
        agent = make_agent(config, env)
        keep_pictures(run, config, agent)
        experience = read_experience(run, config, refits, logged)
        give_demonstrations(run, config, refits, agent, model, experience)
        _warn(run, config, model, env, agent)
        train_logger = TrainLogger(
            run, config, env, agent, refits=refits, deadline=deadline, trackers=trackers
        )
        train_logger.go_on()
        patience = Patience(config, model, env, agent.steps)
        with stop_on_signal() as stop:

            def after_rollout(report: RolloutReport) -> bool:
                status = train_logger.note(report)
                if observe is not None:
                    observe(status)
                error = patience.note(report)
                if error is not None:
                    train_logger.save()
                    raise error
                return not (stop.requested or train_logger.minutes_used_up or report.steps >= until)

            agent.learn(env, config.timesteps, after_rollout)
            train_logger.save()
    if agent.steps >= until:
        return Outcome(ended="finished", steps=agent.steps)
    return Outcome(ended="stopped" if stop.requested else "minutes", steps=agent.steps)


def _warn(
    run: RunDirectory, config: TrainConfig, model: RewardModel | None, env: RewardEnv, agent: Agent
) -> None:
    """Say what the run will cost, and whether reward and demonstrations fit its task."""
    n_steps = getattr(agent.config, "n_steps", None)
    # Warned of before the first question: a hosted judge takes money for each.
    lines = describe_training_cost(config, model, n_steps, env)
    if config.observations.kind == "pixels" and robot_state(config.env.id) is None:
        lines.append(
            f"observations: {config.env.id} does not say which of its state is the robot's own, so "
            "the agent sees pictures alone."
        )
    doubts = (
        check_memory(config, agent, run.path),
        describe_unfitted(model, config.env.id, config.sentence),
        describe_demonstrations(config, env),
    )
    for line in [*lines, *filter(None, doubts)]:
        logger.warning(line)


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
