"""Packets to pictures: the one way that live streams and recorded files share, so that both give the same bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from typing import TypeAlias, cast

import av
from av.video.reformatter import Interpolation, VideoReformatter

from gridwatch.domain import Image
from gridwatch.ingest.sampling import FrameSampler, StreamTimeline
from gridwatch.ingest.tally import ReaderTally

MAX_WIDTH = 1280
"""Wider pictures are scaled down inside libswscale; no detector of ours looks at more."""
DEFAULT_RATE = Fraction(25)
"""Pictures a second assumed of a stream that does not say, for pictures without a PTS only."""

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One picture chosen for analysis."""

    time: float
    """Stream time in seconds from the first picture decoded; never steps back."""
    after_packet: float
    """Its PTS minus that of the packet that completed it, in seconds: 0 but for reordered streams."""
    image: Image


class PictureDecoder:
    """Decodes one stream and converts the pictures that are to be analysed, and only those. Not thread-safe.

    What cannot be decoded whole is counted and left out until the next keyframe; it never raises for it.
    """

    def __init__(self, stream: av.VideoStream, fps: float, tally: ReaderTally) -> None:
        """`stream` must not have decoded anything yet; `fps` is the analysis rate."""
        # Threads inside one decoder add latency and memory, and the cameras of one process fill the cores anyway.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        self._stream = stream
        self._timeline = StreamTimeline(float(1 / rate))
        self._sampler = FrameSampler(fps)
        self._converter = VideoReformatter()
        self._tally = tally

    def decode(self, packet: VideoPacket) -> list[av.VideoFrame]:
        """The whole pictures that `packet` completes, in presentation order; an empty packet drains the decoder."""
        frames: list[av.VideoFrame] = []
        errors = 0
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            errors = 1
        else:
            # A corrupt picture was patched up from its neighbours, and is what the next ones are built on.
            frames = list(takewhile(lambda frame: not frame.is_corrupt, decoded))
            errors = len(decoded) - len(frames)
        if errors:
            # A flushed decoder gives nothing before the next keyframe or recovery point.
            self._stream.codec_context.flush_buffers()
        self._tally.packet(size=packet.size, decoded=len(frames), errors=errors)
        return frames

    def sample(self, packet: VideoPacket, frames: list[av.VideoFrame]) -> Iterator[Picture]:
        """Those of `frames`, which `packet` completed, that are to be analysed. Call for every packet, in order."""
        for frame in frames:
            tick = frame.time_base or self._stream.time_base or Fraction(0)
            time = self._timeline.advance(None if frame.pts is None else float(frame.pts * tick))
            if self._sampler.take(time):
                after = 0.0 if frame.pts is None or packet.pts is None else float((frame.pts - packet.pts) * tick)
                yield Picture(time=time, after_packet=after, image=self._to_bgr(frame))

    def _to_bgr(self, frame: av.VideoFrame) -> Image:
        scale = min(1.0, MAX_WIDTH / frame.width)
        bgr = self._converter.reformat(
            frame,
            width=round(frame.width * scale),
            height=round(frame.height * scale),
            format="bgr24",
            # Without scaling this is exact conversion, which FAST_BILINEAR does in a quarter of BILINEAR's time.
            interpolation=Interpolation.BILINEAR if scale < 1.0 else Interpolation.FAST_BILINEAR,
            threads=1,
        )
        return cast("Image", bgr.to_ndarray())
