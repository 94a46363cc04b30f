"""Cameras that tell over ONVIF where they are: all are asked in one thread, and their metadata is read, supervised."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import structlog

from gridwatch.app.device_events import Patience
from gridwatch.config import CameraConfig
from gridwatch.domain import Clock, PositionFix
from gridwatch.ingest import IngestError, NoMetadata, OnvifMetadataReader, OnvifPositionReader

log = structlog.get_logger(__name__)


class OnvifPositions:
    """Owns the thread in which moving cameras are asked. `start` once, then `ask_to_stop` and `join`."""

    def __init__(
        self,
        cameras: Sequence[CameraConfig],
        take: Callable[[str, PositionFix], None],
        clock: Clock,
        retry_cap: float,
    ) -> None:
        """`take` gets each camera's fixes in any thread; `retry_cap` as `Patience` has it."""
        self._clock = clock
        self._retry_cap = retry_cap
        self._readers = {one.id: OnvifPositionReader(one, clock, partial(take, one.id)) for one in cameras}
        # What metadata tells pauses the asking, as what an event tells does.
        self._metadata = [(one.id, OnvifMetadataReader(one, clock, partial(self.told, one.id))) for one in cameras]
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="positions-onvif", daemon=True)

    def told(self, camera: str, fix: PositionFix) -> None:
        """Take a fix that the camera's event told. Any thread; of no effect for a camera that is not one of these."""
        reader = self._readers.get(camera)
        if reader is not None:
            reader.told(fix)

    def start(self) -> None:
        """Start the thread, if there are any cameras."""
        if self._readers:
            self._thread.start()

    def ask_to_stop(self) -> None:
        """End soon."""
        if self._thread.is_alive():
            loop, stop = self._started.result(1.0)
            loop.call_soon_threadsafe(stop.set)

    def join(self, timeout: float) -> None:
        """Wait for the thread."""
        if self._thread.is_alive():
            self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("positions_thread_left_behind", source="onvif", after_seconds=timeout)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        readers: list[tuple[str, OnvifPositionReader | OnvifMetadataReader]] = [*self._readers.items(), *self._metadata]
        tasks = [
            asyncio.create_task(self._supervise(camera, reader), name=f"positions-{camera}")
            for camera, reader in readers
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _supervise(self, camera: str, reader: OnvifPositionReader | OnvifMetadataReader) -> None:
        """Nothing else retries; other cameras do not notice its troubles."""
        patience, told = Patience(self._retry_cap), ""
        while True:
            answers, began = reader.answers, self._clock.monotonic()
            try:
                await reader.run_once()
            except Exception as error:  # noqa: BLE001 - the supervisor: one camera's bug must not end its retries
                reason = error.reason if isinstance(error, IngestError) else f"unexpected {type(error).__name__}"
                answered = reader.answers > answers
                # A camera need not have metadata: it is asked.
                level = logging.INFO if isinstance(error, NoMetadata) else logging.WARNING
                delay = patience.after(error, self._clock.monotonic() - began, was_subscribed=answered)
            if answered or reason != told:
                told = reason
                log.log(level, "positions_lost", camera=camera, reason=reason, refused=dict(reader.refused))
            await asyncio.sleep(delay)
