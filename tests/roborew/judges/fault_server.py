"""A server on this computer that speaks the OpenAI protocol, or breaks it in a stated way."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

TOKENS = {"Yes": -0.2, "No": -1.8}
STALE = "chatcmpl-roborew-" + "0" * 32
"""The id of a request that was another one."""

Answering = Callable[["Handler", str, bytes], None]


class FaultServer(ThreadingHTTPServer):
    """Answers "answer N" to "question N", "answer 0" to everything else, and says how probable each
    of the ``tokens`` is; ``faulty`` says which N meet the fault, every time or once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(
        self,
        fault: str = "none",
        faulty: Callable[[int], bool] = lambda _: True,
        port: int = 0,
        tokens: Mapping[str, float] = TOKENS,
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.fault = fault
        self.tokens = tokens
        self.faulty = faulty
        self.once = False
        self.struck: set[int] = set()
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.over = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def strikes(self, number: int) -> bool:
        hit = self.faulty(number) and not (self.once and number in self.struck)
        self.struck.add(number)
        return hit

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that gave up are no news."""


class Handler(BaseHTTPRequestHandler):
    server: FaultServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        text = body["prompt"] if "prompt" in body else json.dumps(body["messages"])
        named = re.search(r"question (\d+)", text)
        number = int(named[1]) if named else 0
        fault = self.server.fault if self.server.strikes(number) else "none"
        own = f"chatcmpl-{self.headers['X-Request-Id']}"
        answer = reply(own, f"answer {number}", "prompt" in body, self.server.tokens)
        FAULTS[fault](self, own, json.dumps(answer).encode())

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, piece: bytes) -> None:
        while not self.server.over.wait(0.02):
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def reply(
    own: str, text: str, bare: bool = False, tokens: Mapping[str, float] = TOKENS
) -> dict[str, Any]:
    if bare:
        return {
            "id": own,
            "choices": [{"index": 0, "text": text, "logprobs": {"top_logprobs": [dict(tokens)]}}],
        }
    listed = [{"token": token, "logprob": value} for token, value in tokens.items()]
    choice = {
        "message": {"content": text},
        "logprobs": {"content": [{"top_logprobs": listed}]},
        "index": 0,
    }
    return {"id": own, "choices": [choice]}


def _reset(handler: Handler, *_: object) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _slow_header(handler: Handler, *_: object) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    handler.drip(b"a")


def _slow_body(handler: Handler, *_: object) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    handler.drip(b" ")


def _hang(handler: Handler, *_: object) -> None:
    handler.server.over.wait()


def _too_long(handler: Handler, *_: object) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.over.is_set():
        handler.wfile.write(b" " * 2**20)


def _two_choices(handler: Handler, own: str, body: bytes) -> None:
    said = json.loads(body)
    handler.send(json.dumps({**said, "choices": said["choices"] * 2}).encode())


FAULTS: dict[str, Answering] = {
    "none": lambda handler, own, body: handler.send(body),
    "reset": _reset,
    "slow header": _slow_header,
    "slow body": _slow_body,
    "hang": _hang,
    "HTML with 200": lambda handler, own, body: handler.send(
        b"<html>100%</html>", Content_Type="text/html"
    ),
    "429": lambda handler, own, body: handler.send(b"{}", 429),
    "500": lambda handler, own, body: handler.send(b"oops", 500),
    "truncated JSON": lambda handler, own, body: handler.send(body[:-20]),
    "wrong length": _two_choices,
    "permuted ids": lambda handler, own, body: handler.send(
        json.dumps(reply(STALE, "answer 99")).encode()
    ),
    "duplicate": lambda handler, own, body: handler.send(body, X_Request_Id=STALE),
    "NaN": lambda handler, own, body: handler.send(body.replace(b"-0.2", b"NaN")),
    "redirect": lambda handler, own, body: handler.send(
        b"", 307, Location="http://127.0.0.1:9/v1/chat/completions"
    ),
    "too long": _too_long,
    "bad request": lambda handler, own, body: handler.send(
        b"x" * 270 + str(handler.headers["Authorization"]).encode(), 400
    ),
    "no such model": lambda handler, own, body: handler.send(b"{}", 404),
    "overflow": lambda handler, own, body: handler.send(body.replace(b"-0.2", b"1e999")),
    "no probabilities": lambda handler, own, body: handler.send(
        body.replace(b"logprobs", b"ignored")
    ),
    "unlisted choice": lambda handler, own, body: handler.send(body.replace(b"Yes", b"yes")),
    "null": lambda handler, own, body: handler.send(b"null"),
    "deep": lambda handler, own, body: handler.send(b"[" * 100_000),
}
"""What the server may do, by name; "permuted ids" and "duplicate" mark their replies as vLLM
does."""


@contextmanager
def serving(server: FaultServer) -> Iterator[FaultServer]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
