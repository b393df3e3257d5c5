"""The loop: environment -> learned reward -> agent -> run directory."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roborew.agents.report import RolloutReport
from roborew.run import RunDirectory
from roborew.training.config import TrainConfig
from roborew.training.diary import Diary, Observer
from roborew.training.parts import load_reward, make_agent, paid_environment
from roborew.training.stopping import stop_on_signal


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
        RoborewError: a name, the goal or the weights are no good, see `TrainConfig.resolved`; nothing was written.
    """
    config = config.resolved()
    load_reward(config)  # weights that cannot be loaded should not leave an empty run behind
    return RunDirectory.create(path, config, seeds={"run": config.seed})


def train(run: RunDirectory, observe: Observer | None = None) -> Outcome:
    """Train the agent of a run, from its beginning or from its last checkpoint on.

    The first Ctrl-C ends it after the rollout that is under way; everything until there is kept.

    Args:
        run: from `start`, or from `RunDirectory.resume`.
        observe: is told how training stands after each rollout.

    Raises:
        RoborewError: the reward or the environment broke its promise, or the disk is full; the last checkpoint stands.
    """
    config = run.config(TrainConfig)
    model = load_reward(config)
    with torch_threads(config.threads), closing(paid_environment(config, config.num_envs, model)) as env:
        agent = make_agent(config, env)
        diary = Diary(run, config, env, agent)
        diary.go_on()
        with stop_on_signal() as stop:

            def after_rollout(report: RolloutReport) -> bool:
                status = diary.note(report)
                if observe is not None:
                    observe(status)
                return not (stop.requested or diary.minutes_used_up)

            agent.learn(env, config.total_steps, after_rollout)
            diary.save()
    finished = agent.steps >= config.total_steps
    return Outcome(ended="finished" if finished else "stopped" if stop.requested else "minutes", steps=agent.steps)


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
