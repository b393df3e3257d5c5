"""What all servers of roborew do alike: listen, read a request, answer it or refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from roborew.errors import InvalidInputError

JSON = "application/json"
IDLE_SECONDS = 60.0
"""After which a connection that says nothing is closed."""


class RefusedError(Exception):
    """A request that gets an error.

    Args:
        status: of the answer.
        message: in it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """A thread for each connection; none keeps the process from ending."""

    daemon_threads = True


S = TypeVar("S", bound=Server)


def listen(kind: type[S], host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> S:
    """Return a server that listens.

    Args:
        kind: of server.
        host: address to listen on.
        port: 0 takes a free one; see ``server_address``.
        handler: of its requests.

    Raises:
        InvalidInputError: the address cannot be had.
    """
    if not 0 <= port < 2**16:
        raise InvalidInputError(f"port: expected 0 to 65535; got {port}.")
    try:
        return kind((host, port), handler)
    except OSError as error:
        raise InvalidInputError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error


class RequestHandler(BaseHTTPRequestHandler):
    """Requests over connections that are kept.

    Attributes:
        headers_of_all: that every answer has.
    """

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    # Else a short answer waits 40 ms for the acknowledgement of its headers.
    disable_nagle_algorithm = True
    server_version = "roborew"
    sys_version = ""
    headers_of_all: Mapping[str, str] = {}

    def read_body(self, max_bytes: int) -> bytearray:
        """Return the body of a request.

        Raises:
            RefusedError: it does not say how long it is, or is too long.
            ConnectionError: it was cut short.
        """
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise RefusedError(411, "expected a Content-Length.")
        if int(length) > max_bytes:
            raise RefusedError(413, f"expected at most {max_bytes:,} bytes; got {int(length):,}.")
        # Writable, so that arrays in it are.
        body = bytearray(int(length))
        if self.rfile.readinto(body) < len(body):
            raise ConnectionError("the request was cut short")
        return body

    def send(self, status: int, kind: str, content: bytes) -> None:
        """Answer.

        Raises:
            ConnectionError: nobody is there to be answered.
        """
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in self.headers_of_all.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, message: str) -> None:
        """Answer with an error, ``{"error": "..."}``, and close the connection: what is left of the
        request's body would be read as the next one."""
        self.close_connection = True
        with suppress(ConnectionError):  # nor need anybody wait for it
            self.send(status, JSON, json.dumps({"error": message}).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by its base
        """Nothing: an address may hold a token."""
