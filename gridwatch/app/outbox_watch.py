"""How the outbox itself is doing, as incidents and in the node's state; and what must be done with it now and then."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from gridwatch.app.sink import OUTBOX_RULES
from gridwatch.bus import OutboxError, OutboxState, OutboxStats
from gridwatch.config import CameraConfig
from gridwatch.domain import Clock, Incident, IncidentKind, Severity
from gridwatch.ingest.health_incident import raised

log = structlog.get_logger(__name__)

PERIOD: Final = 1.0
"""Seconds between two looks."""
EXPIRE_PERIOD: Final = 60.0
"""Seconds between two looks for what has become too old."""
FULL_RULE: Final = f"{OUTBOX_RULES}full"
UNWRITABLE_RULE: Final = f"{OUTBOX_RULES}unwritable"
DAMAGED_RULE: Final = f"{OUTBOX_RULES}damaged"


class WatchedOutbox(Protocol):
    """What is asked of an outbox."""

    def stats(self) -> OutboxStats:
        """How full it is. Raises OutboxError."""

    def expire(self) -> int:
        """Give up what is too old. Raises OutboxError."""


class HoldsIncidents(Protocol):
    """Who keeps what the outbox does not take."""

    @property
    def held(self) -> int:
        """Messages that could not be put on disk yet."""

    def retry(self) -> None:
        """Try again."""

    def put(self, camera: str, incidents: Sequence[Incident]) -> None:
        """Take incidents."""


class OutboxJudge:
    """What is to be said of an outbox. No clock and no I/O of its own; not thread-safe.

    The incidents are of the worker's first camera, as the contract wants one; `count` is how many messages were lost.
    """

    def __init__(self, camera: CameraConfig, max_age: timedelta, still_open: Sequence[Incident] = ()) -> None:
        """`still_open`: what an earlier run left open."""
        self._camera = camera
        self._max_age = max_age.total_seconds()
        self._open = {one.rule: one for one in still_open if one.rule in (FULL_RULE, UNWRITABLE_RULE)}
        self._damaged = 0

    def step(self, stats: OutboxStats | None, held: int, at: datetime) -> tuple[Incident, ...]:
        """What is to be said now. `stats`: None when it cannot even be asked; `held`: messages it does not take."""
        said = self._turn(UNWRITABLE_RULE, stats is None or held > 0, held, at)
        if stats is None:
            return said
        if stats.damaged > self._damaged:
            told = self._raise(DAMAGED_RULE, stats.damaged - self._damaged, at)
            self._damaged = stats.damaged
            said += (told, told.cleared(at))  # it has mended itself, so there is nothing that lasts
        is_full = stats.is_full or stats.oldest_age > self._max_age
        return said + self._turn(FULL_RULE, is_full, stats.lost, at)

    def state(self) -> OutboxState:
        """The worst that is open."""
        if UNWRITABLE_RULE in self._open:
            return OutboxState.UNWRITABLE
        return OutboxState.FULL if FULL_RULE in self._open else OutboxState.OK

    def _turn(self, rule: str, is_wrong: bool, count: int, at: datetime) -> tuple[Incident, ...]:
        if is_wrong is (rule in self._open):
            return ()
        if is_wrong:
            self._open[rule] = self._raise(rule, count, at)
            return (self._open[rule],)
        return (self._open.pop(rule).cleared(at),)

    def _raise(self, rule: str, count: int, at: datetime) -> Incident:
        return raised(self._camera, IncidentKind.DEVICE_ALARM, rule, Severity.CRITICAL, at, at, max(1, count))


class OutboxWatch:
    """Looks at the outbox each PERIOD, and retries what it did not take. Owns a thread named `outbox-watch`."""

    def __init__(
        self,
        outbox: WatchedOutbox,
        sink: HoldsIncidents,
        judge: OutboxJudge,
        camera: str,
        tell: Callable[[OutboxState, int], None],
        clock: Clock,
    ) -> None:
        """`camera`: whose incidents these are; `tell(state, lost)` is for the node's state."""
        self._outbox = outbox
        self._sink = sink
        self._judge = judge
        self._camera = camera
        self._tell = tell
        self._clock = clock
        self._lost = 0
        self._expired_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox-watch", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Look no more, and join."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def look(self) -> None:
        """One look: what the thread does again and again."""
        self._sink.retry()
        stats = None
        try:
            self._expire()
            stats = self._outbox.stats()
            self._lost = stats.lost
        except OutboxError as error:
            log.error("outbox_unusable", reason=str(error))
        said = self._judge.step(stats, self._sink.held, self._clock.now())
        for incident in said:
            log.critical("outbox_incident", rule=incident.rule, phase=incident.phase, count=incident.count)
        self._sink.put(self._camera, said)
        self._tell(self._judge.state(), self._lost)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        if self._expired_at is None or now - self._expired_at >= EXPIRE_PERIOD:
            self._expired_at = now
            self._outbox.expire()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD):
            self.look()
