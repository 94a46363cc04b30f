"""What a camera sent around an incident, kept as it came: a ring of packets in memory, and the cut out of it.

    packets --> PacketRing: whole GOPs of the last seconds --raised--> what is there, and what comes after --> Cut

Nothing is decoded for it and nothing encoded. A ring shares its packets with whoever else holds them, such as an idle
camera's activity gate.
"""

import io
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import av

from gridwatch.config.clips import ClipsConfig
from gridwatch.domain import Clock, Incident
from gridwatch.ingest.decoding import DEFAULT_RATE, VideoPacket
from gridwatch.ingest.errors import ClipError

MARGIN_SECONDS: Final = 2.0
"""Kept beyond the pre-roll: an incident is told up to so long after its picture came."""
LONGEST_SECONDS: Final = 60.0
"""Of one clip: incidents that follow each other share one until then."""
_LATE_SECONDS: Final = 5.0
"""Beyond the post-roll: a camera that sends nothing more does not keep a clip open for longer."""
_LONGEST_STEP_SECONDS: Final = 10.0
"""Between two packets; more is a jump of the camera's clock, over which no clip goes."""
_OVERHEAD_BYTES: Final = 600
"""What a packet takes beyond its bytes: PyAV's object, FFmpeg's structure and padding, ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """A packet and what is needed of it later, since the packet is not ours alone."""

    packet: VideoPacket
    pts: int
    dts: int
    arrived_at: datetime

    @property
    def bytes(self) -> int:
        return int(self.packet.size) + _OVERHEAD_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamHeader:
    """What a file needs to know of the stream its packets are from; outlives the connection."""

    template: av.VideoStream
    owner: av.container.OutputContainer
    """Keeps `template` alive."""
    time_base: Fraction
    frame_ticks: int
    """Duration of one picture as the stream's rate has it."""
    width: int
    height: int

    @classmethod
    def of(cls, stream: av.VideoStream) -> "StreamHeader":
        """Copied from an open stream, in the thread that reads it."""
        owner = av.open(io.BytesIO(), "w", format="mp4")
        template = owner.add_stream_from_template(stream, opaque=True)
        tick = stream.time_base or Fraction(1, 90_000)
        rate = stream.average_rate or DEFAULT_RATE
        codec = stream.codec_context
        return cls(
            template=template, owner=owner, time_base=tick, frame_ticks=max(1, round(1 / rate / tick)),
            width=codec.width, height=codec.height,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The packets of a clip, from a key picture on, and the incidents it belongs to."""

    header: StreamHeader
    packets: tuple[_Kept, ...]
    incidents: tuple[Incident, ...]

    @property
    def began_at(self) -> datetime:
        """When its first packet arrived."""
        return self.packets[0].arrived_at

    @property
    def seconds(self) -> float:
        """From its first picture to the end of its last."""
        shown = [one.pts for one in self.packets]
        return float((max(shown) - min(shown) + self.header.frame_ticks) * self.header.time_base)


@dataclass(frozen=True, kw_only=True, slots=True)
class RingCounts:
    """What a ring holds and has done since it was made."""

    seconds: float = 0.0
    """Between the oldest packet kept and the newest."""
    bytes: int = 0
    let_go: int = 0
    """Packets that had to go before their time, because they were too many bytes, or had no key picture or time."""
    missed: int = 0
    """Incidents for which there was no packet to make a clip of."""
    shortened: int = 0
    """Clips ended before their post-roll: too many bytes, or the connection ended."""


@dataclass(slots=True)
class _Recording:
    """A clip that goes on. Guarded by its ring's lock."""

    header: StreamHeader
    packets: list[_Kept]
    incidents: list[Incident]
    until: datetime
    last_until: datetime
    deadline: float
    """Monotonic."""
    bytes: int = field(default=0)


class PacketRing:
    """The latest packets of one camera. Thread-safe: its reader pushes, whoever hears of an incident cuts.

    It keeps whole GOPs: those of the last `pre_seconds` and MARGIN_SECONDS, and the key picture they are built on. Of
    a stream whose GOPs do not fit into `ring_max_bytes` (codecs that send a key picture a minute) it starts anew at the
    next key picture, and a clip begins there.
    """

    def __init__(self, settings: ClipsConfig, clock: Clock, on_cut: Callable[[Cut], None]) -> None:
        """`on_cut` takes finished clips, on the thread that finished it; it must not block."""
        self._keep = timedelta(seconds=settings.pre_seconds + MARGIN_SECONDS)
        self._pre = timedelta(seconds=settings.pre_seconds)
        self._post = timedelta(seconds=settings.post_seconds)
        self._most_bytes = settings.ring_max_bytes
        self._clock = clock
        self._on_cut = on_cut
        self._lock = threading.Lock()
        self._header: StreamHeader | None = None
        self._gops: deque[list[_Kept]] = deque()
        self._newest: _Kept | None = None
        """The latest packet of this connection, kept or let go; what follows must be later."""
        self._bytes = self._let_go = self._missed = self._shortened = 0
        self._recording: _Recording | None = None

    def connected(self, stream: av.VideoStream) -> None:
        """Packets of `stream` follow; what was kept belonged to another connection. Call where `stream` is read."""
        header = StreamHeader.of(stream)
        with self._lock:
            done = self._finish(shortened=True)
            self._header = header
            self._forget()
        self._hand_over(done)

    def push(self, packet: VideoPacket, arrived_at: datetime) -> None:
        """The next packet of the connection. It is kept, not copied; nobody may change its bytes."""
        with self._lock:
            if self._header is None or packet.size == 0:
                return
            done = None
            if self._jumps(packet, self._header):
                done = self._finish(shortened=True)
                self._forget()
            self._newest = self._timed(packet, arrived_at, self._header)
            if self._newest is None:
                self._let_go += 1
            else:
                self._keep_it(self._newest)
                done = done or self._record(self._newest)
        self._hand_over(done)

    def raised(self, incident: Incident, at: datetime | None = None) -> None:
        """Make a clip around `at` (an arrival time; None: now) that belongs to `incident`."""
        with self._lock:
            if not self._gops or self._header is None:
                self._missed += 1
                return
            newest = self._gops[-1][-1].arrived_at
            at = newest if at is None else at
            deadline = self._clock.monotonic() + self._post.total_seconds() + _LATE_SECONDS
            going = self._recording
            if going is not None:
                going.incidents.append(incident)
                going.until = max(going.until, min(at + self._post, going.last_until))
                going.deadline = max(going.deadline, deadline)
                return
            self._recording = going = self._begin(self._header, incident, at, deadline)
            done = self._finish() if going.packets[-1].arrived_at >= going.until else None
        self._hand_over(done)

    def finish_overdue(self) -> None:
        """End a clip that waits for packets in vain. Call about once a second."""
        with self._lock:
            overdue = self._recording is not None and self._clock.monotonic() >= self._recording.deadline
            done = self._finish(shortened=True) if overdue else None
        self._hand_over(done)

    def close(self) -> None:
        """End the clip that goes on, and forget everything."""
        with self._lock:
            done = self._finish(shortened=True)
            self._header = None
            self._forget()
        self._hand_over(done)

    def counts(self) -> RingCounts:
        """As of now."""
        with self._lock:
            seconds = 0.0
            if self._gops:
                seconds = (self._gops[-1][-1].arrived_at - self._gops[0][0].arrived_at).total_seconds()
            return RingCounts(
                seconds=seconds, bytes=self._bytes, let_go=self._let_go, missed=self._missed,
                shortened=self._shortened,
            )  # fmt: skip

    def _forget(self) -> None:
        self._gops.clear()
        self._newest = None
        self._bytes = 0

    def _jumps(self, packet: VideoPacket, header: StreamHeader) -> bool:
        dts = packet.pts if packet.dts is None else packet.dts
        if self._newest is None or dts is None:
            return False
        step = float((dts - self._newest.dts) * header.time_base)
        return not -1.0 <= step <= _LONGEST_STEP_SECONDS

    def _keep_it(self, kept: _Kept) -> None:
        if kept.packet.is_keyframe:
            self._gops.append([])
        if not self._gops:
            self._let_go += 1
            return
        self._gops[-1].append(kept)
        self._bytes += kept.bytes
        self._trim(kept.arrived_at)

    def _timed(self, packet: VideoPacket, arrived_at: datetime, header: StreamHeader) -> _Kept | None:
        """None for a packet no file could hold: before the first key picture, or without any time."""
        before = self._newest
        if before is None and not packet.is_keyframe:
            return None
        dts = packet.pts if packet.dts is None else packet.dts
        if dts is None:
            # The first packet of a connection often has no time: it was one picture before the next.
            if before is None:
                return None
            dts = before.dts + header.frame_ticks
        if before is not None:
            dts = max(dts, before.dts + 1)
        pts = dts if packet.pts is None else max(packet.pts, dts)
        return _Kept(packet=packet, pts=pts, dts=dts, arrived_at=arrived_at)

    def _trim(self, now: datetime) -> None:
        gops = self._gops
        while len(gops) > 1 and gops[1][0].arrived_at <= now - self._keep:
            self._drop_oldest()
        while self._bytes > self._most_bytes:
            self._let_go += self._drop_oldest()

    def _drop_oldest(self) -> int:
        gone = self._gops.popleft()
        self._bytes -= sum(one.bytes for one in gone)
        return len(gone)

    def _begin(self, header: StreamHeader, incident: Incident, at: datetime, deadline: float) -> _Recording:
        """From the last key picture before the pre-roll, or the oldest there is."""
        starts = [number for number, gop in enumerate(self._gops) if gop[0].arrived_at <= at - self._pre]
        first = starts[-1] if starts else 0
        until = at + self._post
        packets = [one for number, gop in enumerate(self._gops) if number >= first for one in gop]
        begun = [one for one in packets if one.arrived_at <= until] or packets[:1]
        return _Recording(
            header=header, packets=begun, incidents=[incident], until=until,
            last_until=begun[0].arrived_at + timedelta(seconds=LONGEST_SECONDS), deadline=deadline,
            bytes=sum(one.bytes for one in begun),
        )  # fmt: skip

    def _record(self, kept: _Kept) -> Cut | None:
        going = self._recording
        if going is None:
            return None
        if kept.arrived_at > going.until:
            return self._finish()
        going.packets.append(kept)
        going.bytes += kept.bytes
        return self._finish(shortened=True) if going.bytes > 2 * self._most_bytes else None

    def _finish(self, *, shortened: bool = False) -> Cut | None:
        going, self._recording = self._recording, None
        if going is None:
            return None
        self._shortened += shortened
        return Cut(header=going.header, packets=tuple(going.packets), incidents=tuple(going.incidents))

    def _hand_over(self, done: Cut | None) -> None:
        if done is not None:
            self._on_cut(done)


def remux(cut: Cut) -> bytes:
    """The cut as an MP4 file, its video bit by bit what the camera sent. Raises ClipError.

    Codecs: H.264, H.265, motion JPEG. A stream that changes its picture size within the cut is written as it is; few
    players show what follows the change.
    """
    header = cut.header
    out = io.BytesIO()
    first = cut.packets[0].dts
    try:
        with av.open(out, "w", format="mp4") as container:
            stream = container.add_stream_from_template(header.template, opaque=True)
            for kept in cut.packets:
                # A copy: writing changes a packet's times, and this one may still wait to be decoded.
                packet = av.Packet(bytes(kept.packet))
                packet.stream, packet.time_base = stream, header.time_base
                packet.pts, packet.dts = kept.pts - first, kept.dts - first
                packet.duration = header.frame_ticks
                packet.is_keyframe = kept.packet.is_keyframe
                container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        # Without the last line of FFmpeg's log, which may be of another camera.
        reason = error.strerror if isinstance(error, av.FFmpegError) else error
        raise ClipError(f"{len(cut.packets)} packets cannot be written as MP4: {reason}") from error
    return out.getvalue()
