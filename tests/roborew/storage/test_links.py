"""A folder of a stranger's leads nowhere else: whatever in it is a link, a pipe or a second name of a
file of the user's, that file is neither read nor written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from roborew import cli
from roborew.critics.critic import Critic
from roborew.encoders.cache import EmbeddingCache
from roborew.errors import InvalidInputError, RoborewError
from roborew.storage.plain import check_plain, inside, open_plain, read_plain
from roborew.storage.run import RunDirectory
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import CriticConfig, EncoderConfig
from tests.roborew.ascent import ENV, ROLLOUT, heights  # noqa: F401
from tests.roborew.critics.films import demonstration
from tests.roborew.data.sets import write
from tests.roborew.data.test_atomic_dataset import interrupted

SECRET = b"years of work"
COMMANDS = {
    "resume": ["train", "--resume", "run"],
    "evaluate": ["evaluate", "run", "--episodes", "1"],
    "record": ["record", "run", "--episodes", "1"],
}


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's with one file, which must be the same after the test."""
    folder = tmp_path / "canary"
    folder.mkdir()
    (folder / "thesis.txt").write_bytes(SECRET)
    yield folder
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    assert (folder / "thesis.txt").read_bytes() == SECRET


def entries(folder: Path) -> list[str]:
    """Every file and folder in a folder, by what was really written."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def replaced(folder: Path, name: str, canary: Path) -> Iterator[str]:
    """One entry of a folder replaced, by one thing after the other that is no plain file."""

    def link_to_file(path: Path) -> None:
        path.symlink_to(canary / "thesis.txt")

    def link_to_folder(path: Path) -> None:
        path.symlink_to(canary)

    makers: list[Callable[[Path], None]] = [link_to_file, link_to_folder, os.mkfifo]
    aside = folder.with_name("aside")
    (folder / name).rename(aside)
    for make in makers:
        make(folder / name)
        yield f"{name}: {make.__name__}"
        (folder / name).unlink()
    aside.rename(folder / name)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that any command writes into it, and something left to train."""
    out = tmp_path_factory.mktemp("runs")
    reward = "tests.roborew.ascent:Height"
    words = ["train", "--env", ENV, "--goal", "climb", "--reward", reward, "--num-envs", "8"]
    words += ["--total-timesteps", str(2 * ROLLOUT), "--evaluation.episodes", "1"]
    assert cli.main([*words, "--out", str(out), "--name", "run"]) == 0
    assert cli.main(["record", str(out / "run"), "--episodes", "1", "--gif"]) == 0
    (out / "run" / "summary.json").rename(out / "run" / "summary-of-before.json")
    shutil.rmtree(out / "run" / "ckpt" / f"step_{2 * ROLLOUT}")
    return out / "run"


