"""Episodes of an agent, collected round by round into one set of demonstrations."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from roborew.agents.base import Agent
from roborew.data.manifest_writer import MANIFEST
from roborew.evaluation import Recording
from roborew.storage.atomic import CONTINUE_TRAINING, atomic_write
from roborew.storage.json_files import read_json_lines
from roborew.storage.run import LABELS, RunDirectory
from roborew.workflows.factories import make_agent, make_env
from roborew.workflows.preference.settings import settings_of
from roborew.workflows.refit import frame_labels, record_agent
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.trained import load_trained, round_path


def set_path(run: RunDirectory) -> Path:
    """The set of all that was labeled in a run."""
    return run.path / LABELS


def collect_round(run: RunDirectory, config: TrainConfig, number: int) -> None:
    """Record the agent's episodes of a round, unless they are there, and put them into the set."""
    folder = set_path(run)
    folder.mkdir(exist_ok=True)
    path = round_path(run, number)
    if not path.is_dir():
        record_agent(
            config,
            _agent(run, config),
            path,
            number,
            settings_of(config).episodes,
            config.env.cameras or ("front",),
            partial(true_columns, env_id=config.env.id),
        )
    lines: list[str] = []
    for earlier in range(1, number + 1):
        # A rollout that is longer than a round skips it.
        if not (earlier_round := round_path(run, earlier)).is_dir():
            continue
        for _, row in read_json_lines(earlier_round / MANIFEST):
            lines.append(json.dumps(_below(row, earlier_round.name)) + "\n")
    atomic_write(folder / MANIFEST, "".join(lines).encode(), CONTINUE_TRAINING)


def _agent(run: RunDirectory, config: TrainConfig) -> Agent:
    """The agent as it stands; before the first step untrained."""
    if run.load_checkpoint() is not None:
        return load_trained(run).agent
    with closing(make_env(config, 1)) as env:
        return make_agent(config, env)


def true_columns(recording: Recording, env_id: str) -> dict[str, NDArray[Any]]:
    """The truth of every frame, see `frame_labels`, under names that no critic reads."""
    return {f"true_{name}": column for name, column in frame_labels(recording, env_id).items()}


def _below(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """A row of the manifest in a folder as it reads in the folder above."""
    cameras: dict[str, str] = row["cameras"]
    videos = {camera: f"{folder}/{path}" for camera, path in cameras.items()}
    row = row | {"cameras": videos}
    for key in ("video", "numbers"):
        row[key] = f"{folder}/{row[key]}"
    return row
