"""An MQTT subscriber and a live-stream client of the demo's own: what they saw is compared with the database."""

import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx
import structlog

from gridwatch.api.views import StreamView
from gridwatch.bus import (
    BrokerAddress,
    Channel,
    Delivery,
    LinkState,
    MalformedMessage,
    Subscriber,
    decode_incident,
    subscriptions,
)
from gridwatch.domain import Clock, Incident, Phase, SitePath

log = structlog.get_logger(__name__)

KEPT = 100_000
"""Latencies kept at most; a demo of a day stays small."""

MessageId = tuple[UUID, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """From a frame's capture to its message, in milliseconds."""

    count: int
    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency | None":
        """None when nothing was measured."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return cls(count=len(ordered), p50=1000 * statistics.median(ordered), p95=1000 * p95)

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms of {self.count}"


class Seen:
    """Which messages came, and how late. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[MessageId] = set()
        self._latencies: list[float] = []

    def add(self, message: MessageId, latency: float | None) -> None:
        """Note one message; `latency` in seconds, None for one that says nothing about it."""
        with self._lock:
            self._ids.add(message)
            if latency is not None and len(self._latencies) < KEPT:
                self._latencies.append(latency)

    @property
    def ids(self) -> set[MessageId]:
        """(incident id, seq) of every message that came."""
        with self._lock:
            return set(self._ids)

    @property
    def latency(self) -> Latency | None:
        """From a frame's capture to its message."""
        with self._lock:
            return Latency.of(self._latencies)


class BusObserver:
    """Subscribes as a substation would, and keeps which messages came and how late. Thread-safe."""

    def __init__(self, address: BrokerAddress, district: SitePath, clock: Clock) -> None:
        self.seen = Seen()
        self._subscriber = Subscriber(
            address, client_id="gridwatch-demo-observer", filters=subscriptions(district, Channel.INCIDENT),
            deliver=self._take, persistent=False, clock=clock,
        )  # fmt: skip

    def start(self) -> None:
        """Start subscribing."""
        self._subscriber.start()

    @property
    def connected(self) -> bool:
        """True once the broker has granted the subscription."""
        return self._subscriber.status.state is LinkState.CONNECTED

    def close(self, timeout: float) -> None:
        """Disconnect."""
        self._subscriber.close(timeout)

    def _take(self, delivery: Delivery) -> None:
        try:
            incident = decode_incident(delivery.topic, delivery.payload, delivery.content_type)
        except MalformedMessage as error:
            log.error("observer_cannot_read", topic=delivery.topic, reason=error.reason)
            return
        self.seen.add((incident.id, incident.seq), _latency(incident, delivery.received_at))


def _latency(incident: Incident, received_at: datetime) -> float | None:
    """Seconds since capture; None for `cleared`, which may speak of a frame long gone (a camera that stopped)."""
    return None if incident.phase is Phase.CLEARED else (received_at - incident.observed_at).total_seconds()


class StreamObserver:
    """Follows the live stream as an operator's page would, resuming with Last-Event-ID. Owns a thread."""

    def __init__(self, base_url: str, token: str, cursor: int, clock: Clock) -> None:
        """`cursor` is the newest message that is not wanted any more."""
        self._client = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(5.0, read=1.0)
        )
        self._clock = clock
        self.seen = Seen()
        self._cursor = str(cursor)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-stream", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Stop and join."""
        self._stopping.set()
        self._thread.join(timeout)
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except httpx.ReadTimeout:
                continue  # silence; look whether we should stop, and resume where we were
            except httpx.HTTPError as error:
                log.warning("stream_lost", reason=repr(error))
                self._stopping.wait(0.5)

    def _follow(self) -> None:
        headers = {"Last-Event-ID": self._cursor}
        with self._client.stream("GET", "/v1/events/stream", headers=headers) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith("data:"):
                    self._take(line.removeprefix("data:"))
                if self._stopping.is_set():
                    return

    def _take(self, data: str) -> None:
        message = StreamView.model_validate_json(data)
        incident = message.incident
        late = (self._clock.now() - incident.observed_at).total_seconds()
        self.seen.add((incident.id, incident.seq), None if incident.phase is Phase.CLEARED else late)
        self._cursor = str(message.cursor)
