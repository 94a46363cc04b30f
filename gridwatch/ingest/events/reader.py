"""The owner of one camera's event subscription: makes it, pulls, keeps it alive, and says why it ended."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Protocol

import structlog

from gridwatch.config.model import CameraConfig, OnvifSource
from gridwatch.domain import Clock, PositionFix
from gridwatch.ingest.errors import CameraUnreachable, IngestError, NoVideo
from gridwatch.ingest.events.model import DeviceEvent, EventTally
from gridwatch.ingest.events.pullpoint import LIFETIME_SECONDS, PullPoint, SubscriptionLost, Tap, duration
from gridwatch.ingest.onvif import Device
from gridwatch.ingest.onvif_client import DEVICE, EVENTS, PULL_POINT, SUBSCRIPTION, OnvifClient

log = structlog.get_logger(__name__)

PULL_SECONDS, MODEST_PULL_SECONDS = 60.0, 10.0
"""How long a pull waits for news; the second for cameras whose pulls keep failing at the first."""
PULL_MESSAGES, MODEST_PULL_MESSAGES = 100, 10
"""Messages in one answer."""
MODEST_AFTER = 2
"""Failures in a row. Some cameras cut a pull that waits, others refuse one that asks for more than they allow."""
MESSAGES_A_SECOND = 50.0
"""The next pull waits until this rate is kept; the camera's own queue is the bound then."""
IDLE_PAUSE_SECONDS = 1.0
"""Between pulls of a camera that answers at once although it has no news."""
_SAME_OFFSET_SECONDS = 1.5
"""Two measurements of an unchanged clock offset differ by less: each knows half a second."""


class NoEventService(IngestError):  # noqa: N818 - named like its siblings
    """The camera has no event service."""


class NoPullPoint(IngestError):  # noqa: N818 - named like its siblings
    """It has one, but makes no pull point, now or ever."""


class TakesEvents(Protocol):
    """Who gets the events of one camera. Nothing is pulled while it takes them."""

    async def subscribed(self) -> None:
        """A new subscription begins; the state of what lasts follows as Initialized."""

    async def take(self, events: Sequence[DeviceEvent]) -> None:
        """The events of one answer, in order."""

    def located(self, fixes: Sequence[PositionFix]) -> None:
        """Where the camera says that it was, of one answer, in order. Must not block."""


class EventReader:
    """Reads the events of one ONVIF camera, in one event loop. `run_once` may be called again after it raised."""

    def __init__(
        self, camera: CameraConfig, clock: Clock, out: TakesEvents, tally: EventTally, connecting: asyncio.Semaphore
    ) -> None:
        """`camera` must have an ONVIF source (ValueError). `tally` outlives the reader.

        `connecting` bounds how many readers subscribe at once, which costs far more than to be subscribed.
        """
        if camera.source.onvif is None:
            raise ValueError(f"camera {camera.id} has no ONVIF source")
        self._source: OnvifSource = camera.source.onvif
        self._camera_id = camera.id
        self._clock = clock
        self._out = out
        self._tally = tally
        self._connecting = connecting
        self._offset: float | None = None
        self._failures = 0
        self._warned = False

    async def run_once(self) -> None:
        """Subscribe and hand out events until cancelled, which ends the subscription within a second.

        Otherwise raises why there are no more: CameraRefused, CameraUnreachable, NoVideo (it cannot do what every
        ONVIF device must), NoEventService, NoPullPoint or SubscriptionLost.
        """
        async with AsyncExitStack() as stack:
            async with self._connecting:
                point = await self._connect(stack)
            try:
                await point.synchronize()
                self._tally.connected = True
                await self._out.subscribed()
                while True:
                    await self._pull(point)
            finally:
                self._tally.connected = False
                await point.end()

    async def _connect(self, stack: AsyncExitStack) -> PullPoint:
        device = Device(self._camera_id, self._source, stack)
        offset = await device.clock_offset(self._clock)
        if self._offset is None or abs(offset - self._offset) > _SAME_OFFSET_SECONDS:
            # Else kept, so that an event told again after a reconnect is said to be of the same moment.
            self._offset = offset
        return await self._subscribe(device, Tap(self._camera_id, self._clock, self._offset, self._tally))

    async def _subscribe(self, device: Device, tap: Tap) -> PullPoint:
        services = await device.services()
        if EVENTS not in services:
            raise NoEventService(self._camera_id, f"{device.where} offers no ONVIF events", "none are read from it")
        wanted = {"InitialTerminationTime": duration(LIFETIME_SECONDS)}
        tap.into(await device.client.prepare(EVENTS, services[EVENTS]))
        try:
            await device.client.call(EVENTS, services[EVENTS], "CreatePullPointSubscription", wanted)
            url = device.as_reached(tap.address, "subscription")
        except (NoVideo, ValueError) as error:
            raise NoPullPoint(
                self._camera_id, f"{device.where} makes no pull point for events", "it may have too many subscribers"
            ) from error
        self._tally.subscriptions += 1
        point = PullPoint(self._camera_id, device, url, tap, self._clock)
        await point.prepare()
        return point

    async def _pull(self, point: PullPoint) -> None:
        """One pull and what it brought."""
        modest = self._failures >= MODEST_AFTER
        began = self._clock.monotonic()
        try:
            if modest:
                pulled = await point.pull(MODEST_PULL_SECONDS, MODEST_PULL_MESSAGES)
            else:
                pulled = await point.pull(PULL_SECONDS, PULL_MESSAGES)
        except (CameraUnreachable, SubscriptionLost):
            self._failures += 1
            raise
        took = self._clock.monotonic() - began
        if took > MODEST_PULL_SECONDS:
            self._failures = 0
        self._tally.pulls += 1
        if self._tally.refused and not self._warned:
            self._warned = True
            log.warning(
                "identity_events_refused", camera=self._camera_id,
                remedy="switch recognition of faces, plates and body temperature off on the camera",
            )  # fmt: skip
        if pulled.fixes:
            self._out.located(pulled.fixes)
        if pulled.events:
            await self._out.take(pulled.events)
        await point.keep()
        if pulled.messages:
            await asyncio.sleep(max(0.0, pulled.messages / MESSAGES_A_SECOND - took))
        elif took < IDLE_PAUSE_SECONDS:
            await asyncio.sleep(IDLE_PAUSE_SECONDS)


async def warm_up() -> None:
    """Read the services' descriptions from disk, which takes a second, once and not in every reader at once."""
    async with AsyncExitStack() as stack:
        client = OnvifClient("-", "-", None, stack)
        for namespace in (DEVICE, EVENTS, PULL_POINT, SUBSCRIPTION):
            await client.prepare(namespace, "http://127.0.0.1/")
