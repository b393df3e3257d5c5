"""A judge behind a server: bounded in time, in order, silent about keys, and never a number from a
broken reply."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import math
import shutil
import ssl
import subprocess
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import numpy as np
import pytest
from PIL import Image

from roborew.errors import InvalidInputError, MissingBackendError, RoborewError
from roborew.judges.config import JudgeConfig
from roborew.judges.factory import load_judge
from roborew.judges.openai_protocol import FaultError, read_answer, read_reply
from roborew.judges.server import ServerJudge
from roborew.judges.types import Judge, Question
from tests.roborew.judges.fault_server import TOKENS, FaultServer, free_port, reply, serving

TRIALS = 25
LASTING = ("slow header", "slow body", "hang")
PASSING = (
    "reset",
    "HTML with 200",
    "429",
    "500",
    "truncated JSON",
    "wrong length",
    "permuted ids",
    "duplicate",
    "NaN",
)
UNREACHABLE = ("refused", "TLS", "DNS")


def questions(count: int = TRIALS, **options: object) -> list[Question]:
    return [
        Question(parts=(f"question {number}",), choices=("Yes", "No"), **options)
        for number in range(count)
    ]


@pytest.fixture
def deadline() -> float:
    """Seconds for a question: far more than an answer takes, even where the process pauses for a
    while."""
    with serving(FaultServer()) as server:
        start = monotonic()
        judge(server.url, deadline=60.0).ask(questions())
        return min(max(1.5, 12 * (monotonic() - start)), 5.0)


def judge(url: str, **options: object) -> ServerJudge:
    options = {
        "deadline": 5.0,
        "retry_pause": 0.05,
        "concurrency": TRIALS,
        "breaker_failures": 1_000,
        **options,
    }
    return ServerJudge(model="tiny", base_url=url, **options)


def unreachable(kind: str, server: FaultServer) -> str:
    return {
        "refused": f"http://127.0.0.1:{free_port()}/v1",
        "TLS": server.url.replace("http:", "https:"),
        "DNS": "http://no-such-host.invalid/v1",
    }[kind]


def test_answers_and_probabilities_come_back_in_order() -> None:
    with serving(FaultServer()) as server:
        asked = judge(server.url)
        answers = asked.ask(questions())
    assert isinstance(asked, Judge)
    assert [answer.text for answer in answers] == [f"answer {number}" for number in range(TRIALS)]
    assert all(answer.log_probs == TOKENS and answer.abstained is None for answer in answers)


@pytest.mark.parametrize("kind", [*LASTING, *PASSING])
def test_a_fault_strikes_some_questions_and_leaves_the_others_in_order(
    kind: str, deadline: float
) -> None:
    """12 of 25 meet the fault at every attempt: they abstain with the reason, the others have their
    own answers."""
    with serving(FaultServer(kind, lambda number: number % 2 == 1)) as server:
        start = monotonic()
        answers = judge(server.url, deadline=deadline).ask(questions())
        elapsed = monotonic() - start
    # Nothing hangs; how long a pause of a busy machine lasts is not ours to promise.
    assert elapsed < 3 * deadline + 2
    for number, answer in enumerate(answers):
        if number % 2:
            assert answer.text is None and not answer.log_probs
            assert answer.abstained is not None and answer.abstained.startswith(
                "server: no answer within "
            )
        else:
            assert answer.text == f"answer {number}" and answer.abstained is None


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes_costs_no_answer(kind: str) -> None:
    server = FaultServer(kind)
    server.once = True
    with serving(server):
        answers = judge(server.url).ask(questions())
    assert [answer.text for answer in answers] == [f"answer {number}" for number in range(TRIALS)]


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_a_server_that_cannot_be_reached_makes_abstentions_in_bounded_time(
    kind: str, deadline: float
) -> None:
    with serving(FaultServer()) as server:
        asked = judge(unreachable(kind, server), retry_pause=5.0, deadline=deadline)
        start = monotonic()
        answers = asked.ask(questions())
        assert monotonic() - start < deadline + max(1.0, deadline)
    assert all(
        answer.abstained and answer.text is None and not answer.log_probs for answer in answers
    )


@pytest.mark.parametrize("kind", [*LASTING, *PASSING, *UNREACHABLE])
def test_a_fault_stops_the_run_where_that_is_wished(kind: str, deadline: float) -> None:
    with serving(FaultServer(kind if kind not in UNREACHABLE else "none")) as server:
        url = unreachable(kind, server) if kind in UNREACHABLE else server.url
        start = monotonic()
        with pytest.raises(RoborewError, match=r"tiny@served.*on_failure=abstain"):
            judge(url, on_failure="stop", retry_pause=5.0, deadline=0.2).ask(questions(3))
        assert monotonic() - start < 0.2 + max(1.0, deadline)


def test_a_run_goes_on_over_a_restart_of_the_server() -> None:
    port = free_port()
    with serving(FaultServer(port=port)):
        asked = judge(f"http://127.0.0.1:{port}/v1")
        assert asked.ask(questions(1))[0].text == "answer 0"
    over = Event()

    def come_back() -> None:
        sleep(0.2)
        with serving(FaultServer(port=port)):
            over.wait()

    back = Thread(target=come_back)
    back.start()
    try:
        answers = asked.ask(questions())
    finally:
        over.set()
        back.join()
    assert [answer.text for answer in answers] == [f"answer {number}" for number in range(TRIALS)]


@pytest.mark.parametrize("kind", ["redirect", "too long", "bad request", "no such model"])
def test_what_another_attempt_cannot_mend_is_asked_once(kind: str) -> None:
    with serving(FaultServer(kind)) as server:
        answer = judge(server.url).ask(questions(1))[0]
        assert len(server.requests) == 1
    assert answer.abstained is not None and answer.text is None


@pytest.mark.parametrize("kind", ["overflow", "null", "deep"])
def test_a_reply_that_breaks_the_protocol_is_no_answer(kind: str) -> None:
    with serving(FaultServer(kind)) as server:
        assert judge(server.url, deadline=0.3).ask(questions(1))[0].abstained


@pytest.mark.parametrize("kind", ["no probabilities", "unlisted choice"])
def test_a_choice_that_the_server_does_not_list_has_no_probability(kind: str) -> None:
    """Neither the others' probabilities nor a floor: what is missing cannot be known."""
    with serving(FaultServer(kind)) as server:
        told, silent = judge(server.url).ask([*questions(1), *questions(1, max_tokens=0)])
    assert told.text == "answer 0" and not told.log_probs
    assert silent.abstained == "the server does not list every choice"


