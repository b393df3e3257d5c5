"""What is written of all videos together: progress as LeRobot reads it, a summary, and which were
kept."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.agents.offline.weights import progress_weights
from roborew.storage.staging import new_file, numbered, write_new
from roborew.types import RewardSpec
from roborew.workflows.score.scoring import ScoredVideo
from roborew.workflows.score.sources import EpisodeSource, Source

SUMMARY_HEADS = ("video", "frames", "first", "last", "abstained", "seconds", "note")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one source.

    Attributes:
        source: that was to be scored.
        scored: its scores; None where it could not be read.
        note: why not, or what is unusual about it; may be empty.
    """

    source: Source
    scored: ScoredVideo | None
    note: str = ""

    @property
    def last(self) -> float | None:
        """The last score that was given, None without one."""
        scores = [] if self.scored is None else self.scored.curve
        return next((score for score in reversed(scores) if score is not None), None)

    def cells(self) -> list[str]:
        """Under `SUMMARY_HEADS`."""
        path = str(self.source.path)
        if self.scored is None:
            return [path, "", "", "", "", "", self.note]
        scores = self.scored.curve
        valid_scores = [score for score in scores if score is not None]
        ends = [f"{valid_scores[0]:.4f}", f"{valid_scores[-1]:.4f}"] if valid_scores else ["", ""]
        abstained = len(scores) - len(valid_scores)
        seconds = f"{self.scored.seconds:.1f}"
        return [path, str(len(scores)), *ends, str(abstained), seconds, self.note]


def datasets_of(outcomes: Sequence[Outcome]) -> dict[Path | None, list[Outcome]]:
    """Outcomes by the folder of their data set, None for those that belong to none."""
    groups: dict[Path | None, list[Outcome]] = {}
    for outcome in outcomes:
        source = outcome.source
        root = source.dataset.root if isinstance(source, EpisodeSource) else None
        groups.setdefault(root, []).append(outcome)
    return groups


def write_summary(out: Path, outcomes: Sequence[Outcome], reward: str) -> Path:
    """Write a new ``<reward>_summary.csv``, a row a video, those that could not be read too."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SUMMARY_HEADS)
    writer.writerows(outcome.cells() for outcome in outcomes)
    return write_new(numbered(out / f"{reward}_summary.csv"), text.getvalue())


def write_kept(out: Path, outcomes: Sequence[Outcome], reward: str, min_score: float) -> Path:
    """Write a new ``<reward>_kept.json``: the videos whose last score is at least ``min_score``, and
    the others."""
    entries: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for outcome in outcomes:
        entry: dict[str, Any] = {"video": str(outcome.source.path), "score": outcome.last}
        if isinstance(outcome.source, EpisodeSource):
            entry["dataset"] = str(outcome.source.dataset.root)
            entry["episode_index"] = outcome.source.entry.index
        entries[is_kept(outcome, min_score)].append(entry)
    content = {
        "reward": reward,
        "min_score": min_score,
        "kept": entries[True],
        "left_out": entries[False],
    }
    names = numbered(out / f"{reward}_kept.json")
    return write_new(names, json.dumps(content, indent=1) + "\n")


def is_kept(outcome: Outcome, min_score: float) -> bool:
    """Whether a video's last score is at least ``min_score``; one without a score is not kept."""
    return outcome.last is not None and outcome.last >= min_score


def write_progress_table(out: Path, scored: Sequence[ScoredVideo], identity: str) -> Path:
    """Write a new ``<reward>_progress.parquet`` as LeRobot reads it: every video is an episode.

    ``progress_sparse`` is the score moved from the model's range to [0, 1]; NaN where it abstained
    or did not look. A model without a finite range keeps its raw scores, and the table says so.

    Args:
        out: folder.
        scored: videos under one model, the episodes in this order.
        identity: what made the scores, as it stands in the run's command.
    """
    spec = scored[0].spec
    episodes = [_progress_of_frames(video, int(video.indices[-1]) + 1) for video in scored]
    metadata = {"roborew.episodes": json.dumps([str(video.path) for video in scored])}
    return _write_progress(out, spec, episodes, identity, metadata)


