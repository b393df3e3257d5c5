"""Ctrl-C as a wish: training ends after the rollout that is under way, where its state is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class StopWish:
    """Whether somebody asked to stop."""

    requested: bool = False


@contextmanager
def stop_on_signal() -> Generator[StopWish]:
    """Note the first Ctrl-C (or SIGTERM) inside the block instead of raising; the second acts as
    ever.

    Outside the main thread Python delivers no signals, and nothing is changed.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        wish.requested = True
        # From here on a second Ctrl-C interrupts at once, should the rollout hang.
        restore()

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield wish
    finally:
        restore()