def test_a_server_that_lists_nothing_is_not_asked_to() -> None:
    with serving(FaultServer("no probabilities")) as server:
        asked = judge(server.url, top_logprobs=0)
        assert not asked.gives_probabilities and asked.ask(questions(1))[0].text == "answer 0"
        assert "logprobs" not in server.requests[0][2]


def test_probabilities_alone_carry_no_text() -> None:
    with serving(FaultServer()) as server:
        answer = judge(server.url).ask(questions(1, max_tokens=0))[0]
        assert server.requests[0][2]["max_tokens"] == 1
    assert answer.text is None and answer.log_probs == TOKENS


def test_a_server_that_keeps_failing_is_left_alone_for_a_while() -> None:
    with serving(FaultServer("500")) as server:
        asked = judge(server.url, deadline=0.5, concurrency=1, breaker_failures=2, cool_down=3.0)
        start = monotonic()
        answers = asked.ask(questions())
        assert monotonic() - start < 3.0  # 25 that are asked take 12.5
        assert [
            str(answer.abstained).startswith("server: no answer within") for answer in answers[:3]
        ] == [1, 1, 0]
        before = len(server.requests)
        asked.ask(questions())
        assert len(server.requests) == before
        server.fault = "none"
        sleep(3.0)
        assert asked.ask(questions(3))[2].text == "answer 2"


