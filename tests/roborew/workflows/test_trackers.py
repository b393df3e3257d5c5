"""TensorBoard's event files hold what metrics.jsonl holds, whatever interrupted the run; other
trackers are told the same where asked for."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from roborew.config import from_json, to_json
from roborew.errors import InvalidInputError, InvalidScoreError, MissingBackendError, RoborewError
from roborew.storage.run import RunDirectory
from roborew.workflows.train import logger
from roborew.workflows.train.command import command
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import start, train
from roborew.workflows.train.trackers import TensorBoardTracker, scalars_of
from tests.roborew.ascent import ROLLOUT, Height, heights  # noqa: F401
from tests.roborew.workflows.test_train import TINY, run_interrupted, run_whole, stop_once

Curves = dict[str, list[tuple[int, float]]]


def read_events(folder: Path) -> Curves:
    """What TensorBoard shows of a folder: steps and values by tag."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def written_curves(run: Path) -> Curves:
    """The same of metrics.jsonl, as TensorBoard rounds it."""
    curves: Curves = {}
    for record in RunDirectory.open(run).metrics():
        step = record.pop("steps")
        for tag, value in scalars_of(record).items():
            curves.setdefault(tag, []).append((step, pytest.approx(value, rel=1e-6)))
    return curves


def check_curves(run: Path, steps: list[int]) -> None:
    curves = read_events(run / "tensorboard")
    assert curves == written_curves(run)
    assert [step for step, _ in curves["sps"]] == steps


@dataclass
class FakeRun:
    """A run at a service."""

    settings: dict[str, Any]
    told: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    finished: int = 0

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.told.append((step, metrics))

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, list[FakeRun]]:
    """The runs at trackio and wandb, neither of which is installed."""
    runs: dict[str, list[FakeRun]] = {"trackio": [], "wandb": []}

    def make(name: str) -> SimpleNamespace:
        def init(**settings: Any) -> FakeRun:
            runs[name].append(FakeRun(settings))
            return runs[name][-1]

        return SimpleNamespace(init=init)

    for name in runs:
        monkeypatch.setitem(sys.modules, name, make(name))
    return runs


def test_every_run_writes_what_its_metrics_hold(tmp_path: Path) -> None:
    run_whole(TINY, tmp_path / "run")
    check_curves(tmp_path / "run", [n * ROLLOUT for n in range(1, 5)])
    assert "losses/value_loss" in read_events(tmp_path / "run" / "tensorboard")


def test_a_run_after_ctrl_c_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    with start(TINY, tmp_path / "run") as run:
        train(run, stop_once)
    check_curves(tmp_path / "run", [ROLLOUT, 2 * ROLLOUT])
    with RunDirectory.resume(tmp_path / "run") as run:
        train(run)
    check_curves(tmp_path / "run", [n * ROLLOUT for n in range(1, 5)])


def test_no_step_is_there_twice_after_a_crash_beyond_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two crashes, so that three files must be read in their order."""

    def crash(status: Status) -> None:
        if status.steps == 3 * ROLLOUT:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(logger, "CHECKPOINT_SECONDS", math.inf)
    with start(TINY, tmp_path / "run") as run, pytest.raises(KeyboardInterrupt):
        train(run, crash)
    check_curves(tmp_path / "run", [ROLLOUT, 2 * ROLLOUT, 3 * ROLLOUT])
    with RunDirectory.resume(tmp_path / "run") as run, pytest.raises(KeyboardInterrupt):
        train(run, crash)
    check_curves(tmp_path / "run", [ROLLOUT, 2 * ROLLOUT, 3 * ROLLOUT])
    with RunDirectory.resume(tmp_path / "run") as run:
        train(run)
    check_curves(tmp_path / "run", [n * ROLLOUT for n in range(1, 5)])
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 3


def test_an_error_closes_every_tracker_and_keeps_what_was_logged(
    tmp_path: Path, services: Mapping[str, list[FakeRun]]
) -> None:
    config = replace(TINY, log=("trackio", "wandb"))

    def break_reward(status: Status) -> None:
        if status.steps == 2 * ROLLOUT:
            raise InvalidScoreError("not a score")

    with start(config, tmp_path / "run") as run, pytest.raises(InvalidScoreError):
        train(run, break_reward)
    check_curves(tmp_path / "run", [ROLLOUT, 2 * ROLLOUT])
    for name in ("trackio", "wandb"):
        (fake,) = services[name]
        assert fake.finished == 1 and [step for step, _ in fake.told] == [ROLLOUT, 2 * ROLLOUT]


def test_a_tracker_that_is_asked_for_is_told_the_same_and_a_resumed_run_joins_the_group(
    tmp_path: Path, services: Mapping[str, list[FakeRun]]
) -> None:
    run_interrupted(replace(TINY, log=("trackio", "wandb")), tmp_path / "run")
    curves = written_curves(tmp_path / "run")
    for name in ("trackio", "wandb"):
        first, second = services[name]
        assert first.settings["name"] == "run" and first.settings["config"]["num_envs"] == 8
        assert second.settings["name"] == f"run-from-{2 * ROLLOUT}"
        assert first.settings["group"] == second.settings["group"] == "run"
        told: Curves = {}
        for step, scalars in first.told + second.told:
            for tag, value in scalars.items():
                told.setdefault(tag, []).append((step, value))
        assert told == curves and first.finished == second.finished == 1


def test_nobody_is_told_who_was_not_asked_for(
    tmp_path: Path, services: Mapping[str, list[FakeRun]]
) -> None:
    run_whole(TINY, tmp_path / "run")
    assert services == {"trackio": [], "wandb": []}


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_one_clear_error_and_nothing_is_written(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingBackendError, match=f"--log {name}.*pip install {name}"):
        start(replace(TINY, log=(name,)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_finished_run_opens_no_tracker(tmp_path: Path) -> None:
    run_whole(TINY, tmp_path / "run")
    with RunDirectory.resume(tmp_path / "run") as run:
        train(run)
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


def test_the_trackers_are_written_down_and_typed(tmp_path: Path) -> None:
    config = TrainConfig(log=("trackio", "wandb"))
    assert from_json(TrainConfig, to_json(config)) == config
    assert command(config).endswith("--log trackio wandb")
    with pytest.raises(InvalidInputError, match="log"):
        from_json(TrainConfig, to_json(config) | {"log": ["tensorboard"]})


def test_a_full_disk_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = TensorBoardTracker(tmp_path / "tensorboard", 1)
    tracker.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(tracker, "_file", full)
        with pytest.raises(RoborewError, match="disk is full"):
            tracker.log(1, {"sps": 1.0})


def test_what_is_no_finite_number_is_a_gap() -> None:
    record = {"length": None, "loss": math.nan, "name": "x", "losses": {"kl": math.inf, "l2": 1}}
    assert scalars_of(record) == {"losses/l2": 1.0}


def test_importing_roborew_and_reading_a_command_line_loads_no_tensorboard() -> None:
    code = (
        "import sys, roborew, roborew.cli, roborew.workflows.train.trackers;"
        "assert not [name for name in sys.modules if name.startswith(('tensorboard', 'torch'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_tracker_is_closed_though_one_cannot_be(
    tmp_path: Path, services: Mapping[str, list[FakeRun]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakeRun) -> None:
        self.finished += 1
        raise OSError("no route to host")

    monkeypatch.setattr(FakeRun, "finish", fail)
    config = replace(TINY, log=("trackio", "wandb"))
    with start(config, tmp_path / "run") as run, pytest.raises(OSError, match="no route"):
        train(run)
    assert [services[name][0].finished for name in services] == [1, 1]
