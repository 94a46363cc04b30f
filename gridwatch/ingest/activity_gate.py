"""The gate in the compressed domain: an idle camera is demuxed, and decoded at a keyframe now and then.

    awake --- analysis says idle, sizes are calm ---> asleep: packets are kept, undecoded
      ^                                                 |  every KEY_SECONDS a keyframe is decoded alone; when it shows
      |                                                 |  what the one before showed, it is handed out and what lies
      |                                                 |  between them is let go
      +--- sizes rise, a keyframe differs, -------------+
           analysis wants more, a hole in the stream,
           the packets kept grow too long or too many:
           everything since that keyframe is decoded, in order

So what wakes a camera late loses nothing: the pictures between the last one known to be still and now are handed out as
if they had been decoded all along, at the same places of the sampling grid, only later. They go out as fast as analysis
takes them, so that no queue behind drops them.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

import av
import structlog

from gridwatch.domain import Image
from gridwatch.ingest.activity import Attention, Look, SizeWatch, differ
from gridwatch.ingest.decoding import Arrival, Picture, PictureDecoder, VideoPacket
from gridwatch.ingest.keyframes import starts_afresh
from gridwatch.ingest.tally import ReaderTally

log = structlog.get_logger(__name__)

KEY_SECONDS: Final = 8.0
"""Between two keyframes decoded of an idle camera, at least. A motion gate looks every 10 s however still it is."""
CALM_SECONDS: Final = 3.0
"""Awake this long after sizes rose, whatever analysis says."""
LONGEST_SECONDS: Final = 30.0
"""Without a usable keyframe for this long, everything is decoded."""
HOLE_SECONDS: Final = 2.0
"""A longer step between pictures is a hole in the stream, or a jump of its clock."""
KEPT_BYTES: Final = 8 * 1024 * 1024
"""Packets kept of one camera: 30 s at 2 Mbit/s. Beyond, everything is decoded as it comes."""
_NOTHING_SECONDS: Final = 20.0
"""Idle again so soon after its sizes woke a camera: analysis, which remembers motion for longer, saw none."""
_LEAST_FPS: Final = 1.0
"""Cameras analysed less often are decoded always: between two of their pictures anything may have come and gone."""
_IN_FLIGHT: Final = 2
"""Frames handed out of what was kept that analysis has not finished: as many as may wait there."""
_LONGEST_WAIT_SECONDS: Final = 1.0
"""Pictures that are not analysed wait no longer than this for one that is."""
_PATIENCE_SECONDS: Final = 2.0
"""How long a frame handed out at the end of a stream is waited for."""


class Wake(StrEnum):
    """Why an idle camera is decoded again."""

    SIZES = "sizes"  # packets are larger than they were
    PICTURE = "picture"  # a keyframe shows something else than the one before
    ANALYSIS = "analysis"  # analysis found something in a keyframe
    DAMAGE = "damage"  # a keyframe cannot be decoded
    HOLE = "hole"  # pictures are missing, or the stream's clock jumped
    LONG = "long"  # LONGEST_SECONDS or KEPT_BYTES without a keyframe
    END = "end"  # the stream is over


class ActivityGate:
    """Feeds the decoder of one connection with what is worth decoding. Not thread-safe."""

    def __init__(
        self,
        stream: av.VideoStream,
        fps: float,
        tally: ReaderTally,
        attention: Attention | None,
        name: str,
        *,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """`stream` must not have decoded anything yet; without `attention` it is never idle. `name` is for the log.

        `kept_bytes` is the most to keep while idle.
        """
        self.alive = False
        """True when the latest packet gave a picture, or was not needed."""
        self._decoder = PictureDecoder(stream, fps, tally)
        self._tally = tally
        self._attention = attention if fps >= _LEAST_FPS else None
        if attention is not None:
            attention.forget()
        self._name = name
        self._tick = float(stream.time_base or 0)
        self._sizes = SizeWatch()
        self._kept: deque[Arrival] = deque()
        self._kept_bytes = 0
        self._most_bytes = kept_bytes
        self._asleep = False
        self._behind = False
        """Awake, with packets kept from before."""
        self._handed_out = 0
        self._handed_out_to = 0.0
        """Stream time of the latest picture handed out."""
        self._latest: float | None = None
        """PTS in seconds of the latest picture in order of presentation; None while they are not known."""
        self._key_at = self._risen_at = self._roused_at = float("-inf")
        self._since_key: list[Arrival] = []
        """Falling asleep: a keyframe and what is shown before it, all decoded."""
        self._shown: av.VideoFrame | None = None
        """Falling asleep: the latest picture."""
        self._still: Image | None = None
        """Asleep: what the latest keyframe showed, small."""

    def feed(self, arrival: Arrival) -> Iterable[Picture]:
        """The pictures to analyse now, in order. Take all of them before the next packet; an empty one is the last.

        Blocks for the last one only, while analysis catches up.
        """
        packet = arrival.packet
        self._tally.packet(size=packet.size, decoded=0, errors=0)
        wake = self._watch(packet)
        self._kept.append(arrival)
        self._kept_bytes += packet.size
        if self._asleep:
            self.alive = True
            wake = wake or self._wanted()
            looks = packet.is_keyframe and self.at(packet) - self._key_at >= KEY_SECONDS
            return self._rouse(arrival, wake) if looks or wake is not None else ()
        self.alive = self._behind
        is_news = wake is not None or packet.is_keyframe or self._behind or self._since_key
        return self._go_on(arrival, wake) if is_news or self._is_due(packet) else ()

    def due_after(self, packet: VideoPacket) -> float | None:
        """Seconds from the picture of `packet`, the latest, to the next worth having; None when that is not known."""
        return None if self._behind or packet.pts is None else self._decoder.due_after(self.at(packet))

    def _rouse(self, arrival: Arrival, wake: Wake | None) -> Iterator[Picture]:
        """Asleep: look at a keyframe, unless it is known that it is time to `wake`."""
        if wake is None:
            wake = yield from self._look_at_key()
        if wake is not None:
            self._wake(wake)
            yield from self._go_on(arrival, wake)

    def _go_on(self, arrival: Arrival, wake: Wake | None) -> Iterator[Picture]:
        """Awake: decode, and perhaps fall asleep."""
        packet = arrival.packet
        if packet.is_keyframe:
            if not self._behind:
                self._drop_unwanted()
            self._since_key = [arrival] if self._may_sleep() else []
        elif self._since_key and wake is not None:
            self._since_key = []
        elif self._since_key:
            if self.at(packet) > self.at(self._since_key[0].packet):
                yield from self._sleep(arrival)
                return
            # Shown before the keyframe, and built on what came before it.
            self._since_key.append(arrival)
        if self._behind or wake is not None or self._since_key or self._is_due(packet):
            latest = yield from self._decode_kept()
            self._shown = latest if self._since_key else None
        self.alive = self.alive or self._behind
        if packet.size == 0:
            yield from self.finish()

    def finish(self) -> Iterator[Picture]:
        """No packet will follow: what was kept, as fast as analysis takes it."""
        if self._asleep:
            self._wake(Wake.END)
        while self._kept:
            yield from self._decode_kept()
            if self._kept and self._attention is not None:
                # Nothing more comes in, so waiting for analysis holds nothing up.
                self._behind = self._attention.wait(self._handed_out - _IN_FLIGHT, _PATIENCE_SECONDS)

    def _watch(self, packet: VideoPacket) -> Wake | None:
        """Learn from a packet; what would wake a sleeping camera."""
        if packet.size == 0:
            return Wake.END
        if packet.pts is None:
            self._latest = None
            return Wake.HOLE
        at, latest = self.at(packet), self._latest
        if packet.is_keyframe:
            self._sizes.key(at)
        if latest is None or abs(at - latest) > HOLE_SECONDS:
            self._latest = at
            return Wake.HOLE
        if at > latest:  # others are B pictures, which show nothing that a P picture has not shown
            self._latest = at
            if not packet.is_keyframe and self._attention is not None and self._sizes.moves(packet.size, at):
                self._risen_at = at
                return Wake.SIZES
        if self._asleep and (at - self._key_at > LONGEST_SECONDS or self._kept_bytes > self._most_bytes):
            return Wake.LONG
        return None

    def _is_due(self, packet: VideoPacket) -> bool:
        """Whether what was kept is to be decoded now: one that is not analysed can wait for one that is."""
        first = self._kept[0].packet
        return (
            not self._decoder.in_order
            or self._decoder.is_due(self.at(packet))
            or self.at(packet) - self.at(first) >= _LONGEST_WAIT_SECONDS
        )

    def _drop_unwanted(self) -> None:
        """What waited for a picture to analyse, until this keyframe, is needed by nothing."""
        arrival = self._kept[-1]
        if len(self._kept) > 1 and starts_afresh(arrival.packet):
            self._keep_only(arrival)

    def _wanted(self) -> Wake | None:
        """Whether analysis found something in what was handed out before the camera fell asleep, or since."""
        look = self._look()
        return Wake.ANALYSIS if look is not None and not look.idle else None

    def _may_sleep(self) -> bool:
        look = self._look()
        if look is None or not look.idle or self._latest is None or self._behind or not self._sizes.is_ready:
            return False
        return abs(self._latest - self._risen_at) > CALM_SECONDS

    def _sleep(self, arrival: Arrival) -> Iterator[Picture]:
        """From the keyframe on that was decoded lately; `arrival` is the first that is shown after it."""
        since_key, shown = self._since_key, self._shown
        self._since_key, self._shown = [], None
        self.alive = True
        waiting = self._decoder.drain()
        for picture in self._decoder.sample(since_key[0], waiting):
            yield self._hand_out(picture)
        shown = waiting[-1] if waiting else shown
        self._asleep, self._key_at = True, self.at(since_key[0].packet)
        if self._key_at - self._roused_at < _NOTHING_SECONDS:
            self._sizes.was_wrong(self._key_at)
            self._roused_at = float("-inf")
        self._still = None if shown is None else self._decoder.small(shown)
        self._kept.clear()
        self._kept.extend([*since_key, arrival])
        self._kept_bytes = sum(one.packet.size for one in self._kept)

    def _wake(self, why: Wake) -> None:
        log.debug("camera_wakes", camera=self._name, why=why, packets=len(self._kept))
        self._tally.woke()
        if why is Wake.SIZES:
            self._roused_at = self._risen_at
        self._asleep, self._behind, self._still = False, True, None
        self._decoder.go_on_from(self._kept[0].packet)

    def _look(self) -> Look | None:
        return None if self._attention is None else self._attention.latest()

    def _keep_only(self, arrival: Arrival) -> None:
        """Let go of all but the latest."""
        self._kept.pop()
        for one in self._kept:
            self._decoder.pass_over(one.packet)
        self._tally.passed_over(len(self._kept))
        self._kept.clear()
        self._kept.append(arrival)
        self._kept_bytes = arrival.packet.size

    def _look_at_key(self) -> Generator[Picture, None, Wake | None]:
        """Compare the keyframe that came last. If nothing changed, hand it out and let go what came before it."""
        look = self._look()
        if look is None or look.index < self._handed_out - 1:
            return None  # what analysis says of the last one is not known yet
        arrival = self._kept[-1]
        frame = self._decoder.decode_alone(arrival.packet)
        if frame is None:
            return Wake.DAMAGE
        small = self._decoder.small(frame)
        if self._still is None or differ(small, self._still):
            return Wake.PICTURE
        self._still, self._key_at = small, self.at(arrival.packet)
        self._keep_only(arrival)
        for picture in self._decoder.sample(arrival, [frame]):
            quiet = picture.time - self._handed_out_to
            yield self._hand_out(replace(picture, quiet=quiet))
        return None

    def _decode_kept(self) -> Generator[Picture, None, av.VideoFrame | None]:
        """Decode what was kept; while behind, only as fast as analysis takes it. Returns the last picture decoded."""
        latest = None
        if not self._behind and len(self._kept) > 1 and self._decoder.in_order:
            # Of what was kept, none was due when it came.
            last = self._kept.pop()
            for picture in self._decoder.decode_between(self._kept):
                yield self._hand_out(picture)
            self._kept.clear()
            self._kept.append(last)
            self._kept_bytes = last.packet.size
        while self._kept and (not self._behind or self._has_room() or self._kept_bytes > self._most_bytes):
            arrival = self._kept.popleft()
            packet = arrival.packet
            self._kept_bytes -= packet.size
            wanted = not self._decoder.in_order or packet.pts is None or self._decoder.is_due(self.at(packet))
            frames = self._decoder.decode(packet, wanted=wanted)
            if frames:
                self.alive, latest = True, frames[-1]
            for picture in self._decoder.sample(arrival, frames):
                yield self._hand_out(picture)
        self._behind = self._behind and bool(self._kept)
        return latest

    def _has_room(self) -> bool:
        look = self._look()
        return self._handed_out - (0 if look is None else look.index + 1) < _IN_FLIGHT

    def _hand_out(self, picture: Picture) -> Picture:
        self._handed_out += 1
        self._handed_out_to = picture.time
        return picture

    def at(self, packet: VideoPacket) -> float:
        """PTS in seconds; only compared with each other."""
        return (packet.pts or 0) * self._tick
