"""The adapt role: other systems' events to incidents on the broker."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import CollectorRegistry

from gridwatch.api import ApiServer
from gridwatch.api.webhooks import CannotKeep, Door, Receipt, create_webhook_app
from gridwatch.app.backoff import Backoff
from gridwatch.app.intake import Intake, SourceFigures
from gridwatch.app.locks import hold_lock
from gridwatch.app.opening import pause
from gridwatch.app.shutdown import ShutdownStack
from gridwatch.bus import BrokerAddress, Delivery, Outbox, OutboxError, OutboxState, Publisher, Subscriber
from gridwatch.config import Deployment
from gridwatch.config.sources import MqttSourceBase, WebhookSource
from gridwatch.domain import Clock, SitePath, UsageError
from gridwatch.sources import Arrived, SourceMemory, SourceMemoryError, SourceTally, Unread, topic_filters

log = structlog.get_logger(__name__)

ADAPTER = "adapt"
"""The usual name of the node; outbox, memory and sessions go by it."""
WAITING = 500
"""Messages of each source that may wait; beyond, its connection is renewed and the broker gives them again."""
TICK_SECONDS = 1.0
REPORT_SECONDS = 300.0
"""Counters are logged this often, when they have changed."""
RETRY_CAP = 10.0


class Overloaded(Exception):  # noqa: N818  (names what is wrong)
    """Too much waits; the subscriber renews its connection and the broker gives the message again."""


class AdaptRole:
    """Owns the outbox, the sessions and the door for webhooks of a deployment's sources. Lives in one event loop.

    A message is acknowledged, or a report answered, when its incident is on disk.
    """

    def __init__(self, deployment: Deployment, node: str, clock: Clock) -> None:
        """Raises UsageError when there is no source."""
        if not deployment.sources:
            raise UsageError("the deployment has no sources; describe other systems under `sources`")
        self._deployment = deployment
        self._node = node
        self._clock = clock
        self._stack = ShutdownStack(clock)
        self._most = WAITING * len(deployment.sources)
        # Twice: what the loop has not yet taken from the network's threads counts too.
        self._queue: asyncio.Queue[tuple[str, Delivery]] = asyncio.Queue(2 * self._most)
        self.port: int | None = None
        """Where webhooks are listened for; None before, and without any."""
        self.tallies: Mapping[str, SourceTally] = {}
        """By source id, once it runs."""

    async def run(self, stop: asyncio.Event) -> None:
        """Adapt until `stop` is set. Raises UsageError, OutboxError or SourceMemoryError when it cannot begin."""
        try:
            intake, publisher = await asyncio.to_thread(self._open)
            self.tallies = intake.tallies
            server = await self._listen(intake, publisher)
            self._subscribe(asyncio.get_running_loop())
            log.info("adapt_started", node=self._node, sources=[one.id for one in self._deployment.sources])
            tasks = [
                asyncio.create_task(self._consume(intake, publisher, stop), name="adapt-consume"),
                asyncio.create_task(self._tick(intake, publisher), name="adapt-tick"),
            ]
            await _until(stop, *tasks)
            if server is not None:
                await server.close(timeout=2.0)
            intake.log_counts()
        finally:
            await asyncio.to_thread(self._stack.close)
            log.info("adapt_stopped", node=self._node)

    def _open(self) -> tuple[Intake, Publisher]:
        services = self._deployment.services
        address = BrokerAddress.from_config(services.broker)
        services.data_dir.mkdir(parents=True, exist_ok=True)
        lock = hold_lock(services.data_dir / f"{self._node}.lock", f"another adapt runs as {self._node!r}")
        self._stack.push("lock", lambda _: lock.close(), timeout=1.0)
        limits = services.outbox
        outbox = Outbox(services.data_dir / f"{self._node}.outbox", limits.max_bytes, self._clock, limits.max_age)
        outbox.open()
        self._stack.push("outbox", lambda _: outbox.close(), timeout=1.0)
        memory = SourceMemory(services.data_dir / f"{self._node}.sources")
        memory.open()
        self._stack.push("memory", lambda _: memory.close(), timeout=1.0)
        district = SitePath(district=self._deployment.district.id)
        publisher = Publisher(
            outbox, address, f"gridwatch-{self._node}", self._node, district, self._clock, drain_rate=limits.drain_rate
        )
        publisher.start()
        self._stack.push("publisher", publisher.close, timeout=3.0)
        return Intake(self._deployment, outbox, memory, self._clock), publisher

    async def _listen(self, intake: Intake, publisher: Publisher) -> ApiServer | None:
        hooks = [one for one in self._deployment.sources if isinstance(one, WebhookSource)]
        if not hooks:
            return None

        async def take(source: str, body: bytes, key: str | None) -> Receipt:
            try:
                taken = await asyncio.to_thread(intake.take_report, source, body, key)
            except (OutboxError, SourceMemoryError) as error:
                log.error("report_not_kept", source=source, reason=str(error))
                raise CannotKeep from error
            publisher.wake()
            refused = taken.unread not in (None, Unread.UNKNOWN)
            return Receipt(
                incidents=tuple((one.id, one.seq, one.phase) for one in taken.incidents), repeated=taken.repeated,
                refused=taken.reason if refused else None,
            )  # fmt: skip

        place = self._deployment.services.webhooks
        registry = CollectorRegistry()
        registry.register(SourceFigures(intake.tallies))
        app = create_webhook_app([_door(one) for one in hooks], take, self._clock, registry)
        server = ApiServer(app, place.host, place.port)
        await server.start()
        self.port = server.port
        return server

    def _subscribe(self, loop: asyncio.AbstractEventLoop) -> None:
        for source in self._deployment.sources:
            if not isinstance(source, MqttSourceBase):
                continue
            subscriber = Subscriber(
                BrokerAddress.from_config(source.broker or self._deployment.services.broker),
                f"gridwatch-{self._node}-{source.id}", topic_filters(source), self._taker(source, loop),
                persistent=True, clock=self._clock,
            )  # fmt: skip
            subscriber.start()
            self._stack.push(f"source {source.id}", subscriber.close, timeout=2.0)

    def _taker(self, source: MqttSourceBase, loop: asyncio.AbstractEventLoop) -> Callable[[Delivery], None]:
        def deliver(delivery: Delivery) -> None:
            if self._queue.qsize() >= self._most:
                raise Overloaded(f"{self._queue.qsize()} messages wait for the outbox")
            loop.call_soon_threadsafe(self._queue.put_nowait, (source.id, delivery))

        return deliver

    async def _consume(self, intake: Intake, publisher: Publisher, stop: asyncio.Event) -> None:
        """In order of arrival; what the disk does not take is tried again, and meanwhile the brokers keep the rest."""
        backoff = Backoff(cap=RETRY_CAP)
        while True:
            source, delivery = await self._queue.get()
            arrived = Arrived(
                topic=delivery.topic, payload=delivery.payload, received_at=delivery.received_at,
                stored=delivery.retained,
            )  # fmt: skip
            while not stop.is_set():
                try:
                    taken = await asyncio.to_thread(intake.take, source, arrived)
                except (OutboxError, SourceMemoryError) as error:
                    delay = backoff.next_delay(ran_for=0.0)
                    log.error("source_message_waits", source=source, retry_in_seconds=delay, reason=str(error))
                    await pause(stop, delay)
                else:
                    delivery.ack()
                    if taken.incidents:
                        publisher.wake()
                    break

    async def _tick(self, intake: Intake, publisher: Publisher) -> None:
        lost, reported, due = 0, "", self._clock.monotonic() + REPORT_SECONDS
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await asyncio.to_thread(intake.tick)
                state, lost = await asyncio.to_thread(intake.outbox_state)
            except (OutboxError, SourceMemoryError) as error:
                log.error("sources_not_ended", reason=str(error))
                state = OutboxState.UNWRITABLE
            publisher.put_outbox(state, lost)
            publisher.wake()
            if self._clock.monotonic() >= due:
                due = self._clock.monotonic() + REPORT_SECONDS
                counts = repr(intake.tallies)
                if counts != reported:
                    reported = counts
                    intake.log_counts()


def _door(source: WebhookSource) -> Door:
    secret = source.token or source.hmac_key
    assert secret is not None  # noqa: S101 - held by the configuration
    return Door(
        source=source.id, secret=secret.get_secret_value().encode(), signs=source.hmac_key is not None,
        per_minute=source.requests_per_minute,
    )  # fmt: skip


async def _until(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Until `stop` is set, or one of `tasks`, which never end by themselves, raises; then none of them runs."""
    stopped = asyncio.create_task(stop.wait(), name="adapt-stop")
    try:
        await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopped, *tasks):
            task.cancel()
        results = await asyncio.gather(stopped, *tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
