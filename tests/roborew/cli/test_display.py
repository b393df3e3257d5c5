"""Training can be followed on a terminal and in a log file."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from time import sleep

import pytest
from rich.console import Console

from roborew.cli.command import is_watched, say, watched
from roborew.cli.display import progress_display
from roborew.workflows.train.logger import Status

NAMES = ["steps", "SPS", "episodes", "learned return", "true return", "true success", "time left"]


def status(steps: int) -> Status:
    return Status(
        steps=steps,
        total_steps=1000,
        sps=1234.0,
        episodes=64,
        learned_return=1.5,
        true_return=math.nan,
        true_success=0.25,
        seconds_left=75.0,
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_what_matters_is_shown(terminal: bool) -> None:
    file = io.StringIO()
    with progress_display(Console(file=file, force_terminal=terminal, width=120)) as observe:
        observe(status(1000))
    shown = file.getvalue()
    for word in [*NAMES, "1,000 / 1,000", "1,234", "64", "1.50", "–", "25%", "1:15"]:
        assert word in shown, word


def test_a_log_file_gets_a_line_now_and_then_and_always_the_last() -> None:
    file = io.StringIO()
    with progress_display(Console(file=file, width=120)) as observe:
        for steps in range(0, 1001, 10):
            observe(status(steps))
    lines = file.getvalue().splitlines()
    assert len(lines) == 2 and lines[-1].startswith("steps 1,000 / 1,000")


class Asking:
    """A reward with a judge that tells how far it is."""

    def __init__(self) -> None:
        self.judge = self
        self.progress: Callable[[int, int], None] | None = None


@pytest.mark.parametrize("terminal", [True, False])
def test_a_judge_at_work_can_be_followed_question_by_question(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb terminal is shown no bar
    written, model = io.StringIO(), Asking()
    console = Console(file=written, force_terminal=terminal, width=100)
    for _ in watched(console, ["a.mp4", "b.mp4"], "scoring", [model, object()]):
        for done in range(1, 60):
            assert model.progress is not None
            model.progress(done, 100)
        sleep(0.25)  # the display is drawn ten times a second
    assert model.progress is None
    assert ("questions" in written.getvalue() and "59%" in written.getvalue()) == terminal


@pytest.mark.parametrize("package", [None, object()])
def test_a_notebook_shows_bars_where_it_can_and_lines_where_it_cannot(
    package: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roborew.cli.command.find_spec", lambda name: package)
    notebook = Console(file=io.StringIO(), force_jupyter=True)
    assert is_watched(notebook) == (package is not None)
    assert not is_watched(Console(file=io.StringIO()))


def test_a_path_with_colons_is_no_emoji() -> None:
    file = io.StringIO()
    say(Console(file=file), "films/:car:/[red]a.mp4")
    assert file.getvalue() == "films/:car:/[red]a.mp4\n"
