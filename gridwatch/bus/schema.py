"""Schema version 1 as pydantic models: the one source of the published JSON Schema and of every payload.

Reading is strict about what is there and lenient about what is not ours: values must have exactly the types and
ranges given here, but fields we do not know are ignored, so that a newer minor version of a producer may add some.
Adding a required field, removing one or changing a meaning is a new version: a new topic root and new schema files.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import UUID7, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gridwatch.config.base import IDENTIFIER
from gridwatch.domain import MISSING_LEVEL, CameraState, IncidentKind, Phase, Severity

INCIDENT_SCHEMA: Literal["urn:gridwatch:schema:incident:1"] = "urn:gridwatch:schema:incident:1"
EVENT_TYPE = "io.gridwatch.incident."
"""CloudEvents type: this and the phase."""

_INT32 = 2**31 - 1
SAFE_TEXT = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: the text goes into databases, logs and terminals."""
_SITE = r"^[a-z0-9][a-z0-9_.-]{0,62}(/[a-z0-9][a-z0-9_.-]{0,62}){0,2}$"


_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})")


def _as_rfc3339(value: object) -> object:
    """Narrower than pydantic, which also reads numbers and other forms of ISO 8601."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("a time is written as RFC 3339 text with its offset")


Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=SAFE_TEXT)]
Site = Annotated[str, Field(pattern=_SITE)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=_INT32)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_as_rfc3339)]


class WireModel(BaseModel):
    """Base of everything on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


def must_say(event: WireModel, **meant: object) -> None:
    """Raises ValueError where a field of the envelope is not what its data means."""
    for name, value in meant.items():
        if getattr(event, name) != value:
            raise ValueError(f"the envelope's {name} does not agree with its data")


class WirePosition(WireModel):
    """WGS84 degrees."""

    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]


class WireBox(WireModel):
    """Where in the picture, as fractions of width and height from the top left, with class and score."""

    x1: Fraction
    y1: Fraction
    x2: Fraction
    y2: Fraction
    label: Name
    score: Fraction

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.x1 > self.x2 or self.y1 > self.y2:
            raise ValueError("a box has x1 <= x2 and y1 <= y2")
        return self


class WireEvidence(WireModel):
    """A picture of the incident; its bytes come on the evidence topic and hash to `sha256`."""

    sha256: Sha256
    media_type: Literal["image/jpeg"]
    bytes: Annotated[int, Field(ge=1, le=_INT32)]
    width: Annotated[int, Field(ge=1, le=65535)]
    height: Annotated[int, Field(ge=1, le=65535)]
    captured_at: Time
    masked: bool


class ClipData(WireModel):
    """A worker keeps a clip of an incident: the video as the camera sent it, which leaves the worker for no topic."""

    incident: UUID7
    camera: Identifier
    site: Site
    node: Identifier
    """Worker that keeps it."""
    sha256: Sha256
    media_type: Literal["video/mp4"]
    bytes: Annotated[int, Field(ge=1, le=_INT32)]
    width: Annotated[int, Field(ge=0, le=65535)]
    height: Annotated[int, Field(ge=0, le=65535)]
    captured_at: Time
    """Of its first picture."""
    seconds: Annotated[float, Field(ge=0, le=3600)]
    masked: bool


class WireDetector(WireModel):
    """Which detector saw it."""

    name: Name
    version: Name
    weights_sha256: Sha256 | None


class IncidentData(WireModel):
    """One message about an incident; (`id`, `seq`) is unique for ever."""

    id: UUID7
    kind: IncidentKind
    severity: Severity
    phase: Phase
    seq: Count
    site: Site
    camera: Identifier
    rule: Identifier
    position: WirePosition
    occurred_at: Time
    observed_at: Time
    boxes: tuple[WireBox, ...]
    score: Fraction
    count: Count
    evidence: tuple[WireEvidence, ...]
    detector: WireDetector | None

    @model_validator(mode="after")
    def _first_is_raised(self) -> Self:
        if (self.phase is Phase.RAISED) != (self.seq == 0):
            raise ValueError("seq 0 is raised, and only that")
        return self

    @property
    def source(self) -> str:
        """CloudEvents source of the camera."""
        return camera_source(self.site, self.camera)


