"""Where the curves of a run can be watched: TensorBoard always, trackio and wandb where asked for.

metrics.jsonl is the record; a tracker shows the same scalars and is never read back.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, cast

from roborew.config import to_json
from roborew.errors import MissingBackendError, first_line
from roborew.storage.atomic import CONTINUE_TRAINING, append
from roborew.storage.run import RunDirectory
from roborew.workflows.train.config import TrackerName, TrainConfig

PROJECT = "roborew"
"""Name of the project at trackio and wandb."""


class Tracker(Protocol):
    """Shows the scalars of a run as it trains."""

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Show finite scalars at an environment step; steps rise."""
        ...

    def close(self) -> None:
        """Finish; everything logged until then is kept."""
        ...


def scalars_of(record: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the finite numbers of a record of metrics.jsonl, a group's under ``group/name``.

    >>> scalars_of({"steps": 8, "length": None, "losses": {"value_loss": 0.5}})
    {'steps': 8.0, 'losses/value_loss': 0.5}
    """
    scalars: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            group = cast("Mapping[str, Any]", value)
            scalars |= scalars_of(group, f"{prefix}{name}/")
        # NaN is a figure that no episode gave: a gap in the curve says so, a zero would lie.
        elif isinstance(value, int | float) and math.isfinite(value):
            scalars[prefix + name] = float(value)
    return scalars


class TensorBoardTracker:
    """Appends to an event file of its own in ``folder``, numbered after those of earlier sessions.

    TensorBoard's file writer is not used: it names files by second and process, so those of two
    quick sessions may be read in the wrong order, and it writes from a thread, which a crash cuts
    short.

    Args:
        folder: made if it does not exist.
        first_step: the first one that may come; readers drop what earlier files hold from it on.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        # TensorBoard takes a tenth of a second to load, which only a run should cost.
        self._event: Any = import_module("tensorboard.compat.proto.event_pb2").Event
        self._framing: Any = import_module("tensorboard.summary.writer.record_writer").RecordWriter
        folder.mkdir(exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))
        path = folder / f"events.out.tfevents.{number:06d}"
        # Unbuffered, as metrics.jsonl is: a killed process loses nothing.
        self._file = FileIO(path, "xb")
        self._append(file_version="brain.Event:2")
        # After a crash the earlier files may run beyond the checkpoint that training goes on from.
        self._append(step=first_step, session_log={"status": "START"})

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append one event with all scalars."""
        values = [{"tag": name, "simple_value": value} for name, value in scalars.items()]
        self._append(step=step, summary={"value": values})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, **content: Any) -> None:
        event = self._event(wall_time=time.time(), **content)
        framed = io.BytesIO()
        self._framing(framed).write(event.SerializeToString())
        append(self._file, framed.getvalue(), CONTINUE_TRAINING)


class ServiceTracker:
    """A run at trackio or wandb, whose ``init`` and runs speak alike.

    A resumed session is a run of its own in the same group: neither service takes back the steps
    that a crash left beyond the checkpoint.
    """

    def __init__(
        self, name: TrackerName, run: RunDirectory, config: TrainConfig, step: int
    ) -> None:
        package: Any = import_tracker(name)
        own: dict[str, Any] = {"dir": str(run.path)} if name == "wandb" else {}
        label = run.path.name
        self._run: Any = package.init(
            project=PROJECT,
            name=f"{label}-from-{step}" if step else label,
            group=label,
            config=to_json(config),
            **own,
        )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Send the scalars."""
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """Finish the run there."""
        self._run.finish()


def import_tracker(name: TrackerName) -> object:
    """Import the package of a tracker.

    Raises:
        MissingBackendError: it is not installed; the message says what to do.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingBackendError(
            f"--log {name}: the package cannot be imported ({first_line(error)}); "
            f"`pip install {name}`, or leave it out: TensorBoard's logs are always written."
        ) from error


@contextmanager
def open_trackers(run: RunDirectory, config: TrainConfig, step: int) -> Generator[list[Tracker]]:
    """Give the trackers of a session that goes on from an environment step; all are closed however
    the block ends."""
    with ExitStack() as stack:
        trackers: list[Tracker] = []

        def add(tracker: Tracker) -> None:
            stack.callback(tracker.close)
            trackers.append(tracker)

        add(TensorBoardTracker(run.path / "tensorboard", step + 1))
        for name in config.log:
            add(ServiceTracker(name, run, config, step))
        yield trackers
