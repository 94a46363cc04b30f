"""Reading what strangers wrote: JSON, paths into it, times, and fields about persons, which are counted. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeGuard

from pydantic_core import from_json

from gridwatch.domain.onvif import is_identity_field

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

MAX_BYTES: Final = 256 * 1024
"""Frigate's largest messages, with the path of a long stay, have some tens of KiB."""
MAX_AHEAD: Final = timedelta(seconds=2)
"""A clock ahead by more than this is not believed."""
_MANY: Final = 10_000
"""Fields looked through at most for what is about persons."""
_MILLISECONDS: Final = 100_000_000_000
"""Numbers from here on are milliseconds: as seconds they would be in the year 5138."""
_FRACTION: Final = re.compile(r"(\.\d{1,6})\d*")


class Unreadable(ValueError):  # noqa: N818  (names what is wrong)
    """The message is not what its source sends; says why without quoting it."""


def read_json(payload: bytes) -> Json:
    """Raises Unreadable: not UTF-8, not JSON, not finite, nested too deeply."""
    try:
        value: Json = from_json(payload, allow_inf_nan=False)
    except ValueError as exc:
        raise Unreadable("not JSON, or nested too deeply") from exc
    return value


def is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def count_identities(value: Json) -> int:
    """How many fields at any depth promise a fact about a person, and say something; among `_MANY` at most."""
    found, seen = 0, 0
    waiting: list[Json] = [value]
    while waiting and seen < _MANY:
        one = waiting.pop()
        if isinstance(one, list):
            seen += len(one)
            waiting += one
        elif isinstance(one, dict):
            seen += len(one)
            for name, inside in one.items():
                if is_identity_field(name):
                    found += inside not in (None, "", [], {})
                else:
                    waiting.append(inside)
    return found


def at_path(value: Json, path: str) -> Json:
    """What is there; None where there is nothing. `path` is a `JsonPath` of the configuration."""
    for step in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step[:6]) < len(value):
            value = value[int(step[:6])]
        else:
            return None
    return value


def text(fields: Mapping[str, Json], name: str, longest: int = 200) -> str:
    """Raises Unreadable."""
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Unreadable(f"{name} is no text of at most {longest} characters")
    return value


def number(value: Json, what: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number between the two. Raises Unreadable."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Unreadable(f"{what} is no number from {least:g} to {most:g}")
    return float(value)


def names(value: Json, what: str) -> Sequence[str]:
    """A list of texts, missing ones none. Raises Unreadable."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Unreadable(f"{what} is no list of names")
    return [one for one in value if isinstance(one, str)]


def moment(value: Json) -> datetime | None:
    """A time as others write it: RFC 3339, seconds or milliseconds since 1970. None when it is none."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()[:64]))
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def believable(told: datetime | None, arrived_at: datetime, max_age: timedelta) -> datetime:
    """`told`, when a message that arrived at `arrived_at` can speak of it; else the arrival.

    A clock slightly ahead is cut to arrival: nothing is told before it happens.
    """
    if told is None or not arrived_at - max_age <= told <= arrived_at + MAX_AHEAD:
        return arrived_at
    return min(told, arrived_at)