def test_the_key_reaches_the_server_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where the server says it back."""
    monkeypatch.setenv("TINY_KEY", "sk-very-secret")
    caplog.set_level(logging.DEBUG)
    with serving(FaultServer("bad request")) as server:
        asked = judge(server.url, api_key_env="TINY_KEY")
        answer = asked.ask(questions(1))[0]
        assert server.requests[0][1]["Authorization"] == "Bearer sk-very-secret"
        with pytest.raises(RoborewError) as caught:
            judge(server.url, api_key_env="TINY_KEY", on_failure="stop").ask(questions(1))
    said = [str(answer.abstained), str(caught.value), repr(asked), asked.identity, caplog.text]
    assert "***" in said[0] and not any("sk-v" in text for text in said)  # not a part of it either


@pytest.mark.parametrize("value", [None, "", "sk-1\nX-Injected: yes"])
def test_a_key_that_is_not_there_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("TINY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TINY_KEY", value)
    with pytest.raises(MissingBackendError, match="TINY_KEY"):
        judge("http://127.0.0.1/v1", api_key_env="TINY_KEY")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/v1",
        "127.0.0.1:8000",
        "http://",
        "http://me:word@host/v1",
        "http://h/?a=b",
        "x",
    ],
)
def test_only_plain_http_urls_are_asked(url: str) -> None:
    with pytest.raises(InvalidInputError, match="http") as caught:
        judge(url)
    assert "word" not in str(caught.value).replace("password", "")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with serving(FaultServer()) as server:
        assert judge(server.url).ask(questions(1))[0].text == "answer 0"


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """The same server is asked once its certificate is trusted by name."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]
        + [
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = FaultServer()
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    with serving(server):
        url = f"https://localhost:{server.server_port}/v1"
        assert "CERTIFICATE_VERIFY_FAILED" in str(
            judge(url, retry_pause=5.0, deadline=1.0).ask(questions(1))[0].abstained
        )
        assert judge(url, ca_file=certificate).ask(questions(1))[0].text == "answer 0"


def test_pictures_travel_inside_the_request_unchanged_and_in_order() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    video = np.random.default_rng(1).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    with serving(FaultServer()) as server:
        judge(server.url).ask([Question(parts=("question 0", picture, "then", video, "well?"))])
        content = server.requests[0][2]["messages"][0]["content"]
    assert [piece["type"] for piece in content] == [
        "text",
        "image_url",
        "text",
        *["image_url"] * 3,
        "text",
    ]
    urls = [piece["image_url"]["url"] for piece in content if piece["type"] == "image_url"]
    for url, frame in zip(urls, [picture, *video], strict=True):
        head, _, coded = url.partition(",")
        assert head == "data:image/png;base64"
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(base64.b64decode(coded)))), frame
        )


def test_bare_text_is_refused_unless_allowed_and_never_takes_pictures() -> None:
    """A chat endpoint would wrap it into a template, and the method would measure something
    else."""
    bare = questions(2, chat=False)
    with serving(FaultServer()) as server:
        with pytest.raises(InvalidInputError, match="transformers judge"):
            judge(server.url).ask(bare)
        allowed = judge(server.url, bare_text=True)
        with pytest.raises(InvalidInputError, match="takes no pictures"):
            allowed.ask([Question(parts=("question 0", np.zeros((4, 4, 3), np.uint8)), chat=False)])
        answers = allowed.ask(bare)
        assert {path for path, _, _ in server.requests} == {"/v1/completions"}
    assert [answer.text for answer in answers] == ["answer 0", "answer 1"]
    assert all(answer.log_probs == TOKENS for answer in answers)


def test_progress_is_told_and_a_running_event_loop_is_no_obstacle() -> None:
    seen: list[tuple[int, int]] = []

    async def inside() -> None:
        asked.ask(questions(4))

    with serving(FaultServer()) as server:
        asked = judge(server.url)
        asked.progress = lambda done, total: seen.append((done, total))
        asyncio.run(inside())
    assert seen == [(done, 4) for done in range(1, 5)]


def test_no_damaged_reply_becomes_a_probability_above_one() -> None:
    """4,000 replies with bytes flipped, cut or doubled: an answer by the rules, or a fault, never
    another exception."""
    generator = np.random.default_rng(0)
    question = questions(1)[0]
    whole = json.dumps(reply("id", "answer 0")).encode()
    answered = 0
    for _ in range(4_000):
        body = bytearray(whole)
        for place in generator.integers(0, len(whole), generator.integers(1, 4)):
            body[place] = generator.integers(0, 256)
        start, stop = np.sort(generator.integers(0, len(whole), 2))
        body = body if generator.random() < 0.7 else body[:stop] + body[start:]
        try:
            answer = read_answer(read_reply(bytes(body)), question)
        except FaultError:
            continue
        answered += answer.abstained is None
        assert answer.text is None or isinstance(answer.text, str)
        assert all(math.isfinite(value) and value <= 1e-3 for value in answer.log_probs.values())
        assert not answer.log_probs or set(answer.log_probs) == {"Yes", "No"}
    assert 0 < answered < 4_000


def test_that_nothing_listens_is_said_at_once_with_what_to_start() -> None:
    config = JudgeConfig(
        backend="openai", model="tiny", base_url=f"http://127.0.0.1:{free_port()}/v1"
    )
    start = monotonic()
    with pytest.raises(
        MissingBackendError, match=r"no server answers.*vllm serve tiny.*llama-server"
    ):
        load_judge(config)
    assert monotonic() - start < 3.0


def test_whatever_answers_is_reachable_and_answers_that_are_stored_need_nobody(
    tmp_path: Path,
) -> None:
    with serving(FaultServer()) as server:
        judge(server.url).check_reachable()
    stored = tmp_path / "answers.jsonl"
    stored.touch()
    config = JudgeConfig(
        backend="openai", model="m", base_url=f"http://127.0.0.1:{free_port()}/v1", cache=stored
    )
    assert load_judge(config).identity == "m@served"
