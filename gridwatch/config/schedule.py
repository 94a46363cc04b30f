"""When a rule is on duty: spans of the week in local time."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"(?:(?P<days>[a-z,-]+) +)?(?P<start>\d{1,2}:\d{2}) ?- ?(?P<end>\d{1,2}:\d{2})")
_REMEDY: Final = "write days and hours, e.g. `mon-fri 22:00-06:00`, `sat,sun 00:00-24:00` or `08:00-18:00`"
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Hours that begin on some days of the week, in minutes since local midnight."""

    days: frozenset[int]
    """Days it begins on; 0 is Monday."""
    start: int
    end: int
    """More than a day's minutes when it ends on the next day."""

    def covers(self, at: datetime, zone: tzinfo) -> bool:
        """Whether it is on at `at`, which is timezone-aware.

        Where the clocks are changed within it, its ends are taken so that it is on for longer: an hour that comes
        twice is watched twice, and an end that the clock leaps over is not taken for one before the leap.
        """
        today = at.astimezone(zone).date()
        for day in (today, today - timedelta(days=1)):
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 -- local, until it has its zone below
            if day.weekday() in self.days:
                begins = min(_readings(midnight + timedelta(minutes=self.start), zone))
                ends = max(_readings(midnight + timedelta(minutes=self.end), zone))
                if begins <= at.timestamp() < ends:
                    return True
        return False


def _readings(local: datetime, zone: tzinfo) -> tuple[float, float]:
    """The moments that a local time may mean: two where clocks are changed (PEP 495)."""
    return tuple(local.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))  # type: ignore[return-value]


def parse_span(text: str) -> Span:
    """From `mon-fri 22:00-06:00`; without days, every day. Raises ValueError with the remedy."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is no span of a week: {_REMEDY}")
    days = frozenset(range(7)) if match["days"] is None else _parse_days(match["days"], text)
    start, end = _parse_minutes(match["start"], text), _parse_minutes(match["end"], text)
    if start in (end, _DAY_MINUTES):
        raise ValueError(f"{text!r} has no length; a whole day is 00:00-24:00")
    return Span(days=days, start=start, end=end if end > start else end + _DAY_MINUTES)


def _parse_days(text: str, whole: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        names = part.split("-")
        if len(names) > 2 or any(name not in _DAYS for name in names):
            raise ValueError(f"{whole!r}: {part!r} is no day; {_REMEDY}")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def _parse_minutes(text: str, whole: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:
        raise ValueError(f"{whole!r}: {text!r} is no time of day")
    return hours * 60 + minutes


def _known_timezone(name: str) -> str:
    # ZoneInfo raises a kind of KeyError for an unknown name, ValueError for a path, OSError for a folder.
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        raise ValueError(f"no time zone {name!r}; take an IANA name such as `Asia/Shanghai`") from exc
    return name


def _is_span(text: str) -> str:
    parse_span(text)
    return text


ScheduleSpan = Annotated[str, AfterValidator(_is_span)]
"""Days and hours, e.g. `mon-fri 22:00-06:00`."""
TimeZoneName = Annotated[str, AfterValidator(_known_timezone)]
"""IANA name, e.g. `Asia/Shanghai`."""
