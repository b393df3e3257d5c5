"""A run's folder survives what happens to it: a crash, a full disk, damage, a second writer."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from roborew.errors import CorruptFileError, InvalidInputError, RoborewError, RunExistsError
from roborew.storage import atomic
from roborew.storage.run import RunDirectory, run_paths, slugify


@dataclass(frozen=True)
class Config:
    goal: str = "push the red cube"
    rate: float = 3e-4


def arrays(value: float) -> dict[str, NDArray[Any]]:
    return {"weights": np.full((2, 3), value, np.float32)}


def train(run: RunDirectory, first: int, last: int) -> None:
    """A run whose record at each step depends on the step alone, with a checkpoint at every
    fifth."""
    for step in range(first, last):
        run.log({"step": step, "loss": 1 / (1 + step)})
        if step % 5 == 4:
            run.save_checkpoint(step + 1, arrays(step), {"note": f"step {step}"})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_run_reads_back_what_was_asked_and_with_what(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Config(rate=0.25), seeds={"train": 7}) as run:
        run.log({"step": 1, "return": np.float32(0.5)})
    reader = RunDirectory.open(tmp_path / "run")
    assert reader.config(Config) == Config(rate=0.25)
    assert reader.info["seeds"] == {"train": 7}
    assert {"roborew", "python", "torch", "mujoco", "gymnasium", "platform"} <= set(
        reader.info["versions"]
    )
    assert reader.metrics() == [{"step": 1, "return": 0.5}]
    assert reader.load_checkpoint() is None


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("kept")
    with pytest.raises(RunExistsError, match="never overwritten"):
        RunDirectory.create(tmp_path / "run", Config())
    assert contents(tmp_path) == {"run/mine.txt": b"kept"}


def test_a_configuration_that_would_be_read_back_changed_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="rate"):
        RunDirectory.create(tmp_path / "run", Config(rate=float("inf")))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no run"):
        RunDirectory.open(tmp_path)
    with pytest.raises(InvalidInputError, match="no run"):
        RunDirectory.resume(tmp_path / "absent")


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "run", Config()).close()
    (tmp_path / "run" / "config.json").write_text('{"goal": 3}')
    with pytest.raises(CorruptFileError, match="config.json"):
        RunDirectory.open(tmp_path / "run").config(Config)


def test_names_are_slugs_and_the_next_free_number(tmp_path: Path) -> None:
    for number in (1, 2):
        with RunDirectory.create(run_paths(tmp_path, "Push-v0", "ppo"), Config()) as run:
            assert run.path.name == f"push-v0-ppo-{number}"
    assert slugify("../../etc/passwd\0") == "etc-passwd"
    assert 1 <= len(slugify("ä" * 99)) <= 64
    assert len(slugify("long " * 99)) <= 64


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int64, np.uint64, np.float16, np.float32, np.float64]
)
def test_a_checkpoint_gives_every_array_back_exactly(
    tmp_path: Path, dtype: type, shape: tuple[int, ...]
) -> None:
    saved = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        run.save_checkpoint(
            3, {"array": saved, "turned": saved.T}, {"rng": {"state": 2**127}, "list": [1, None]}
        )
        loaded = run.load_checkpoint()
    assert loaded is not None
    assert (loaded.step, loaded.meta) == (3, {"rng": {"state": 2**127}, "list": [1, None]})
    for name, expected in (("array", saved), ("turned", saved.T)):
        assert loaded.arrays[name].dtype == dtype
        np.testing.assert_array_equal(loaded.arrays[name], expected, strict=True)


def test_objects_are_refused_instead_of_pickled(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        with pytest.raises(InvalidInputError, match="'thing' has dtype object"):
            run.save_checkpoint(1, {"thing": np.array([{}])}, {})
        assert not (tmp_path / "run" / "ckpt").exists()


def test_the_two_newest_checkpoints_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        train(run, 0, 100)
        loaded = run.load_checkpoint()
    assert loaded is not None
    assert loaded.step == 100
    assert sorted(path.name for path in (tmp_path / "run" / "ckpt").iterdir()) == [
        "latest",
        "step_100",
        "step_95",
    ]


@pytest.mark.parametrize("name", ["arrays.safetensors", "rest.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, name: str, damage: str
) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        train(run, 0, 10)
        file = tmp_path / "run" / "ckpt" / "step_10" / name
        content = bytearray(file.read_bytes())
        file.unlink()
        if damage == "cut":
            file.write_bytes(content[: len(content) // 2])
        elif damage == "flipped":
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        loaded = run.load_checkpoint()
    assert loaded is not None
    assert loaded.step == 5
    np.testing.assert_array_equal(loaded.arrays["weights"], arrays(4)["weights"])


def test_an_interrupted_and_resumed_run_leaves_the_bytes_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    for name in ("whole", "broken"):
        with RunDirectory.create(tmp_path / name, Config()) as run:
            train(run, 0, 20 if name == "whole" else 13)
    with (tmp_path / "broken" / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 13, "lo')  # killed within a line
    (tmp_path / "broken" / "ckpt" / "step_15.tmp").mkdir()  # and within a checkpoint
    with RunDirectory.resume(tmp_path / "broken") as run:
        checkpoint = run.load_checkpoint()
        assert checkpoint is not None
        train(run, checkpoint.step, 20)
    ends = [contents(tmp_path / name) for name in ("whole", "broken")]
    for end in ends:
        del end["lock"]  # says which process wrote
    assert ends[0] == ends[1]


def test_a_run_that_died_before_its_first_checkpoint_starts_again_from_nothing(
    tmp_path: Path,
) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        train(run, 0, 3)
    with RunDirectory.resume(tmp_path / "run") as run:
        assert run.load_checkpoint() is None
        assert run.metrics() == []


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        run.save_checkpoint(5, arrays(1), {})
        run.save_checkpoint(5, arrays(2), {})
        loaded = run.load_checkpoint()
    assert loaded is not None
    assert loaded.arrays["weights"][0, 0] == 2


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "run", Config()).close()
    reader = RunDirectory.open(tmp_path / "run")
    with pytest.raises(RoborewError, match="open for reading"):
        reader.log({"step": 1})
    with pytest.raises(RoborewError, match="open for reading"):
        reader.save_checkpoint(1, arrays(1), {})


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        with pytest.raises(RoborewError, match=f"process {os.getpid()} on "):
            RunDirectory.resume(tmp_path / "run")
        run.log({"step": 1})
        assert len(run.metrics()) == 1
    RunDirectory.resume(tmp_path / "run").close()


def test_a_killed_process_loses_no_logged_line_and_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from tests.roborew.storage.test_run import Config, RunDirectory, train\n"
        "run = RunDirectory.create(sys.argv[1], Config())\n"
        "train(run, 0, 8)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    root = Path(__file__).parents[3]
    assert subprocess.run(command, cwd=root, check=False).returncode == -signal.SIGKILL
    assert [record["step"] for record in RunDirectory.open(tmp_path / "run").metrics()] == list(
        range(8)
    )
    with RunDirectory.resume(tmp_path / "run") as run:
        assert [record["step"] for record in run.metrics()] == list(range(5))


def test_a_full_disk_is_one_clear_error_and_the_checkpoint_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunDirectory.create(tmp_path / "run", Config()) as run:
        run.save_checkpoint(5, arrays(1), {})
        run.write_json("summary.json", {"episodes": 1})
        before = contents(tmp_path)
        monkeypatch.setattr(atomic.os, "fsync", full)
        with pytest.raises(RoborewError, match="disk is full: .* needs more space"):
            run.save_checkpoint(6, arrays(2), {})
        with pytest.raises(RoborewError, match=r"disk is full: .* needs [\d,]+ bytes"):
            run.write_json("summary.json", {"episodes": 2})
        assert contents(tmp_path) == before
        monkeypatch.undo()
        run.save_checkpoint(6, arrays(2), {})


def test_another_disk_error_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with RunDirectory.create(tmp_path / "run", Config()) as run:
        monkeypatch.setattr(atomic.os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            run.write_json("summary.json", {})


def test_json_is_written_inside_the_run_only(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        for name in ("../outside.json", "/outside.json", "folder/inside.json", "..", ""):
            with pytest.raises(InvalidInputError, match="file name"):
                run.write_json(name, {})


def test_resuming_with_other_versions_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RunDirectory.create(tmp_path / "run", Config()) as run:
        run.write_json(
            "run.json", {**run.info, "versions": {**run.info["versions"], "mujoco": "0.0.1"}}
        )
    RunDirectory.resume(tmp_path / "run").close()
    assert "'mujoco': '0.0.1'" in caplog.text
