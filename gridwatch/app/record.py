"""The record role: messages from the broker to the database, acknowledged only after the commit."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.app.opening import make_database, open_database, pause
from gridwatch.bus import (
    BrokerAddress,
    CameraStateTopic,
    Channel,
    ClipTopic,
    Delivery,
    EvidenceTopic,
    IncidentTopic,
    KeptClip,
    LinkState,
    MalformedMessage,
    ReceivedEvidence,
    Subscriber,
    decode_clip,
    decode_evidence,
    decode_health,
    decode_incident,
    parse_topic,
    subscriptions,
)
from gridwatch.cases import CaseLinker
from gridwatch.config import Settings
from gridwatch.domain import CameraHealth, CameraRecord, Clock, GridwatchError, Incident, SitePath
from gridwatch.store import Database, StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

BATCH = 200
"""Messages in one transaction at most."""
QUEUE = 1000
"""Deliveries waiting at most. The broker keeps 200 outstanding; more wait only after reconnects in a long outage."""
RETRY_CAP = 10.0
"""Longest wait in seconds before a batch is tried again while the database is away."""


RECORDER = "recorder"
"""The usual name of a recorder; its session at the broker goes by it."""


class SessionRefused(GridwatchError):  # noqa: N818  (reads as what happened)
    """The broker does not let the recorder in, or not subscribe."""


class Overloaded(Exception):  # noqa: N818  (names what is wrong)
    """Too much waits; the subscriber renews its connection and the broker gives the message again."""


@dataclass(kw_only=True, slots=True)
class RecorderCounts:
    """What a recorder has done since it was made."""

    stored: int = 0
    """New incident messages."""
    duplicates: int = 0
    pictures: int = 0
    clips: int = 0
    """Told of; they stay with their workers."""
    filed: int = 0
    """Cases opened."""
    joined: int = 0
    """Incidents that joined an open case."""
    quarantined: int = 0
    """Messages set aside because they could not be read or stored."""


@dataclass(kw_only=True, slots=True)
class _Batch:
    """Deliveries told apart."""

    incidents: list[Incident] = field(default_factory=list)
    pictures: list[ReceivedEvidence] = field(default_factory=list)
    clips: list[KeptClip] = field(default_factory=list)
    health: dict[str, CameraHealth] = field(default_factory=dict)
    bad: list[tuple[Delivery, str]] = field(default_factory=list)


class Recorder:
    """Writes deliveries to the database. Knows nothing of how they came. For one event loop."""

    def __init__(self, database: Database, linker: CaseLinker) -> None:
        self._database = database
        self._linker = linker
        self.counts = RecorderCounts()

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Commit them, then acknowledge them. Raises StoreUnavailable with nothing acknowledged: try again later.

        What the database refuses is found by trying its messages one by one, and set aside.
        """
        try:
            await self._record(_tell_apart(deliveries))
        except StoreUnavailable:
            raise
        except StoreError as error:
            if len(deliveries) > 1:
                for delivery in deliveries:
                    await self.record([delivery])
                return
            await self._set_aside(deliveries[0], str(error))
        for delivery in deliveries:
            delivery.ack()

    async def _record(self, batch: _Batch) -> None:
        for delivery, reason in batch.bad:
            await self._set_aside(delivery, reason)
        for picture in batch.pictures:
            await self._database.store_evidence(picture.incident, picture.sha256, picture.jpeg)
        if batch.incidents:
            async with self._database.recording() as recording:
                new = await recording.add_messages(batch.incidents)
                links = await self._linker.link(new, recording)
            self.counts.stored += len(new)
            self.counts.duplicates += len(batch.incidents) - len(new)
            self.counts.filed += links.filed
            self.counts.joined += links.joined
        for clip in batch.clips:
            await self._database.store_clip(clip.incident, clip.evidence)
        for health in batch.health.values():
            await self._database.save_health(health)
        self.counts.pictures += len(batch.pictures)
        self.counts.clips += len(batch.clips)

    async def _set_aside(self, delivery: Delivery, reason: str) -> None:
        await self._database.quarantine(delivery.topic, delivery.payload, reason)
        self.counts.quarantined += 1


def _tell_apart(deliveries: Sequence[Delivery]) -> _Batch:
    """Decode each; what cannot be read is kept with the reason."""
    batch = _Batch()
    for one in deliveries:
        try:
            topic = parse_topic(one.topic)
            if isinstance(topic, IncidentTopic):
                batch.incidents.append(decode_incident(one.topic, one.payload, one.content_type))
            elif isinstance(topic, EvidenceTopic):
                batch.pictures.append(decode_evidence(one.topic, one.payload))
            elif isinstance(topic, ClipTopic):
                batch.clips.append(decode_clip(one.topic, one.payload))
            elif isinstance(topic, CameraStateTopic):
                health = decode_health(one.topic, one.payload)
                batch.health[health.camera] = health
        except MalformedMessage as error:
            batch.bad.append((one, error.reason))
    return batch


