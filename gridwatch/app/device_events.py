"""The events that cameras tell over ONVIF: every camera's reader in one thread, supervised, to incidents."""

import asyncio
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from types import MappingProxyType

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.config import CameraConfig
from gridwatch.domain import Clock, Incident, PositionFix
from gridwatch.ingest import CameraLocked, CameraRefused, IngestError, NoMetadata
from gridwatch.ingest.events import (
    AlarmState,
    DeviceAlarms,
    DeviceEvent,
    EventReader,
    EventTally,
    NoEventService,
    warm_up,
)

log = structlog.get_logger(__name__)

Put = Callable[[str, Sequence[Incident]], None]
"""Takes incidents of a camera; returns when they are on disk."""
TakeFix = Callable[[str, PositionFix], None]
"""Takes where a camera says that it was. Must not block."""
CONNECTING = 32
"""Cameras that are subscribed to at the same time. Enough that dead ones, which take 5 s, do not keep others waiting
for long."""
NO_SERVICE_SECONDS = 3600.0
"""A camera without event service, or metadata, is asked again after this: firmware is updated."""
REFUSED_SECONDS = 300.0
"""A camera that refused twice in a row is asked again after this: a few wrong passwords lock an account."""
SETTLE_SECONDS = 30.0
"""A camera that was subscribed to for so long has told the state of everything that lasts."""
SETTLE_PERIOD = 1.0
"""Seconds between two looks whether one has, while anything of an earlier run is still open."""
REPORT_SECONDS = 300.0
"""Counters are logged this often, when they have changed."""


class CameraEvents:
    """The alarms of one camera: takes its events, puts its incidents. For one event loop."""

    def __init__(
        self, camera: CameraConfig, put: Put, on_fix: TakeFix | None, clock: Clock, still_open: Sequence[Incident] = ()
    ) -> None:
        """`still_open`: what an earlier run left open."""
        self.camera = camera
        self.tally = EventTally()
        self.state = AlarmState(resumed=tuple(still_open))
        self._subscribed_at = 0.0
        self._alarms = DeviceAlarms(camera)
        self._put = put
        self._on_fix = on_fix
        self._clock = clock

    async def subscribed(self) -> None:
        """A new subscription begins."""
        log.info("events_subscribed", camera=self.camera.id, subscriptions=self.tally.subscriptions)
        self._subscribed_at = self._clock.monotonic()
        self.state, incidents = self._alarms.resubscribed(self.state, self._clock.now())
        await self._put_all(incidents)

    async def take(self, events: Sequence[DeviceEvent]) -> None:
        """Events in order."""
        incidents: list[Incident] = []
        for event in events:
            self.state, said = self._alarms.take(self.state, event)
            incidents += said
        await self._put_all(incidents)

    def located(self, fixes: Sequence[PositionFix]) -> None:
        """Where the camera was, in order."""
        if self._on_fix is not None:
            for fix in fixes:
                self._on_fix(self.camera.id, fix)

    @property
    def is_settled(self) -> bool:
        """Nothing of an earlier run waits to be heard of."""
        return not self.state.resumed

    async def settle(self, after: float) -> None:
        """Clear what an earlier run left open and the camera, subscribed to for `after` seconds, has not told of."""
        since = self._clock.monotonic() - self._subscribed_at
        if self.state.resumed and self.tally.connected and since >= after:
            self.state, incidents = self._alarms.settled(self.state, self._clock.now())
            await self._put_all(incidents)

    async def _put_all(self, incidents: Sequence[Incident]) -> None:
        # The disk must not hold up the other cameras. Shielded, since its thread goes on when we are cancelled.
        if incidents:
            await asyncio.shield(asyncio.to_thread(self._put, self.camera.id, incidents))


class Patience:
    """How long to wait before a camera is asked again. Not thread-safe."""

    def __init__(self, cap: float = 60.0) -> None:
        """`cap` is the longest wait in seconds, but for cameras that refuse us."""
        self._backoff = Backoff(cap=cap)
        self._refusals = 0

    def after(self, error: Exception, ran_for: float, *, was_subscribed: bool) -> float:
        """Seconds, after a run of `ran_for` seconds ended by `error`."""
        if was_subscribed:
            self._refusals = 0
        soon = self._backoff.next_delay(ran_for)
        if isinstance(error, NoEventService | NoMetadata):
            return NO_SERVICE_SECONDS
        if not isinstance(error, CameraRefused):
            return soon
        # One refusal may come from a clock that was set: credentials hold the time.
        self._refusals += 1
        return REFUSED_SECONDS if self._refusals > 1 or isinstance(error, CameraLocked) else soon


