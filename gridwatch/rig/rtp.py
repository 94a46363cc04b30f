"""RTP packets and RTCP sender reports of one playback (RFC 3550)."""

import secrets
import struct
from collections.abc import Sequence

from gridwatch.rig.clip import MAX_PAYLOAD, METADATA_TYPE, VIDEO_TYPE, AccessUnit

_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""


class RtpStream:
    """Numbers the packets of one sender. Not thread-safe; no I/O."""

    def __init__(self) -> None:
        # Random starts, as RFC 3550 5.1 asks: they also prove that a client does not rely on zero.
        self.ssrc = secrets.randbits(32)
        self.next_sequence = secrets.randbits(16)
        self.first_timestamp = secrets.randbits(32)
        self._packets = 0
        self._octets = 0

    def timestamp(self, ticks: int) -> int:
        """The RTP timestamp of `ticks` since the playback began."""
        return (self.first_timestamp + ticks) & 0xFFFF_FFFF

    def packets(self, unit: AccessUnit, ticks: int) -> list[bytes]:
        """The RTP packets of one picture; the last carries the marker bit."""
        return self._numbered(unit.payloads, VIDEO_TYPE, ticks)

    def document(self, text: bytes, ticks: int) -> list[bytes]:
        """Those of a document of ONVIF metadata (Streaming, 5.1.2.1.1)."""
        pieces = [text[at : at + MAX_PAYLOAD] for at in range(0, len(text), MAX_PAYLOAD)]
        return self._numbered(pieces, METADATA_TYPE, ticks)

    def _numbered(self, payloads: Sequence[bytes], kind_of_all: int, ticks: int) -> list[bytes]:
        timestamp = self.timestamp(ticks)
        last = len(payloads) - 1
        packets = []
        for i, payload in enumerate(payloads):
            kind = kind_of_all | (i == last) << 7
            packets.append(struct.pack(">BBHII", 0x80, kind, self.next_sequence, timestamp, self.ssrc) + payload)
            self.next_sequence = (self.next_sequence + 1) & 0xFFFF
            self._octets += len(payload)
        self._packets += len(packets)
        return packets

    def sender_report(self, ticks: int, wall: float) -> bytes:
        """A compound SR + SDES saying that the picture at `ticks` was taken at `wall` (seconds since 1970, UTC)."""
        ntp = round((wall + _NTP_EPOCH) * 2**32)
        report = struct.pack(
            ">BBHIQIII", 0x80, 200, 6, self.ssrc, ntp & 0xFFFF_FFFF_FFFF_FFFF, self.timestamp(ticks),
            self._packets & 0xFFFF_FFFF, self._octets & 0xFFFF_FFFF,
        )  # fmt: skip
        # SDES with a one-letter CNAME: type 1, length 1, "c", and the null that ends the list, padded to a word.
        return report + struct.pack(">BBHIBB2s", 0x81, 202, 2, self.ssrc, 1, 1, b"c\0")