def _subscriber(settings: Settings, name: str, deliver: Callable[[Delivery], None], clock: Clock) -> Subscriber:
    district = SitePath(district=settings.deployment.district.id)
    return Subscriber(
        BrokerAddress.from_config(settings.deployment.services.broker), client_id=f"gridwatch-{name}",
        filters=subscriptions(district, Channel.INCIDENT, Channel.EVIDENCE, Channel.CLIP, Channel.STATE),
        deliver=deliver, persistent=True, clock=clock,
    )  # fmt: skip


def ensure_session(settings: Settings, clock: Clock, stop: threading.Event, name: str = RECORDER) -> None:
    """Make the recorder's session at the broker, so that what is published before it first runs waits for it.

    A broker keeps nothing for a client it has never seen. Waits for a broker that is away; returns when `stop` is set.
    Call while the recorder does not run. Raises SessionRefused.
    """

    def leave(delivery: Delivery) -> None:
        """Not acknowledged: the broker gives it to the recorder."""

    subscriber = _subscriber(settings, name, leave, clock)
    subscriber.start()
    try:
        while subscriber.status.state is not LinkState.CONNECTED and not stop.wait(0.02):
            if subscriber.status.state is LinkState.REFUSED:
                raise SessionRefused(f"the recorder cannot subscribe: {subscriber.status.reason}")
    finally:
        subscriber.close(2.0)


class RecordRole:
    """Owns the subscription, the queue and the database of a recorder. Lives in one event loop."""

    def __init__(self, settings: Settings, name: str, clock: Clock) -> None:
        services = settings.deployment.services
        self._settings = settings
        self._clock = clock
        self._database = make_database(settings, clock)
        categories = [one.to_domain() for one in settings.deployment.cases.categories]
        self.recorder = Recorder(self._database, CaseLinker(categories, self._database, clock))
        self._address = BrokerAddress.from_config(services.broker)
        self._name = name
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue(QUEUE)
        self._subscriber: Subscriber | None = None

    @property
    def subscribed(self) -> bool:
        """True while the broker delivers to it."""
        return self._subscriber is not None and self._subscriber.status.state is LinkState.CONNECTED

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set. Waits for a database that is away. Raises StoreError when it refuses us."""
        if not await open_database(self._database, self._settings.deployment.services.data_dir, self._clock, stop):
            return
        try:
            await self._sync_directory()
            self._subscriber = subscriber = self._make_subscriber(asyncio.get_running_loop())
            subscriber.start()
            log.info("recorder_started", broker=str(self._address))
            try:
                await self._record_until(stop)
            finally:
                await asyncio.to_thread(subscriber.close, 2.0)
        finally:
            await self._database.close()
            log.info("recorder_stopped", **asdict(self.recorder.counts))

    async def _sync_directory(self) -> None:
        cameras = [
            CameraRecord(id=one.id, name=one.name or one.id, site=one.site_path, position=one.place, health=None)
            for one in self._settings.deployment.cameras
        ]
        units = [one.to_domain() for one in self._settings.deployment.units]
        await self._database.sync_directory(self._settings.sites, cameras, self._settings.grids, units)

    def _make_subscriber(self, loop: asyncio.AbstractEventLoop) -> Subscriber:
        def deliver(delivery: Delivery) -> None:
            if self._queue.qsize() >= QUEUE // 2:  # half: what the loop has not yet taken from this thread counts too
                raise Overloaded(f"{self._queue.qsize()} deliveries wait for the database")
            loop.call_soon_threadsafe(self._queue.put_nowait, delivery)

        return _subscriber(self._settings, self._name, deliver, self._clock)

    async def _record_until(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait(), name="record-stop")
        try:
            while not stop.is_set():
                getting = asyncio.create_task(self._queue.get(), name="record-next")
                await asyncio.wait({getting, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    return
                batch = [getting.result()]
                while len(batch) < BATCH and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                await self._record_with_patience(batch, stop)
        finally:
            stopped.cancel()

    async def _record_with_patience(self, batch: Sequence[Delivery], stop: asyncio.Event) -> None:
        """Try until it is in; what is not when we stop was not acknowledged, so the broker gives it again."""
        backoff = Backoff(cap=RETRY_CAP)
        while not stop.is_set():
            try:
                await self.recorder.record(batch)
            except StoreUnavailable as error:
                delay = backoff.next_delay(ran_for=0.0)
                log.warning("database_away", messages=len(batch), retry_in_seconds=round(delay, 1), reason=str(error))
                await pause(stop, delay)
            else:
                return
