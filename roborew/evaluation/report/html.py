"""Pieces of HTML: tables, figures, bars and numbers. Every text is escaped, cells are HTML already."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from roborew.evaluation.measure import Measure

SPLIT_COLORS = ("#2590b8", "#7a6fc4", "#e0820c", "#2f9e5b", "#b5577d", "#838b98")
MISSING = "–"
# No script and no address is allowed, so that an opened report can load and send nothing.
HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
media-src data:; style-src 'unsafe-inline'">
"""


def page(title: str, style: str, sections: Iterable[str]) -> str:
    """A whole page; empty sections are left out."""
    body = "\n".join(section for section in sections if section)
    head = f"{HEAD}<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
    return f"{head}<body>\n{body}\n</body>\n</html>\n"


def section(title: str, body: str) -> str:
    """A section under a heading; empty without a body."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def note(text: str) -> str:
    """A paragraph of small print."""
    return f'<p class="note">{escape(text)}</p>'


def table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head_cells = [f"<th>{escape(name)}</th>" for name in heads]
    head = "".join(head_cells)
    body = "\n".join(map(_row, rows))
    # The frame scrolls by itself: a wide table must not widen the page on a phone.
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def facts_table(facts: Mapping[str, str]) -> str:
    """A table of names and values; empty without any."""
    if not facts:
        return ""
    rows = "".join(_row([escape(name), escape(value)]) for name, value in facts.items())
    return f'<table class="facts">{rows}</table>'


def metrics_grid(metrics: Mapping[str, str]) -> str:
    """Names and values in as many columns as the page has room for."""
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in metrics.items()
    )
    return f'<dl class="metrics">{cells}</dl>'


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def figure(svg: str, caption: str) -> str:
    """A drawing and the line below it."""
    # As an image and not inline: the ids of two SVG on one page would clash.
    url = data_url("image/svg+xml", svg.encode())
    text = escape(caption)
    return f'<figure><img src="{url}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def video(content: bytes, caption: str) -> str:
    """An mp4 that is played where it stands."""
    url = data_url("video/mp4", content)
    player = f'<video controls muted loop playsinline preload="metadata" src="{url}"></video>'
    return f"<figure>{player}<figcaption>{escape(caption)}</figcaption></figure>"


def interval_bar(low: float, rate: float, high: float) -> str:
    """A rate and its interval as a bar from 0 to 1."""
    return (
        f'<span class="interval"><i style="left:{low:.1%};width:{high - low:.1%}"></i>'
        f'<b style="left:{rate:.1%}"></b></span>'
    )


def split_bar(seconds: Mapping[str, float]) -> str:
    """Shares of a whole as one bar with its key; empty without any."""
    total = sum(seconds.values())
    if total <= 0:
        return ""
    bar = ""
    key = ""
    for row, (name, spent) in enumerate(seconds.items()):
        color = SPLIT_COLORS[row % len(SPLIT_COLORS)]
        # Flex grows in proportion: the bar fits any width without pixels.
        share = spent / total
        bar += f'<i style="flex:{share:.4f};background:{color}"></i>'
        label = f"{escape(name)} {spent:.1f} s ({percent(share)})"
        key += f'<li><i style="background:{color}"></i>{label}</li>'
    return f'<div class="split">{bar}</div><ul class="key">{key}</ul>'


def data_url(kind: str, content: bytes) -> str:
    """The content inside an address, so that the page needs no file beside it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def percent(share: float) -> str:
    """One decimal, none where it is zero.

    >>> percent(0.97), percent(0.915)
    ('97 %', '91.5 %')
    """
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def number(value: float | None) -> str:
    """Two decimals, a dash for what is missing."""
    return MISSING if value is None else f"{value:,.2f}"


def measured(measure: Measure) -> str:
    """A metric's value, a dash where it is not applicable."""
    return number(measure.value)


def seed_ranges(seeds: Sequence[int]) -> str:
    """Seeds in order, runs of neighbors joined.

    >>> seed_ranges([7, 100, 101, 102, 5])
    '7, 100 to 102, 5 (5 seeds)'
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    text = ", ".join(_seed_range(run) for run in runs)
    plural = "s" if len(seeds) > 1 else ""
    return f"{text} ({len(seeds)} seed{plural})"


def _seed_range(run: Sequence[int]) -> str:
    return str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}"
