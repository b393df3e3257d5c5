"""A thread that owns a context: OpenGL contexts belong to the thread that made them current."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from roborew_envs.rendering.render_context import RenderContext

RenderCall = Callable[[RenderContext], None]


class RenderThread:
    """Runs calls on its context in order. A daemon, so that it still lives when `atexit` asks it to
    close."""

    def __init__(self, make: Callable[[], RenderContext]) -> None:
        """Begin to make the context; the first `wait` says what came of it."""
        self._calls: queue.SimpleQueue[RenderCall | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(make,), daemon=True).start()

    def _run(self, make: Callable[[], RenderContext]) -> None:
        try:
            context = make()
        except BaseException as error:  # noqa: BLE001 - handed to the caller by `wait`
            self._replies.put(error)
            return
        self._replies.put(None)
        closed = False
        while not closed:
            call = self._calls.get()
            closed = call is None
            try:
                (call or RenderContext.close)(context)
                self._replies.put(None)
            except BaseException as error:  # noqa: BLE001 - handed to the caller by `wait`
                self._replies.put(error)

    def send(self, call: RenderCall | None) -> None:
        """Let the context do this; None closes it and ends the thread."""
        self._calls.put(call)

    def wait(self) -> BaseException | None:
        """The error of the oldest call not waited for, if it had one."""
        return self._replies.get()

    def stop(self) -> BaseException | None:
        """Close the context and end the thread; the error, if it had one."""
        self.send(None)
        return self.wait()


def raise_first(errors: Sequence[BaseException | None]) -> None:
    """Called once every thread has answered, so that no stale answer waits for the next call."""
    for error in errors:
        if error is not None:
            raise error
