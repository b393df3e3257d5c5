"""One HTML file that tells how a run went: no script, no network, nothing beside it, and every text
escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path

from roborew.data.files import new_file
from roborew.evaluation.baselines import SanityBaseline
from roborew.evaluation.episodes import Evaluation
from roborew.evaluation.figures import TrainingPoint, returns_figure, scores_figure, success_figure
from roborew.evaluation.measure import Measure
from roborew.evaluation.statistics import wilson

SPLIT_COLOURS = ("#2590b8", "#7a6fc4", "#e0820c", "#2f9e5b", "#b5577d", "#838b98")
MISSING = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """One policy judged: the agent, or a baseline that stands beside it."""

    name: str
    episodes: int
    successes: int | None
    """None where the environment does not tell success."""
    true_return: float
    learned_return: float | None = None
    false_successes: int | None = None

    @classmethod
    def from_evaluation(cls, name: str, evaluation: Evaluation) -> PolicyResult:
        """The row of an evaluation; false claims only where something could claim."""
        scored = any(episode.scores for episode in evaluation.episodes)
        return cls(
            name=name,
            episodes=len(evaluation.episodes),
            successes=evaluation.successes,
            true_return=evaluation.true_return,
            learned_return=evaluation.learned_return,
            false_successes=evaluation.false_successes
            if scored and evaluation.successes is not None
            else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVideo:
    """An mp4 to put into the report and the line below it."""

    path: Path
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """All that a report tells; an empty part is left out."""

    title: str
    instruction: str
    command: str
    """What to type to have it again."""
    policies: Sequence[PolicyResult]
    """The agent first, then random and expert."""
    videos: Sequence[ReportVideo] = ()
    training: Sequence[TrainingPoint] = ()
    evaluation: Evaluation | None = None
    """The agent's episodes, for score against truth."""
    sanity_baselines: Sequence[SanityBaseline] = ()
    """The model's own row first."""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Where the time of training went: physics, drawing, scoring, acting, updating."""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment, reward, agent, seed, steps, minutes, ..."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])
    files: Sequence[str] = ()
    notes: Sequence[str] = ()


def write_report(path: str | Path, content: ReportContent) -> Path:
    """Write the report as one new file.

    Raises:
        RunExistsError: the file exists; see `roborew.data.files.free_path`.
    """
    page = render_report(content)
    with new_file(path) as file:
        file.write_text(page, encoding="utf-8")
    return Path(path)


def render_report(content: ReportContent) -> str:
    """The whole page as text."""
    style = resources.files("roborew.evaluation").joinpath("report.css").read_text("utf-8")
    parts = [
        _heading(content),
        _section("Verdict", _policies(content.policies)),
        _section("Films", _videos(content.videos)),
        _section("Training", _training(content)),
        _section("Score and truth", _score_and_truth(content)),
        _section("Where the time went", _seconds(content.seconds)),
        _section("Command", f"<pre>{escape(content.command)}</pre>"),
        _section("Run", _facts(content)),
        _section("Files", "".join(f"<pre>{escape(name)}</pre>" for name in content.files)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; media-src data:; style-src "
        "'unsafe-inline'\">\n"
        f"<title>{escape(content.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _heading(content: ReportContent) -> str:
    page = f'<h1>{escape(content.title)}</h1>\n<p class="goal">“{escape(content.instruction)}”</p>'
    if content.policies:
        page += _headline(content.policies[0])
    return page + "".join(f'\n<p class="note">{escape(note)}</p>' for note in content.notes)


def _headline(agent: PolicyResult) -> str:
    name, starts = escape(agent.name), f"over {agent.episodes} fresh starts"
    if agent.successes is None:
        figure, about = (
            _number(agent.true_return),
            f"mean true return of {name} {starts}; success is not told here",
        )
    else:
        interval = wilson(agent.successes, agent.episodes)
        figure = _percent(agent.successes / agent.episodes)
        low, high = _percent(interval.low), _percent(interval.high)
        about = f"true success of {name} {starts}, 95 % interval {low} to {high}"
    return f'\n<p class="headline"><strong>{figure}</strong><span>{about}</span></p>'


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def _policies(rows: Sequence[PolicyResult]) -> str:
    if not rows:
        return ""
    heads = (
        "policy",
        "true success",
        "95 % interval",
        "",
        "true return",
        "learned return",
        "false claims",
    )
    cells: list[list[str]] = []
    for row in rows:
        false_successes = (
            MISSING if row.false_successes is None else f"{row.false_successes} of {row.episodes}"
        )
        cells.append([
            escape(row.name),
            *_success(row),
            _number(row.true_return),
            _number(row.learned_return),
            false_successes,
        ])  # fmt: skip
    return _table(heads, cells) + (
        '<p class="note">True success is read from the simulator at the end of an episode, never from the score. '
        "A false claim is an episode that the model first called done when it was not.</p>"
    )


def _success(row: PolicyResult) -> tuple[str, str, str]:
    """Successes, their interval, and a bar of it."""
    if row.successes is None:
        return MISSING, MISSING, ""
    interval = wilson(row.successes, row.episodes)
    return (
        f"{row.successes} of {row.episodes}",
        f"{_percent(interval.low)} to {_percent(interval.high)}",
        _interval_bar(interval.low, row.successes / row.episodes, interval.high),
    )


def _interval_bar(low: float, rate: float, high: float) -> str:
    return (
        f'<span class="interval"><i style="left:{low:.1%};width:{high - low:.1%}"></i>'
        f'<b style="left:{rate:.1%}"></b></span>'
    )


def _videos(films: Sequence[ReportVideo]) -> str:
    if not films:
        return ""
    figures = [
        f'<figure><video controls muted loop playsinline preload="metadata" '
        f'src="{_data_url("video/mp4", film.path.read_bytes())}"></video>'
        f"<figcaption>{escape(film.caption)}</figcaption></figure>"
        for film in films
    ]
    return f'<div class="films">{"".join(figures)}</div>'


def _training(content: ReportContent) -> str:
    if not content.training:
        return ""
    baselines = [
        (row.name, row.successes / row.episodes)
        for row in content.policies[1:]
        if row.successes is not None
    ]
    return (
        '<div class="pair">'
        + _figure(returns_figure(content.training), "Learned and true return over training")
        + _figure(
            success_figure(content.training, baselines),
            "True success over training, beside the baselines",
        )
        + "</div>"
    )


def _score_and_truth(content: ReportContent) -> str:
    page = ""
    if content.evaluation is not None and any(
        episode.scores for episode in content.evaluation.episodes
    ):
        order = _measure(content.evaluation.spearman_per_episode)
        caption = f"Scores of the agent's own states; order correlation with true progress {order}"
        page += _figure(scores_figure(content.evaluation), caption)
    if content.sanity_baselines:
        heads = ("score or null", "order correlation", "final", "gain", "abstained")
        page += _table(heads, [_sanity_cells(row) for row in content.sanity_baselines])
        page += (
            '<p class="note">The first row is the model. The others look like progress and are none: '
            "a sound model beats the clock on all but the order, stays flat on still pictures and "
            "low on a wrong "
            "sentence. Flat curves have order correlation 0.</p>"
        )
    return page


def _sanity_cells(row: SanityBaseline) -> list[str]:
    measures = (row.spearman, row.final, row.gain)
    return [
        escape(row.name),
        *(_measure(measure) for measure in measures),
        _percent(row.abstention_rate),
    ]


def _seconds(seconds: Mapping[str, float]) -> str:
    total = sum(seconds.values())
    if total <= 0:
        return ""
    colours = [SPLIT_COLOURS[row % len(SPLIT_COLOURS)] for row in range(len(seconds))]
    shares = list(zip(seconds.items(), colours, strict=True))
    bar = "".join(
        f'<i style="flex:{spent / total:.4f};background:{colour}"></i>'
        for (_, spent), colour in shares
    )
    key = "".join(
        f'<li><i style="background:{colour}"></i>{escape(name)} {spent:.1f} s ({_percent(spent / total)})</li>'
        for (name, spent), colour in shares
    )
    return f'<div class="split">{bar}</div><ul class="key">{key}</ul>'


def _facts(content: ReportContent) -> str:
    rows = [*content.facts.items()]
    rows += [(f"seeds: {name}", _seed_ranges(seeds)) for name, seeds in content.seeds.items()]
    if content.versions:
        rows.append(
            (
                "versions",
                ", ".join(f"{name} {version}" for name, version in content.versions.items()),
            )
        )
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows
    )
    return f'<table class="facts">{body}</table>' if rows else ""


def _seed_ranges(seeds: Sequence[int]) -> str:
    """Seeds in order, runs of neighbours joined.

    >>> _seed_ranges([7, 100, 101, 102, 5])
    '7, 100 to 102, 5 (5 seeds)'
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
    return f"{text} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})"


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _figure(svg: str, caption: str) -> str:
    url = _data_url("image/svg+xml", svg.encode())
    return f'<figure><img src="{url}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _percent(share: float) -> str:
    """One decimal, none where it is zero: 97 %, 91.5 %."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.2f}"


def _measure(measure: Measure) -> str:
    return MISSING if measure.value is None else f"{measure.value:.2f}"
