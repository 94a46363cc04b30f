"""Positions of a moving camera from the metadata track of its stream, where its profile has one with events."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import structlog

from gridwatch.config.model import CameraConfig, OnvifSource
from gridwatch.domain import Clock, PositionFix
from gridwatch.ingest.errors import CameraUnreachable, IngestError, NoVideo, StreamEnded
from gridwatch.ingest.events.messages import Arrival
from gridwatch.ingest.metadata import MetadataDocuments, read_fixes
from gridwatch.ingest.onvif import Device
from gridwatch.ingest.onvif_client import MEDIA, MEDIA2
from gridwatch.ingest.onvif_media import Media
from gridwatch.ingest.rtsp import open_metadata
from gridwatch.ingest.urls import Credentials

log = structlog.get_logger(__name__)

SILENCE_SECONDS: Final = 60.0
"""Without a packet for so long the session is made anew: FFmpeg keeps a session alive only while something comes."""
_FAREWELL_SECONDS: Final = 0.2


class NoMetadata(IngestError):  # noqa: N818 - named like its siblings
    """None of the device's profiles has a metadata configuration with events."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    url: str
    credentials: Credentials | None
    clock_offset_seconds: float


class OnvifMetadataReader:
    """Reads one camera's metadata. `run_once`, again and again, in one event loop.

    The connection is read in a daemon thread, `metadata-<camera>`, since the library cannot be interrupted: one that
    was left hands out nothing more, and ends when the camera next says something, at the latest after the silence.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Clock,
        on_fix: Callable[[PositionFix], None],
        silence: float = SILENCE_SECONDS,
    ) -> None:
        """`camera` must have an ONVIF source (ValueError). `on_fix` gets each fix in a thread of the reader's."""
        if camera.source.onvif is None:
            raise ValueError(f"camera {camera.id} has no ONVIF source")
        self._source: OnvifSource = camera.source.onvif
        self._camera_id = camera.id
        self._clock = clock
        self._on_fix = on_fix
        self._silence = silence
        self.answers = 0
        """Documents that came."""
        self.refused: Counter[str] = Counter()
        """Documents not read: `malformed`, and what `MetadataDocuments` counts."""

    async def run_once(self) -> None:
        """Read until cancelled. Otherwise raises NoMetadata, StreamStalled, StreamEnded or what opening raises."""
        found = await self._find()
        left = threading.Event()
        reading: Future[None] = Future()
        name = f"metadata-{self._camera_id}"
        threading.Thread(target=self._run, args=(found, left, reading), name=name, daemon=True).start()
        try:
            await asyncio.wrap_future(reading)
        finally:
            left.set()
            if wait({reading}, _FAREWELL_SECONDS).not_done:
                log.info("metadata_still_closing", camera=self._camera_id)

    async def _find(self) -> _Found:
        """Where it is. Raises NoMetadata, CameraRefused, CameraUnreachable or NoVideo."""
        async with AsyncExitStack() as stack:
            device = Device(self._camera_id, self._source, stack)
            offset = await device.clock_offset(self._clock)
            services = await device.services()
            listed = [namespace for namespace in (MEDIA2, MEDIA) if namespace in services]
            for namespace in listed:
                media = Media(device.client, namespace, services[namespace])
                try:
                    tokens = await media.event_profiles()
                except (NoVideo, CameraUnreachable):
                    if namespace == listed[-1]:
                        raise
                    continue  # a Media2 that does not work, as in `Device.media`
                if tokens:
                    url = device.stream_url(await media.stream_uri(tokens[0]))
                    return _Found(url=url, credentials=device.credentials, clock_offset_seconds=offset)
            raise NoMetadata(self._camera_id, f"{device.where} has no metadata with events", "it is asked instead")

    def _run(self, found: _Found, left: threading.Event, reading: Future[None]) -> None:
        if not reading.set_running_or_notify_cancel():
            return
        try:
            self._read(found, left)
        except BaseException as error:  # noqa: BLE001 - handed over whole to the loop that waits for it
            reading.set_exception(error)
        else:
            reading.set_result(None)

    def _read(self, found: _Found, left: threading.Event) -> None:
        documents = MetadataDocuments()
        with open_metadata(
            self._camera_id, found.url, found.credentials, self._silence, self._source.tls_ca
        ) as payloads:
            log.info("metadata_connected", camera=self._camera_id)
            for payload in payloads:
                if left.is_set():
                    return
                document = documents.feed(payload)
                self.refused.update(documents.refused)
                documents.refused.clear()
                if document is not None:
                    self._take(document, found.clock_offset_seconds)
        raise StreamEnded(self._camera_id, "the camera ended its metadata", "it is tried again")

    def _take(self, document: bytes, clock_offset_seconds: float) -> None:
        self.answers += 1
        arrival = Arrival(
            camera=self._camera_id, received_at=self._clock.now(), clock_offset_seconds=clock_offset_seconds
        )
        try:
            fixes = read_fixes(document, arrival)
        except ValueError:
            self.refused["malformed"] += 1
            return
        for fix in fixes:
            self._on_fix(fix)
