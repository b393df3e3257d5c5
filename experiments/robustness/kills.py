"""Is a run that was killed, and killed again, equal to one that was not?

    python -m experiments.robustness.kills FOLDER [--agents ppo sb3-td3] [--kills 30] [--seed 0]

A small run of each agent on Press, paid by `mini`, some of them with demonstrations, is trained without
a break, and in sessions that are ended by SIGKILL at random moments, each going on where the one before
was: whatever a checkpoint holds in the end (weights, optimizers, replay, generators, the simulator) and
every figure that was logged, times aside, has to be the same to the last bit. A row an agent goes to
``kills.csv``.

Checkpoints are written twenty times a second, in place of each half minute, so that a kill falls among
many. Each session is a fork, so that the interpreter starts only once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments.critics.tables import Rows
from roborew.storage.run import RunDirectory
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.collect.config import CollectConfig
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.rewards import load_model
from roborew.workflows.train import logger
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start, train

RESULTS = Path(__file__).with_name("kills.csv")
ENVIRONMENT = "roborew/Press-v0"
SECONDS_BETWEEN_CHECKPOINTS = 0.05
KILLS_A_RUN = 6
LONGEST = 0.3
"""Of the seconds of a whole run, what a session lives at most."""
LATE = ("torch._dynamo", "tensorboard.summary.writer.record_writer", "roborew_envs.tasks")
"""What a session imports late, which takes longer than its training."""
TIMES = frozenset({"seconds", "sps"})
FIELDS = ("kills", "runs", "before_checkpoint", "arrays", "records", "unequal")
_ON_POLICY = {"n_steps": 8, "batch_size": 64, "n_epochs": 2}
_CLONING = {"batch_size": 64, "report_every": 8}
_OFF_POLICY = {"learning_starts": 64, "gradient_steps": 1, "batch_size": 64, "report_every": 8}
AGENTS = MappingProxyType(
    {
        "ppo": _ON_POLICY,
        "sac": _OFF_POLICY,
        "sb3-ppo": _ON_POLICY,
        "sb3-sac": _OFF_POLICY,
        "sb3-td3": _OFF_POLICY,
        "bc": _CLONING,
        "iql": _CLONING,
        "residual": {**_ON_POLICY, "clone_steps": 64},
        "self-imitation": {
            "clone_steps": 64,
            "refine_steps": 16,
            "round_steps": 256,
            "report_every": 8,
        },
    }
)
"""Agents and settings with which a run takes some seconds."""
DEMONSTRATED = frozenset({"bc", "iql", "residual", "self-imitation"})
"""Agents that learn from demonstrations."""
DEMONSTRATIONS = CollectConfig(behaviors=("expert", "near_miss"), episodes=2)


@dataclass(frozen=True, slots=True)
class Content:
    """What a finished run holds: the arrays of its last checkpoint, and its records; and the seconds
    that it was trained for."""

    arrays: dict[str, Any]
    records: list[dict[str, Any]]
    seconds: float = 0.0

    @classmethod
    def of(cls, path: Path) -> Content:
        """Of a run."""
        run = RunDirectory.open(path)
        checkpoint = run.load_checkpoint()
        assert checkpoint is not None
        records = [
            {name: value for name, value in record.items() if name not in TIMES}
            for record in run.metrics()
        ]
        return cls(checkpoint.arrays, records, checkpoint.meta["wall"])

    def equals(self, other: Content) -> bool:
        """Whether nothing differs, in any bit."""
        if self.arrays.keys() != other.arrays.keys() or self.records != other.records:
            return False
        pairs = [(array, other.arrays[name]) for name, array in self.arrays.items()]
        return all(one.dtype == two.dtype and one.tobytes() == two.tobytes() for one, two in pairs)


def small(
    agent: str, reward: str, total_timesteps: int, demonstrations: Path | None = None
) -> TrainConfig:
    """A run of some seconds."""
    return TrainConfig(
        env=EnvConfig(ENVIRONMENT),
        demos=demonstrations,
        reward=RewardConfig(reward),
        agent=AgentConfig(agent, AGENTS[agent]),
        num_envs=8,
        total_timesteps=total_timesteps,
    )


def preload(config: TrainConfig) -> None:
    """Import what a session needs, before it is forked: a kill is to fall into training."""
    config.agent.factory()
    load_model(config)
    for module in LATE:
        import_module(module)


def session(config: TrainConfig, path: Path) -> None:
    """Train a run until it is finished, from its last checkpoint on if it was begun."""
    logger.CHECKPOINT_SECONDS = SECONDS_BETWEEN_CHECKPOINTS
    with RunDirectory.resume(path) if path.exists() else start(config, path) as run:
        train(run)


def fork_session(config: TrainConfig, path: Path, lifetime: float | None = None) -> bool:
    """Whether a session in a fork came to its end; else it was killed so many seconds after it began
    to write."""
    size = _written(path)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            session(config, path)
            code = 0
        except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
            traceback.print_exc()
        os._exit(code)
    ended, status = 0, 0
    while lifetime is not None and not ended:
        ended, status = os.waitpid(child, os.WNOHANG)
        if _written(path) != size:
            time.sleep(lifetime)
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.01)
    if not ended:
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{path}: a session ended with {code} before it was killed")
    return code == 0


def _written(path: Path) -> int:
    """Bytes of the records of a run; a session that goes on cuts off what came after a checkpoint."""
    metrics = path / "metrics.jsonl"
    return metrics.stat().st_size if metrics.exists() else -1


def killed_run(config: TrainConfig, path: Path, lifetimes: list[float]) -> tuple[int, int]:
    """Train a run in sessions of so many seconds and a last one to its end; the number of kills, and
    of those before the first checkpoint, which only begin anew."""
    kills = early = 0
    for lifetime in lifetimes:
        if fork_session(config, path, lifetime):
            break
        run_exists = (path / "ckpt").is_dir()
        has_checkpoint = run_exists and RunDirectory.open(path).load_checkpoint() is not None
        kills += has_checkpoint
        early += not has_checkpoint
    else:
        assert fork_session(config, path)
    return kills, early


def measure(
    agent: str, folder: Path, kills: int, seed: int, reward: str = "mini", steps: int = 1_024
) -> dict[str, Any]:
    """The row of an agent.

    Args:
        agent: of `AGENTS`.
        folder: for the runs; those that are equal are removed again.
        kills: at least so many, with a checkpoint to go on from.
        seed: of the moments.
        reward: that pays.
        steps: of a run.
    """
    demonstrations = None
    if agent in DEMONSTRATED:
        demonstrations = collect_demonstrations(
            ENVIRONMENT, DEMONSTRATIONS, folder / "demonstrations"
        )
    config = small(agent, reward, steps, demonstrations)
    preload(config)
    rng = np.random.default_rng([seed, list(AGENTS).index(agent)])
    assert fork_session(config, folder / "whole")
    whole = Content.of(folder / "whole")
    row = dict.fromkeys(FIELDS, 0) | {"agent": agent, "seed": seed}
    row |= {"arrays": len(whole.arrays), "records": len(whole.records)}
    while row["kills"] < kills:
        path = folder / f"killed-{row['runs']}"
        lifetimes = rng.uniform(0.0, LONGEST * whole.seconds, KILLS_A_RUN).tolist()
        count, early = killed_run(config, path, lifetimes)
        row["kills"] += count
        row["before_checkpoint"] += early
        row["runs"] += 1
        if whole.equals(Content.of(path)):
            shutil.rmtree(path)
        else:
            row["unequal"] += 1
            print(f"{agent}: {path} differs from {folder / 'whole'}", flush=True)
    return row


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--agents", nargs="+", default=list(AGENTS), choices=list(AGENTS))
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    unequal = 0
    for agent in options.agents:
        folder = options.folder / agent
        folder.mkdir(parents=True)
        row = measure(agent, folder, options.kills, options.seed)
        print(row, flush=True)
        Rows(RESULTS, ("agent", "seed"), FIELDS).put(row)
        unequal += int(row["unequal"])
    return unequal > 0


if __name__ == "__main__":
    sys.exit(main())
