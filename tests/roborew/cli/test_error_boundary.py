"""Whatever a command raises ends in one line, an exit code, and the traceback where it can be
found."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from roborew import cli
from roborew.cli.error_boundary import REMEDIES, Terminated, printable, run_guarded
from roborew.errors import InvalidInputError


def guarded(run: Callable[[], int], debug: bool = False) -> tuple[int, str]:
    """The exit code of a command and what it says on stderr."""
    text = io.StringIO()
    console = Console(file=text, width=10_000)
    hint = "Give the same command again."
    code = run_guarded(run, console, debug=debug, continue_hint=lambda: hint)
    return code, text.getvalue()


def raising(error: BaseException) -> Callable[[], int]:
    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize("number", sorted({*REMEDIES, errno.EINVAL, errno.ENOTTY}))
def test_an_error_of_the_system_is_a_line_with_its_path_and_a_remedy(number: int) -> None:
    error = OSError(number, os.strerror(number), "/some/place")
    code, line = guarded(raising(error))
    assert code == 2 and line.count("\n") == 1
    assert line.startswith(f"roborew: /some/place: {os.strerror(number)}; ")
    assert REMEDIES.get(number, "check the path") in line


def test_no_temporary_folder_is_answered_with_the_variable_to_set() -> None:
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert "set TMPDIR" in guarded(raising(error))[1]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        InvalidInputError("cannot draw: a.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_is_used_up_is_said(error: Exception) -> None:
    code, line = guarded(raising(error))
    assert code == 2 and line == (
        "roborew: out of memory: run fewer simulations, score fewer frames, or choose a smaller "
        "model\n"
    )


def test_an_unknown_error_while_memory_is_short_is_one_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Libraries in C have no words for it."""
    monkeypatch.setattr("roborew.cli.error_boundary._has_memory", lambda: False)
    assert "out of memory" in guarded(raising(RuntimeError("Caught an unknown exception!")))[1]


def test_what_is_not_whole_yet_is_called_by_its_folder() -> None:
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), "out/.roborew-0123456789abcdef.json")
    assert guarded(raising(error))[1].startswith("roborew: out: Read-only")


def test_an_unknown_error_is_a_line_and_a_file_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, line = guarded(raising(RuntimeError("a\nb")))
    assert code == 2 and line.startswith("roborew: unexpected RuntimeError: a b. ")
    found = re.search(r"traceback is in (\S+\.log)", line)
    assert found is not None
    assert "Traceback" in Path(found[1]).read_text() and "Traceback" not in line
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert "with --debug shows its traceback" in guarded(raising(RuntimeError()))[1]


@pytest.mark.parametrize("error", [RuntimeError("x"), InvalidInputError("x"), OSError(1, "x")])
def test_debug_raises_whatever_it_is(error: Exception) -> None:
    with pytest.raises(type(error)):
        guarded(raising(error), debug=True)


@pytest.mark.parametrize("debug", [False, True])
def test_an_interruption_says_how_to_go_on(debug: bool) -> None:
    assert guarded(raising(KeyboardInterrupt()), debug) == (
        130,
        "roborew: interrupted\nGive the same command again.\n",
    )
    error = Terminated()
    error.add_note("Resume with: roborew train --resume runs/a")
    code, lines = guarded(raising(error), debug)
    assert code == 143 and lines.endswith(
        "terminated\nResume with: roborew train --resume runs/a\n"
    )


def test_a_termination_ends_a_command_as_an_interruption_does() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def run() -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    assert guarded(run)[0] == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_reader_who_goes_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roborew.cli.error_boundary._close_stdout", lambda: None)
    assert guarded(raising(BrokenPipeError())) == (141, "")


def test_a_name_that_is_quoted_does_not_steer_the_terminal() -> None:
    _, line = guarded(raising(InvalidInputError("got 'a\x1b[2J\u202eb\r'")))
    assert line == "roborew: got 'a\\x1b[2J\\u202eb\\r'\n"
    assert printable("Å ü 机\n") == "Å ü 机\n"


@pytest.mark.parametrize("word", ["a\0b", "\udcff"])
def test_a_word_that_no_path_can_be_is_refused(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", word, "--instruction", "go"]) == 2
    assert "expected words in UTF-8 without a NUL byte" in capsys.readouterr().err