class IncidentEvent(WireModel):
    """An incident as a CloudEvents 1.0 event in structured JSON mode."""

    specversion: Literal["1.0"]
    id: Annotated[str, Field(max_length=64)]
    source: Annotated[str, Field(max_length=300)]
    type: Annotated[str, Field(pattern=r"^io\.gridwatch\.incident\.(raised|updated|cleared)$")]
    subject: IncidentKind
    time: Time
    dataschema: Literal["urn:gridwatch:schema:incident:1"]
    datacontenttype: Literal["application/json"]
    data: IncidentData

    @model_validator(mode="after")
    def _envelope_agrees(self) -> Self:
        data = self.data
        must_say(
            self, id=f"{data.id}.{data.seq}", source=data.source, type=EVENT_TYPE + data.phase, subject=data.kind,
            time=data.observed_at,
        )  # fmt: skip
        return self


class WireMute(WireModel):
    """A rule that raises nothing."""

    rule: Identifier
    until: Time


class CameraStateData(WireModel):
    """Retained state of a camera, as its worker sees it."""

    camera: Identifier
    site: Site
    state: CameraState
    reason: Annotated[str, Field(max_length=500, pattern=SAFE_TEXT)]
    since: Time
    observed_at: Time
    frames: Annotated[int, Field(ge=0, le=2**53)]
    analysed: Annotated[int, Field(ge=0, le=2**53)]
    dropped: Annotated[int, Field(ge=0, le=2**53)]
    detected: Annotated[int, Field(ge=0, le=2**53)]
    detections: Annotated[int, Field(ge=0, le=2**53)]
    incidents: Annotated[int, Field(ge=0, le=2**53)]
    fps: Annotated[float, Field(ge=0, le=10_000)]
    clips: Annotated[int, Field(ge=0, le=2**53)] = 0
    clips_lost: Annotated[int, Field(ge=0, le=2**53)] = 0
    suppressed: Annotated[int, Field(ge=0, le=2**53)] = 0
    muted: Annotated[int, Field(ge=0, le=2**53)] = 0
    mutes: tuple[WireMute, ...] = ()


class WireClassCount(WireModel):
    """Things of a class that were tracked: how many, never who."""

    label: Name
    most: Count
    """At one time."""
    sightings: Count
    """Summed over the pictures detected in."""


class ObservationData(WireModel):
    """One camera in one minute. (`camera`, `minute`) is unique but for a restart of the worker: keep more frames."""

    camera: Identifier
    site: Site
    minute: Time
    """When it began, seconds zero."""
    frames: Count
    analysed: Count
    detected: Count
    dropped: Count
    moving: Fraction
    """Share of the minute in which something moved."""
    fps: Annotated[float, Field(ge=0, le=10_000)]
    classes: Annotated[tuple[WireClassCount, ...], Field(max_length=200)]


class PositionData(WireModel):
    """Retained: where a camera that moves was at one time. Written by whoever knows, read by its worker."""

    camera: Identifier
    site: Site
    position: WirePosition
    at: Time
    """When it was there, not when this was sent."""


class OnvifEventData(WireModel):
    """An incident as ONVIF has events in JSON (Core specification, 9.12): these three and nothing else."""

    # The standard is fixed elsewhere: no newer version of ours may add to it.
    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    utc_time: Annotated[Time, Field(alias="UtcTime")]
    source: Annotated[dict[Name, Name], Field(alias="Source")]
    """Where: the values are the last levels of the topic, in this order."""
    data: Annotated[dict[Name, Name], Field(alias="Data")]
    """What: on or off where it lasts, and the incident's id."""


class NodeState(StrEnum):
    """What is known of a worker node."""

    UP = "up"  # connected
    STOPPED = "stopped"  # it said goodbye
    LOST = "lost"  # it vanished: the broker sent its last will


class OutboxState(StrEnum):
    """How the outbox of a worker is doing, worst first."""

    UNWRITABLE = "unwritable"  # its disk takes nothing: what happens is held in memory
    FULL = "full"  # it refuses messages, or gives old ones up
    OK = "ok"


class NodeStateData(WireModel):
    """Retained state of a worker node. `lost` is written by the broker, so only the start time is in it."""

    node: Identifier
    site: Site
    state: NodeState
    started_at: Time
    """When this run of the node started; the same in all its messages."""
    outbox: OutboxState = OutboxState.OK
    outbox_lost: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Messages since the start that will never arrive: refused, too old, or damaged on the disk."""


def camera_source(site: str, camera: str) -> str:
    """CloudEvents source of a camera of the site written `district[/substation[/checkpoint]]`."""
    levels = site.split("/")
    return "/" + "/".join((*levels, *(MISSING_LEVEL,) * (3 - len(levels)), camera))


def utc(value: datetime) -> datetime:
    """The same moment in UTC. Raises OverflowError at the ends of the calendar."""
    return value.astimezone(UTC)
