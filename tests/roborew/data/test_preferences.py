"""Labels of pairs: on the disk at once, whole after a crash, and taken back by a line of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from roborew.data.preferences import Preference, PreferenceFile, read_preferences
from roborew.errors import CorruptFileError, InvalidInputError


def label(row: int, value: float | None = 1.0) -> Preference:
    return Preference(first=("one", row), second=("two", 3), label=value, by="person")


def test_what_was_said_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    file = PreferenceFile(path)
    file.add([label(0), label(1, None), label(2, 0.5)])
    assert file.undo() == label(2, 0.5)
    file.add([label(4)])
    expected = [label(0), label(1, None), label(4)]
    assert file.labels == read_preferences(path) == PreferenceFile(path).labels == expected


def test_nothing_is_taken_back_where_nothing_was_said(tmp_path: Path) -> None:
    file = PreferenceFile(tmp_path / "preferences.jsonl")
    assert file.undo() is None and not (tmp_path / "preferences.jsonl").exists()


def test_a_crash_at_any_byte_costs_no_more_than_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    PreferenceFile(path).add([label(0), label(1)])
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        file = PreferenceFile(path)
        assert file.labels == [label(0), label(1)][:whole]
        file.add([label(7)])
        assert read_preferences(path) == [*[label(0), label(1)][:whole], label(7)]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        '{"undo": true}',
        '{"first": ["a", true], "second": ["b", 1], "frames": 1, "label": 1, "by": "x", "reason": ""}',
        '{"first": ["a", 0], "second": ["b", -1], "frames": 1, "label": 1, "by": "x", "reason": ""}',
        '{"first": ["a", 0], "second": ["b", 1], "frames": 0, "label": 1, "by": "x", "reason": ""}',
        '{"first": ["a", 0], "second": ["b", 1], "frames": 1, "label": 2, "by": "x", "reason": ""}',
        '{"first": "ab", "second": ["b", 1], "frames": 1, "label": 1, "by": "x", "reason": ""}',
    ],
)
def test_a_line_that_is_no_label_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(CorruptFileError, match="line 1"):
        PreferenceFile(path)
    assert path.read_text() == line + "\n"


def test_a_label_outside_of_its_range_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"\[0, 1\]"):
        label(0, float("nan"))
