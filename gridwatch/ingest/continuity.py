"""Leaves out pictures that lack something, or are built on such, which decoders hand out as if they were whole.

Over UDP packets get lost, which RTP's numbers tell. Cameras in trouble leave whole pictures out over TCP too: FFmpeg's
H.265 decoder refuses what is built on a missing one; that of H.264 silently takes the one before, so `frame_num` is
followed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import av

from gridwatch.ingest.decoding import VideoPacket
from gridwatch.ingest.loss import RtpLoss
from gridwatch.ingest.tally import ReaderTally

_START_CODE = b"\0\0\1"
_SLICE, _IDR_SLICE, _SPS = 1, 5, 7
_HEAD_BYTES = 4096
"""What precedes a picture's first slice (parameter sets, SEI) is far shorter."""
_SLICE_HEADER_BYTES = 24
_EARLY_BYTES = 4
"""Of a slice, its NAL unit's header with them: enough for the `frame_num` of nearly all."""
_WITH_CHROMA_FORMAT = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
"""Profiles whose SPS tells the chroma format (ITU-T H.264, 7.3.2.1.1)."""


def continuous(
    packets: Iterable[VideoPacket], stream: av.VideoStream, tally: ReaderTally, loss: RtpLoss | None = None
) -> Iterator[VideoPacket]:
    """`packets` of `stream` without those between a hole and the next keyframe, which are counted.

    `loss` tells of the holes in the packets that these were put together from; None where there can be none.
    """
    codec = stream.codec_context
    sequence = FrameNumbers(codec.extradata or b"") if codec.name == "h264" else None
    waiting = False
    for packet in packets:
        whole = loss is None or not loss.took_place() or not packet.size
        if waiting and not packet.is_keyframe and packet.size:
            tally.packet(size=packet.size, decoded=0, errors=0)
            continue
        if sequence is not None:
            whole = sequence.follows(bytes(memoryview(packet)[:_HEAD_BYTES]), key=packet.is_keyframe) and whole
        if not whole:
            tally.packet(size=packet.size, decoded=0, errors=1)
        elif waiting and codec.is_open and not (sequence is not None and sequence.begins_anew):
            # A key picture that is no IDR does not make the decoder forget the pictures before the missing one.
            codec.flush_buffers()
        waiting = not whole
        if whole:
            yield packet


