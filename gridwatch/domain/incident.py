"""Incidents: something happened at a place. Contract version 1 (docs/contracts.md)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from gridwatch.domain.geometry import Box, Position
from gridwatch.domain.site import SitePath


class IncidentKind(StrEnum):
    """What happened. Chinese labels are in `domain.labels`, ONVIF topics in `ONVIF_TOPICS`."""

    INTRUSION = "intrusion"  # something of a watched class is inside a zone
    LINE_CROSSING = "line_crossing"  # something passed a directed line
    LOITERING = "loitering"  # someone stayed in a zone longer than allowed
    CROWDING = "crowding"  # more people in a zone than allowed, for a time
    STOPPED_VEHICLE = "stopped_vehicle"  # a vehicle stands where none may
    WRONG_WAY = "wrong_way"  # movement against a zone's direction
    ABANDONED_OBJECT = "abandoned_object"  # an object was left behind
    REMOVED_OBJECT = "removed_object"  # an object that belongs there is gone
    FIRE_SMOKE = "fire_smoke"  # flame or smoke
    CAMERA_TAMPER = "camera_tamper"  # covered, defocused, turned away
    CAMERA_OFFLINE = "camera_offline"  # no video from the camera
    DEVICE_ALARM = "device_alarm"  # the camera or an input on it raised an alarm
    REPORTED = "reported"  # a person reported something seen


class Severity(StrEnum):
    """How urgent it is, least first."""

    INFO = "info"  # worth keeping, nobody is called
    MINOR = "minor"  # look when there is time
    MAJOR = "major"  # look now
    CRITICAL = "critical"  # somebody must go now


class Phase(StrEnum):
    """Where an incident is in its life."""

    RAISED = "raised"  # first message, seq 0
    UPDATED = "updated"  # still going on
    CLEARED = "cleared"  # over; nothing follows


HEALTH_RULE_PREFIX = "health."
"""Rules of the health incidents (`health.offline`, `health.covered`, ...) begin so; no configured rule may."""

ONVIF_TOPICS: dict[IncidentKind, str] = {
    IncidentKind.INTRUSION: "tns1:RuleEngine/FieldDetector/ObjectsInside",
    IncidentKind.LINE_CROSSING: "tns1:RuleEngine/LineDetector/Crossed",
    IncidentKind.LOITERING: "tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering",
    IncidentKind.CROWDING: "tns1:RuleEngine/CountAggregation/Counter",
    IncidentKind.STOPPED_VEHICLE: "tns1:RuleEngine/LoiteringDetector/ObjectIsLoitering",
    IncidentKind.WRONG_WAY: "tns1:RuleEngine/LineDetector/Crossed",
    IncidentKind.ABANDONED_OBJECT: "tns1:RuleEngine/ObjectDetector/ObjectAbandoned",
    IncidentKind.REMOVED_OBJECT: "tns1:RuleEngine/ObjectDetector/ObjectRemoved",
    IncidentKind.FIRE_SMOKE: "tns1:RuleEngine/FireDetector/Fire",
    IncidentKind.CAMERA_TAMPER: "tns1:VideoSource/GlobalSceneChange/AnalyticsService",
    IncidentKind.CAMERA_OFFLINE: "tns1:VideoSource/SignalLoss",
    IncidentKind.DEVICE_ALARM: "tns1:Device/Trigger/DigitalInput",
    IncidentKind.REPORTED: "tns1:UserAlarm",
}
"""The ONVIF topic that names each kind (ONVIF Core 9, Analytics annex A; nearest where none is exact)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A masked picture that belongs to an incident, whose bytes travel apart from it; or a clip, whose bytes stay."""

    sha256: str
    """Lower-case hex of the bytes as they were made."""
    media_type: str
    """`image/jpeg`, or `video/mp4` for a clip that its worker keeps."""
    bytes: int
    width: int
    height: int
    captured_at: datetime
    masked: bool
    """True when heads were blurred and privacy zones blackened; what is not masked never leaves its worker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorInfo:
    """Which detector saw it, so that a result can be explained years later."""

    name: str
    version: str
    weights_sha256: str | None
    """None for detectors without weights (plain motion)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentBox:
    """Where in the picture, with what class and score. No track id: those do not leave the worker."""

    box: Box
    label: str
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """One message about an incident. (`id`, `seq`) is unique for ever; `seq` counts 0, 1, 2..."""

    id: UUID
    """UUIDv7 fixed when raised; its timestamp is `occurred_at`."""
    kind: IncidentKind
    severity: Severity
    phase: Phase
    seq: int
    site: SitePath
    camera: str
    rule: str
    position: Position
    occurred_at: datetime
    """First frame where the rule held. The same in every message of the incident."""
    observed_at: datetime
    """The frame this message speaks of."""
    boxes: tuple[IncidentBox, ...]
    score: float
    """Confidence of the incident, 0..1."""
    count: int
    """How many objects took part at `observed_at`."""
    evidence: tuple[Evidence, ...]
    detector: DetectorInfo | None
    """None when no detector was involved (camera_offline, device_alarm, reported)."""

    def __post_init__(self) -> None:
        if (self.phase is Phase.RAISED) != (self.seq == 0):
            raise ValueError(f"phase {self.phase} cannot have seq {self.seq}: raised is 0, only raised is")
        for name in ("occurred_at", "observed_at"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} must be timezone-aware")

    @property
    def source(self) -> str:
        """CloudEvents source: `/district/substation/checkpoint/camera`, `-` for a missing level."""
        return "/" + "/".join((*self.site.levels, self.camera))

    @property
    def message_id(self) -> str:
        """CloudEvents id: incident id + `.` + seq."""
        return f"{self.id}.{self.seq}"

    def cleared(self, at: datetime) -> "Incident":
        """The message that ends it, after this one; `at` never before it occurred, even when a clock was set back."""
        observed_at = max(at, self.occurred_at)
        return replace(self, phase=Phase.CLEARED, seq=self.seq + 1, observed_at=observed_at, evidence=())

    def with_evidence(self, *evidence: Evidence) -> "Incident":
        """The same message carrying `evidence`."""
        return replace(self, evidence=evidence)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenIncident:
    """One that was raised and not cleared when a worker ended, for the next one to go on with."""

    latest: Incident
    """Its latest message."""
    seen_at: datetime
    """When it was last watched, UTC; to some seconds."""
