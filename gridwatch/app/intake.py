"""What arrives from other systems, read, told and put into the outbox, one message at a time."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from gridwatch.bus import OnvifMirror, Outbox, OutboxState, encode_incident
from gridwatch.config import Deployment
from gridwatch.domain import Clock, Incident
from gridwatch.sources import Adapter, Arrived, Reading, SourceMemory, SourceTally, Teller, Unread, adapter_for

log = structlog.get_logger(__name__)

EXPIRE_PERIOD = 60.0
"""Seconds between two looks for what has become too old."""


class SourceFigures(Collector):
    """What sources did, as Prometheus has it. Read when it is asked for."""

    def __init__(self, tallies: Mapping[str, SourceTally]) -> None:
        self._tallies = tallies

    def collect(self) -> Iterable[Metric]:
        """One family; `outcome` is what `SourceTally` counts, and why a message said nothing."""
        family = CounterMetricFamily(
            "gridwatch_source", "What other systems told, by what became of it.", labels=("source", "outcome")
        )
        for source, tally in self._tallies.items():
            for outcome, number in tally.as_log().items():
                family.add_metric((source, outcome), number)
        yield family


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of a message."""

    incidents: tuple[Incident, ...]
    """On disk. None when it told nothing new."""
    unread: Unread | None
    reason: str
    repeated: bool = False
    """It was taken in before."""


class Intake:
    """Reads and tells what sources send. Thread-safe: one message at a time.

    Raises OutboxError and SourceMemoryError with the message not taken: it may be taken again, and is told once.
    """

    def __init__(self, deployment: Deployment, outbox: Outbox, memory: SourceMemory, clock: Clock) -> None:
        """`outbox` and `memory` are open."""
        self._outbox = outbox
        self._clock = clock
        still_open = outbox.open_incidents()
        mirrored = deployment.services.broker.onvif_mirror
        self._mirror = OnvifMirror.resumed(one.latest for one in still_open) if mirrored else None
        self._adapters: dict[str, Adapter] = {one.id: adapter_for(one, deployment) for one in deployment.sources}
        self._teller = Teller(deployment.sources, memory, self._put, clock, still_open)
        self._lock = threading.Lock()
        self._expired_at = clock.monotonic()
        self._complaints: set[tuple[str, str]] = set()

    @property
    def tallies(self) -> Mapping[str, SourceTally]:
        """By source id."""
        return self._teller.tallies

    def take(self, source: str, arrived: Arrived) -> Taken:
        """One message of a source."""
        with self._lock:
            return self._take(source, arrived)

    def take_report(self, source: str, body: bytes, key: str | None) -> Taken:
        """One report that may be sent again under the same `key` until it is answered."""
        now = self._clock.now()
        with self._lock:
            if key is None:
                return self._take(source, Arrived(topic="", payload=body, received_at=now))
            arrived_at, is_known = self._teller.arrival(source, key, now)
            if is_known:
                return Taken(incidents=(), unread=None, reason="", repeated=True)
            taken = self._take(source, Arrived(topic="", payload=body, received_at=arrived_at))
            if taken.unread is None:
                self._teller.taken(source, key)
            return taken

    def tick(self) -> None:
        """End what was not heard of for too long, and give up what is too old to be sent. Call every second or so."""
        with self._lock:
            self._teller.tick()
        now = self._clock.monotonic()
        if now - self._expired_at >= EXPIRE_PERIOD:
            self._expired_at = now
            self._outbox.expire()

    def outbox_state(self) -> tuple[OutboxState, int]:
        """How the outbox is doing, and how many messages it gave up."""
        stats = self._outbox.stats()
        return OutboxState.FULL if stats.is_full else OutboxState.OK, stats.lost

    def log_counts(self) -> None:
        """What each source did so far."""
        for name, tally in self.tallies.items():
            log.info("source_counts", source=name, **tally.as_log())

    def _take(self, source: str, arrived: Arrived) -> Taken:
        reading = self._adapters[source].read(arrived)
        incidents = self._teller.take(source, reading)
        self._complain(source, reading)
        return Taken(incidents=incidents, unread=reading.unread, reason=reading.reason)

    def _complain(self, source: str, reading: Reading) -> None:
        """Once of each kind: the rest is counted. Never a word of the message itself."""
        if reading.unread not in (None, Unread.UNKNOWN) and (source, reading.reason) not in self._complaints:
            self._complaints.add((source, reading.reason))
            log.warning("source_message_unread", source=source, why=str(reading.unread), reason=reading.reason)
        if reading.identities and (source, "") not in self._complaints:
            self._complaints.add((source, ""))
            log.warning(
                "source_identities_dropped", source=source, fields=reading.identities,
                remedy="switch recognition of faces and plates off at the source",
            )  # fmt: skip

    def _put(self, incidents: Sequence[Incident]) -> None:
        messages = [encode_incident(one) for one in incidents]
        mirror, mirrored = (None, ()) if self._mirror is None else self._mirror.tell(incidents)
        self._outbox.append([*messages, *mirrored], incidents)
        self._mirror = mirror
