"""Positions of a moving camera from its own ONVIF services: asked for, and told by events."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import structlog

from gridwatch.config.model import CameraConfig, OnvifSource
from gridwatch.domain import Clock, Position, PositionFix
from gridwatch.ingest.errors import IngestError, NoVideo
from gridwatch.ingest.geolocation import NoPlace, place_among
from gridwatch.ingest.onvif import Device
from gridwatch.ingest.onvif_client import DEVICE, GEOLOCATION

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 1.0
"""From one question to the next; receivers know a new place about so often."""
HEARD_SECONDS: Final = 10.0
"""A camera whose event told its place is not asked for so long: the event says when it was there, an answer does not,
and the two in one track would make it go to and fro."""


class NoGeoLocation(IngestError):  # noqa: N818 - named like its siblings
    """The device has no GetGeoLocation."""


class OnvifPositionReader:
    """Asks one camera where it is. `run_once`, again and again, in one event loop; `told` from any thread."""

    def __init__(
        self, camera: CameraConfig, clock: Clock, on_fix: Callable[[PositionFix], None], every: float = ASK_SECONDS
    ) -> None:
        """`camera` must have an ONVIF source (ValueError). `on_fix` gets each fix in the thread that has it."""
        if camera.source.onvif is None:
            raise ValueError(f"camera {camera.id} has no ONVIF source")
        self._source: OnvifSource = camera.source.onvif
        self._camera_id = camera.id
        self._clock = clock
        self._on_fix = on_fix
        self._every = every
        self._heard_at: float | None = None
        self._trouble: NoPlace | None = None
        self.answers = 0
        """Answers that came, with a fix or without."""
        self.refused: Counter[str] = Counter()
        """Answers that gave no fix, by `NoPlace`."""

    def told(self, fix: PositionFix) -> None:
        """Take a fix that the camera's event told, over a pull point or in its metadata."""
        self._heard_at = self._clock.monotonic()
        self._on_fix(fix)

    async def run_once(self) -> None:
        """Ask until cancelled. Otherwise raises CameraRefused, CameraUnreachable, NoVideo or NoGeoLocation."""
        async with AsyncExitStack() as stack:
            device = Device(self._camera_id, self._source, stack)
            await device.clock_offset(self._clock)
            services = await device.services()
            url = services.get(DEVICE, device.url)
            await device.client.prepare(GEOLOCATION, url)
            log.info("positions_connected", source=device.where, camera=self._camera_id)
            while True:
                began = self._clock.monotonic()
                if self._heard_at is None or began - self._heard_at > HEARD_SECONDS:
                    await self._ask(device, url)
                await asyncio.sleep(max(0.0, self._every - (self._clock.monotonic() - began)))

    async def _ask(self, device: Device, url: str) -> None:
        asked_at = self._clock.now()
        try:
            answer = await device.client.call(GEOLOCATION, url, "GetGeoLocation")
        except NoVideo as error:
            raise NoGeoLocation(
                self._camera_id, f"{device.where} does not tell where it is", "follow it by nmea or mqtt"
            ) from error
        # The answer has no time; it is of some moment between question and answer.
        at = asked_at + (self._clock.now() - asked_at) / 2
        self.answers += 1
        place = place_among(answer if isinstance(answer, list) else [] if answer is None else [answer])
        if isinstance(place, Position):
            self._trouble = None
            self._on_fix(PositionFix(at=at, position=place))
            return
        self.refused[place] += 1
        if place is not self._trouble:
            self._trouble = place
            log.warning("position_not_told", camera=self._camera_id, why=str(place))
