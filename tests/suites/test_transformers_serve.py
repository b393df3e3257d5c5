"""`transformers serve` with a tiny model of random weights, asked as a judge over HTTP; skipped where the
extra `serve` is absent, and run by .ci/suites."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

import httpx2
import numpy as np
import pytest

from roborew import cli
from roborew.judges.local import LocalJudge
from roborew.judges.server import ServerJudge
from roborew.judges.types import Question
from tests.tiny_models import tiny_vlm

START_SECONDS = 120.0
LAUNCH = "from transformers.cli.transformers import main; main()"
MISSING = [name for name in ("fastapi", "openai", "uvicorn") if find_spec(name) is None]
if MISSING and os.environ.get("SUITES") != "serve":
    reason = f"{', '.join(MISSING)} not installed: pip install -e '.[serve]'"
    pytest.skip(reason, allow_module_level=True)
PICTURES = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Served:
    folder: Path
    url: str

    def judge(self, **settings: object) -> ServerJudge:
        return ServerJudge(**{"model": str(self.folder), "base_url": self.url, **settings})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tiny_vlm(tmp_path_factory.mktemp("model") / "vlm")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = tmp_path_factory.mktemp("log") / "serve.log"
    with log.open("wb") as output:
        command = [sys.executable, "-c", LAUNCH, "serve", str(folder), *flags]
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            _wait(server, f"http://127.0.0.1:{port}/health", log)
            yield Served(folder, f"http://127.0.0.1:{port}/v1")
        finally:
            server.terminate()
            server.wait(20)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = monotonic() + START_SECONDS
    while monotonic() < end:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            if httpx2.get(url, trust_env=False).status_code == 200:
                return
        except httpx2.HTTPError:
            sleep(0.2)
    raise AssertionError(f"no server after {START_SECONDS} s: {log.read_text()[-2000:]}")


def questions(max_tokens: int = 12) -> list[Question]:
    return [
        Question(parts=("What is it?", picture, "Say it."), max_tokens=max_tokens)
        for picture in PICTURES
    ]


def test_a_served_model_says_what_it_says_in_this_process(served: Served) -> None:
    """Pictures arrive unchanged, in their places, and each answer belongs to its question."""
    own = [answer.text for answer in LocalJudge(model=str(served.folder)).ask(questions())]
    judge = served.judge(top_logprobs=0)
    answers = [answer.text for answer in judge.ask(questions())]
    assert answers == own and len(set(own)) > 1
    assert judge.usage.models == {f"{served.folder}@main"}
    assert judge.usage.prompt_tokens > 100 and judge.usage.completion_tokens > len(PICTURES)


def test_probabilities_that_it_does_not_list_are_not_invented(served: Served) -> None:
    choices = Question(parts=("Is it?", PICTURES[0]), choices=("Yes", "No"), max_tokens=0)
    (answer,) = served.judge().ask([choices])
    assert answer.abstained == "the server does not list every choice"


def test_another_name_is_an_abstention_with_the_servers_reason(served: Served) -> None:
    (answer,) = served.judge(model="another").ask(questions()[:1])
    assert answer.abstained is not None and answer.abstained.startswith("server: status 4")


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ([], {"replies", "score", "probabilities"}),
        (["top_logprobs=0"], {"replies", "score"}),
    ],
)
def test_doctor_examines_it(
    options: list[str], wrong: set[str], served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights see pictures, and say nothing that a reward reads."""
    words = ["--judge", "openai", "--judge.model", str(served.folder)]
    words += ["--judge.base-url", served.url, "--judge.options", *(options or ["revision=1"])]
    assert cli.main(["doctor", *words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    failed = {check["name"] for check in found["checks"] if check["needed"] and not check["ok"]}
    assert failed == wrong, found["checks"]
    assert found["questions"] == 7 and found["prompt_tokens"] > 0
    well = {check["name"] for check in found["checks"] if check["ok"]}
    assert {"judge", "sees pictures"} <= well, found["checks"]
