"""Where an ONVIF device says that it is. Pure.

ONVIF has two ways (Core 26.06): the operation GetGeoLocation of the device service (8.3.20), whose entries are of
tt:LocationEntity, and the event tns1:Monitoring/GeoLocation (8.9.11). Both hold a tt:GeoLocation (common.xsd): lon and
lat in degrees of WGS84. The event comes over a pull point or in a metadata stream. The tt:GeoLocation in such a
stream's scene (tt:Appearance) is that of an object seen, and is never read.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from gridwatch.domain import Position

_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?", re.ASCII)
"""What xs:double has, but its infinities and its NaN."""
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_ENTITIES: Final = ("Device", "", "VideoSource")
"""Whose place is the camera's, the best first. One that does not say is taken for the device."""


class NoPlace(StrEnum):
    """Why an answer tells no place."""

    NONE = "none"  # nothing in it is a place on earth
    NO_FIX = "no_fix"  # the place 0, 0: the receiver does not know
    TYPED_IN = "typed_in"  # AutoGeo is false and there is no GeoSource: somebody wrote it, and it stays when we drive
    MALFORMED = "malformed"  # it has no longitude and latitude, or such as cannot be


def read_place(location: Any) -> Position | NoPlace:
    """Of a tt:GeoLocation (an lxml element), to about a centimetre."""
    lon, lat = (_degrees(location.get(name)) for name in ("lon", "lat"))
    if lon is None or lat is None or abs(lon) > 180 or abs(lat) > 90:
        return NoPlace.MALFORMED
    if lon == 0 and lat == 0:  # in the sea off Africa
        return NoPlace.NO_FIX
    return Position(lon=lon, lat=lat)


def place_among(entries: Iterable[Any]) -> Position | NoPlace:
    """The place of the camera in tt:LocationEntity elements: what the device finds by itself goes first."""
    known = [entry for entry in entries if (entry.get("Entity") or "") in _ENTITIES]
    known.sort(key=lambda entry: (_flag(entry, "AutoGeo") is not True, _ENTITIES.index(entry.get("Entity") or "")))
    answers = [_place_of(entry) for entry in known]
    told = [one for one in answers if one is not NoPlace.NONE]
    return next((one for one in told if isinstance(one, Position)), next(iter(told), NoPlace.NONE))


def _place_of(entry: Any) -> Position | NoPlace:
    location = entry.find("{*}GeoLocation")
    if location is None:
        return NoPlace.NONE
    if _flag(entry, "AutoGeo") is False and not entry.get("GeoSource"):
        return NoPlace.TYPED_IN
    return read_place(location)


def _flag(entry: Any, name: str) -> bool | None:
    value = (entry.get(name) or "").strip()
    return True if value in _TRUE else False if value in _FALSE else None


def _degrees(text: str | None) -> float | None:
    stripped = (text or "").strip()
    return round(float(stripped), 7) if _NUMBER.fullmatch(stripped) else None
