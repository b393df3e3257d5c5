"""New files and folders: whole or absent, several at once under names of their own, and nothing of
somebody else's removed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from roborew.data import write_gif, write_video
from roborew.encoders.cache import EmbeddingCache
from roborew.errors import RunExistsError
from roborew.storage import staging
from roborew.storage.run import RunDirectory, run_paths
from roborew.storage.staging import (
    PREFIX,
    check_writable,
    create_atomically,
    new_file,
    new_folder,
    numbered,
    remove_leftovers,
    remove_tree,
    write_new,
)
from tests.roborew.storage.test_run import Config

AT_ONCE = 8
FRAMES = np.zeros((2, 16, 16, 3), np.uint8)


def make_run(folder: Path, number: int) -> None:
    RunDirectory.create(run_paths(folder, "push", "ppo"), Config(), {"number": number}).close()


def make_critic(folder: Path, number: int) -> None:
    with new_folder(numbered(folder / "critic")) as staged:
        (staged.staging / "config.json").write_text(str(number))


def keep_embeddings(folder: Path, number: int) -> None:
    # Half of the processes keep the same embeddings, which is one file.
    number //= 2
    EmbeddingCache(1, folder).put({bytes([number]) * 32: np.full(3, number, np.float32)})


WRITERS: dict[str, tuple[int, Callable[[Path, int], object]]] = {
    "run": (AT_ONCE, make_run),
    "critic": (AT_ONCE, make_critic),
    "text": (AT_ONCE, lambda folder, n: write_new(numbered(folder / "evaluation.json"), str(n))),
    "video": (AT_ONCE, lambda folder, _: write_video(numbered(folder / "a.mp4"), FRAMES, 10)),
    "gif": (AT_ONCE, lambda folder, _: write_gif(numbered(folder / "a.gif"), FRAMES, 10)),
    "embeddings": (AT_ONCE // 2, keep_embeddings),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_of_several_at_once_none_is_lost(writer: str, tmp_path: Path) -> None:
    expected, write = WRITERS[writer]
    together = Barrier(AT_ONCE)

    def work(number: int) -> None:
        together.wait()
        write(tmp_path / "out", number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, range(AT_ONCE)))
    names = sorted(os.listdir(tmp_path / "out"))
    assert len(names) == expected and not [name for name in names if name.startswith(PREFIX)]


@pytest.mark.parametrize("make", [new_file, new_folder])
def test_whatever_ends_the_block_leaves_nothing(
    make: Callable[..., object], tmp_path: Path
) -> None:
    kinds: list[type[BaseException]] = [ValueError, KeyboardInterrupt, OSError]
    for kind in kinds:
        with pytest.raises(kind), make(tmp_path / "deep" / "thing"):
            raise kind
    assert os.listdir(tmp_path / "deep") == []


@pytest.mark.parametrize("make", [new_file, new_folder])
@pytest.mark.parametrize("there", ["file", "folder", "broken link"])
def test_nothing_is_overwritten_neither_before_nor_meanwhile(
    make: Any, there: str, tmp_path: Path
) -> None:
    target = tmp_path / "thing"

    def put() -> None:
        if there == "folder":
            target.mkdir()
            (target / "mine.txt").touch()
        elif there == "file":
            target.touch()
        else:
            target.symlink_to("nowhere")

    with pytest.raises(RunExistsError), make(target):
        put()
    before = target.lstat()
    with pytest.raises(RunExistsError, match="never overwritten"), make(target):
        pass
    assert os.listdir(tmp_path) == ["thing"] and target.lstat() == before


def test_only_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = [tmp_path / f"{PREFIX}{'a' * 16}.mp4", tmp_path / f"{PREFIX}{'b' * 16}"]
    left[0].touch()
    left[1].mkdir()
    (left[1] / "part").touch()
    link = tmp_path / f"{PREFIX}{'c' * 16}"
    link.symlink_to(left[0])
    others = [".roborew-notes", f"{PREFIX}{'d' * 15}", "a.tmp", ".hidden"]
    for name in others:
        (tmp_path / name).touch()
    with new_file(tmp_path / "slow.txt") as slow:
        remove_leftovers(tmp_path)
        assert slow.staging.exists()  # its process lives
    assert not any(path.exists() for path in left)
    assert sorted(os.listdir(tmp_path)) == sorted([*others, link.name, "slow.txt"])


def test_a_process_that_cleans_up_in_between_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making a temporary file and locking it another process may take it for a leftover."""
    lock, robbed = staging._lock, []  # pyright: ignore[reportPrivateUsage]

    def robbing(path: Path, how: int) -> int | None:
        if not robbed and how == fcntl.LOCK_EX:
            robbed.append(path)
            remove_leftovers(tmp_path)
        return lock(path, how)

    monkeypatch.setattr(staging, "_lock", robbing)
    with create_atomically(tmp_path / "a.txt") as file:
        file.write_text("whole")
    assert robbed and (tmp_path / "a.txt").read_text() == "whole"


def test_a_file_system_without_hard_links_overwrites_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", unable)
    for name in ("a.txt", "a-2.txt"):
        assert write_new(numbered(tmp_path / "a.txt"), name).name == name
    with pytest.raises(RunExistsError), new_file(tmp_path / "b.txt"):
        (tmp_path / "b.txt").write_text("mine")
    assert (tmp_path / "b.txt").read_text() == "mine"


def test_a_folder_goes_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "part").touch()

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(staging.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_tree(tmp_path / "old")
    assert not (tmp_path / "old").exists()


def test_new_files_have_the_rights_that_the_user_gives_new_files(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    assert write_new(tmp_path / "a.txt", "").stat().st_mode == usual


def test_a_place_is_tried_before_the_work_and_nothing_is_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "newer")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path.name)])
def test_a_place_below_a_file_or_a_circle_is_refused(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    place = tmp_path / "place"
    make(place)
    with pytest.raises(NotADirectoryError, match="place"):
        check_writable(place / "below")
