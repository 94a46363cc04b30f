"""One connection of one camera: find the stream, open it, decode, emit, until it ends or is abandoned."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import structlog

from gridwatch.config.model import CameraConfig, OnvifSource
from gridwatch.domain import CameraState, Clock, Frame
from gridwatch.ingest.activity import Attention
from gridwatch.ingest.activity_gate import ActivityGate
from gridwatch.ingest.clips import PacketRing
from gridwatch.ingest.continuity import continuous
from gridwatch.ingest.decoding import Arrival, Picture, VideoPacket
from gridwatch.ingest.errors import CameraUnreachable, IngestError, NoVideo, StreamEnded
from gridwatch.ingest.hardware import accelerator
from gridwatch.ingest.looping import looped_packets
from gridwatch.ingest.loss import RtpLoss
from gridwatch.ingest.mjpeg import open_mjpeg
from gridwatch.ingest.onvif import find_stream
from gridwatch.ingest.pacing import Pace
from gridwatch.ingest.recorded import open_recording, packets
from gridwatch.ingest.rtsp import live_packets, open_stream
from gridwatch.ingest.tally import ReaderTally
from gridwatch.ingest.urls import Credentials, split_credentials
from gridwatch.ingest.walltime import SenderClock, Stamp, stamp

log = structlog.get_logger(__name__)

_CANCEL_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlets:
    """Where a reader's results go. All are called from the session's thread and must not block."""

    emit: Callable[[Frame], None]
    on_state: Callable[[CameraState, str], None]
    tally: ReaderTally
    attention: Attention | None = None
    """What comes back from whoever takes the frames; None: everything is decoded."""
    ring: PacketRing | None = None
    """Keeps the packets as they come, for clips; None: nobody does."""


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
            self._play(source.file, loop=source.loop)
            return
        target = self._find()
        if target is None or self._abandoned.is_set():
            return
        camera, source = self._camera.id, self._camera.source
        if source.mjpeg is not None:
            tls_ca = source.tls_ca
            with open_mjpeg(camera, target.url, target.credentials, self._stall_seconds, tls_ca) as container:
                # Its PTS are made up, so there is no pace to keep.
                self._pull(container, target.clock_offset_seconds)
            return
        tls_ca = source.tls_ca if source.onvif is None else source.onvif.tls_ca
        with open_stream(
            camera, target.url, target.credentials, source.transport, self._stall_seconds, tls_ca,
            accelerator(self._camera.decode, camera),
        ) as opened:  # fmt: skip
            pace = Pace() if opened.loss is None else None
            self._pull(opened.container, target.clock_offset_seconds, pace, opened.loss)

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
            url, credentials = split_credentials(source.rtsp or source.mjpeg or "")
        except ValueError:
            # `from None`: nothing that has seen the URL goes on.
            raise CameraUnreachable(
                self._camera.id, "its URL has no host", "escape special characters of the password as %XX"
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

    def _pull(
        self,
        container: av.container.InputContainer,
        clock_offset_seconds: float,
        pace: Pace | None = None,
        loss: RtpLoss | None = None,
    ) -> None:
        stream = container.streams.video[0]
        gate = self._gate(stream)
        self._opened()
        sender = SenderClock()
        arriving = live_packets(self._camera.id, container, stream)
        try:
            for packet in continuous(arriving, stream, self._outlets.tally, loss):
                if self._abandoned.is_set():
                    return
                arrival = Arrival(packet=packet, arrived_at=self._clock.now(), sent_at=sender.taken_at)
                self._keep(arrival)
                self._take(gate, gate.feed(arrival), clock_offset_seconds)
                if pace is not None:
                    self._sleep(pace, gate, packet)
        except IngestError:
            self._take(gate, gate.finish(), clock_offset_seconds)
            raise
        if self._up:
            raise StreamEnded(self._camera.id, "the camera ended the stream", "it is tried again")
        raise NoVideo(self._camera.id, "the stream ended before its first picture", "check that its encoder is running")

    def _sleep(self, pace: Pace, gate: ActivityGate, packet: VideoPacket) -> None:
        """Until there is something to read that is worth it."""
        due = gate.due_after(packet)
        if due is not None:
            seconds = pace.seconds(gate.at(packet), packet.size, due, self._clock.monotonic())
            if seconds > 0.0:
                self._abandoned.wait(seconds)

    def _play(self, path: Path, *, loop: bool) -> None:
        """Play a recorded file at its own speed, once, or with `loop` again and again as one stream."""
        with open_recording(path, self._camera.id) as container:
            stream = container.streams.video[0]
            gate = self._gate(stream)
            self._opened()
            began, first = self._clock.monotonic(), None
            for packet in (looped_packets if loop else packets)(container, stream, path, self._camera.id):
                if packet.dts is not None and packet.time_base is not None:
                    at = float(packet.dts * packet.time_base)
                    first = at if first is None else first
                    self._abandoned.wait(max(0.0, at - first - (self._clock.monotonic() - began)))
                if self._abandoned.is_set():
                    return
                arrival = Arrival(packet=packet, arrived_at=self._clock.now())
                self._keep(arrival)
                self._take(gate, gate.feed(arrival), 0.0)
        raise StreamEnded(self._camera.id, f"the recording {path.name} is over", "it is played again")

    def _gate(self, stream: av.VideoStream) -> ActivityGate:
        camera, outlets = self._camera, self._outlets
        if outlets.ring is not None:
            outlets.ring.connected(stream)
        return ActivityGate(stream, camera.analysis_fps, outlets.tally, outlets.attention, camera.id)

    def _take(self, gate: ActivityGate, pictures: Iterable[Picture], clock_offset_seconds: float) -> None:
        for picture in pictures:
            self._heard()
            self._emit(picture, self._checked(stamp(picture.sent_at, picture.arrived_at, clock_offset_seconds)))
        if gate.alive:
            self._heard()

    def _keep(self, arrival: Arrival) -> None:
        if self._outlets.ring is not None:
            self._outlets.ring.push(arrival.packet, arrival.arrived_at)

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
            captured_at=times.captured_at, arrived_at=times.arrived_at, image=picture.image, quiet=picture.quiet,
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
