"""What a camera tells of itself, and what its event reader has done."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Items = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""


class Operation(StrEnum):
    """What an event says of a property of the camera (ONVIF Core, 9.4)."""

    INITIALIZED = "Initialized"  # its state when the subscription began, or on request: no news
    CHANGED = "Changed"  # it has another state now; also any message that tells of no property
    DELETED = "Deleted"  # there is no such property any more


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceEvent:
    """One event of a topic that gridwatch knows, with only the items that its meaning needs."""

    camera: str
    topic: str
    """`tns1:RuleEngine/LineDetector/Crossed`, whatever prefixes the camera used."""
    operation: Operation
    utc_time: datetime | None
    """When it happened, as the camera has it; None when that is no time."""
    received_at: datetime
    occurred_at: datetime
    """`utc_time` where it agrees with `received_at` to 2 s, by itself or after the camera's clock offset; else
    `received_at`. UTC."""
    source: Items
    """Which input, picture or rule."""
    key: Items
    """Which of the things that come and go there; a camera's number for one, meaningless elsewhere."""
    state: bool | None
    """On or off; None for what has no state, such as a line that was crossed."""


class Unread(StrEnum):
    """Why a message became no event."""

    REFUSED = "refused"  # about who a person is or whose car: faces, plates, body temperature
    UNKNOWN = "unknown"  # of a topic without a meaning here, or that says that nothing is known
    MALFORMED = "malformed"  # not as ONVIF has it


@dataclass(slots=True)
class EventTally:
    """Counters since the worker started. Written by the one thread that reads events; reading may be a moment late."""

    connected: bool = False
    """A subscription lives."""
    subscriptions: int = 0
    """Subscriptions made."""
    pulls: int = 0
    """Pulls answered."""
    events: int = 0
    positions: int = 0
    """Messages that told where the camera is."""
    refused: int = 0
    unknown: int = 0
    malformed: int = 0
    dropped: int = 0
    """Messages left out since one answer held too many."""

    def count(self, why: Unread) -> None:
        """One message became no event."""
        if why is Unread.REFUSED:
            self.refused += 1
        elif why is Unread.UNKNOWN:
            self.unknown += 1
        else:
            self.malformed += 1
