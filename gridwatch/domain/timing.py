"""Injected time. Only this module may ask the operating system what time it is."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where code gets the time from, so that tests can live a year in a second."""

    def now(self) -> datetime:
        """Wall-clock time, timezone-aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never step back; only differences mean anything."""


class SystemClock:
    """The operating system's clocks. Thread-safe."""

    def now(self) -> datetime:
        """Wall-clock time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told. Thread-safe; ships for tests of every package."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be timezone-aware")
        self._lock = threading.Lock()
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The time it was last set to."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds advanced since construction; `step` does not move it."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` (>= 0) pass on both clocks."""
        if seconds < 0:
            raise ValueError("time passes forwards; use step() for a wall-clock jump")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Jump the wall clock only, in either direction, as NTP does."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
