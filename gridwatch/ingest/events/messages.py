"""Notification messages as they come, to events or the reason why not. The door at which identities are refused.

Messages are read from the parsed XML itself rather than through the library's types: those lose the namespaces that
say which topic it is, choke on what a vendor adds, and would take up content that must not even be looked at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gridwatch.domain import PositionFix
from gridwatch.domain.onvif import (
    LOCATION_TOPIC,
    ONVIF_TOPICS_NS,
    STATE_ITEMS,
    alarm_topic,
    has_identity_item,
    is_identity_topic,
)
from gridwatch.ingest.events.model import DeviceEvent, Items, Operation, Unread
from gridwatch.ingest.geolocation import NoPlace, read_place
from gridwatch.ingest.walltime import stamp

MAX_ITEMS = 16
MAX_TEXT = 128
"""Items of a group and characters of a value beyond these make a message malformed."""
_ON, _OFF = frozenset({"true", "1", "on", "active"}), frozenset({"false", "0", "off", "inactive"})
_FRACTION = re.compile(r"(\.\d{1,6})\d*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """Whose message it is and when it came."""

    camera: str
    received_at: datetime
    clock_offset_seconds: float
    """The camera's clock minus ours."""


def read_message(notification: Any, arrival: Arrival) -> DeviceEvent | PositionFix | Unread:
    """Read a `wsnt:NotificationMessage` (an lxml element, still in its document: prefixes are declared above it).

    A fix is where the camera itself says that it is.

    Of a message that is refused, nothing but the topic and the names of its items has been read.
    """
    told = _child(notification, "Topic")
    message = _child(_child(notification, "Message"), "Message")
    text = (getattr(told, "text", None) or "").strip()
    if is_identity_topic(text):
        return Unread.REFUSED
    if not text or message is None:
        return Unread.MALFORMED
    groups = {name: list(_items(_child(message, name))) for name in ("Source", "Key", "Data")}
    if has_identity_item(str(item.get("Name") or "") for group in groups.values() for item in group):
        return Unread.REFUSED
    path = _path(text, told.nsmap)
    if path != LOCATION_TOPIC and alarm_topic(path) is None:
        return Unread.UNKNOWN
    try:
        is_place = path == LOCATION_TOPIC
        return _fix(message, groups["Data"], arrival) if is_place else _event(path, message, groups, arrival)
    except ValueError:
        return Unread.MALFORMED


def _event(path: str, message: Any, groups: dict[str, list[Any]], arrival: Arrival) -> DeviceEvent:
    """Raises ValueError for a state, operation or item that cannot be read."""
    operation = Operation(message.get("PropertyOperation", Operation.CHANGED))
    utc_time = read_time(message.get("UtcTime", ""))
    times = stamp(utc_time, arrival.received_at, arrival.clock_offset_seconds)
    told = next((item.get("Value") for item in groups["Data"] if item.get("Name") in STATE_ITEMS), None)
    return DeviceEvent(
        camera=arrival.camera, topic=f"tns1:{path}", operation=operation, utc_time=utc_time,
        received_at=times.arrived_at, occurred_at=times.captured_at,
        source=_values(groups["Source"]), key=_values(groups["Key"]),
        state=None if told is None else _truth(told),
    )  # fmt: skip


def _fix(message: Any, data: list[Any], arrival: Arrival) -> PositionFix | Unread:
    """Of tns1:Monitoring/GeoLocation (Core, 8.9.11): its element item, the only one whose inside is looked at."""
    item = next((one for one in data if one.get("Name") == "CurrentLocation"), None)
    location = _child(item, "GeoLocation")
    place = NoPlace.NONE if location is None else read_place(location)
    if isinstance(place, NoPlace) or message.get("PropertyOperation") == Operation.DELETED:
        return Unread.MALFORMED if place is NoPlace.MALFORMED else Unread.UNKNOWN
    times = stamp(read_time(message.get("UtcTime", "")), arrival.received_at, arrival.clock_offset_seconds)
    return PositionFix(at=times.captured_at, position=place)


def _child(parent: Any, name: str) -> Any:
    """The first child of that local name in any namespace, or None."""
    if parent is not None:
        for child in parent:
            if isinstance(child.tag, str) and child.tag.rpartition("}")[2] == name:
                return child
    return None


def _items(group: Any) -> Iterator[Any]:
    """Simple and element items alike; what is inside an element item is not looked at."""
    if group is not None:
        for child in group:
            if isinstance(child.tag, str) and child.tag.rpartition("}")[2] in {"SimpleItem", "ElementItem"}:
                yield child


def _values(items: list[Any]) -> Items:
    found = tuple(sorted((item.get("Name") or "", item.get("Value")) for item in items if item.get("Value")))
    if len(found) > MAX_ITEMS or any(len(part) > MAX_TEXT for pair in found for part in pair):
        raise ValueError("more than an event needs")
    return found


def _path(topic: str, namespaces: dict[str | None, str]) -> str:
    """The topic without prefixes when all of it is ONVIF's; empty for a vendor's.

    A prefix that is not declared is taken for what it is usually declared as, and none for ONVIF's: some cameras
    forget both.
    """
    names = []
    for segment in topic.split("/"):
        prefix, colon, name = segment.strip().rpartition(":")
        if colon and namespaces.get(prefix, ONVIF_TOPICS_NS if prefix == "tns1" else "") != ONVIF_TOPICS_NS:
            return ""
        names.append(name)
    return "/".join(names)[:MAX_TEXT]


def _truth(value: str) -> bool:
    told = value.strip().lower()
    if told not in _ON | _OFF:
        raise ValueError("neither on nor off")
    return told in _ON


def read_time(text: str) -> datetime | None:
    """An xs:dateTime, None when it is no time; without a zone it is UTC, as ONVIF demands."""
    try:
        at = datetime.fromisoformat(_FRACTION.sub(r"\1", text.strip()))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
