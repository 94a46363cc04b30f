from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwatch.domain import Position, PositionFix
from gridwatch.ingest.positions_nmea import LINE_BYTES, LineCutter, Refusal, read_sentence

NOON = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)


def sentence(body: str) -> bytes:
    """`$`, body, and its checksum as NMEA 0183 has it."""
    return f"${body}*{reduce(lambda a, b: a ^ b, body.encode(), 0):02X}".encode()


def gga(time: str = "120000.00", place: str = "3113.824,N,12128.422,E", quality: str = "1") -> bytes:
    return sentence(f"GPGGA,{time},{place},{quality},08,0.9,12.0,M,8.0,M,,")


def rmc(time: str = "120000", place: str = "3113.824,N,12128.422,E", status: str = "A", tail: str = ",,,A") -> bytes:
    return sentence(f"GNRMC,{time},{status},{place},022.4,084.4,010326{tail}")


def fix_of(line: bytes, received_at: datetime = NOON) -> PositionFix:
    result = read_sentence(line, received_at)
    assert isinstance(result, PositionFix), result
    return result


@pytest.mark.parametrize("line", [gga(), rmc(), rmc(tail=""), rmc(tail=",,,E"), gga(quality="6"), gga(quality="4")])
def test_a_fix_is_read_of_either_sentence(line: bytes) -> None:
    fix = fix_of(line)
    assert fix.at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert fix.position == Position(lon=121.4737, lat=31.2304)


