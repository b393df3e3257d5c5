"""The page of `roborew label`, for this machine and for whoever has its address.

| request | answer |
|---|---|
| ``GET /TOKEN/`` | the page; it loads nothing from anywhere else |
| ``GET /TOKEN/next`` | JSON: the films that are to be labeled next, and how many are done |
| ``POST /TOKEN/key`` | ``{"key": "left", "done": 3}``, said when so many were done; answered as ``next`` |

The token is in every address, so that no other page can guess one; a request that names another host
or comes from another page is refused; and a key that was pressed on a page that is out of date, in a
second window, say, is no label.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.judges.openai_protocol import data_url
from roborew.serving.requests import JSON, RefusedError, RequestHandler, Server, listen
from roborew.storage.json_files import parse_json_object
from roborew.workflows.fit.examples import downscale
from roborew.workflows.label.keys import Session

logger = logging.getLogger(__name__)

MAX_BODY = 1_000
"""Of a request [bytes]."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LabelPage:
    """A session as requests see it.

    Args:
        session: whose films are shown.
        finish: called when the last question has its answer.
    """

    def __init__(self, session: Session, finish: Callable[[], None]) -> None:
        self.token = secrets.token_urlsafe(24)
        self._session = session
        self._finish = finish
        # Two windows may press a key at the same time.
        self._lock = threading.Lock()

    def html(self) -> bytes:
        """The page."""
        return (files("roborew.serving") / "label_page.html").read_bytes()

    def next(self) -> bytes:
        """What is to be labeled next."""
        with self._lock:
            return self._state()

    def press(self, body: bytes) -> bytes:
        """Take a key, and say what is next."""
        try:
            content = parse_json_object(body, "the key")
        except CorruptFileError as error:
            raise RefusedError(400, str(error)) from error
        with self._lock:
            if content.get("done") != self._session.done:
                raise RefusedError(409, "this page is out of date; it shows the next film now.")
            try:
                self._session.press(str(content.get("key")))
            except InvalidInputError as error:
                raise RefusedError(400, str(error)) from error
            state = self._state()
            if self._session.done == self._session.total:
                self._finish()
            return state

    def _state(self) -> bytes:
        session = self._session
        state: dict[str, Any] = {"done": session.done, "total": session.total}
        question = session.question
        if question is not None:
            films = [
                [data_url(downscale(frame), "jpeg") for frame in film] for film in question.films
            ]
            state |= {
                "kind": question.kind,
                "instruction": question.instruction,
                "fps": question.fps,
                "films": films,
            }
        return json.dumps(state).encode()


@contextmanager
def serving(session: Session, port: int) -> Generator[tuple[Server, str]]:
    """Give a server on this machine alone, and the address of its page; ``serve_forever`` answers
    until the last question has its answer.

    Raises:
        InvalidInputError: the port cannot be had.
    """
    server = listen(Server, "127.0.0.1", port, RequestHandler)

    def finish() -> None:
        # From a thread of its own: the server waits there for the request that called this.
        threading.Thread(target=server.shutdown, daemon=True).start()

    with server:
        page = LabelPage(session, finish)
        own_port = int(server.server_address[1])
        hosts = (f"127.0.0.1:{own_port}", f"localhost:{own_port}")
        own = {"page": page, "hosts": hosts}
        server.RequestHandlerClass = type("Handler", (_Handler,), own)
        yield server, f"http://{hosts[0]}/{page.token}/"


class _Handler(RequestHandler):
    headers_of_all = HEADERS
    page: LabelPage
    hosts: tuple[str, ...]

    def do_GET(self) -> None:
        """The page, and what it shows."""
        page = self.page
        self._answer({"": ("text/html; charset=utf-8", page.html), "next": (JSON, page.next)})

    def do_POST(self) -> None:
        """A key."""
        self._answer({"key": (JSON, self._press)})

    def _press(self) -> bytes:
        # A form of another page can send none of this type without being asked first.
        if self.headers.get("Content-Type") != JSON:
            raise RefusedError(415, f"expected Content-Type: {JSON}.")
        return self.page.press(bytes(self.read_body(MAX_BODY)))

    def _answer(self, ways: dict[str, tuple[str, Callable[[], bytes]]]) -> None:
        try:
            self._check_origin()
            kind, content = ways[self._place(ways)]
            self.send(200, kind, content())
        except RefusedError as error:
            self.refuse(error.status, str(error))
        except ConnectionError as error:
            # The page was closed; what it said before is on the disk.
            logger.info("%s", error)
            self.close_connection = True

    def _check_origin(self) -> None:
        """Raise unless the request is for this server by its own name, and from its own page."""
        if self.headers.get("Host") not in self.hosts:
            raise RefusedError(403, "expected this machine as the host.")
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.hosts:
            raise RefusedError(403, "expected a request of this server's own page.")

    def _place(self, ways: dict[str, tuple[str, Callable[[], bytes]]]) -> str:
        token, _, place = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.page.token.encode()):
            raise RefusedError(404, "not found.")
        if place not in ways:
            raise RefusedError(404, "not found.")
        return place
