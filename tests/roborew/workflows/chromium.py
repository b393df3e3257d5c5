"""A real browser, driven through a pipe by the DevTools protocol: no package is needed for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
SECONDS = 60.0
"""For a page to come to a state, on a busy machine."""


class Page:
    """One page; messages end with a zero byte."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._rest = b""
        self._count = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def call(self, method: str, **params: object) -> Any:
        """Ask the browser, and wait for its answer."""
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._outgoing, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == self._count:
                assert "error" not in reply, reply
                return reply["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            self._rest += os.read(self._incoming, 1 << 16)
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def value(self, expression: str) -> Any:
        """What a piece of JavaScript comes to."""
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return reply["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until a piece of JavaScript is true."""
        end = time.monotonic() + SECONDS
        while not self.value(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)


@contextmanager
def browser(profile: Path) -> Generator[Page]:
    """Give an empty page of a browser with a profile of its own."""
    assert BROWSER is not None
    to_browser, from_us = os.pipe()
    from_browser, to_us = os.pipe()
    # The browser reads its orders from descriptor 3 and answers on 4.
    words = [BROWSER, *FLAGS, f"--user-data-dir={profile}"]
    script = f'exec "$@" 3<&{to_browser} 4>&{to_us}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *words],
        pass_fds=(to_browser, to_us),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(to_us)
    try:
        yield Page(from_browser, from_us)
    finally:
        process.terminate()
        process.wait(20)
        os.close(from_us)
        os.close(from_browser)
