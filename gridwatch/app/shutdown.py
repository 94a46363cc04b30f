"""One last-in-first-out stack of what must be closed, each step named and time-bounded."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

import structlog

from gridwatch.domain import Clock

log = structlog.get_logger(__name__)


class ShutdownStack:
    """Closes what was pushed in reverse order. A step that fails or is late is logged and the next still runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: list[tuple[str, Callable[[float], object], float]] = []

    def push(self, name: str, close: Callable[[float], object], *, timeout: float) -> None:
        """Remember `close(timeout)`; it must return within `timeout` seconds by itself."""
        self._steps.append((name, close, timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Run every step once, last first."""
        while self._steps:
            name, close, timeout = self._steps.pop()
            began = self._clock.monotonic()
            try:
                close(timeout)
            except Exception:
                log.exception("shutdown_step_failed", step=name)
            took = self._clock.monotonic() - began
            if took > timeout:
                log.warning("shutdown_step_late", step=name, seconds=round(took, 1), allowed=timeout)


class StopSignal:
    """Set by SIGINT or SIGTERM. Install in the main thread; restores the old handlers on exit."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.event.set()