def test_sentences_from_the_literature_are_read() -> None:
    """Well-known examples, with the checksums they are printed with."""
    hefei = fix_of(b"$GNRMC,060512.00,A,3150.788156,N,11711.922383,E,0.0,,311019,,,A,V*1B")
    assert hefei.position == Position(lon=pytest.approx(117.1987064), lat=pytest.approx(31.8464693))
    munich = fix_of(b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A")
    assert munich.position == Position(lon=pytest.approx(11.5166667), lat=pytest.approx(48.1173))
    assert fix_of(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47").position == munich.position


@pytest.mark.parametrize(
    ("place", "lon", "lat"),
    [
        ("3351.500,S,15112.600,E", 151.21, -33.8583333),
        ("3436.220,S,05822.893,W", -58.38155, -34.6036667),
        ("4042.767,N,07400.360,W", -74.006, 40.7127833),
        ("9000.000,S,18000.000,W", -180.0, -90.0),
        ("0000.000,N,00000.100,W", -0.0016667, 0.0),
    ],
)
def test_every_hemisphere_has_its_sign(place: str, lon: float, lat: float) -> None:
    assert fix_of(gga(place=place)).position == Position(lon=lon, lat=lat)


@pytest.mark.parametrize(
    ("received", "time", "at"),
    [
        ("2026-03-01T00:00:00.5+00:00", "235959.80", "2026-02-28T23:59:59.8+00:00"),
        ("2026-02-28T23:59:59.9+00:00", "000000.10", "2026-03-01T00:00:00.1+00:00"),
        ("2026-03-01T08:00:00.5+08:00", "235959.80", "2026-02-28T23:59:59.8+00:00"),
        ("2026-12-31T23:59:59.9+00:00", "000001", "2027-01-01T00:00:01+00:00"),
        ("2026-12-31T23:59:59+00:00", "235960", "2027-01-01T00:00:00+00:00"),
        ("2026-03-01T12:00:01+00:00", "115930", "2026-03-01T11:59:30+00:00"),
    ],
)
def test_the_day_is_the_one_that_brings_the_fix_nearest_to_its_arrival(received: str, time: str, at: str) -> None:
    received_at = datetime.fromisoformat(received)
    for line in (gga(time), rmc(time)):  # the date in it is not believed
        assert fix_of(line, received_at).at == datetime.fromisoformat(at)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (gga().replace(b"3113", b"3114"), Refusal.CHECKSUM),
        (gga()[:-2] + b"00", Refusal.CHECKSUM),
        (rmc().rpartition(b"*")[0], Refusal.MALFORMED),
        (gga()[:30], Refusal.MALFORMED),
        (gga() + b"x", Refusal.MALFORMED),
        (gga().replace(b"$GP", b"$gp"), Refusal.MALFORMED),
        (gga("250000"), Refusal.MALFORMED),
        (gga("126000"), Refusal.MALFORMED),
        (gga(""), Refusal.MALFORMED),
        (gga(place="3160.000,N,12128.422,E"), Refusal.MALFORMED),
        (gga(place="9100.000,N,12128.422,E"), Refusal.MALFORMED),
        (gga(place="9000.001,N,12128.422,E"), Refusal.MALFORMED),
        (gga(place="3113.824,N,18100.000,E"), Refusal.MALFORMED),
        (gga(place="3113.824,E,12128.422,N"), Refusal.MALFORMED),
        (gga(place="3113.824,,12128.422,E"), Refusal.MALFORMED),
        (gga(place="3113.824,NS,12128.422,E"), Refusal.MALFORMED),
        (gga(place="-113.824,N,12128.422,E"), Refusal.MALFORMED),
        (gga(place="nan,N,12128.422,E"), Refusal.MALFORMED),
        (sentence("GPGGA,120000"), Refusal.MALFORMED),
        (sentence("GPRMC,120000,A"), Refusal.MALFORMED),
        (gga(place=",,,", quality="0"), Refusal.NO_FIX),
        (gga(quality=""), Refusal.NO_FIX),
        (gga(quality="8"), Refusal.NO_FIX),
        (rmc(status="V"), Refusal.NO_FIX),
        (rmc(tail=",,,N"), Refusal.NO_FIX),
        (rmc(tail=",,,S"), Refusal.NO_FIX),
        (gga(place="0000.000,N,00000.000,E"), Refusal.NO_FIX),
        (sentence("GPGSV,1,1,00"), Refusal.OTHER),
        (b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24", Refusal.OTHER),
        (b"", Refusal.OTHER),
        (b"HTTP/1.1 400 Bad Request", Refusal.OTHER),
    ],
)
def test_what_is_no_fix_is_told_apart(line: bytes, why: Refusal) -> None:
    assert read_sentence(line, NOON) == why


def test_a_fix_is_read_after_a_tag_block_and_after_a_sentence_that_was_cut() -> None:
    whole = fix_of(gga())
    assert fix_of(b"\\s:van7,c:1772366400*5F\\" + gga()) == whole
    assert fix_of(gga()[:23] + gga()) == whole


@given(st.binary(max_size=LINE_BYTES))
def test_any_bytes_are_refused_or_a_place_on_earth(line: bytes) -> None:
    check = read_sentence(line, NOON)
    if isinstance(check, PositionFix):
        assert abs(check.position.lon) <= 180
        assert abs(check.position.lat) <= 90
        assert abs(check.at - NOON) <= timedelta(hours=12)


@given(st.lists(st.integers(min_value=0, max_value=400), max_size=6))
def test_lines_are_the_same_however_the_bytes_come(cuts: list[int]) -> None:
    data = gga() + b"\r\n" + rmc() + b"\n\r\n" + b"x" * (LINE_BYTES + 1) + b"\r" + gga("120002") + b"\r\n" + b"rest"
    edges = sorted({0, *cuts, len(data)})
    cutter = LineCutter()
    lines = [line for a, b in pairwise(edges) for line in cutter.cut(data[a:b])]
    assert lines == [gga(), rmc(), gga("120002")]
    assert cutter.overlong == 1


def test_an_endless_line_takes_no_memory_and_the_next_is_read() -> None:
    cutter = LineCutter()
    for _ in range(1000):
        assert cutter.cut(b"$GPGGA," * 600) == []
        assert len(cutter._rest) <= LINE_BYTES
    assert cutter.cut(b"\n" + gga() + b"\n") == [gga()]
    assert cutter.overlong == 1
