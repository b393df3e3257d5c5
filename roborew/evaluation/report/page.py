"""The page of a report, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from roborew.evaluation.baselines import SanityBaseline
from roborew.evaluation.report import html
from roborew.evaluation.report.content import PolicyResult, ReportContent, ReportVideo
from roborew.evaluation.report.figures import (
    episode_figure,
    returns_figure,
    scores_figure,
    success_figure,
)
from roborew.evaluation.statistics import wilson, zero_failures_bound
from roborew.storage.staging import Target, write_new

POLICIES_NOTE = (
    "True success is read from the simulator at the end of an episode, never from the score. A "
    "false success is an episode whose first predicted success was none in truth."
)
METRICS_NOTE = (
    "Spearman and Kendall are correlations of score and true progress. VOC is Spearman's of score "
    "and time, over true successes, as are monotone violations (share of falling steps) and the "
    "total variation ratio (net over total change). Cycle-VOC is of successes played forward and "
    "back. AUROC is of final scores, successes against failures. Brier and ECE are of the predicted "
    "success of every frame. Task grounding is the share of episodes that gain more under their "
    "instruction than under a wrong one. A dash: not applicable here."
)
BASELINES_NOTE = (
    "The first row is the model. The others look like progress and are none: a sound model beats "
    "the clock on all but Spearman, stays flat on still pictures and low on a wrong sentence. Flat "
    "curves have a Spearman of 0."
)


def write_report(path: Target, content: ReportContent) -> Path:
    """Write the report as one new file.

    Raises:
        RunExistsError: the file exists; see `roborew.storage.staging.numbered`.
    """
    return write_new(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """The whole page as text."""
    style = resources.files("roborew.evaluation.report").joinpath("report.css").read_text("utf-8")
    command = f"<pre>{escape(content.command)}</pre>"
    files = "".join(f"<pre>{escape(name)}</pre>" for name in content.files)
    sections = [
        _heading(content),
        html.section("Policies", _policies(content.policies)),
        html.section("Videos", _videos(content.videos)),
        html.section("Training", _training(content)),
        html.section("Learned reward against truth", _learned_reward(content)),
        html.section("Where the time went", html.split_bar(content.seconds)),
        html.section("Command", command),
        html.section("Run", _facts(content)),
        html.section("Files", files),
    ]
    return html.page(content.title, style, sections)


def _heading(content: ReportContent) -> str:
    lines = [
        f"<h1>{escape(content.title)}</h1>",
        f'<p class="goal">“{escape(content.instruction)}”</p>',
    ]
    if content.policies:
        lines.append(_headline(content.policies[0]))
    lines += [html.note(text) for text in content.notes]
    return "\n".join(lines)


def _headline(agent: PolicyResult) -> str:
    who = f"{escape(agent.name)} over {agent.episodes} evaluation episodes"
    if agent.successes is None:
        figure = html.number(agent.true_return)
        meaning = f"mean true return of {who}; the environment reports no success"
    else:
        interval = wilson(agent.successes, agent.episodes)
        bounds = f"{html.percent(interval.low)} to {html.percent(interval.high)}"
        figure = html.percent(agent.successes / agent.episodes)
        meaning = f"true success of {who}, 95 % CI {bounds}"
    return f'<p class="headline"><strong>{figure}</strong><span>{meaning}</span></p>'


def _policies(policies: Sequence[PolicyResult]) -> str:
    if not policies:
        return ""
    heads = (
        "policy",
        "true success",
        "95 % CI",
        "",
        "true return",
        "learned return",
        "false successes",
    )
    rows = [
        [
            escape(policy.name),
            *_success_cells(policy),
            html.number(policy.true_return),
            html.number(policy.learned_return),
            _false_success_cell(policy),
        ]
        for policy in policies
    ]
    return html.table(heads, rows) + html.note(POLICIES_NOTE)


def _success_cells(policy: PolicyResult) -> tuple[str, str, str]:
    """Successes, their interval, and a bar of it."""
    if policy.successes is None:
        return html.MISSING, html.MISSING, ""
    interval = wilson(policy.successes, policy.episodes)
    return (
        f"{policy.successes} of {policy.episodes}",
        f"{html.percent(interval.low)} to {html.percent(interval.high)}",
        html.interval_bar(interval.low, policy.successes / policy.episodes, interval.high),
    )


def _false_success_cell(policy: PolicyResult) -> str:
    """False successes and the 95 % interval of their rate."""
    false_successes = policy.false_successes
    if false_successes is None:
        return html.MISSING
    count = f"{false_successes} of {policy.episodes}"
    if false_successes == 0:
        # Without a single failure the exact one-sided bound is tighter than Wilson's interval.
        return f"{count} (below {html.percent(zero_failures_bound(policy.episodes))})"
    interval = wilson(false_successes, policy.episodes)
    return f"{count} ({html.percent(interval.low)} to {html.percent(interval.high)})"


def _videos(videos: Sequence[ReportVideo]) -> str:
    if not videos:
        return ""
    figures = "".join(html.video(video.path.read_bytes(), video.caption) for video in videos)
    return f'<div class="videos">{figures}</div>'


def _training(content: ReportContent) -> str:
    if not content.training:
        return ""
    baselines = [
        (policy.name, policy.successes / policy.episodes)
        for policy in content.policies[1:]
        if policy.successes is not None
    ]
    returns = returns_figure(content.training)
    success = success_figure(content.training, baselines)
    left = html.figure(returns, "Learned and true return over training")
    right = html.figure(success, "True success over training, beside the baselines")
    return f'<div class="pair">{left}{right}</div>'


def _learned_reward(content: ReportContent) -> str:
    parts: list[str] = []
    evaluation = content.evaluation
    if evaluation is not None and any(episode.scores for episode in evaluation.episodes):
        correlation = html.measured(evaluation.spearman_per_episode)
        caption = (
            "Scores of the agent's own states; Spearman with true progress (per episode) "
            f"{correlation}"
        )
        # Two figures, so that they come one below the other where the page is narrow.
        states = html.figure(scores_figure(evaluation), caption)
        episode = html.figure(episode_figure(evaluation), "The episode of median true return")
        parts.append(f'<div class="pair">{states}{episode}</div>')
    if content.reward_metrics:
        metrics = {name: html.measured(value) for name, value in content.reward_metrics.items()}
        parts += [html.metrics_grid(metrics), html.note(METRICS_NOTE)]
    if content.sanity_baselines:
        heads = (
            "reward or sanity baseline",
            "Spearman (per episode)",
            "final",
            "gain",
            "abstained",
        )
        rows = [_baseline_cells(baseline) for baseline in content.sanity_baselines]
        parts += [html.table(heads, rows), html.note(BASELINES_NOTE)]
    return "".join(parts)


def _baseline_cells(baseline: SanityBaseline) -> list[str]:
    return [
        escape(baseline.name),
        html.measured(baseline.spearman),
        html.measured(baseline.final),
        html.measured(baseline.gain),
        html.percent(baseline.abstention_rate),
    ]


def _facts(content: ReportContent) -> str:
    facts = dict(content.facts)
    for name, seeds in content.seeds.items():
        facts[f"seeds: {name}"] = html.seed_ranges(seeds)
    if content.versions:
        versions = [f"{name} {version}" for name, version in content.versions.items()]
        facts["versions"] = ", ".join(versions)
    return html.facts_table(facts)
