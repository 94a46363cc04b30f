"""What a foreign message becomes before it is an incident, and why some become nothing."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gridwatch.config import CameraConfig, Deployment
from gridwatch.config.sources import Bound
from gridwatch.domain import IncidentBox, IncidentKind, Position, Severity, SitePath


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A foreign message as it came. Nothing about it has been checked."""

    topic: str
    """Of MQTT; empty for what came over HTTP."""
    payload: bytes
    received_at: datetime
    stored: bool = False
    """It is a state that was kept for whoever comes later, and no news."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """The camera, or the place, that an incident is of."""

    camera: str
    site: SitePath
    position: Position

    @classmethod
    def of(cls, bound: Bound, deployment: Deployment) -> "Where":
        """What `bound` means in `deployment`. Raises KeyError for a camera that it does not have."""
        if isinstance(bound, str):
            camera: CameraConfig = deployment.camera(bound)
            return cls(camera=camera.id, site=camera.site_path, position=camera.place)
        position = Position(lon=bound.position[0], lat=bound.position[1])
        return cls(camera=bound.id, site=SitePath.parse(bound.site), position=position)


class Change(StrEnum):
    """What a message says of its subject."""

    ON = "on"  # it began, or goes on
    OFF = "off"  # it is over
    MOMENT = "moment"  # it happened, and has no duration


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One thing that a message says. It holds times, numbers and the subject of it, and no other text."""

    where: Where
    kind: IncidentKind
    severity: Severity
    rule: str
    subject: str
    """Tells what is on at the same time apart within the source. Only hashes of it go anywhere."""
    once: bool
    """Its subject never comes back, once over."""
    news: bool
    """False for a state that was kept: it may end what is open, and begins nothing."""
    change: Change
    occurred_at: datetime
    observed_at: datetime
    boxes: tuple[IncidentBox, ...] = ()
    score: float = 1.0
    count: int = 1


class Unread(StrEnum):
    """Why a message says nothing here."""

    TOO_LARGE = "too_large"  # more bytes than any message of its kind needs
    MALFORMED = "malformed"  # not what its source sends: no JSON, wrong types, values out of range
    IDENTITY = "identity"  # all of it is about who somebody is, whose car it is, or how warm a body is
    UNBOUND = "unbound"  # of a camera that the configuration does not bind
    UNKNOWN = "unknown"  # nothing that the configuration gives a meaning to


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A message that was read."""

    told: tuple[Told, ...] = ()
    unread: Unread | None = None
    """Why there is nothing in `told`; None where it only says nothing new."""
    reason: str = ""
    """In words, without a word of the message."""
    identities: int = 0
    """Fields about persons or plates that were left out."""


@dataclass(slots=True)
class SourceTally:
    """What one source did since the start. Written by the one who tells; reading may be a moment late."""

    messages: int = 0
    raised: int = 0
    updated: int = 0
    cleared: int = 0
    repeated: int = 0
    """Told again what was known."""
    suppressed: int = 0
    """Not raised, as its camera raised too many."""
    identities: int = 0
    """Fields about persons or plates that were left out."""
    unread: dict[Unread, int] = field(default_factory=lambda: dict.fromkeys(Unread, 0))

    def as_log(self) -> dict[str, int]:
        """Flat, for a log line."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "unread"}
        return {**counts, **{str(why): number for why, number in self.unread.items()}}
