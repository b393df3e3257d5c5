"""Modules of users, named as ``package.module`` on the command line or from Python."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType


class UserModuleError(ImportError):
    """A module cannot be imported; the message says what it raised itself, and on which line.

    Args:
        name: of the module.
        error: what importing it raised.
    """

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(_explain(name, error), name=name)


def import_user_module(name: str) -> ModuleType:
    """Import a module, also from the working directory, where users keep their own.

    Raises:
        UserModuleError: there is none, or it cannot be run.
    """
    folder = str(Path.cwd())
    # Not appended again: `remove` takes the first of two, which would be the user's own.
    is_known = folder in sys.path
    if not is_known:
        sys.path.append(folder)  # last, so that a file of the user's hides no installed package
    try:
        return import_module(name)
    except Exception as error:
        raise UserModuleError(name, error) from error
    finally:
        if not is_known:
            sys.path.remove(folder)


def _explain(name: str, error: Exception) -> str:
    """What is wrong, in the words of the error, and where."""
    absent = error.name if isinstance(error, ModuleNotFoundError) else None
    # "my_package" of "my_package.module" may be what is absent.
    if absent is not None and f"{name}.".startswith(f"{absent}."):
        return f"{error}; it is neither installed nor in the working directory {Path.cwd()}"
    text = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    if isinstance(error, SyntaxError):
        return f"{text} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    # Python's own machinery of imports stands between the lines of the user.
    places = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f"{text} ({places[-1].filename}, line {places[-1].lineno})"
