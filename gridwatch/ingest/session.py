"""One connection of one camera: find the stream, open it, decode, emit, until it ends or is abandoned."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import av
import structlog

from gridwatch.config.model import CameraConfig, OnvifSource
from gridwatch.domain import CameraState, Clock, Frame
from gridwatch.ingest.continuity import continuous
from gridwatch.ingest.decoding import Picture, PictureDecoder, VideoPacket
from gridwatch.ingest.errors import CameraUnreachable, NoVideo, StreamEnded
from gridwatch.ingest.onvif import find_stream
from gridwatch.ingest.recorded import open_recording, packets
from gridwatch.ingest.rtsp import live_packets, open_stream
from gridwatch.ingest.tally import ReaderTally
from gridwatch.ingest.urls import Credentials, split_credentials
from gridwatch.ingest.walltime import Stamp, producer_time, stamp

log = structlog.get_logger(__name__)

_CANCEL_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlets:
    """Where a reader's results go. All are called from the session's thread and must not block."""

    emit: Callable[[Frame], None]
    on_state: Callable[[CameraState, str], None]
    tally: ReaderTally


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """What to open."""

    url: str
    credentials: Credentials | None
    clock_offset_seconds: float


class Session:
    """One connection. `read` runs in a thread of its own; `abandon` and `silent_seconds` may be called from any."""

    def __init__(self, camera: CameraConfig, clock: Clock, outlets: Outlets, stall_seconds: float) -> None:
        self._camera = camera
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._outlets = outlets
        self._abandoned = threading.Event()
        # Held while a result is handed out, so that none follows once `abandon` has returned.
        self._handing_out = threading.Lock()
        self._heard_at: float | None = None
        self._up = False
        self._emitted = 0
        self._warned_of_clock = False

    def read(self) -> None:
        """Read until the stream ends. Returns only when abandoned; otherwise raises IngestError."""
        source = self._camera.source
        if source.file is not None:
            self._play(source.file)
            return
        target = self._find()
        if target is None or self._abandoned.is_set():
            return
        transport = source.transport
        with open_stream(self._camera.id, target.url, target.credentials, transport, self._stall_seconds) as container:
            self._pull(container, target.clock_offset_seconds)

    def abandon(self) -> None:
        """Hand out nothing more; `read` returns as soon as the library lets it."""
        with self._handing_out:
            self._abandoned.set()

    def silent_seconds(self) -> float:
        """Seconds since the stream was opened or last gave a picture; 0 before it was opened."""
        heard_at = self._heard_at
        return 0.0 if heard_at is None else self._clock.monotonic() - heard_at

    def _find(self) -> _Target | None:
        """The stream to open, or None when abandoned while looking."""
        source = self._camera.source
        if source.onvif is not None:
            return asyncio.run(self._ask(source.onvif))
        try:
            url, credentials = split_credentials(source.rtsp or "")
        except ValueError:
            # `from None`: nothing that has seen the URL goes on.
            raise CameraUnreachable(
                self._camera.id, "its rtsp URL has no host", "escape special characters of the password as %XX"
            ) from None
        return _Target(url=url, credentials=credentials, clock_offset_seconds=0.0)

    async def _ask(self, source: OnvifSource) -> _Target | None:
        looking = asyncio.create_task(find_stream(self._camera.id, source, self._clock))
        while not looking.done():
            if self._abandoned.is_set():
                looking.cancel()
            await asyncio.wait({looking}, timeout=_CANCEL_POLL_SECONDS)
        if looking.cancelled():
            return None
        found = looking.result()
        self._outlets.tally.clock_offset(found.clock_offset_seconds)
        return _Target(
            url=found.stream_url, credentials=found.credentials, clock_offset_seconds=found.clock_offset_seconds
        )

    def _pull(self, container: av.container.InputContainer, clock_offset_seconds: float) -> None:
        stream = container.streams.video[0]
        decoder = PictureDecoder(stream, self._camera.analysis_fps, self._outlets.tally)
        self._opened()
        arriving = live_packets(self._camera.id, container, stream)
        for packet in continuous(arriving, stream, self._outlets.tally):
            if self._abandoned.is_set():
                return
            arrived_at = self._clock.now()
            frames = decoder.decode(packet)
            if frames:
                self._heard()
            sent_at = _sent_at(packet)
            for picture in decoder.sample(packet, frames):
                at = None if sent_at is None else sent_at + timedelta(seconds=picture.after_packet)
                self._emit(picture, self._checked(stamp(at, arrived_at, clock_offset_seconds)))
        if self._up:
            raise StreamEnded(self._camera.id, "the camera ended the stream", "it is tried again")
        raise NoVideo(self._camera.id, "the stream ended before its first picture", "check that its encoder is running")

    def _play(self, path: Path) -> None:
        """Play a recorded file at its own speed, once."""
        with open_recording(path, self._camera.id) as container:
            stream = container.streams.video[0]
            decoder = PictureDecoder(stream, self._camera.analysis_fps, self._outlets.tally)
            self._opened()
            began, first = self._clock.monotonic(), None
            for packet in packets(container, stream, path, self._camera.id):
                if packet.dts is not None and packet.time_base is not None:
                    at = float(packet.dts * packet.time_base)
                    first = at if first is None else first
                    self._abandoned.wait(max(0.0, at - first - (self._clock.monotonic() - began)))
                if self._abandoned.is_set():
                    return
                frames = decoder.decode(packet)
                if frames:
                    self._heard()
                for picture in decoder.sample(packet, frames):
                    self._emit(picture, stamp(None, self._clock.now(), 0.0))
        raise StreamEnded(self._camera.id, f"the recording {path.name} is over", "it is played again")

    def _opened(self) -> None:
        self._outlets.tally.connected()
        self._heard_at = self._clock.monotonic()

    def _heard(self) -> None:
        """A picture came."""
        self._heard_at = self._clock.monotonic()
        if not self._up:
            self._up = True
            with self._handing_out:
                if not self._abandoned.is_set():
                    self._outlets.on_state(CameraState.UP, "")

    def _emit(self, picture: Picture, times: Stamp) -> None:
        frame = Frame(
            camera=self._camera.id, index=self._emitted, pts=picture.time,
            captured_at=times.captured_at, arrived_at=times.arrived_at, image=picture.image,
        )  # fmt: skip
        with self._handing_out:
            if self._abandoned.is_set():
                return
            self._outlets.emit(frame)
        self._emitted += 1
        self._outlets.tally.emitted()

    def _checked(self, times: Stamp) -> Stamp:
        """`times`, its drift counted and, the first time it is too large, logged."""
        if times.drift_seconds is not None:
            self._outlets.tally.clock_drift(times.drift_seconds)
        if not times.trusted and not self._warned_of_clock:
            self._warned_of_clock = True
            log.warning(
                "camera_clock_drifts", camera=self._camera.id, seconds=round(times.drift_seconds or 0.0, 1),
                remedy="point the camera at an NTP server",
            )  # fmt: skip
        return times


def _sent_at(packet: VideoPacket) -> datetime | None:
    """When the camera says it took the picture of `packet`; None without a sender report."""
    if not packet.has_sidedata("prft"):
        return None
    return producer_time(bytes(packet.get_sidedata("prft")))
