"""What a person sees: training while it goes on (where there is no terminal, a line now and then),
then the verdict."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from roborew.workflows.evaluate import Judgement, explained
from roborew.workflows.train.logger import Observer, Status

LINE_SECONDS = 5.0
"""Least time between two plain lines [s]."""


@contextmanager
def progress_display(console: Console) -> Generator[Observer]:
    """Give a function that shows how training stands, until the block ends."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield lambda status: live.update(_picture(status))
        return
    shown = -math.inf

    def show(status: Status) -> None:
        nonlocal shown
        if monotonic() - shown >= LINE_SECONDS or status.steps >= status.total_steps:
            shown = monotonic()
            console.print(
                "  ".join(f"{name} {figure}" for name, figure in figures(status).items()),
                soft_wrap=True,
            )

    yield show


def show_judgement(console: Console, judgement: Judgement) -> None:
    """The policies beside each other, what the figures leave out, and the model beside its
    nulls."""
    heads = (
        "policy",
        "true success",
        "95 % interval",
        "false claims",
        "learned return",
        "true return",
    )
    table = _table(*heads)
    for name, judged in judgement.rows().items():
        success, false = (
            _number(judged.true_success, ".1%"),
            _number(judged.false_claim_rate, ".1%"),
        )
        interval = " – ".join(
            _number(end, ".1%") for end in (judged.interval.low, judged.interval.high)
        )
        returns = (_measured(judged.learned_return), _measured(judged.true_return))
        table.add_row(name, success, interval, false, *returns)
    console.print(table)
    console.print(explained(judgement.summary()), highlight=False)
    if judgement.nulls:
        table = _table("score or null", "order correlation", "final", "gain")
        for row in judgement.nulls:
            table.add_row(
                row.name,
                *(_measured(measure.value) for measure in (row.order, row.final, row.gain)),
            )
        console.print(table)


def figures(status: Status) -> dict[str, str]:
    """What is shown, by name, as text."""
    return {
        "steps": f"{status.steps:,} / {status.total_steps:,}",
        "labelled steps/s": f"{status.labelled_steps_per_second:,.0f}",
        "learned return": _number(status.learned_return, ".2f"),
        "true return": _number(status.true_return, ".2f"),
        "true success": _number(status.true_success, ".0%"),
        "time left": clock(status.seconds_left),
    }


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75.4)
    '1:15'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _table(*heads: str) -> Table:
    return Table(*heads, box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))


def _measured(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _picture(status: Status) -> Group:
    shown = figures(status)
    table = _table(*shown)
    table.add_row(*shown.values())
    return Group(
        table,
        ProgressBar(total=status.total_steps, completed=min(status.steps, status.total_steps)),
    )
