"""All that an agent saw and did, with the pictures that its reward was shown, so that another reward can
pay it anew.

<folder>/steps.bin    a record for each reset and each step of all environments, in order
<folder>/frames.bin   a record for each picture
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray

from roborew.storage.record_file import RecordFile, read_records
from roborew.types import BoolArray, FloatArray, Frame, Video, check_video, renderable
from roborew.wrappers.reset_mask import split_reset_mask

STEPS, FRAMES = "steps.bin", "frames.bin"
STATE = {STEPS: "logged_steps", FRAMES: "logged_frames"}
"""File -> how many of its records there were, in a checkpoint."""
UNKNOWN = -1
"""Success of a frame of which nobody tells any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEpisode:
    """One episode of T actions, or its beginning where nothing more is known.

    Attributes:
        name: says where it stands in the log.
        observations: shape (T + 1, D).
        actions: shape (T, A).
        success: shape (T + 1,), truth; None where the environment tells none.
        terminated: whether the environment ended it, and no time limit did.
        pictures: the newest one (H, W, 3) at each moment, memory-mapped; where none was drawn, the one
            before.
    """

    name: str
    observations: FloatArray
    actions: FloatArray
    success: BoolArray | None
    terminated: bool
    pictures: Sequence[Frame]


class ExperienceLog(VectorWrapper[Any, Any, Any, Any, Any]):
    """Passes everything on, and logs it; like the environment it goes back to where `get_state` was.

    Args:
        env: of flat observations, with a layer that fits `RenderableVectorEnv`; one picture is drawn.
        folder: of the log, which goes on where there is one.
        phase: how many rewards have paid the agent before.
        is_last: nothing will be paid anew any more, so nothing is logged.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], folder: Path, phase: int, is_last: bool = False
    ) -> None:
        super().__init__(env)
        inner = renderable(env)
        assert inner is not None
        self._inner = inner
        self._folder = folder
        self._phase = phase
        self._is_last = is_last
        self._goes_on = False
        self._dtypes = {STEPS: _step_dtype(env), FRAMES: _frame_dtype(self._draw_one())}
        self._files = {name: RecordFile(folder / name, self._dtypes[name]) for name in STATE}

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all environments, or those in ``options["reset_mask"]``."""
        begun, options = split_reset_mask(options, self.num_envs)
        if not self._goes_on:
            self._begin_phase()
        observations, infos = self.env.reset(seed=cast(Any, seed), options=options)
        self._note(infos, observations=observations, begun=begun)
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all environments."""
        result = observations, _, terminated, truncated, infos = self.env.step(actions)
        ended = np.asarray(terminated) | np.asarray(truncated)
        self._note(
            infos,
            is_step=True,
            observations=observations,
            actions=actions,
            terminated=terminated,
            ended=ended,
        )
        return result

    def render_frames(self, indices: NDArray[np.int64] | None = None) -> Video:
        """Return frames (n, H, W, 3) of the present states, and log them."""
        chosen = np.arange(self.num_envs) if indices is None else indices
        frames = check_video(
            self._inner.render_frames(indices), f"frames of environments {chosen.tolist()}"
        )
        if not self._is_last:
            records = np.zeros(len(frames), self._dtypes[FRAMES])
            records["step"] = len(self._files[STEPS]) - 1
            records["env"] = chosen
            records["picture"] = frames
            self._files[FRAMES].append(records)
        return frames

    def episodes(self, before_phase: int) -> list[LoggedEpisode]:
        """Return what was logged in the phases before one, in the order in which episodes began; one that
        had not ended by then ends there."""
        steps, frames = self._read()
        steps = steps[: np.searchsorted(steps["phase"], before_phase)]
        pictures = [_Pictures.of(frames, env) for env in range(self.num_envs)]
        starts = np.argwhere(steps["begun"])
        return [_episode(steps, pictures[env], start, env) for start, env in starts.tolist()]

    @property
    def cameras(self) -> tuple[str, ...]:
        """As of `roborew.types.RenderableVectorEnv`."""
        return self._inner.cameras

    @property
    def resizable(self) -> bool:
        """As of `roborew.types.RenderableVectorEnv`."""
        return self._inner.resizable

    @property
    def expert(self) -> Any:
        """As of `roborew.types.RenderableVectorEnv`."""
        return self._inner.expert

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the environment, and how long the log is."""
        for file in self._files.values():
            file.sync()
        lengths = {key: np.array(len(self._files[name])) for name, key in STATE.items()}
        return self._inner.get_state() | lengths

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned; what was logged since then has not happened."""
        self._goes_on = True
        for name, key in STATE.items():
            # A run of an earlier release has no log.
            self._files[name].truncate(int(snapshot.get(key, 0)))
        self._inner.set_state(
            {name: array for name, array in snapshot.items() if name not in STATE.values()}
        )

    def close(self, **kwargs: Any) -> None:
        """Close the log and the environment."""
        for file in self._files.values():
            file.close()
        super().close(**kwargs)

    def _begin_phase(self) -> None:
        """Forget what was logged in this phase by a process that was killed before it could save."""
        self._goes_on = True
        steps, frames = self._read()
        length = int(np.searchsorted(steps["phase"], self._phase))
        self._files[FRAMES].truncate(int(np.searchsorted(frames["step"], length)))
        self._files[STEPS].truncate(length)

    def _note(self, infos: Mapping[str, Any], **columns: Any) -> None:
        if self._is_last:
            return
        record = np.zeros(1, self._dtypes[STEPS])
        record["phase"] = self._phase
        record["success"] = UNKNOWN
        for name, column in columns.items():
            record[name] = column
        if "success" in infos:
            is_known = infos.get("_success", np.ones(self.num_envs, np.bool_))
            record["success"][0, is_known] = infos["success"][is_known]
        self._files[STEPS].append(record)

    def _read(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """All steps, and all pictures."""
        steps, frames = (read_records(self._folder / name, self._dtypes[name]) for name in STATE)
        return steps, frames

    def _draw_one(self) -> Video:
        self.env.reset(seed=cast(Any, 0))
        return check_video(self._inner.render_frames(np.array([0])), "frame of environment 0")


def _step_dtype(env: VectorEnv[Any, Any, Any]) -> np.dtype[Any]:
    """A step of all environments, or a reset of those that have ``begun``."""
    spaces: Any = env  # Gymnasium leaves the parameter of these spaces open
    count = (env.num_envs,)
    return np.dtype(
        [
            ("phase", "<i4"),
            ("is_step", "?"),
            ("begun", "?", count),
            ("observations", "<f4", (*count, *spaces.single_observation_space.shape)),
            ("actions", "<f4", (*count, *spaces.single_action_space.shape)),
            ("terminated", "?", count),
            ("ended", "?", count),
            ("success", "i1", count),
        ]
    )


def _frame_dtype(frames: Video) -> np.dtype[Any]:
    """What one environment showed behind a record of `_step_dtype`."""
    return np.dtype([("step", "<i8"), ("env", "<i4"), ("picture", "u1", frames.shape[1:])])


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Those of one environment.

    Attributes:
        frames: of all of them.
        places: of its own, in order.
        steps: behind which step each was drawn.
    """

    frames: NDArray[Any]
    places: NDArray[np.int64]
    steps: NDArray[np.int64]

    @classmethod
    def of(cls, frames: NDArray[Any], env: int) -> Self:
        places = np.flatnonzero(frames["env"] == env)
        return cls(frames, places, frames["step"][places])

    def newest(self, moments: NDArray[np.int64]) -> Sequence[Frame]:
        """The newest at each of these steps, the first of which has one of its own."""
        newest = np.searchsorted(self.steps, moments, side="right") - 1
        pictures = self.frames["picture"]
        return [pictures[place] for place in self.places[newest].tolist()]


def _episode(steps: NDArray[Any], pictures: _Pictures, start: int, env: int) -> LoggedEpisode:
    """The episode of an environment that begins with a record of a log."""
    later = steps[start + 1 :]
    ends = np.flatnonzero(later["begun"][:, env] | later["ended"][:, env])
    # The record that ends it is its own, that of the next beginning is not.
    until = start + 1 + (int(ends[0]) + 1 if len(ends) else len(later))
    rows = np.arange(start + 1, until)
    rows = rows[steps["is_step"][rows]]
    moments = np.concatenate([[start], rows])
    success = steps["success"][moments, env]
    return LoggedEpisode(
        name=f"step {start} of environment {env}",
        observations=steps["observations"][moments, env],
        actions=steps["actions"][rows, env],
        success=None if (success == UNKNOWN).any() else success.astype(np.bool_),
        terminated=bool(steps["terminated"][moments[-1], env]),
        pictures=pictures.newest(moments),
    )
