"""What a person sees: training while it goes on (where there is no terminal, a line now and then),
then its evaluation."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from roborew.cli.command import is_watched
from roborew.workflows.compare import (
    AGREEMENT_HEADS,
    COMPARISON_HEADS,
    RewardComparison,
    agreement_table,
)
from roborew.workflows.evaluate import RunEvaluation
from roborew.workflows.run_report import explain, explain_limits
from roborew.workflows.train.logger import Observer, Status

LINE_SECONDS = 5.0
"""Least time between two plain lines [s]."""


@contextmanager
def progress_display(console: Console) -> Generator[Observer]:
    """Give a function that shows how training stands, until the block ends."""
    # A live view redraws itself, which would fill a log file with control codes.
    if is_watched(console):
        with Live(console=console, refresh_per_second=4) as live:
            yield lambda status: live.update(_live_view(status))
        return
    # The first report gets its line at once, whatever the clock says.
    last_line_at = -math.inf

    def show(status: Status) -> None:
        nonlocal last_line_at
        if monotonic() - last_line_at >= LINE_SECONDS or status.steps >= status.total_steps:
            last_line_at = monotonic()
            cells = [f"{name} {figure}" for name, figure in figures(status).items()]
            # One line a report, so that grep and awk can read it.
            console.print("  ".join(cells), soft_wrap=True)

    yield show


def print_evaluation(console: Console, result: RunEvaluation) -> None:
    """Print the policies beside each other, what the figures leave out, and the learned reward
    against the truth, beside its sanity baselines."""
    console.print(_policies_table(result))
    for sentence in (explain(result.summary()), *explain_limits(result)):
        console.print(sentence, highlight=False)
    if result.reward_metrics:
        table = _table("learned reward against truth", "")
        for name, value in result.reward_table().items():
            table.add_row(name, _format_optional(value))
        console.print(table)
    if result.sanity_baselines:
        table = _table("reward or sanity baseline", "Spearman (per episode)", "final", "gain")
        for row in result.sanity_baselines:
            values = (row.spearman.value, row.final.value, row.gain.value)
            table.add_row(row.name, *map(_format_optional, values))
        console.print(table)


def _policies_table(result: RunEvaluation) -> Table:
    table = _table(
        "policy",
        "true success",
        "CI low",
        "CI high",
        "false-success rate",
        "CI low",
        "CI high",
        "learned return",
        "true return",
    )
    for name, evaluation in result.rows().items():
        success = evaluation.interval
        false_success = evaluation.false_success_interval
        shares = (
            evaluation.true_success,
            success.low,
            success.high,
            evaluation.false_success_rate,
            false_success.low,
            false_success.high,
        )
        returns = (evaluation.learned_return, evaluation.true_return)
        table.add_row(
            name,
            *(_format(share, ".1%") for share in shares),
            *map(_format_optional, returns),
        )
    return table


def print_comparison(console: Console, comparisons: Sequence[RewardComparison]) -> None:
    """Print each reward beside its sanity baselines, its curves' metrics, and how far the rewards
    agree."""
    table = _table(*COMPARISON_HEADS)
    for comparison in comparisons:
        for row in comparison.table():
            table.add_row(*row)
    console.print(table)
    curves = _table("reward", *comparisons[0].curve_table())
    for comparison in comparisons:
        curves.add_row(comparison.name, *comparison.curve_table().values())
    console.print(curves)
    if len(comparisons) > 1:
        agreement = _table(*AGREEMENT_HEADS)
        for row in agreement_table(comparisons):
            agreement.add_row(*row)
        console.print(agreement)


def figures(status: Status) -> dict[str, str]:
    """What is shown, by name, as text."""
    return {
        "steps": f"{status.steps:,} / {status.total_steps:,}",
        "SPS": f"{status.sps:,.0f}",
        "episodes": f"{status.episodes:,}",
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
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _table(*heads: str) -> Table:
    return Table(*heads, box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))


def _format_optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _format(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _live_view(status: Status) -> Group:
    cells = figures(status)
    table = _table(*cells)
    table.add_row(*cells.values())
    # The last rollout may end past the configured steps.
    completed = min(status.steps, status.total_steps)
    return Group(table, ProgressBar(total=status.total_steps, completed=completed))
