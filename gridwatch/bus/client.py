"""A client for integrators: the incidents of a site, each message once, over reconnects and restarts.

site = SitePath.parse("harbour/north")
with IncidentClient(address, name="duty-desk", site=site, memory=Path("duty-desk.db")) as client:
for incident in client:
handle(incident)

`CommandClient` asks for things, and waits for the answer.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import structlog

from gridwatch.bus.connection import BrokerAddress, LinkStatus
from gridwatch.bus.errors import BusError, MalformedMessage
from gridwatch.bus.requests import CommandClient, NoAnswer, Reply
from gridwatch.bus.subscriber import SESSION_SECONDS, Delivery, Subscriber
from gridwatch.bus.topics import Channel, subscriptions
from gridwatch.bus.wire import decode_incident
from gridwatch.domain import Clock, Incident, SitePath, SystemClock

__all__ = ["ClientStatus", "CommandClient", "IncidentClient", "MemoryUnusable", "NoAnswer", "Reply"]

log = structlog.get_logger(__name__)

_REMEMBERED: Final = 2 * SESSION_SECONDS
"""Seconds a handled message is remembered: the broker forgets it after half of that."""
_FORGET_EVERY: Final = 1000
"""Messages between two looks for what need not be remembered any more."""
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS handled (
    id BLOB NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID
"""


class MemoryUnusable(BusError):  # noqa: N818  (reads as what is wrong)
    """The file that remembers what was handled cannot be used; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientStatus:
    """How it is doing; counts are since it was opened."""

    link: LinkStatus
    handled: int
    repeats: int
    """Messages that came again after they were handled, and were not given out."""
    malformed: int
    """Messages that broke the contract, logged and left out."""
    waiting: int
    """Arrived and not handed out yet."""


class IncidentClient:
    """Incidents of a site and all below it. One thread uses it at a time; `close` and `status` are for any.

    The broker keeps what comes while the client is away, for SESSION_SECONDS. A message is acknowledged, and remembered
    as handled, when the next one is asked for: so if handling raises, or the process dies, it is given out again. Hence
    each message is handled once, but for one that was handled right before a crash. Messages of a camera come in
    order.
    """

    def __init__(
        self, address: BrokerAddress, name: str, site: SitePath, memory: Path, clock: Clock | None = None
    ) -> None:
        """`name` is its session at the broker: stable, and used by one process at a time."""
        self._memory_file = memory
        self._clock = clock or SystemClock()
        self._subscriber = Subscriber(
            address, name, subscriptions(site, Channel.INCIDENT), self._take, persistent=True, clock=self._clock
        )
        self._memory: sqlite3.Connection | None = None
        # Guards the memory and what follows; notified when something arrives and on closing.
        self._changed = threading.Condition()
        # By message, so that one given again by the broker replaces itself: bounded by the broker's RECEIVE_MAXIMUM.
        self._waiting: OrderedDict[tuple[UUID, int], tuple[Incident, Delivery]] = OrderedDict()
        self._handing: tuple[Incident, Delivery] | None = None
        self._closed = False
        self._handled = self._repeats = self._malformed = 0

    def open(self) -> None:
        """Start connecting in the background. Raises MemoryUnusable."""
        try:
            self._memory = sqlite3.connect(self._memory_file, isolation_level=None, check_same_thread=False)
            self._memory.execute("PRAGMA journal_mode = WAL")
            self._memory.execute(_TABLE)
        except sqlite3.Error as exc:
            raise MemoryUnusable(f"{self._memory_file} cannot remember what was handled: {exc}") from exc
        self._subscriber.start()

    def close(self, timeout: float = 5.0) -> None:
        """Leave the broker, which keeps what comes meanwhile. What was handed out last counts as not handled."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._subscriber.close(timeout)
        with self._changed:
            if self._memory is not None:
                self._memory.close()
                self._memory = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Incident]:
        """Messages as they come, until `close`."""
        while (incident := self.next()) is not None:
            yield incident

    def next(self, timeout: float | None = None) -> Incident | None:
        """The next message; the one before is done with. None after `timeout` seconds, or when closed.

        Raises MemoryUnusable.
        """
        self._done()
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._waiting, timeout) or self._closed:
                return None
            _, self._handing = self._waiting.popitem(last=False)
            return self._handing[0]

    @property
    def status(self) -> ClientStatus:
        """A snapshot."""
        with self._changed:
            return ClientStatus(
                link=self._subscriber.status, handled=self._handled, repeats=self._repeats,
                malformed=self._malformed, waiting=len(self._waiting),
            )  # fmt: skip

    def _done(self) -> None:
        """Remember what was handed out, on disk, and only then let the broker forget it."""
        with self._changed:
            if self._handing is None or self._memory is None:
                return
            incident, delivery = self._handing
            now = self._clock.now().timestamp()
            self._remember("INSERT OR IGNORE INTO handled VALUES (?, ?, ?)", incident.id.bytes, incident.seq, now)
            if self._handled % _FORGET_EVERY == 0:
                self._remember("DELETE FROM handled WHERE at < ?", now - _REMEMBERED)
            self._handing = None
            self._handled += 1
        delivery.ack()

    def _take(self, delivery: Delivery) -> None:
        """In the network's thread."""
        try:
            incident = decode_incident(delivery.topic, delivery.payload, delivery.content_type)
        except MalformedMessage as error:
            log.warning("malformed_message", topic=delivery.topic, reason=error.reason)
            with self._changed:
                self._malformed += 1
            delivery.ack()
            return
        key = (incident.id, incident.seq)
        with self._changed:
            if self._memory is None:
                return
            known = self._remember("SELECT 1 FROM handled WHERE id = ? AND seq = ?", incident.id.bytes, incident.seq)
            if known:
                self._repeats += 1
            elif self._handing is not None and (self._handing[0].id, self._handing[0].seq) == key:
                self._handing = (incident, delivery)
            else:
                self._waiting[key] = (incident, delivery)
                self._changed.notify_all()
        if known:
            delivery.ack()

    def _remember(self, statement: str, *values: bytes | float) -> bool:
        """Run a statement; True when it found a row. Raises MemoryUnusable."""
        assert self._memory is not None  # noqa: S101 - callers hold the lock and looked
        try:
            return self._memory.execute(statement, values).fetchone() is not None
        except sqlite3.Error as exc:
            raise MemoryUnusable(f"{self._memory_file} cannot remember what was handled: {exc}") from exc
