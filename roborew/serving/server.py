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
from pathlib import Path
from typing import Any
from weakref import WeakSet

from roborew.config import format_options
from roborew.errors import InvalidInputError, RoborewError
from roborew.rewards.remote.tensors import Body
from roborew.rewards.remote.wire import IDENTITY, pack_scores, unpack_clips
from roborew.serving.one_thread import OneThread
from roborew.serving.requests import JSON, RefusedError, RequestHandler, Server, listen
from roborew.types import IncrementalRewardModel, RewardModel
from roborew.weights.files import file_sha256
from roborew.workflows.parts import RewardConfig

logger = logging.getLogger(__name__)

MAX_BODY = 2**30
"""Of a request [bytes]."""
TENSORS = "application/octet-stream"


@dataclass(frozen=True)
class Service:
    """A model and how it is served.

    Attributes:
        model: that scores.
        identity: of the model; answers carry it.
        token: that every request but for health must bring; None asks for none.
        thread: that the model works in, see `OneThread`.
    """

    model: RewardModel
    identity: str
    token: str | None = None
    thread: OneThread = field(default_factory=OneThread)

    def check_token(self, header: str) -> None:
        """Raise unless a request brought the token."""
        expected = f"Bearer {self.token}"
        if self.token is not None and not hmac.compare_digest(header.encode(), expected.encode()):
            raise RefusedError(401, "expected the server's token as 'Authorization: Bearer TOKEN'.")

    def about(self, body: Body) -> bytes:
        """What `GET /v1/spec` answers."""
        del body
        return json.dumps(
            {
                "spec": asdict(self.model.spec),
                "identity": self.identity,
                "incremental": isinstance(self.model, IncrementalRewardModel),
            }
        ).encode()

    def score(self, body: Body) -> bytes:
        """What `POST /v1/score` answers."""
        clips, _ = unpack_clips(body)
        return pack_scores(self.thread.do(lambda: self.model.score(clips)))

    def score_step(self, body: Body) -> bytes:
        """What `POST /v1/score_step` answers."""
        model = self.model
        if not isinstance(model, IncrementalRewardModel):
            raise RefusedError(404, f"{model.spec.name} remembers nothing: ask /v1/score.")
        clips, states = unpack_clips(body)
        return pack_scores(*self.thread.do(lambda: model.score_step(clips, states)))


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
def serving(service: Service, host: str, port: int) -> Generator[Server]:
    """Give a server that listens, until the block ends; ``serve_forever`` answers, and the model works
    in the thread that calls it.

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
    attributes = {"service": service, "headers_of_all": {IDENTITY: service.identity}}
    server = listen(_Server, host, port, type("Handler", (_Handler,), attributes))
    server.thread = service.thread
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


class _Server(Server):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: WeakSet[socket.socket] = WeakSet()
        self.thread = OneThread()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Answer until `shutdown`."""
        listener = threading.Thread(
            target=super().serve_forever, args=(poll_interval,), daemon=True
        )
        listener.start()
        try:
            self.thread.work()
        finally:
            super().shutdown()
            listener.join()

    def shutdown(self) -> None:
        """End `serve_forever`."""
        super().shutdown()
        self.thread.stop()

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


class _Handler(RequestHandler):
    service: Service

    def do_GET(self) -> None:
        """Health and promise."""
        self._answer({"/v1/spec": self.service.about}, JSON)

    def do_POST(self) -> None:
        """Scores."""
        ways = {"/v1/score": self.service.score, "/v1/score_step": self.service.score_step}
        self._answer(ways, TENSORS)

    def _answer(self, ways: dict[str, Callable[[Body], bytes]], kind: str) -> None:
        try:
            if self.command == "GET" and self.path == "/health":
                self.send(200, JSON, b'{"status": "ok"}')
            else:
                self.send(200, kind, self._content(ways))
        except RefusedError as error:
            self.refuse(error.status, str(error))
        except InvalidInputError as error:
            self.refuse(400, str(error))
        except ConnectionError as error:
            # Nobody is there to be answered.
            logger.info("%s", error)
            self.close_connection = True
        except RoborewError as error:
            logger.warning("%s", error)
            self.refuse(500, str(error))
        except Exception as error:
            logger.exception("the model failed")
            self.refuse(500, f"the model failed: {type(error).__name__}; see the server's log")

    def _content(self, ways: dict[str, Callable[[Body], bytes]]) -> bytes:
        self.service.check_token(self.headers.get("Authorization", ""))
        if self.path not in ways:
            raise RefusedError(404, f"no {self.path}; expected one of {', '.join(ways)}.")
        return ways[self.path](b"" if self.command == "GET" else self.read_body(MAX_BODY))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by its base
        """One line a request, for whoever wants it."""
        logger.debug(format, *args)
