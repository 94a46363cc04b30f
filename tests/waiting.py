"""Waiting on conditions."""

import threading
from collections.abc import Callable

from gridwatch.domain import SystemClock


def wait_until(condition: Callable[[], bool], timeout: float, every: float = 0.02) -> None:
    """Return as soon as `condition()` holds; AssertionError after `timeout` seconds."""
    clock = SystemClock()
    deadline = clock.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert clock.monotonic() < deadline, f"not within {timeout} s"
        pause.wait(every)
