"""NMEA 0183 sentences to position fixes. Pure.

Field layout of RMC and GGA: NMEA 0183 version 4.11, as gpsd's "NMEA Revealed" gives it.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gridwatch.domain import Position, PositionFix

LINE_BYTES = 256
"""Longest line looked at. A sentence has 82 at most; some receivers put a tag block before it."""
_SENTENCE = re.compile(rb"([A-Z0-9]{2}(?:RMC|GGA)),([\x20-\x7e]*)\*([0-9A-Fa-f]{2})")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d{1,9})?", re.ASCII)
_LATITUDE = re.compile(r"(\d{2})([0-5]\d(?:\.\d{1,12})?)", re.ASCII)
_LONGITUDE = re.compile(r"(\d{3})([0-5]\d(?:\.\d{1,12})?)", re.ASCII)
_NO_FIX_QUALITIES = frozenset("078")
"""Of GGA: no fix, typed in by hand, simulated."""
_NO_FIX_MODES = frozenset("NMS")
"""Of RMC since NMEA 2.3: not valid, typed in by hand, simulated. Estimated (dead reckoning) is a fix: tunnels."""


class Refusal(StrEnum):
    """Why a line gives no fix."""

    OTHER = "other"  # neither RMC nor GGA
    CHECKSUM = "checksum"  # its checksum is wrong
    MALFORMED = "malformed"  # RMC or GGA without a checksum, or with fields that cannot be
    NO_FIX = "no_fix"  # the receiver says that it does not know


def read_sentence(line: bytes, received_at: datetime) -> PositionFix | Refusal:
    """The fix in one line of at most LINE_BYTES, its end left out. Any bytes are allowed.

    Only the time of day is taken from the sentence, and the day so that the fix is nearest to `received_at`: GGA has
    no date, and the date of an old receiver is 1024 weeks wrong after the week number rolled over.
    """
    start = line.rfind(b"$")  # after a tag block, or after a sentence that was cut
    body = line[start + 1 :].rstrip()
    if start < 0 or body[2:5] not in (b"RMC", b"GGA"):
        return Refusal.OTHER
    match = _SENTENCE.fullmatch(body)
    if match is None:
        return Refusal.MALFORMED
    checksum = 0
    for byte in body[:-3]:
        checksum ^= byte
    if checksum != int(match[3], 16):
        return Refusal.CHECKSUM
    fields = match[2].decode("ascii").split(",")
    return _rmc(fields, received_at) if match[1].endswith(b"RMC") else _gga(fields, received_at)


def _rmc(fields: list[str], received_at: datetime) -> PositionFix | Refusal:
    """Fields: time, status, latitude, N/S, longitude, E/W, speed, course, date, variation, E/W, mode."""
    if len(fields) < 9:
        return Refusal.MALFORMED
    if fields[1] != "A" or (len(fields) > 11 and fields[11] in _NO_FIX_MODES):
        return Refusal.NO_FIX
    return _fix(fields[0], fields[2:6], received_at)


def _gga(fields: list[str], received_at: datetime) -> PositionFix | Refusal:
    """Fields: time, latitude, N/S, longitude, E/W, quality, ..."""
    if len(fields) < 6:
        return Refusal.MALFORMED
    if fields[5] in _NO_FIX_QUALITIES or not fields[5]:
        return Refusal.NO_FIX
    return _fix(fields[0], fields[1:5], received_at)


def _fix(time: str, place: list[str], received_at: datetime) -> PositionFix | Refusal:
    at = _at(time, received_at)
    lat = _degrees(_LATITUDE, place[0], place[1], "NS")
    lon = _degrees(_LONGITUDE, place[2], place[3], "EW")
    if at is None or lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return Refusal.MALFORMED
    if lat == 0 and lon == 0:  # in the sea off Africa; what trackers send that have no fix and do not say so
        return Refusal.NO_FIX
    return PositionFix(at=at, position=Position(lon=lon, lat=lat))


def _at(time: str, received_at: datetime) -> datetime | None:
    """`hhmmss[.s]` on the day that brings it nearest to `received_at`; second 60 is the first of the next minute."""
    match = _TIME.fullmatch(time)
    if match is None:
        return None
    since_midnight = timedelta(hours=int(match[1]), minutes=int(match[2]), seconds=int(match[3]) + float(match[4] or 0))
    midnight = received_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (midnight + timedelta(days=shift) for shift in (-1, 0, 1))
    return min((day + since_midnight for day in days), key=lambda moment: abs(moment - received_at))


def _degrees(pattern: re.Pattern[str], text: str, side: str, sides: str) -> float | None:
    """`dddmm.mmm` and its hemisphere, to about a centimetre."""
    match = pattern.fullmatch(text)
    if match is None or len(side) != 1 or side not in sides:
        return None
    value = round(int(match[1]) + float(match[2]) / 60, 7)
    return value if side == sides[0] else -value


@dataclass(slots=True)
class LineCutter:
    """Cuts a stream of bytes into lines, remembering at most LINE_BYTES. Not thread-safe."""

    overlong: int = 0
    """Lines dropped because they were longer."""
    _rest: bytearray = field(default_factory=bytearray)
    _skipping: bool = False

    def cut(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends; CR, LF and both end a line."""
        lines = []
        for piece in data.replace(b"\r", b"\n").splitlines(keepends=True):
            ended = piece.endswith(b"\n")
            if not self._skipping:
                self._rest += piece[:-1] if ended else piece
                if len(self._rest) > LINE_BYTES:
                    self.overlong += 1
                    self._skipping = True
            if ended and not self._skipping and self._rest:
                lines.append(bytes(self._rest))
            if ended or self._skipping:
                self._rest.clear()
            if ended:
                self._skipping = False
        return lines
