"""Packets to pictures: the one way that live streams and recorded files share, so that both give the same bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import takewhile
from typing import TypeAlias

import av

from gridwatch.domain import Image
from gridwatch.ingest.conversion import Converter
from gridwatch.ingest.sampling import FrameSampler, StreamTimeline
from gridwatch.ingest.tally import ReaderTally

DEFAULT_RATE = Fraction(25)
"""Pictures a second assumed of a stream that does not say, for pictures without a PTS only."""
MAX_PIXELS = 8192 * 5120
"""What announces larger pictures is damaged: 8K cameras have 33 million pixels. A few wrong bits can ask for a GB."""

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"


def _does_not_say(_: VideoPacket) -> datetime | None:
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A packet as it came. An empty packet ends the stream."""

    packet: VideoPacket
    arrived_at: datetime
    sent_at: Callable[[VideoPacket], datetime | None] = _does_not_say
    """Finds out when the camera says it took the packet's picture; None when it does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One picture chosen for analysis."""

    time: float
    """Stream time in seconds from the first picture of the stream; never steps back."""
    quiet: float = 0.0
    """Seconds before it that were left undecoded because nothing moved."""
    arrived_at: datetime
    """When the packet that completed it arrived, however much later it was decoded."""
    sent_at: datetime | None
    """When the camera says it took this picture; None when it does not say."""
    image: Image


class PictureDecoder:
    """Decodes one stream and converts the pictures that are to be analysed, and only those. Not thread-safe.

    What cannot be decoded whole is counted and left out until the next keyframe; it never raises for it. The bytes are
    counted by whoever receives the packets.
    """

    def __init__(self, stream: av.VideoStream, fps: float, tally: ReaderTally) -> None:
        """`stream` must not have decoded anything yet; `fps` is the analysis rate."""
        # Threads inside one decoder add latency and memory, and the cameras of one process fill the cores anyway.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MAX_PIXELS)}
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        self._codec = stream.codec_context
        self._tick = float(stream.time_base or 0)
        self._timeline = StreamTimeline(float(1 / rate))
        self._sampler = FrameSampler(fps)
        self._converter = Converter()
        self._tally = tally
        self._skips = False
        """Pictures that nothing is built on are not decoded at present."""
        self._from: int | None = None
        """PTS of the keyframe that decoding began anew at: what is shown before it has lost what it is built on."""

    @property
    def in_order(self) -> bool:
        """True when pictures are shown in the order they are decoded, as far as is known."""
        return self._codec.has_b_frames == 0

    def is_due(self, seconds: float) -> bool:
        """Whether the next picture will be analysed if it is shown at `seconds` of the stream's PTS."""
        time = self._timeline.foresee(seconds)
        return time is None or self._sampler.would_take(time)

    def due_after(self, seconds: float) -> float | None:
        """How long after one at `seconds` of the stream's PTS a picture is analysed next; None when not known."""
        time = self._timeline.foresee(seconds)
        return None if time is None else self._sampler.next_after(time) - time

    def decode(self, packet: VideoPacket, *, wanted: bool = True) -> list[av.VideoFrame]:
        """The whole pictures that `packet` completes, in presentation order; an empty packet drains the decoder.

        One that is not `wanted` is decoded only if others are built on it.
        """
        frames, errors = self._whole(packet, wanted=wanted)
        self._tally.packet(size=0, decoded=len(frames), errors=errors)
        return frames

    def decode_between(self, arrivals: Iterable[Arrival]) -> list[Picture]:
        """Decode pictures of which none is due, and `sample` them, since they may turn out to be reordered.

        Faster than one by one: decoding leaves little of ours in the processor's caches.
        """
        pictures: list[Picture] = []
        whole = errors = 0
        for arrival in arrivals:
            frames, broken = self._whole(arrival.packet, wanted=not self.in_order)
            whole, errors = whole + len(frames), errors + broken
            pictures.extend(self.sample(arrival, frames))
        self._tally.packet(size=0, decoded=whole, errors=errors)
        return pictures

    def decode_alone(self, key: VideoPacket) -> av.VideoFrame | None:
        """The picture of a keyframe and nothing else; None when it is damaged. What was decoded before is forgotten."""
        self._restart()
        frames = [*self.decode(key), *self.drain()]
        return frames[0] if frames else None

    def drain(self) -> list[av.VideoFrame]:
        """The pictures that wait for others to be shown before them. What was decoded before is forgotten."""
        try:
            frames = self._codec.decode(None)
        except av.FFmpegError:
            frames = []
        self._restart()
        return [frame for frame in frames if not frame.is_corrupt]

    def go_on_from(self, key: VideoPacket) -> None:
        """The next packet to be decoded will be `key`. What was decoded before is forgotten."""
        self._restart()
        self._from = key.pts

    def pass_over(self, packet: VideoPacket) -> None:
        """Its picture is not decoded, but stream time goes on. Call for every packet left out, in order."""
        if packet.pts is not None:
            self._timeline.pass_over(packet.pts * self._tick)

    def sample(self, arrival: Arrival, frames: list[av.VideoFrame]) -> list[Picture]:
        """Those of `frames`, which `arrival` completed, that are to be analysed. Call for every packet, in order."""
        pictures = []
        for frame in frames:
            pts = frame.pts
            if self._from is not None and pts is not None and pts < self._from:
                continue
            time = self._timeline.advance(None if pts is None else pts * self._tick)
            if self._sampler.take(time):
                pictures.append(self._picture(arrival, frame, time))
        return pictures

    def _picture(self, arrival: Arrival, frame: av.VideoFrame, time: float) -> Picture:
        packet = arrival.packet
        sent_at = arrival.sent_at(packet)
        if sent_at is not None and frame.pts != packet.pts and frame.pts is not None and packet.pts is not None:
            # Reordered: the packet that completes a picture is of a later or an earlier one.
            sent_at += timedelta(seconds=(frame.pts - packet.pts) * self._tick)
        return Picture(time=time, arrived_at=arrival.arrived_at, sent_at=sent_at, image=self._converter.bgr(frame))

    def _whole(self, packet: VideoPacket, *, wanted: bool) -> tuple[list[av.VideoFrame], int]:
        """The pictures that `packet` completes, and the number of errors."""
        if packet.is_keyframe and packet.pts != self._from:
            self._from = None
        if self._skips is wanted:
            self._skips = not wanted
            self._codec.skip_frame = "DEFAULT" if wanted else "NONREF"
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            frames, errors = [], 1
        else:
            # A corrupt picture was patched up from its neighbours, and is what the next ones are built on.
            frames = list(takewhile(lambda frame: not frame.is_corrupt, decoded))
            errors = len(decoded) - len(frames)
        if errors:
            # A flushed decoder gives nothing before the next keyframe or recovery point.
            self._codec.flush_buffers()
        return frames, errors

    def small(self, frame: av.VideoFrame) -> Image:
        """`frame` to compare with another (see `activity.differ`)."""
        return self._converter.small(frame)

    def _restart(self) -> None:
        if self._codec.is_open:
            self._codec.flush_buffers()