def test_no_command_follows_anything_out_of_a_run(
    whole_run: Path,
    canary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(canary.parent)
    shutil.copytree(whole_run, "run")
    names = entries(Path("run"))
    assert {"lock", "metrics.jsonl", "ckpt", "ckpt/latest", "videos", "report.html"} <= {*names}
    for name in names:
        for what in replaced(Path("run"), name, canary):
            for command, words in COMMANDS.items():
                assert cli.main(words) == 2, (command, what)
                said = capsys.readouterr().err
                assert "Traceback" not in said and name.split("/")[-1] in said, (what, said)
            assert (canary / "thesis.txt").read_bytes() == SECRET, what


def test_a_copy_of_hard_links_is_not_changed_by_going_on(
    whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``cp -al`` and some backups make such copies: what is written is written anew, or refused."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole_run, "backup")
    shutil.copytree("backup", "run", copy_function=os.link)
    before = {name: Path("backup", name) for name in entries(Path("backup"))}
    content = {name: path.read_bytes() for name, path in before.items() if path.is_file()}
    assert cli.main(COMMANDS["resume"]) == 2  # the lock would be written in place
    Path("run/lock").unlink()
    assert cli.main(COMMANDS["resume"]) == 0
    assert {name: Path("backup", name).read_bytes() for name in content} == content


def test_a_critic_is_read_from_its_own_folder(canary: Path, tmp_path: Path) -> None:
    how = FitConfig(critic=CriticConfig("ridge"), encoder=EncoderConfig("mini"), calibrate=False)
    episodes = [demonstration(row=row) for row in range(2)]
    whole = fit_critic(episodes, how).critic.save_pretrained(tmp_path / "critic")
    for name in ("config.json", "model.safetensors"):
        for _ in replaced(whole, name, canary):
            with pytest.raises(RoborewError):
                Critic.from_pretrained(whole)


def test_an_unfinished_set_is_gone_on_with_only_if_it_is_plain(
    canary: Path, tmp_path: Path
) -> None:
    interrupted(tmp_path / "set", after=1)
    for name in entries(tmp_path / "set.unfinished"):
        for what in replaced(tmp_path / "set.unfinished", name, canary):
            with pytest.raises(RoborewError):
                write(tmp_path / "set")
            assert not (tmp_path / "set").exists(), what
    shutil.rmtree(tmp_path / "set.unfinished")
    (tmp_path / "set.unfinished").symlink_to(canary)
    with pytest.raises(RoborewError, match="is a link"):
        write(tmp_path / "set")


def test_a_folder_that_only_has_the_name_of_an_unfinished_set_is_kept(tmp_path: Path) -> None:
    (tmp_path / "set.unfinished").mkdir()
    (tmp_path / "set.unfinished" / "draft.txt").write_text("mine")
    with pytest.raises(RoborewError, match=r"holds 'draft\.txt'"):
        write(tmp_path / "set")
    assert entries(tmp_path) == ["set.unfinished", "set.unfinished/draft.txt"]


def test_a_cache_neither_reads_nor_removes_what_is_not_its_own(
    canary: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    EmbeddingCache(4, folder).put({bytes(32): np.zeros(3, np.float32)})
    own = entries(folder)
    (folder / "notes.embeddings").write_bytes(SECRET)
    (folder / f"{'0' * 64}.embeddings").symlink_to(canary / "thesis.txt")
    (folder / f"{'1' * 64}.embeddings").symlink_to(canary)
    (folder / "folder.embeddings").mkdir()
    os.mkfifo(folder / "pipe.embeddings")
    before = entries(folder)
    cache = EmbeddingCache(4, folder)
    assert cache.get(bytes(32)) is not None
    cache.put({bytes([1]) * 32: np.ones(3, np.float32)})
    assert {*before} < {*entries(folder)} and len(entries(folder)) == len(own) + 6


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC])
def test_a_plain_file_is_opened_and_nothing_else(canary: Path, tmp_path: Path, flags: int) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    os.close(open_plain(plain, flags))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(canary / "thesis.txt")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "link", "broken", "canary"):
        with pytest.raises(InvalidInputError, match=f"{name} is a"):
            open_plain(tmp_path / name, flags)
    assert not (tmp_path / "nowhere").exists()


def test_a_second_name_is_read_but_not_written(canary: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    os.link(canary / "thesis.txt", second)
    assert read_plain(second) == SECRET
    with pytest.raises(InvalidInputError, match="2 names"):
        open_plain(second, os.O_RDWR | os.O_TRUNC)


def test_a_link_in_a_folder_may_lead_to_its_own_files_or_its_own_repository(
    canary: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "revision"
    blob = tmp_path / "models--a--b" / "blobs" / "hash"
    for path in (snapshot, blob.parent):
        path.mkdir(parents=True)
    blob.write_bytes(b"weights")
    (snapshot / "model.safetensors").symlink_to(Path("../../blobs/hash"))
    assert read_plain(inside(snapshot / "model.safetensors", snapshot)) == b"weights"
    (snapshot / "config.json").symlink_to(canary / "thesis.txt")
    with pytest.raises(InvalidInputError, match="leads to"):
        inside(snapshot / "config.json", snapshot)
    with pytest.raises(InvalidInputError, match="is a link"):
        check_plain(snapshot)


def test_a_run_may_be_named_by_a_link(whole_run: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(whole_run)
    assert RunDirectory.open(tmp_path / "latest").load_checkpoint() is not None
