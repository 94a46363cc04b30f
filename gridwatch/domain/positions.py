"""Where a camera that moves was, from the fixes that were received of it."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt
from typing import Final

from gridwatch.domain.geometry import Position

HISTORY: Final = 600
"""Fixes kept: ten minutes of a receiver's usual one a second, longer than a rule waits before it raises."""
TOP_SPEED: Final = 70.0
"""Metres a second that no vehicle on a street exceeds (252 km/h)."""
ERROR: Final = 100.0
"""Metres two good fixes may be apart at rest: urban canyons reflect."""
_EARTH_RADIUS: Final = 6_371_008.8
"""Mean radius in metres (IUGG R1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionFix:
    """Where something was at one time."""

    at: datetime
    """Timezone-aware (ValueError)."""
    position: Position

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a fix needs a timezone-aware time")


class FixVerdict(StrEnum):
    """What a track made of a fix."""

    KEPT = "kept"  # it is part of the track now
    KNOWN = "known"  # there is one of that time already
    OLD = "old"  # before all of a full history
    JUMP = "jump"  # nobody drives there from the fixes around it


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionTrack:
    """The latest HISTORY fixes of one thing that moves, by time. Immutable: `adding` gives another track.

    Fixes may come in any order; equal fixes in equal order give equal answers.
    """

    max_age: timedelta
    """How far in time a fix may be from the moment it is taken for."""
    fixes: tuple[PositionFix, ...] = ()
    """By time, each time once."""

    def adding(self, fix: PositionFix) -> tuple["PositionTrack", FixVerdict]:
        """The track with `fix`, or itself where the fix is refused.

        A fix is a jump when it is further from a neighbour within `max_age` than TOP_SPEED and ERROR explain. So one
        wrong fix, kept because there was none before it, is not believed for longer than `max_age`.
        """
        place = self._place(fix.at)
        if place < len(self.fixes) and self.fixes[place].at == fix.at:
            return self, FixVerdict.KNOWN
        if place == 0 and len(self.fixes) >= HISTORY:
            return self, FixVerdict.OLD
        if any(not _is_plausible(one, fix) for one in self._near(fix.at)):
            return self, FixVerdict.JUMP
        fixes = (*self.fixes[:place], fix, *self.fixes[place:])
        return replace(self, fixes=fixes[-HISTORY:]), FixVerdict.KEPT

    def position_at(self, moment: datetime) -> Position | None:
        """Where it was at `moment` (timezone-aware); None when no fix is within `max_age` of it.

        Between two fixes that are both so near: on the line between them. Else that of the only one, as it was.
        """
        near = self._near(moment)
        if len(near) < 2:
            return near[0].position if near else None
        before, after = near
        share = (moment - before.at) / (after.at - before.at)
        return _between(before.position, after.position, share)

    def _place(self, moment: datetime) -> int:
        return bisect_left(self.fixes, moment, key=lambda fix: fix.at)

    def _near(self, moment: datetime) -> tuple[PositionFix, ...]:
        """The last fix before `moment` and the first not before it, those of them within `max_age`."""
        place = self._place(moment)
        around = self.fixes[max(0, place - 1) : place + 1]
        return tuple(fix for fix in around if abs(fix.at - moment) <= self.max_age)


def metres_between(one: Position, other: Position) -> float:
    """Great-circle distance on a sphere, to half a percent (haversine formula)."""
    lat1, lat2 = radians(one.lat), radians(other.lat)
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin(radians(other.lon - one.lon) / 2) ** 2
    return 2 * _EARTH_RADIUS * asin(sqrt(min(1.0, half)))


def _is_plausible(one: PositionFix, other: PositionFix) -> bool:
    seconds = abs((other.at - one.at).total_seconds())
    return metres_between(one.position, other.position) <= ERROR + TOP_SPEED * seconds


def _between(one: Position, other: Position, share: float) -> Position:
    """`share` (0..1) of the way, straight in degrees, the short way around where that passes longitude 180."""
    east = (other.lon - one.lon + 540) % 360 - 180
    lon = (one.lon + share * east + 540) % 360 - 180
    return Position(lon=round(lon, 7), lat=round(one.lat + share * (other.lat - one.lat), 7))