class DeviceEvents:
    """Owns the thread in which the events of all cameras that have any are read.

    What is on when it stops stays open: the next run goes on with it.
    """

    def __init__(
        self,
        cameras: Sequence[CameraConfig],
        put: Put,
        clock: Clock,
        on_fix: TakeFix | None = None,
        still_open: Mapping[str, Sequence[Incident]] = MappingProxyType({}),
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        """`still_open`: what an earlier run left open, by camera.

        It is cleared when its camera has not told of it within `settle_seconds` of being subscribed to.
        """
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._cameras = {
            one.id: CameraEvents(one, put, on_fix, clock, still_open.get(one.id, ()))
            for one in cameras
            if one.source.onvif is not None and one.events.enabled
        }
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._reported: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="device-events", daemon=True)

    @property
    def tallies(self) -> Mapping[str, EventTally]:
        """By camera id."""
        return {camera: one.tally for camera, one in self._cameras.items()}

    def totals(self) -> dict[str, int]:
        """The counters over all cameras, `connected` among them."""
        counted = [
            {**asdict(one.tally), "repeated": one.state.repeated, "suppressed": one.state.suppressed}
            for one in self._cameras.values()
        ]
        return {name: sum(int(one[name]) for one in counted) for name in counted[0]} if counted else {}

    def start(self) -> None:
        """Start the thread, if any camera has events."""
        if self._cameras:
            self._thread.start()

    def close(self, timeout: float) -> None:
        """End the subscriptions, and join."""
        if not self._thread.is_alive():
            return
        loop, stop = self._started.result(timeout)
        loop.call_soon_threadsafe(stop.set)
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("event_thread_left_behind", after_seconds=timeout)
        log.info("device_events_stopped", **self.totals())

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        await warm_up()
        connecting = asyncio.Semaphore(CONNECTING)
        tasks = [
            asyncio.create_task(self._supervise(one, connecting), name=f"events-{camera}")
            for camera, one in self._cameras.items()
        ]
        tasks.append(asyncio.create_task(self._report(), name="events-report"))
        tasks.append(asyncio.create_task(self._settle(), name="events-settle"))
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _supervise(self, one: CameraEvents, connecting: asyncio.Semaphore) -> None:
        """Nothing else retries; other cameras do not notice its troubles."""
        reader = EventReader(one.camera, self._clock, one, one.tally, connecting)
        patience, told = Patience(), ""
        while True:
            subscriptions, began = one.tally.subscriptions, self._clock.monotonic()
            try:
                await reader.run_once()
            except Exception as error:  # noqa: BLE001 - the supervisor: one camera's bug must not end its retries
                reason = error.reason if isinstance(error, IngestError) else f"unexpected {_without_message(error)}"
                was_subscribed = one.tally.subscriptions > subscriptions
                delay = patience.after(error, self._clock.monotonic() - began, was_subscribed=was_subscribed)
            if was_subscribed or reason != told:
                told = reason
                log.warning("events_lost", camera=one.camera.id, reason=reason, again_in_seconds=round(delay, 1))
            await asyncio.sleep(delay)

    async def _settle(self) -> None:
        waiting = list(self._cameras.values())
        while waiting := [one for one in waiting if not one.is_settled]:
            await asyncio.sleep(SETTLE_PERIOD)
            for one in waiting:
                await one.settle(self._settle_seconds)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            totals = self.totals()
            if totals != self._reported:
                self._reported = totals
                log.info("device_events", **totals)


def _without_message(error: Exception) -> str:
    """What it is and where it was raised: its message could quote what a camera said of a person."""
    frames = traceback.extract_tb(error.__traceback__)
    at = " < ".join(f"{one.name}:{one.lineno}" for one in reversed(frames[-4:]))
    return f"{type(error).__name__} at {at}"
