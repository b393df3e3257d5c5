"""Whole runs on environments of other suites: trained, interrupted, judged, filmed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

from roborew.data import video_info
from roborew.evaluation import Evaluation
from roborew.filming import film_run
from roborew.judging import judge, write
from roborew.run import RunDirectory
from roborew.training import Status, TrainConfig, start, train
from roborew_envs.suites import find
from tests.roborew.ascent import ROLLOUT, heights  # noqa: F401

SUITES = {"Reacher-v5": "gymnasium", "FetchReach-v4": "robotics"}


@pytest.fixture(params=SUITES)
def config(request: pytest.FixtureRequest) -> TrainConfig:
    """A run of four rollouts on an environment that is installed."""
    try:
        find(request.param)
    except DependencyNotInstalled:
        suite = SUITES[request.param]
        pytest.skip(f"{suite} is not installed here; .ci/suites {suite} runs this")
    return TrainConfig(env=request.param, goal="reach it", reward="height", steps=4 * ROLLOUT, num_envs=8)


def stop_in_the_middle(status: Status) -> None:
    if status.steps >= status.total_steps // 2:
        signal.raise_signal(signal.SIGINT)


def weights(path: Path) -> dict[str, Any]:
    checkpoint = RunDirectory.open(path).load_checkpoint()
    assert checkpoint is not None
    return dict(checkpoint.arrays)


def test_a_run_goes_on_exactly_and_is_judged_by_what_the_suite_tells(config: TrainConfig, tmp_path: Path) -> None:
    with start(config, tmp_path / "whole") as run:
        train(run)
    with start(config, tmp_path / "parts") as run:
        assert train(run, stop_in_the_middle).ended == "stopped"
    with RunDirectory.resume(tmp_path / "parts") as run:
        assert train(run).ended == "finished"
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)

    run = RunDirectory.open(tmp_path / "whole")
    judgement = judge(run, episodes=3)
    told = SUITES[config.env] == "robotics"
    assert (judgement.summary()["true_success"] is not None) == told
    assert judgement.summary()["final_progress"] is None and judgement.summary()["true_return"] is not None
    assert Evaluation.from_json(judgement.agent.to_json()).to_json() == judgement.agent.to_json()
    page = write(run, judgement).report.read_text(encoding="utf-8")
    assert ("success is not told here" in page) != told and ">nan" not in page.casefold()
    (film,) = film_run(run, episodes=1)
    assert video_info(film).comment == "drawing=fast"
    assert (video_info(film).frames or 0) > judgement.agent.episodes[0].length