class FrameNumbers:
    """Follows `frame_num` from picture to picture (ITU-T H.264, 7.4.3). Not thread-safe; raises for nothing."""

    def __init__(self, parameter_sets: bytes) -> None:
        """`parameter_sets`: Annex B, as an SDP has them; without, those in the stream do."""
        self._layout: _Layout | None = None
        self._reference: int | None = None
        """`frame_num` of the reference picture before; None when the next picture follows anything."""
        self.begins_anew = False
        """Whether the latest picture was an IDR, after which nothing refers to what was before."""
        self._learn(parameter_sets)

    def follows(self, picture: bytes, *, key: bool) -> bool:
        """Whether nothing is missing between the picture before and this, as far as can be seen.

        `picture` is the beginning of an access unit in Annex B. A `key` follows anything. What cannot be read follows
        too: to find fault with that is the decoder's business.
        """
        nal = self._learn(picture)
        layout = self._layout
        if nal is None or layout is None or layout.gaps_allowed:
            return True
        self.begins_anew = nal[0] & 0x1F == _IDR_SLICE
        try:
            number = _frame_num(layout, nal)
        except (IndexError, ValueError):
            return True
        reference = self._reference
        broken = not key and reference is not None and number not in {reference, (reference + 1) % layout.numbers}
        if broken:
            self._reference = None
        elif nal[0] & 0x60 or key:  # nal_ref_idc: others do not count
            self._reference = number
        return not broken

    def _learn(self, unit: bytes) -> bytes | None:
        """The first slice of `unit`; the SPS on the way to it is remembered."""
        at = unit.find(_START_CODE)
        while at >= 0:
            begin = at + len(_START_CODE)
            kind = unit[begin] & 0x1F if begin < len(unit) else 0
            if kind in {_SLICE, _IDR_SLICE}:
                return unit[begin : begin + _SLICE_HEADER_BYTES]
            at = unit.find(_START_CODE, begin)
            if kind == _SPS:
                self._adopt(unit[begin : at if at >= 0 else len(unit)])
        return None

    def _adopt(self, sps: bytes) -> None:
        try:
            layout = _Layout.read(sps)
        except (IndexError, ValueError):
            return
        if layout != self._layout:
            self._layout, self._reference = layout, None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """What an SPS says about `frame_num`."""

    bits: int
    separate_planes: bool
    gaps_allowed: bool
    """Numbers may be left out on purpose, as temporal layers do."""

    @property
    def numbers(self) -> int:
        """MaxFrameNum."""
        return 1 << self.bits

    @classmethod
    def read(cls, sps: bytes) -> "_Layout":
        """Of an SPS NAL unit (7.3.2.1.1). Raises IndexError or ValueError when it is cut or absurd."""
        bits = _Bits(sps, skip=4)
        separate = False
        bits.ue()  # seq_parameter_set_id
        if sps[1] in _WITH_CHROMA_FORMAT:
            chroma_format = bits.ue()
            separate = chroma_format == 3 and bits.u(1) == 1
            bits.ue()  # bit_depth_luma_minus8
            bits.ue()  # bit_depth_chroma_minus8
            bits.u(1)  # qpprime_y_zero_transform_bypass_flag
            if bits.u(1):
                _skip_scaling_lists(bits, 12 if chroma_format == 3 else 8)
        width = bits.ue() + 4
        if width > 16:
            raise ValueError("log2_max_frame_num_minus4 is at most 12")
        order = bits.ue()
        if order == 0:
            bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
        elif order == 1:
            bits.u(1)
            bits.ue()  # signed ones are skipped alike
            bits.ue()
            for _ in range(min(bits.ue(), 255)):
                bits.ue()
        bits.ue()  # max_num_ref_frames
        return cls(bits=width, separate_planes=separate, gaps_allowed=bits.u(1) == 1)

    def frame_num(self, nal: bytes) -> int:
        """Of a slice (7.3.3). Raises IndexError or ValueError when it is cut."""
        bits = _Bits(nal, skip=1)
        bits.ue()  # first_mb_in_slice
        bits.ue()  # slice_type
        bits.ue()  # pic_parameter_set_id
        if self.separate_planes:
            bits.u(2)
        return bits.u(self.bits)


def _frame_num(layout: _Layout, nal: bytes) -> int:
    """As `layout.frame_num`, faster."""
    try:
        return _frame_num_early(layout, nal[:_EARLY_BYTES])
    except (IndexError, ValueError):
        return layout.frame_num(nal)


@lru_cache(maxsize=4096)
def _frame_num_early(layout: _Layout, nal: bytes) -> int:
    # Slices begin in few ways, again and again. What does not end within `nal` raises, and is not remembered.
    return layout.frame_num(nal)


def _skip_scaling_lists(bits: "_Bits", count: int) -> None:
    """Section 7.3.2.1.1.1."""
    for i in range(count):
        if not bits.u(1):
            continue
        scale = 8
        for _ in range(16 if i < 6 else 64):
            scale = (scale + bits.se()) % 256
            if scale == 0:
                break


class _Bits:
    """Reads a NAL unit bit by bit, its emulation prevention removed. Raises IndexError at its end."""

    def __init__(self, nal: bytes, *, skip: int) -> None:
        """`skip` bytes are left out at the beginning."""
        payload = nal.replace(b"\0\0\3", b"\0\0")[skip:]
        self._bits = f"{int.from_bytes(payload):0{8 * len(payload)}b}" if payload else ""
        self._at = 0

    def u(self, count: int) -> int:
        end = self._at + count
        if end > len(self._bits):
            raise IndexError("the NAL unit is cut")
        value = int(self._bits[self._at : end], 2)
        self._at = end
        return value

    def ue(self) -> int:
        """Section 9.1. Raises ValueError when there is no 1 to come."""
        zeros = self._bits.index("1", self._at) - self._at
        self._at += zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        """Section 9.1.1."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)
