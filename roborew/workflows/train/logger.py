"""What is written down while an agent learns: metrics after each rollout, checkpoints every half
minute."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from roborew.agents.base import Agent, learns_offline
from roborew.agents.rollout_report import RolloutReport
from roborew.storage.checkpoints import select_prefix
from roborew.storage.run import RunDirectory
from roborew.types import renderable
from roborew.workflows.factories import load_agent
from roborew.workflows.rewards import RewardEnv
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.trackers import Tracker, scalars_of
from roborew.workflows.trained import refits_of, same_critic

CHECKPOINT_SECONDS = 30.0
"""Least time between two checkpoints [s]; a crash costs no more than this."""
SLOW_SAVE_SECONDS = 1.5
"""Writing a checkpoint that takes longer makes them more seldom in proportion: a twentieth of the
time goes into them at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How training stands; NaN where no cohort of episodes has ended yet.

    Attributes:
        steps: environment steps so far, of ``total_steps``.
        sps: reward-scored environment steps per second of the whole loop.
        episodes: how many the following figures are of, see `roborew.agents.rollout_report`.
        learned_return: mean of these episodes.
        true_return: the same by the environment's own reward.
        true_success: share of these episodes that truly succeeded at their end, in [0, 1].
        seconds_left: until the steps or the minutes are used up [s].
    """

    steps: int
    total_steps: int
    sps: float
    episodes: int
    learned_return: float
    true_return: float
    true_success: float
    seconds_left: float


Observer = Callable[[Status], None]


class TrainLogger:
    """Keeps the records of one session of training, and takes up those of an earlier one.

    Args:
        run: where they are kept.
        config: of the run.
        env: that pays the agent.
        agent: that learns.
        refits: of the critic before this.
        deadline: when the session is to end, on `time.perf_counter`.
        trackers: that show the scalars of each rollout.
    """

    def __init__(
        self,
        run: RunDirectory,
        config: TrainConfig,
        env: RewardEnv,
        agent: Agent,
        *,
        refits: int = 0,
        deadline: float = math.inf,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self._run = run
        self._config = config
        self._env = env
        self._agent = agent
        self._refits = refits
        self._deadline = deadline
        self._trackers = trackers
        self._seconds: dict[str, float] = {}
        self._earlier_wall = 0.0
        now = perf_counter()
        self._begun_at = now
        self._logged_at = now
        self._saved_at = -math.inf
        self._save_interval = CHECKPOINT_SECONDS
        self._env_seconds: dict[str, float] = {}
        self._steps = 0
        self._figures = (0, math.nan, math.nan, math.nan)

    @property
    def wall(self) -> float:
        """Seconds of training, over all sessions."""
        return self._earlier_wall + perf_counter() - self._begun_at

    @property
    def minutes_used_up(self) -> bool:
        """Whether this session has had its minutes."""
        return perf_counter() >= self._deadline

    def go_on(self) -> None:
        """Take up the last checkpoint, if there is one.

        Exact with environments that can give their state. Others continue in new episodes, as all do
        when another critic pays since.
        """
        checkpoint = self._run.load_checkpoint()
        if checkpoint is None:
            return
        meta = checkpoint.meta
        learned = select_prefix(checkpoint.arrays, "agent/")
        about = meta["agent"]
        state = select_prefix(checkpoint.arrays, "environment/")
        same_reward = same_critic(self._run, refits_of(meta), self._refits)
        if state and same_reward:
            self._env.set_state(state)
        else:
            # The running episodes are lost with the environment's state, or another critic paid.
            lost = ("episodes/",)
            if not same_reward:
                # What an agent remembers was paid by the critic before; as far as its pictures are kept
                # it has been paid anew, see `give_demonstrations`.
                lost += ("replay/",)
            learned = {name: array for name, array in learned.items() if not name.startswith(lost)}
        if not same_reward and self._config.restarts_agent:
            learned, fresh = self._agent.state_dict()
            about = fresh | {"steps": about["steps"]}
        load_agent(self._agent, learned, about)
        self._seconds = dict(meta["seconds"])
        self._earlier_wall = float(meta["wall"])
        self._steps = checkpoint.step

    def save(self) -> None:
        """Write a checkpoint."""
        learned, about = self._agent.state_dict()
        arrays: dict[str, NDArray[Any]] = {
            f"agent/{name}": array for name, array in learned.items()
        }
        # Where nothing was played, its state is chance, which no seed repeats.
        is_played = not learns_offline(self._agent)
        if is_played and renderable(self._env) is not None:
            arrays |= {
                f"environment/{name}": array for name, array in self._env.get_state().items()
            }
        meta = {
            "agent": about,
            "seconds": self._seconds,
            "wall": self.wall,
            "refits": self._refits,
        }
        start = perf_counter()
        self._run.save_checkpoint(self._agent.steps, arrays, meta)
        self._saved_at = perf_counter()
        # A large replay takes seconds to write, and is written the more seldom for it.
        slowness = (self._saved_at - start) / SLOW_SAVE_SECONDS
        self._save_interval = CHECKPOINT_SECONDS * max(1.0, slowness)

    def note(self, report: RolloutReport) -> Status:
        """Log one rollout, save if it is time to, and say how training stands."""
        now = perf_counter()
        wall = now - self._logged_at
        speed = (report.steps - self._steps) / wall
        seconds = self._split(report, wall)
        self._logged_at = now
        self._steps = report.steps
        record = _record(report)
        record |= {"sps": speed, "seconds": seconds}
        self._run.log(record)
        scalars = scalars_of(record)
        del scalars["steps"]
        for tracker in self._trackers:
            tracker.log(report.steps, scalars)
        if now - self._saved_at >= self._save_interval:
            self.save()
        return self._status(report, speed)

    def _split(self, report: RolloutReport, wall: float) -> dict[str, float]:
        """Where the seconds of one rollout went, and add them up."""
        inside = self._env.seconds
        spent = {name: inside[name] - self._env_seconds.get(name, 0.0) for name in inside}
        spent |= {
            name: report.seconds[name] for name in ("acting", "updating") if name in report.seconds
        }
        # Clocks of different places may overlap by a hair: no negative rest.
        spent["other"] = max(0.0, wall - sum(spent.values()))
        self._env_seconds = dict(inside)
        for name, value in spent.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + value
        return spent

    def _status(self, report: RolloutReport, speed: float) -> Status:
        # A rollout that completed no cohort leaves the figures of the last that did.
        if report.episodes:
            success = report.final.get("success", math.nan)
            returns = (report.mean_return, report.mean_true_return)
            self._figures = (report.episodes, *returns, success)
        episodes, learned, true, success = self._figures
        total = self._config.timesteps
        left = min((total - report.steps) / speed, self._deadline - perf_counter())
        return Status(
            steps=report.steps,
            total_steps=total,
            sps=speed,
            episodes=episodes,
            learned_return=learned,
            true_return=true,
            true_success=success,
            seconds_left=max(0.0, left),
        )


def _record(report: RolloutReport) -> dict[str, Any]:
    return {
        "steps": report.steps,
        "episodes": report.episodes,
        "learned_return": report.mean_return,
        "true_return": report.mean_true_return,
        "true_success": report.final.get("success"),
        "true_progress": report.final.get("progress"),
        "length": report.mean_length,
        "predicted_successes": report.predicted_successes,
        "false_successes": report.false_successes,
        "losses": report.losses,
    }
