"""Serves a reward model over HTTP: to a robot, to a second machine, to another framework.

| request | answer |
|---|---|
| ``GET /health`` | ``{"status": "ok"}`` |
| ``GET /v1/spec`` | JSON: the model's promise, its identity, whether it goes on from what it remembers |
| ``POST /v1/score`` | scores of whole clips; bodies as `roborew.rewards.remote.wire` has them |
| ``POST /v1/score_step`` | scores of the next frames of episodes, and what to remember of them |

An error is JSON, ``{"error": "..."}``: 400 the question is no good, 401 no token, 404, 413 too large,
500 the model failed. Nothing is unpickled, and nothing of an episode is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from weakref import WeakSet

from roborew.config import format_options
from roborew.errors import InvalidInputError, RoborewError
from roborew.rewards.remote.wire import IDENTITY, pack_scores, unpack_clips
from roborew.types import IncrementalRewardModel, RewardModel
from roborew.weights.files import file_sha256
from roborew.workflows.parts import RewardConfig

logger = logging.getLogger(__name__)

MAX_BODY = 2**30
"""Of a request [bytes]."""
IDLE_SECONDS = 60.0
"""After which a connection that says nothing is closed."""
JSON, TENSORS = "application/json", "application/octet-stream"


class RefusedError(Exception):
    """A request that gets an error.

    Args:
        status: of the answer.
        message: in it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Service:
    """A model and how it is served.

    Attributes:
        model: that scores.
        identity: of the model; answers carry it.
        token: that every request but for health must bring; None asks for none.
        lock: held while the model works: models are made for one thread.
    """

    model: RewardModel
    identity: str
    token: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check_token(self, header: str) -> None:
        """Raise unless a request brought the token."""
        expected = f"Bearer {self.token}"
        if self.token is not None and not hmac.compare_digest(header.encode(), expected.encode()):
            raise RefusedError(401, "expected the server's token as 'Authorization: Bearer TOKEN'.")

    def about(self, body: bytes) -> bytes:
        """What `GET /v1/spec` answers."""
        del body
        return json.dumps(
            {
                "spec": asdict(self.model.spec),
                "identity": self.identity,
                "incremental": isinstance(self.model, IncrementalRewardModel),
            }
        ).encode()

    def score(self, body: bytes) -> bytes:
        """What `POST /v1/score` answers."""
        clips, _ = unpack_clips(body)
        with self.lock:
            return pack_scores(self.model.score(clips))

    def score_step(self, body: bytes) -> bytes:
        """What `POST /v1/score_step` answers."""
        if not isinstance(self.model, IncrementalRewardModel):
            raise RefusedError(404, f"{self.model.spec.name} remembers nothing: ask /v1/score.")
        clips, states = unpack_clips(body)
        with self.lock:
            return pack_scores(*self.model.score_step(clips, states))


def identity_of(config: RewardConfig, model: RewardModel) -> str:
    """Return what stays the same exactly as long as the model does: a hash of its name, its settings,
    its promise, and of its folder's files where it has one."""
    place = Path(config.name if config.is_folder else str(config.options.get("weights", "")))
    origin = _folder_sums(place) if place.name and place.is_dir() else config.name
    content = [format_options(config.options), asdict(model.spec), origin]
    text = json.dumps(content, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{model.spec.name}-{digest[:16]}"


def _folder_sums(folder: Path) -> list[tuple[str, str]]:
    """Name and SHA-256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.name, file_sha256(path)) for path in files]


@contextmanager
def serving(service: Service, host: str, port: int) -> Generator[ThreadingHTTPServer]:
    """Give a server that listens, until the block ends; ``serve_forever`` answers.

    Args:
        service: what it serves.
        host: address to listen on.
        port: 0 takes a free one; see ``server_address``.

    Raises:
        InvalidInputError: an address of other machines without a token, or one that cannot be had.
    """
    if service.token is None and not _is_loopback(host):
        raise InvalidInputError(
            f"host {host!r} can be reached by others: give --token-env NAME of a variable that "
            "holds a token, or listen on 127.0.0.1."
        )
    if not 0 <= port < 2**16:
        raise InvalidInputError(f"port: expected 0 to 65535; got {port}.")
    handler = type("Handler", (_Handler,), {"service": service})
    try:
        server = _Server((host, port), handler)
    except OSError as error:
        raise InvalidInputError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error
    try:
        yield server
    finally:
        server.server_close()
        server.hang_up()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: WeakSet[socket.socket] = WeakSet()

    def get_request(self) -> tuple[socket.socket, Any]:
        """A new connection, which is remembered."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def hang_up(self) -> None:
        """End what waits for another request on a connection that is kept."""
        for connection in list(self._connections):
            # It may have ended by itself.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    # Else a short answer waits 40 ms for the acknowledgement of its headers.
    disable_nagle_algorithm = True
    server_version = "roborew"
    sys_version = ""
    service: Service

    def do_GET(self) -> None:
        """Health and promise."""
        self._answer({"/v1/spec": self.service.about}, JSON)

    def do_POST(self) -> None:
        """Scores."""
        ways = {"/v1/score": self.service.score, "/v1/score_step": self.service.score_step}
        self._answer(ways, TENSORS)

    def _answer(self, ways: dict[str, Callable[[bytes], bytes]], kind: str) -> None:
        try:
            if self.command == "GET" and self.path == "/health":
                self._send(200, JSON, b'{"status": "ok"}')
            else:
                self._send(200, kind, self._content(ways))
        except RefusedError as error:
            self._refuse(error.status, str(error))
        except InvalidInputError as error:
            self._refuse(400, str(error))
        except ConnectionError as error:
            # Nobody is there to be answered.
            logger.info("%s", error)
            self.close_connection = True
        except RoborewError as error:
            logger.warning("%s", error)
            self._refuse(500, str(error))
        except Exception as error:
            logger.exception("the model failed")
            self._refuse(500, f"the model failed: {type(error).__name__}; see the server's log")

    def _content(self, ways: dict[str, Callable[[bytes], bytes]]) -> bytes:
        self.service.check_token(self.headers.get("Authorization", ""))
        if self.path not in ways:
            raise RefusedError(404, f"no {self.path}; expected one of {', '.join(ways)}.")
        return ways[self.path](self._body())

    def _body(self) -> bytes:
        if self.command == "GET":
            return b""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or not length.isascii():
            raise RefusedError(411, "expected a Content-Length.")
        if int(length) > MAX_BODY:
            raise RefusedError(413, f"expected at most {MAX_BODY:,} bytes; got {int(length):,}.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the request was cut short")
        return body

    def _refuse(self, status: int, message: str) -> None:
        # What is left of its body would be read as the next request.
        self.close_connection = True
        with suppress(ConnectionError):  # nor need anybody wait for it
            self._send(status, JSON, json.dumps({"error": message}).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header(IDENTITY, self.service.identity)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by its base
        """One line a request, for whoever wants it."""
        logger.debug(format, *args)
