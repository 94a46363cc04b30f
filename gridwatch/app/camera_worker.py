"""One camera's thread: run its reader, and when that ends say why, wait, and run it again."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.app.pace import Pace
from gridwatch.config import CameraConfig
from gridwatch.domain import CameraHealth, CameraState, Clock
from gridwatch.ingest import IngestError

log = structlog.get_logger(__name__)


_TROUBLE = frozenset(CameraState) - {CameraState.CONNECTING, CameraState.UP, CameraState.STOPPED}


class RunsOnce(Protocol):
    """A reader: blocks in `run_once` until its stream ends, raises why, and stops when told."""

    def run_once(self) -> None:
        """Read until the stream ends. Raises IngestError."""

    def stop(self) -> None:
        """End `run_once` soon, from any thread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraStatus:
    """What a camera is doing, since when, and a line why."""

    state: CameraState
    reason: str
    since: datetime


class CameraWorker:
    """Owns the thread of one camera. Nothing else retries; other cameras do not notice its troubles."""

    def __init__(
        self,
        camera: CameraConfig,
        make_reader: Callable[[Callable[[CameraState, str], None]], RunsOnce],
        clock: Clock,
        on_change: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        """`pace` is shared by the cameras that begin connections together; without, this one waits for nobody."""
        self.camera = camera
        self._pace = pace
        self._make_reader = make_reader
        self._clock = clock
        self._on_change = on_change
        self._backoff = Backoff()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._status = CameraStatus(state=CameraState.CONNECTING, reason="", since=clock.now())
        self._reader: RunsOnce | None = None
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.id}", daemon=True)
        self.reconnects = 0

    @property
    def status(self) -> CameraStatus:
        """A consistent snapshot; any thread."""
        with self._lock:
            return self._status

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Tell the reader to end, without waiting."""
        self._stopping.set()
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.stop()

    def close(self, timeout: float) -> None:
        """Stop and join."""
        self.ask_to_stop()
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("camera_thread_left_behind", camera=self.camera.id, after_seconds=timeout)
        self._set(CameraState.STOPPED, "its worker ended")

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._pace is not None and self._stopping.wait(self._pace.wait_seconds()):
                return
            began = self._clock.monotonic()
            try:
                self._run_reader()
            except IngestError as exc:
                self._set(exc.state, exc.reason)
                log.warning("camera_lost", camera=self.camera.id, state=exc.state, reason=str(exc))
            except Exception as exc:  # the supervisor: one camera's bug must not end its retries
                self._set(CameraState.NO_VIDEO, f"unexpected {type(exc).__name__}; see the log of the worker")
                log.exception("camera_failed", camera=self.camera.id)
            self.reconnects += 1
            self._stopping.wait(self._backoff.next_delay(self._clock.monotonic() - began))

    def _run_reader(self) -> None:
        reader = self._make_reader(self._set)
        with self._lock:
            self._reader = reader
        try:
            if not self._stopping.is_set():
                reader.run_once()
        finally:
            with self._lock:
                self._reader = None

    def _set(self, state: CameraState, reason: str) -> None:
        with self._lock:
            if state is CameraState.CONNECTING and self._status.state in _TROUBLE:
                return  # another try is no news: people want to know what is wrong, and since when
            changed = (state, reason) != (self._status.state, self._status.reason)
            if changed:
                since = self._clock.now() if state is not self._status.state else self._status.since
                self._status = CameraStatus(state=state, reason=reason, since=since)
        if changed:
            self._on_change()


def with_status(health: CameraHealth, status: CameraStatus) -> CameraHealth:
    """`health` with the state of `status`."""
    return replace(health, state=status.state, reason=status.reason, since=status.since)
