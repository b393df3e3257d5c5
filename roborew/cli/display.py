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

from roborew.workflows.evaluate import RunEvaluation, explain
from roborew.workflows.train.logger import Observer, Status

LINE_SECONDS = 5.0
"""Least time between two plain lines [s]."""


@contextmanager
def progress_display(console: Console) -> Generator[Observer]:
    """Give a function that shows how training stands, until the block ends."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield lambda status: live.update(_live_view(status))
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


def print_evaluation(console: Console, result: RunEvaluation) -> None:
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
    for name, evaluation in result.rows().items():
        success, false = (
            _format(evaluation.true_success, ".1%"),
            _format(evaluation.false_success_rate, ".1%"),
        )
        interval = " – ".join(
            _format(end, ".1%") for end in (evaluation.interval.low, evaluation.interval.high)
        )
        returns = (
            _format_optional(evaluation.learned_return),
            _format_optional(evaluation.true_return),
        )
        table.add_row(name, success, interval, false, *returns)
    console.print(table)
    console.print(explain(result.summary()), highlight=False)
    if result.sanity_baselines:
        table = _table("score or null", "order correlation", "final", "gain")
        for row in result.sanity_baselines:
            table.add_row(
                row.name,
                *(
                    _format_optional(measure.value)
                    for measure in (row.spearman, row.final, row.gain)
                ),
            )
        console.print(table)


def figures(status: Status) -> dict[str, str]:
    """What is shown, by name, as text."""
    return {
        "steps": f"{status.steps:,} / {status.total_steps:,}",
        "SPS": f"{status.sps:,.0f}",
        "learned return": _format(status.learned_return, ".2f"),
        "true return": _format(status.true_return, ".2f"),
        "true success": _format(status.true_success, ".0%"),
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


def _format_optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _format(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _live_view(status: Status) -> Group:
    shown = figures(status)
    table = _table(*shown)
    table.add_row(*shown.values())
    return Group(
        table,
        ProgressBar(total=status.total_steps, completed=min(status.steps, status.total_steps)),
    )
