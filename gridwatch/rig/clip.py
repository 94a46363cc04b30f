"""A recorded H.264 file as RTP payloads: passed through, never re-encoded."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Self

import av
from av.bitstream import BitStreamFilterContext

from gridwatch.rig.errors import ClipError

RTP_CLOCK = 90_000
"""Ticks per second of H.264 over RTP (RFC 6184, 8.2.1)."""
VIDEO_TYPE, METADATA_TYPE = 96, 107
"""RTP payload types."""
MAX_PAYLOAD = 1400
"""Bytes of one RTP payload; with IP, UDP and RTP headers it stays below an Ethernet frame's 1500."""
MAX_CLIP_BYTES = 512 * 1024 * 1024
"""A clip is held in memory; a longer recording belongs in a real camera or an NVR."""

_START_CODE = re.compile(rb"\x00\x00\x01")
_NON_IDR, _IDR, _SPS, _PPS, _FU_A = 1, 5, 7, 8, 28
_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessUnit:
    """One coded picture."""

    payloads: tuple[bytes, ...]
    """RTP payloads in order, each at most MAX_PAYLOAD bytes: single NAL units or FU-A fragments."""
    ticks: int
    """Time since the clip's first picture, in RTP_CLOCK ticks."""
    key: bool
    """Decoding can start here (an IDR picture)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A recording ready to be sent. Immutable, so any number of clients and threads may share it."""

    path: Path
    width: int
    height: int
    fps: float
    """Average pictures per second."""
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    units: tuple[AccessUnit, ...]
    """At least one; the first is a key."""
    period: int
    """Ticks from the first picture of one round to the first of the next: the seam is one frame interval."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a whole file (MP4, MKV, MPEG-TS, raw Annex-B, ...). Blocking.

        Raises ClipError when it is missing, unreadable, too long, not H.264, has B-frames or has no IDR picture.
        """
        if not path.is_file():
            raise ClipError(f"{path}: no such file")
        if path.stat().st_size > MAX_CLIP_BYTES:
            raise ClipError(
                f"{path}: over {MAX_CLIP_BYTES >> 20} MiB; cut it, e.g. `ffmpeg -i IN -t 60 -c copy OUT.mp4`"
            )
        try:
            return cls._read(path)
        except av.FFmpegError as error:
            raise ClipError(f"{path}: cannot be read as video: {error.strerror}") from error

    @classmethod
    def _read(cls, path: Path) -> Self:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ClipError(f"{path}: holds no video")
            stream = container.streams.video[0]
            if stream.codec_context.name != "h264":
                raise ClipError(f"{path}: is {stream.codec_context.name}, not H.264; {_remedy(path)}")
            fps = float(stream.average_rate or stream.guessed_rate or 25)
            tick = float((stream.time_base or 0) * RTP_CLOCK)
            pictures = _pictures(container, stream, path)
            first = next((i for i, (nals, _) in enumerate(pictures) if _is_key(nals)), None)
            if first is None:
                raise ClipError(f"{path}: no IDR picture to start from; {_remedy(path)}")
            pictures = pictures[first:]
            units = _units(pictures, tick=tick, interval=RTP_CLOCK / fps)
            if any(later.ticks <= earlier.ticks for earlier, later in pairwise(units)):
                raise ClipError(f"{path}: its timestamps do not rise; {_remedy(path)}")
            return cls(
                path=path,
                width=stream.codec_context.width,
                height=stream.codec_context.height,
                fps=fps,
                sps=_distinct(pictures, _SPS, path),
                pps=_distinct(pictures, _PPS, path),
                units=units,
                period=units[-1].ticks + round(RTP_CLOCK / fps),
            )

    @property
    def seconds(self) -> float:
        """Length of one round."""
        return self.period / RTP_CLOCK

    @property
    def kilobits_per_second(self) -> int:
        """Average rate of the payloads, at least 1."""
        size = sum(len(payload) for unit in self.units for payload in unit.payloads)
        return max(1, round(size * 8 / 1000 / self.seconds))

    @property
    def key_interval(self) -> int:
        """Pictures per key picture, on average, at least 1."""
        return max(1, round(len(self.units) / sum(unit.key for unit in self.units)))

    @property
    def profile(self) -> str:
        """The H.264 profile as ONVIF's `H264Profile` writes it; unlisted ones count as High."""
        return _PROFILES.get(self.sps[0][1], "High")

    def timeline(self, start_seconds: float = 0.0) -> Iterator[tuple[int, AccessUnit]]:
        """Endless (ticks since the start, picture), from the last key at or before `start_seconds` (>= 0).

        Ticks rise strictly, over the seam as well.
        """
        wanted = start_seconds * RTP_CLOCK
        first = max(i for i, unit in enumerate(self.units) if unit.key and (unit.ticks <= wanted or i == 0))
        origin = self.units[first].ticks
        for turn in count():
            for unit in self.units[0 if turn else first :]:
                yield turn * self.period + unit.ticks - origin, unit

    def sdp(self, *, metadata: bool = False) -> str:
        """The session description (RFC 8866, RFC 6184 section 8.2.1): `track1`, and ONVIF's metadata as `track2`."""
        sprop = ",".join(base64.b64encode(nal).decode() for nal in (*self.sps, *self.pps))
        fmtp = f"packetization-mode=1;profile-level-id={self.sps[0][1:4].hex().upper()};sprop-parameter-sets={sprop}"
        lines = [
            "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=gridwatch rig", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
            "a=range:npt=now-", f"m=video 0 RTP/AVP {VIDEO_TYPE}", f"a=rtpmap:{VIDEO_TYPE} H264/{RTP_CLOCK}",
            f"a=fmtp:{VIDEO_TYPE} {fmtp}", f"a=framerate:{self.fps:g}", "a=control:track1",
        ]  # fmt: skip
        if metadata:
            lines += [
                f"m=application 0 RTP/AVP {METADATA_TYPE}", f"a=rtpmap:{METADATA_TYPE} vnd.onvif.metadata/{RTP_CLOCK}",
                "a=control:track2",
            ]  # fmt: skip
        return "\r\n".join(lines) + "\r\n"


