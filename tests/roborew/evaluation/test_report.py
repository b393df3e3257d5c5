"""A report is one file that needs nothing else, and no text in it becomes markup."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from roborew.data.video import write_video
from roborew.errors import RunExistsError
from roborew.evaluation import (
    PolicyResult,
    ReportContent,
    ReportVideo,
    RewardMonitor,
    TrainingPoint,
    evaluate,
    render_report,
    sanity_table,
    score_with_sanity_baselines,
    write_report,
)
from roborew.evaluation.report.figures import (
    episode_figure,
    returns_figure,
    scores_figure,
    success_figure,
)
from roborew.types import Clip
from tests.roborew.evaluation.stairs import Green, climb, stairs

AGENT = PolicyResult(
    name="agent",
    episodes=100,
    successes=97,
    true_return=12.5,
    learned_return=4.25,
    false_successes=1,
)
RANDOM = PolicyResult(name="random", episodes=100, successes=2, true_return=0.5)
TRAINING = [
    TrainingPoint(step=1000 * k, learned_return=k, true_return=2 * k, true_success=k / 5)
    for k in range(6)
]
EVALUATION = evaluate(
    stairs(), climb, range(6), monitor=RewardMonitor(model=Green(), instruction="climb the stairs")
)
VOID = {"meta", "br", "img", "hr", "link", "input"}


def content(**changes: Any) -> ReportContent:
    usual: dict[str, Any] = {
        "title": "Push, trained on mini",
        "instruction": "push the red cube onto the green pad",
        "command": "roborew train --env roborew/Push-v0",
        "policies": [AGENT, RANDOM],
    }
    return ReportContent(**{**usual, **changes})


def full(tmp_path: Path) -> ReportContent:
    frames = np.zeros((4, 16, 16, 3), np.uint8)
    clip = Clip(frames=frames, instruction="climb")
    return content(
        videos=[
            ReportVideo(path=write_video(tmp_path / "push.mp4", frames, fps=4), caption="seed 7")
        ],
        training=TRAINING,
        evaluation=EVALUATION,
        sanity_baselines=sanity_table(score_with_sanity_baselines(Green(), [clip], ["fall"])),
        seconds={"physics": 30.0, "drawing": 45.0, "updating": 25.0},
        facts={"environment": "roborew/Push-v0"},
        versions={"torch": "2.9.0"},
        seeds={"evaluation episodes": range(9000, 9100)},
        files=["summary.json"],
        notes=["Trained on two cores."],
    )


class Page(HTMLParser):
    """Collects tags, addresses and text, and checks that tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "data", "poster")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_well_formed_and_needs_nothing_outside(tmp_path: Path) -> None:
    markup = render_report(full(tmp_path))
    page = Page(markup)
    assert page.open == []
    assert "script" not in page.tags
    assert len(page.addresses) == 5
    assert all(address.startswith("data:") for address in page.addresses)
    assert "@import" not in markup
    assert "url(" not in markup


def test_everything_that_was_given_is_told(tmp_path: Path) -> None:
    text = " ".join(Page(render_report(full(tmp_path))).words)
    for words in (
        "Push, trained on mini", "push the red cube onto the green pad", "97 of 100", "91.5 % to 99 %", "12.50", "4.25",
        "1 of 100", "2 of 100", "0.6 % to 7 %", "seed 7", "wrong instruction", "clock", "physics 30.0 s (30 %)",
        "roborew train --env roborew/Push-v0", "9000 to 9099 (100 seeds)", "torch 2.9.0", "summary.json",
        "Trained on two cores.",
    ):  # fmt: skip
        assert words in text


def test_the_video_inside_is_the_video_outside(tmp_path: Path) -> None:
    told = full(tmp_path)
    (embedded,) = re.findall(r'src="data:video/mp4;base64,([^"]+)"', render_report(told))
    assert base64.b64decode(embedded) == told.videos[0].path.read_bytes()


@pytest.mark.parametrize("place", ["title", "instruction", "command"])
def test_no_text_becomes_markup(place: str) -> None:
    attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)> & 'quotes'"
    page = Page(render_report(content(**{place: attack})))
    assert not page.tags & {"script", "img"}
    assert attack in "".join(page.words)


def test_no_name_becomes_markup(tmp_path: Path) -> None:
    attack = "<b onclick='x'>&amp;</b>"
    row = PolicyResult(name=attack, episodes=1, successes=1, true_return=0)
    video = ReportVideo(
        path=write_video(tmp_path / "a.mp4", np.zeros((2, 8, 8, 3), np.uint8), fps=2),
        caption=attack,
    )
    markup = render_report(
        content(
            policies=[row, row],
            videos=[video],
            training=TRAINING,
            facts={attack: attack},
            versions={attack: attack},
            seeds={attack: [1]},
            files=[attack],
            notes=[attack],
            seconds={attack: 1.0},
        )
    )
    assert "onclick='x'" not in markup
    assert "".join(Page(markup).words).count(attack) >= 9


def test_what_was_not_measured_is_left_out_rather_than_zero() -> None:
    page = Page(render_report(content()))
    text = "".join(page.words)
    assert "Videos" not in text
    assert "Where the time went" not in text
    assert "–" in text, "the random row has no learned return"
    assert "nan" not in text.lower()


def test_a_row_of_an_evaluation_repeats_its_figures() -> None:
    row = PolicyResult.from_evaluation("agent", EVALUATION)
    assert (row.episodes, row.successes, row.false_successes) == (6, 3, 0)
    assert (
        PolicyResult.from_evaluation("random", evaluate(stairs(), climb, [0])).false_successes
        is None
    )


@pytest.mark.parametrize(
    "figure",
    [
        returns_figure(TRAINING),
        returns_figure([TrainingPoint(step=0)]),
        success_figure(TRAINING, [("random", 0.02), ("expert <1>", 1.0)]),
        scores_figure(EVALUATION),
        episode_figure(EVALUATION),
    ],
)
def test_a_figure_is_whole_svg_without_outside_references(figure: str) -> None:
    root = ElementTree.fromstring(figure)
    assert root.tag.endswith("svg")
    links = [
        value
        for node in root.iter()
        for name, value in node.attrib.items()
        if name.endswith("href")
    ]
    assert all(link.startswith("#") for link in links)


def test_the_same_content_gives_the_same_page() -> None:
    told = content(training=TRAINING, evaluation=EVALUATION)
    assert render_report(told) == render_report(told)


def test_a_report_is_never_overwritten(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", content())
    before = path.read_text("utf-8")
    with pytest.raises(RunExistsError, match=r"report-2\.html"):
        write_report(path, content(title="another"))
    assert path.read_text("utf-8") == before


def test_importing_the_evaluation_loads_neither_matplotlib_nor_torch() -> None:
    code = "import roborew.evaluation, sys; print({'matplotlib', 'torch', 'mujoco'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
