"""Packets and sender reports are as RFC 3550 says."""

import struct

from gridwatch.rig.clip import AccessUnit
from gridwatch.rig.rtp import RtpStream

UNIT = AccessUnit(payloads=(b"\x67abc", b"\x68d", b"\x65efgh"), ticks=0, key=True)


def test_packets_are_numbered_on_and_only_the_last_of_a_picture_is_marked() -> None:
    stream = RtpStream()
    stream.next_sequence = 0xFFFE

    packets = [struct.unpack(">BBHII", packet[:12]) for packet in stream.packets(UNIT, 0)]

    assert [sequence for _, _, sequence, _, _ in packets] == [0xFFFE, 0xFFFF, 0]
    assert [kind for _, kind, *_ in packets] == [96, 96, 96 | 0x80]
    assert {(first, timestamp, ssrc) for first, _, _, timestamp, ssrc in packets} == {
        (0x80, stream.first_timestamp, stream.ssrc)
    }


def test_timestamps_wrap_at_32_bits() -> None:
    stream = RtpStream()
    stream.first_timestamp = 0xFFFF_FFFF

    assert stream.timestamp(9000) == 8999


def test_a_sender_report_ties_the_pictures_timestamp_to_its_wall_clock_time() -> None:
    stream = RtpStream()
    stream.packets(UNIT, 0)

    report = stream.sender_report(9000, wall=1_800_000_000.25)

    first, kind, words, ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack(">BBHIIIIII", report[:28])
    assert (first, kind, words, ssrc) == (0x80, 200, 6, stream.ssrc)
    assert (seconds, fraction) == (1_800_000_000 + 2_208_988_800, 2**30)
    assert (timestamp, packets, octets) == (stream.timestamp(9000), 3, 11)
    assert len(report) == 28 + 12
    assert struct.unpack(">BBH", report[28:32]) == (0x81, 202, 2)  # a compound packet needs an SDES
