"""JSON of strangers is bounded, named, and read in one place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roborew.critics.critic import read_config
from roborew.data.key_frames import read_key_frames
from roborew.data.lerobot.info import read_info
from roborew.data.manifest import read_manifest
from roborew.errors import CorruptFileError, InvalidInputError, RoborewError
from roborew.judges.recorded import read_answers
from roborew.storage import json_files
from roborew.storage.json_files import read_json, read_json_lines, read_json_object
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import read_summary
from roborew.workflows.train.config import TrainConfig

ROOT = Path(__file__).parents[3]
PARSES_OTHERWISE = {
    "storage/json_files.py",
    "judges/openai_protocol.py",  # replies, which are no files and have rules of their own
    "rewards/remote/client.py",  # answers of a server, likewise
    "rewards/remote/tensors.py",
    "rewards/remote/wire.py",
    "workflows/doctor/machine.py",  # a line of its own child
    "registry/lookup.py",  # an example in a docstring
    "encoders/open_clip.py",  # a copy of what was read
}
NESTED = b"[" * 10**6 + b"]" * 10**6
DAMAGED = {
    "empty": b"",
    "cut short": b'{"a": 1',
    "no object": b"[1, 2]",
    "a number": b"7",
    "nested": NESTED,
    "nested objects": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "no UTF-8": b'{"a": "\xff"}',
    "zeros": bytes(100),
}
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "object": ("file.json", read_json_object),
    "lines": ("file.jsonl", lambda path: list(read_json_lines(path))),
    "run": ("run.json", lambda path: RunDirectory(path.parent).info),
    "config": ("config.json", lambda path: RunDirectory(path.parent).config(TrainConfig)),
    "metrics": ("metrics.jsonl", lambda path: RunDirectory(path.parent).metrics()),
    "summary": ("summary.json", lambda path: read_summary(path.parent)),
    "critic": ("config.json", lambda path: read_config(path.parent)),
    "manifest": ("manifest.jsonl", read_manifest),
    "key frames": ("annotated_keyframes.json", read_key_frames),
    "data set": ("meta/info.json", lambda path: read_info(path.parents[1])),
    "answers": ("answers.jsonl", read_answers),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_one_clear_error_that_names_it(
    reader: str, damage: str, tmp_path: Path
) -> None:
    name, read = READERS[reader]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(DAMAGED[damage] + b"\n")
    if damage == "empty" and reader in ("lines", "metrics"):
        assert read(path) == []
        return
    with pytest.raises(RoborewError, match=re.escape(path.name)):
        read(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_refused_before_it_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    with pytest.raises(InvalidInputError, match="expected a file; got a"):
        read_json(path)


def test_a_file_that_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b" " * 200)
    monkeypatch.setattr(json_files, "MAX_JSON_BYTES", 100)
    with pytest.raises(CorruptFileError, match="at most 100 bytes; got 200"):
        read_json(path)
    monkeypatch.setattr(json_files, "MAX_LINE_BYTES", 100)
    with pytest.raises(CorruptFileError, match="line 1: expected at most 100 bytes"):
        list(read_json_lines(path))


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": [1]}')
    expected: Any = {"a": [1]}
    assert read_json_object(path) == expected


def test_no_other_module_parses_json_files() -> None:
    parsing = {
        str(path.relative_to(ROOT / "roborew"))
        for path in (ROOT / "roborew").rglob("*.py")
        if re.search(r"\bjson[.:]loads?\b", path.read_text("utf-8"))
    }
    assert parsing == PARSES_OTHERWISE