def _remedy(path: Path) -> str:
    return f"convert it: `ffmpeg -i {path.name} -an -c:v libx264 -bf 0 -g 50 {path.stem}-rig.mp4`"


def _pictures(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path
) -> list[tuple[list[bytes], int | None]]:
    """The NAL units and presentation time of each picture, in file order."""
    to_annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
    pictures = []
    for packet in container.demux(stream):
        for converted in to_annex_b.filter(packet if packet.size else None):
            # A NAL unit never ends in a zero byte (ITU-T H.264, 7.4.1): those belong to the next start code.
            nals = [nal for part in _START_CODE.split(bytes(converted)) if (nal := part.rstrip(b"\0"))]
            if any(_is_b_slice(nal) for nal in nals):
                raise ClipError(f"{path}: has B-frames, which a live camera would not send; {_remedy(path)}")
            if nals:
                pictures.append((nals, converted.pts))
    return pictures


def _units(pictures: list[tuple[list[bytes], int | None]], *, tick: float, interval: float) -> tuple[AccessUnit, ...]:
    """Packetised pictures. Raw Annex-B files carry no times: they play at the constant frame `interval`."""
    origin = pictures[0][1]
    return tuple(
        AccessUnit(
            payloads=tuple(payload for nal in nals for payload in fragments(nal)),
            ticks=round(i * interval) if pts is None or origin is None else round((pts - origin) * tick),
            key=_is_key(nals),
        )
        for i, (nals, pts) in enumerate(pictures)
    )


def fragments(nal: bytes) -> Iterator[bytes]:
    """RTP payloads of one NAL unit: itself when it fits, else FU-A fragments (RFC 6184, 5.8)."""
    if len(nal) <= MAX_PAYLOAD:
        yield nal
        return
    indicator = nal[0] & 0xE0 | _FU_A
    step = MAX_PAYLOAD - 2
    for offset in range(1, len(nal), step):
        piece = nal[offset : offset + step]
        start, end = offset == 1, offset + step >= len(nal)
        yield bytes((indicator, start << 7 | end << 6 | nal[0] & 0x1F)) + piece


def _is_key(nals: list[bytes]) -> bool:
    return any(nal[0] & 0x1F == _IDR for nal in nals)


def _distinct(pictures: list[tuple[list[bytes], int | None]], kind: int, path: Path) -> tuple[bytes, ...]:
    """Each different parameter set once, in order of appearance."""
    found = tuple(dict.fromkeys(nal for nals, _ in pictures for nal in nals if nal[0] & 0x1F == kind))
    if not found or (kind == _SPS and len(found[0]) < 4):
        raise ClipError(f"{path}: has no H.264 parameter sets; {_remedy(path)}")
    return found


def _is_b_slice(nal: bytes) -> bool:
    """Whether this is a slice of a B picture: slice_type 1 or 6 (ITU-T H.264, table 7-6)."""
    if nal[0] & 0x1F not in {_NON_IDR, _IDR}:
        return False
    bits = f"{int.from_bytes(nal[1:9].ljust(8, b'0')):064b}"
    _first_macroblock, position = _exp_golomb(bits, 0)
    slice_type, _ = _exp_golomb(bits, position)
    return slice_type in {1, 6}


def _exp_golomb(bits: str, position: int) -> tuple[int, int]:
    """Read ue(v) (ITU-T H.264, 9.1); returns the value and the position after it."""
    zeros = bits.index("1", position) - position
    end = position + 2 * zeros + 1
    return int(bits[position + zeros : end], 2) - 1, end
