"""Bad command lines end in one line, none in a traceback; the whole count is the experiment's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from experiments.robustness import command_lines
from experiments.robustness.command_lines import bad_command_line, run

SEED = 7
CASES = 60
QUICK = ("evaluate", "record", "score", "compare", "fit", "collect", "list", "check")
"""Commands whose line, should it be a good one by chance, costs next to nothing here: without a run,
a video and demonstrations they end early."""


@pytest.mark.parametrize("number", range(CASES))
def test_a_bad_command_line_is_one_line(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        command_lines, "COMMANDS", {name: command_lines.COMMANDS[name] for name in QUICK}
    )
    words = bad_command_line(random.Random(f"{SEED}/{number}"))
    outcome = run(words)
    assert outcome.kind in ("refused", "accepted"), (words, outcome)
    if outcome.kind == "refused" and outcome.text:
        assert "roborew: " in outcome.text