def write_dataset_progress(
    out: Path, spec: RewardSpec, outcomes: Sequence[Outcome], identity: str
) -> Path:
    """Write a new ``<reward>_progress.parquet`` of a LeRobot data set, for its folder: its episodes
    and frames have the numbers that they have there, and those that could not be read are NaN."""
    root = _root(outcomes)
    return _write_progress(
        out, spec, _dataset_progress(outcomes), identity, {"roborew.dataset": str(root)}
    )


def write_dataset_weights(
    out: Path, spec: RewardSpec, outcomes: Sequence[Outcome], identity: str, horizon: int
) -> Path:
    """Write a new ``<reward>_weights.parquet`` of a LeRobot data set: what each frame counts in
    cloning by the progress of the ``horizon`` frames after it, see
    `roborew.agents.offline.weights.progress_weights`. Columns ``index`` and ``weight`` are what the
    static sample weighting of LeRobot's trainers reads.

    Raises:
        InvalidInputError: no two frames of any episode were scored.
    """
    episodes = _dataset_progress(outcomes)
    weights = np.concatenate(progress_weights(episodes, horizon))
    metadata = {"roborew.dataset": str(_root(outcomes)), "roborew.horizon": str(horizon)}
    columns = {**_frame_columns(episodes), "weight": weights}
    path = out / f"{spec.name}_weights.parquet"
    return _write_table(path, columns, {"reward_model_path": identity, **metadata})


def _root(outcomes: Sequence[Outcome]) -> Path:
    return cast(EpisodeSource, outcomes[0].source).dataset.root


def _dataset_progress(outcomes: Sequence[Outcome]) -> list[NDArray[np.float32]]:
    """Progress of every frame of each episode, NaN of those that could not be read."""
    episodes: list[NDArray[np.float32]] = []
    for outcome in outcomes:
        length = cast(EpisodeSource, outcome.source).entry.length
        if outcome.scored is None:
            episodes.append(np.full(length, np.nan, np.float32))
        else:
            episodes.append(_progress_of_frames(outcome.scored, length))
    return episodes


def _write_progress(
    out: Path,
    spec: RewardSpec,
    episodes: Sequence[NDArray[np.float32]],
    identity: str,
    more: dict[str, str],
) -> Path:
    metadata = {
        "reward_model_path": identity,
        "roborew.causal": str(spec.causal).lower(),
        "roborew.scale": "unit" if is_bounded(spec) else "raw",
        **more,
    }
    columns = {**_frame_columns(episodes), "progress_sparse": np.concatenate(episodes)}
    return _write_table(out / f"{spec.name}_progress.parquet", columns, metadata)


def _write_table(path: Path, columns: dict[str, NDArray[Any]], metadata: dict[str, str]) -> Path:
    # Imported by name, as pyarrow has no annotations.
    arrow = cast(Any, import_module("pyarrow"))
    parquet = cast(Any, import_module("pyarrow.parquet"))
    table = arrow.table(columns).replace_schema_metadata(metadata)
    with new_file(numbered(path)) as staged:
        # pyarrow reads a colon in a relative path as the end of a protocol.
        parquet.write_table(table, staged.staging.absolute())
    return staged.path


def _frame_columns(episodes: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Which frame a row is of, as LeRobot counts them."""
    lengths = [len(progress) for progress in episodes]
    frame_indices = [np.arange(length, dtype=np.int64) for length in lengths]
    return {
        "index": np.arange(sum(lengths), dtype=np.int64),
        "episode_index": np.repeat(np.arange(len(lengths), dtype=np.int64), lengths),
        "frame_index": np.concatenate(frame_indices),
    }


def _progress_of_frames(video: ScoredVideo, num_frames: int) -> NDArray[np.float32]:
    """Progress of every frame, NaN between scored ones."""
    spec = video.spec
    values = video.scores.value
    if is_bounded(spec):
        values = (values - spec.low) / (spec.high - spec.low)
    progress = np.full(num_frames, np.nan, np.float32)
    progress[video.indices] = np.where(video.scores.valid, values, np.nan)
    return progress


def is_bounded(spec: RewardSpec) -> bool:
    """Whether scores have a finite range, and so can be said as progress in [0, 1]."""
    return math.isfinite(spec.low) and math.isfinite(spec.high)
