"""An interrupted run of the release before goes on exactly under today's code."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roborew.storage.checkpoints import Checkpoints
from roborew.storage.run import RunDirectory
from roborew.workflows.train.loop import start, train
from tests.roborew.ascent import ENV, ROLLOUT, heights  # noqa: F401
from tests.roborew.workflows.test_train import TINY, run_whole, stop_once

OLD_ARRAYS = {
    "agent/network/policy": "agent/network/actor",
    "agent/network/value": "agent/network/critic",
    "agent/optimizer/": "agent/optimiser/",
    "environment/reward/terminated_by_success_detector": "environment/reward/claimed",
    "environment/reward/has_score": "environment/reward/seen",
    "environment/reward/steps_since": "environment/reward/since",
}
"""How arrays of a checkpoint, or their beginnings, were called."""
OLD_SETTINGS = {
    "n_steps": "rollout_steps",
    "n_epochs": "epochs",
    "batch_size": "minibatch",
    "gamma": "discount",
    "gae_lambda": "trace",
    "clip_range": "clip",
    "vf_coef": "value_weight",
    "ent_coef": "entropy_weight",
    "max_grad_norm": "max_gradient",
    "init_std": "initial_std",
    "hidden_dim": "width",
    "normalize_observations": "normalise_observations",
    "normalize_rewards": "scale_rewards",
}
"""How settings of the agent were called."""


def make_old(run: Path) -> None:
    """Write a run's newest checkpoint and its configuration as the release before did."""
    checkpoints = Checkpoints(run / "ckpt")
    checkpoint = checkpoints.load()
    assert checkpoint is not None
    arrays = {}
    for name, array in checkpoint.arrays.items():
        old = next((new for new in OLD_ARRAYS if name.startswith(new)), None)
        arrays[name if old is None else name.replace(old, OLD_ARRAYS[old])] = array
    meta = dict(checkpoint.meta)
    meta["refreshments"] = meta.pop("refits")
    settings = meta["agent"]["config"]
    meta["agent"]["config"] = {OLD_SETTINGS.get(name, name): v for name, v in settings.items()}
    assert arrays.keys() != checkpoint.arrays.keys()
    checkpoints.save(replace(checkpoint, arrays=arrays, meta=meta))
    old_config = json.loads((Path(__file__).with_name("old_run") / "config.json").read_bytes())
    old_config |= {
        "env": ENV,
        "goal": "climb",
        "reward": "height",
        "steps": 4 * ROLLOUT,
        "num_envs": 8,
        "exploration": 0.6,
        "minutes": None,
    }
    (run / "config.json").write_text(json.dumps(old_config))


def test_a_run_of_the_release_before_goes_on_to_the_same_weights(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_whole(TINY, tmp_path / "whole")
    with start(TINY, tmp_path / "old") as run:
        train(run, stop_once)
    make_old(tmp_path / "old")
    with RunDirectory.resume(tmp_path / "old") as run:
        train(run)
    warnings = Counter(record.getMessage() for record in caplog.records)
    assert [count for text, count in warnings.items() if "config.json" in text] == [1]
    assert max(warnings.values()) == 1, warnings
    whole, old = (RunDirectory.open(tmp_path / name).load_checkpoint() for name in ("whole", "old"))
    assert whole is not None and old is not None
    assert whole.step == old.step and whole.arrays.keys() == old.arrays.keys()
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(array, old.arrays[name], err_msg=name)
