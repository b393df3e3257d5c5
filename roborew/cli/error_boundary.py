"""The one place where errors end: each becomes a line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
import unicodedata
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType, MappingProxyType
from typing import Any, NoReturn

from rich.console import Console

from roborew.cli.command import EXIT_BROKEN_PIPE, EXIT_ERROR, EXIT_INTERRUPTED, EXIT_TERMINATED, say
from roborew.errors import RoborewError
from roborew.storage.staging import PREFIX

REMEDIES = MappingProxyType(
    {
        errno.ENOENT: "check the path",
        errno.EACCES: "choose another path, or change its permissions",
        errno.EPERM: "choose another path, or change its permissions",
        errno.EROFS: "choose a folder that can be written",
        errno.ENAMETOOLONG: "choose a shorter name",
        errno.ENOTDIR: "a part of the path is a file: check the path",
        errno.EISDIR: "name a file, not a folder",
        errno.EEXIST: "choose another path, nothing is overwritten",
        errno.ENOTEMPTY: "choose another path, nothing is overwritten",
        errno.ELOOP: "its links lead in a circle: check the path",
        errno.EFBIG: "choose another disk, or write less",
        errno.ENOSPC: "free some space, then give the same command again",
        errno.EDQUOT: "free some space, then give the same command again",
        errno.EMFILE: "allow more open files with `ulimit -n`, or run fewer simulations",
        errno.ENFILE: "close other programs, then give the same command again",
        errno.ENOMEM: "run fewer simulations, or smaller ones",
        errno.EAGAIN: "the system has no more processes or threads: run fewer",
        errno.EIO: "the disk reports a fault: choose another one",
        errno.ENXIO: "name a plain file",
        errno.ENODEV: "name a plain file",
        errno.EBUSY: "close what uses it, then give the same command again",
        errno.ETXTBSY: "close what uses it, then give the same command again",
        errno.EXDEV: "choose a folder on one disk",
        errno.ESTALE: "the network file system has lost it: check the path",
        errno.ECONNREFUSED: "nothing listens there: start the server, or check the address",
        errno.ETIMEDOUT: "check the network",
    }
)
"""What to do about an error of the operating system, by its number."""
PROBE_BYTES = 128 * 2**20
"""Where not even so much can be had, memory is what is short."""
UNMAPPED = "failed to map segment from shared object"
"""A library that is loaded late finds no memory, whoever passes it on."""
_ALLOCATION = re.compile(r"\b(allocate|out of memory|not enough memory)\b", re.IGNORECASE)
MEMORY = "out of memory: run fewer simulations, score fewer frames, or choose a smaller model"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def run_guarded(
    run: Callable[[], int], errors: Console, *, debug: bool, continue_hint: Callable[[], str]
) -> int:
    """Run a command and return its exit code; what it raises ends here.

    Args:
        run: the command.
        errors: console of the messages.
        debug: whether an error is raised on, with its traceback.
        continue_hint: how to go on after an interruption, where the error does not say so itself.

    Raises:
        SystemExit: help was asked for, or the words cannot be parsed.
    """
    try:
        with _terminated_by_signal():
            code = run()
            sys.stdout.flush()
            return code
    # No traceback even with --debug: it is no fault of the program.
    except KeyboardInterrupt as error:
        return _report_interrupt(error, errors, continue_hint)
    except BrokenPipeError:
        _close_stdout()
        return EXIT_BROKEN_PIPE
    except SystemExit:
        _flush_at_exit()
        raise
    except Exception as error:
        if debug:
            raise
        _print_error(errors, _explain(error), error)
        _flush_at_exit()
        return EXIT_ERROR


def _report_interrupt(
    error: KeyboardInterrupt, errors: Console, continue_hint: Callable[[], str]
) -> int:
    ended = "terminated" if isinstance(error, Terminated) else "interrupted"
    if not getattr(error, "__notes__", []):
        error.add_note(continue_hint())
    _print_error(errors, ended, error)
    return EXIT_TERMINATED if isinstance(error, Terminated) else EXIT_INTERRUPTED


def _explain(error: Exception) -> str:
    """The line of an error: its own words where they are meant for the user, else what the system
    says, else where its traceback is."""
    if UNMAPPED in str(error):
        return MEMORY
    if isinstance(error, _expected_errors()):
        return str(error)
    if _is_out_of_memory(error):
        return MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_os_error(error)
    return _explain_unknown(error)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory is short, or is one that nobody foresaw while it is: libraries
    in C have their own words for it, or none."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return False
    return bool(_ALLOCATION.search(str(error))) or not _has_memory()


def _has_memory() -> bool:
    try:
        bytearray(PROBE_BYTES)
    except MemoryError:
        return False
    return True


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is meant for the user; looked up only once something went wrong, as the
    imports are slow.

    An error of a module that was never imported was not raised; and `roborew_envs` itself may be
    what cannot be.
    """
    import gymnasium

    opengl: Any = sys.modules.get("roborew_envs.rendering.opengl")
    return RoborewError, gymnasium.error.Error, *([opengl.RenderError] if opengl else [])


def _explain_os_error(error: OSError) -> str:
    reason = (error.strerror or os.strerror(error.errno or 0)).rstrip(".")
    remedy = REMEDIES.get(error.errno or 0, "check the path")
    if "temporary directory" in reason:
        remedy = "set TMPDIR to a folder that can be written"
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    place = " to ".join(map(_named_by_the_user, names))
    return f"{place}: {reason}; {remedy}." if place else f"{reason}; {remedy}."


def _named_by_the_user(path: str) -> str:
    """The folder of what is not whole yet, whose own name says nothing to anybody."""
    folder, name = os.path.split(path)
    return (folder or os.curdir) if name.startswith(PREFIX) else path


def _explain_unknown(error: Exception) -> str:
    """One line on an error that nobody foresaw, with the file that has its traceback."""
    name = type(error).__name__
    text = " ".join(str(error).split())
    summary = f"unexpected {name}: {text:.200}" if text else f"unexpected {name}"
    lines = traceback.format_exception(error)
    try:
        handle, path = tempfile.mkstemp(prefix="roborew-error-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
    except OSError:
        return f"{summary}. The same command with --debug shows its traceback."
    return f"{summary}. Its traceback is in {path}; --debug shows it. Please report it."


def _print_error(errors: Console, message: str, error: BaseException) -> None:
    for line in (f"roborew: {message}", *getattr(error, "__notes__", [])):
        try:
            say(errors, printable(line))
        except MemoryError:
            # The layout of a line takes some, too.
            sys.stderr.write(f"{line}\n")


def printable(text: str) -> str:
    r"""Return a text with its control characters escaped: a name that is quoted must not steer the
    terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        ascii(character)[1:-1]
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs")
        else character
        for character in text
    )


@contextmanager
def _terminated_by_signal() -> Generator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that files and locks are closed.

    Outside the main thread Python delivers no signals, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _flush_at_exit() -> None:
    """Write what is left of stdout now: at the end of the program Python would print a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        _close_stdout()


def _close_stdout() -> None:
    """Send what nobody reads, or no disk holds, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    finally:
        os.close(nowhere)
