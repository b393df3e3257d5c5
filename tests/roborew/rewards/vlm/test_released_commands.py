"""What docs/reference/judges.md says to type for each released model works as it stands: doctor, score,
and served."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from roborew import cli
from roborew.cli.parse import parse_command
from roborew.data import write_video
from roborew.serving import server as reward_server
from roborew.workflows.doctor.probes import film
from tests.roborew.judges.fault_server import FAULTS, FaultServer, Handler, reply, serving
from tests.roborew.rewards.checkpoints.tiny_released import tiny_robometer
from tests.roborew.rewards.vlm.replying import replying_vlm
from tests.tiny_models import tiny_vlm

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "judges.md"
HEADING = "## Released models, command by command"
SCORE_TAGS = ("<score>", "</score>")
FOLDERS: dict[str, Callable[[Path], Path]] = {
    "Robo-Dopamine-GRM-3B": lambda folder: replying_vlm(
        folder, (SCORE_TAGS[0], "+", "3", "0", "%", SCORE_TAGS[1]), SCORE_TAGS
    ),
    "RoboReward-8B": lambda folder: replying_vlm(folder, ("ANSWER", ":", "Ġ", "4")),
    "Robometer-4B": tiny_robometer,
    "Qwen3-VL-4B-Instruct": tiny_vlm,
}
VALUES = {
    # Of the start and of two hops of 30 % each, the mean of the chain, from the start and from the goal.
    "Robo-Dopamine-GRM-3B": [0.4333333, 0.5333333, 0.6033333],
    "RoboReward-8B": [0.75] * 3,
    "VLAC": [0.0, 0.23, 0.4071],
}
"""What the reward's formula makes of the one reply."""


def commands() -> list[list[str]]:
    """Words of the commands of the page, in order."""
    section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
    lines = section.replace("\\\n", " ")
    return [
        shlex.split(line)[1:] for line in re.findall(r"^ {4}(roborew .*)$", lines, re.MULTILINE)
    ]


def model_of(words: list[str]) -> str:
    return next(word for word in words if word in FOLDERS or word == "VLAC")


MODELS = list(dict.fromkeys(model_of(words) for words in commands()[:-1]))


def _say_vlac(handler: Handler, own: str, body: bytes) -> None:
    asked = json.dumps(handler.server.requests[-1][2]["messages"])
    handler.send(json.dumps(reply(own, "0" if "<done>" in asked else "+23")).encode())


@contextmanager
def prepared(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A working directory with all that the commands of one model name; gives the judge's address."""
    monkeypatch.chdir(folder)
    frames = film()
    write_video(folder / "film.mp4", frames, fps=5)
    Image.fromarray(frames[-1]).save(folder / "end.png")
    if name in FOLDERS:
        FOLDERS[name](folder / name)
    monkeypatch.setitem(FAULTS, "vlac", _say_vlac)
    with serving(FaultServer("vlac")) as server:
        yield server.url


@contextmanager
def running(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`roborew serve` at work; gives its address."""
    servers: Queue[Any] = Queue()
    usual = reward_server.serving

    @contextmanager
    def watched(*args: Any) -> Iterator[Any]:
        with usual(*args) as server:
            servers.put(server)
            yield server

    monkeypatch.setattr(reward_server, "serving", watched)
    command = parse_command(cli.COMMANDS, words)
    thread = Thread(target=command.run, args=[Console(quiet=True)], daemon=True)
    thread.start()
    server = servers.get(timeout=60)
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(20)


def scores_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[float]:
    capsys.readouterr()
    assert cli.main([*words, "--no-video", "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out).values()
    return figures["scores"]


def test_the_page_has_the_three_commands_of_each_model() -> None:
    kinds = [(model_of(words), words[0]) for words in commands()[:-1]]
    assert kinds == [(name, kind) for name in MODELS for kind in ("doctor", "score", "serve")]
    assert set(MODELS) == {*FOLDERS, "VLAC"} and "http://127.0.0.1:8765" in commands()[-1]


@pytest.mark.parametrize("name", MODELS)
def test_what_the_page_says_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with prepared(name, tmp_path, monkeypatch) as judge:

        def at(words: list[str], reward: str = "") -> list[str]:
            urls = {"http://127.0.0.1:8000/v1": judge, "http://127.0.0.1:8765": reward, "8765": "0"}
            return [urls.get(word, word) for word in words]

        doctor, score, serve = (words for words in commands()[:-1] if model_of(words) == name)
        assert cli.main(at(doctor)) == 0
        assert "FAILS" not in capsys.readouterr().out
        scores = scores_of(at(score), capsys)
        if name in VALUES:
            np.testing.assert_allclose(scores, VALUES[name], atol=1e-6)
        with running(at(serve), monkeypatch) as address:
            served = scores_of(at(commands()[-1], address), capsys)
        assert served == scores and len(scores) == len(film())
