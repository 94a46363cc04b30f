"""The record role: messages from the broker to the database, acknowledged only after the commit."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.app.batches import Batches, Inbox
from gridwatch.app.chores import Chores
from gridwatch.app.commands.clerk import ClerkDesk
from gridwatch.app.integrity import IntegrityJob
from gridwatch.app.opening import make_database, open_database, pause
from gridwatch.app.recorder import Recorder
from gridwatch.app.retention import RetentionJob
from gridwatch.app.upkeep import UpkeepJob
from gridwatch.bus import RECEIVE_MAXIMUM, BrokerAddress, Channel, Delivery, LinkState, Subscriber, subscriptions
from gridwatch.cases import CaseLinker
from gridwatch.config import Settings
from gridwatch.domain import CameraRecord, Clock, GridwatchError, SitePath
from gridwatch.store import StoreUnavailable

log = structlog.get_logger(__name__)

BATCH = RECEIVE_MAXIMUM
"""Messages in one transaction at most: as many as a broker gives before the first is acknowledged."""
LINGER = 0.02
"""Seconds a batch stays open for more once messages come faster than one by one."""
QUEUE = 1000
"""Different messages waiting at most."""
PATIENCE = 5.0
"""Seconds the network waits for room. Less than a broker's patience with a client that says nothing."""
GRIDS_SECONDS = 30.0
"""How often it is asked whether grids were imported."""
RETRY_CAP = 10.0
"""Longest wait in seconds before a batch is tried again while the database is away."""


RECORDER = "recorder"
"""The usual name of a recorder; its session at the broker goes by it."""


RECORDED = (Channel.INCIDENT, Channel.EVIDENCE, Channel.CLIP, Channel.OBSERVATION, Channel.STATE)
"""What is kept in the database."""


class SessionRefused(GridwatchError):  # noqa: N818  (reads as what happened)
    """The broker does not let the recorder in, or not subscribe."""


def _subscriber(settings: Settings, name: str, deliver: Callable[[Delivery], None], clock: Clock) -> Subscriber:
    district = SitePath(district=settings.deployment.district.id)
    return Subscriber(
        BrokerAddress.from_config(settings.deployment.services.broker), client_id=f"gridwatch-{name}",
        filters=subscriptions(district, *RECORDED),
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
        deployment = settings.deployment
        policies = deployment.retention.policies(deployment.district.id)
        self._retention = RetentionJob(self._database.retention, policies, clock)
        self._integrity = IntegrityJob(self._database.integrity, clock)
        self._upkeep = UpkeepJob(self._database.statistics, self._database.observations, clock)
        self.chores = Chores()
        self._address = BrokerAddress.from_config(services.broker)
        self._name = name
        self._subscriber: Subscriber | None = None
        self.commands = ClerkDesk(settings, self._database.commands, name, clock)

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
            inbox = Inbox(QUEUE, asyncio.get_running_loop())
            self._subscriber = subscriber = _subscriber(
                self._settings, self._name, lambda one: inbox.put(one, PATIENCE), self._clock
            )
            subscriber.start()
            log.info("recorder_started", broker=str(self._address))
            beside = [
                asyncio.create_task(work, name=f"record-{name}") for name, work in self._beside(stop).items()
            ]  # fmt: skip
            try:
                async with self.commands.open():
                    await self._record_until(inbox, stop)
            finally:
                stop.set()
                inbox.close()
                await asyncio.to_thread(subscriber.close, 2.0)
                await asyncio.gather(*beside)
        finally:
            await self._database.close()
            log.info("recorder_stopped", **asdict(self.recorder.counts), chores_failed=dict(self.chores.failed))

    async def _sync_directory(self) -> None:
        cameras = [
            CameraRecord(id=one.id, name=one.name or one.id, site=one.site_path, position=one.place, health=None)
            for one in self._settings.deployment.cameras
        ]
        units = [one.to_domain() for one in self._settings.deployment.units]
        # Without `grids` in the YAML they are those that were imported.
        grids = None if self._settings.deployment.grids is None else self._settings.grids
        await self._database.sync_directory(self._settings.sites, cameras, grids, units)

    def _beside(self, stop: asyncio.Event) -> dict[str, Coroutine[None, None, None]]:
        return {
            "retention": self._retention.run(stop, self.chores),
            "integrity": self._integrity.run(stop, self.chores),
            "upkeep": self._upkeep.run(stop, self.chores),
            "grids": self.chores.repeat("grids", self._follow_grids, GRIDS_SECONDS, stop),
        }

    async def _follow_grids(self) -> None:
        """Take up grids that were imported meanwhile."""
        if await self._database.directory.follow_grids():
            log.info("grids_read_again")

    async def _record_until(self, inbox: Inbox, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait(), name="record-stop")
        batches = Batches(inbox, size=BATCH, linger=LINGER)
        try:
            while not stop.is_set():
                getting = asyncio.create_task(batches.next(), name="record-next")
                await asyncio.wait({getting, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()  # what it holds was not acknowledged
                    return
                await self._record_with_patience(getting.result(), stop)
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
