"""The words of gridwatch as frozen types. Imports nothing of the project."""

from gridwatch.domain.case import Case, CaseSource, CaseStep, Category, StepClock, StepEntry
from gridwatch.domain.command import (
    MAX_LIFETIME,
    MAX_MUTE,
    Acknowledge,
    Acknowledgement,
    Answer,
    Command,
    CommandName,
    Detail,
    Mute,
    MuteRule,
    Outcome,
    Reload,
    Reloaded,
    TakeSnapshot,
    Wish,
)
from gridwatch.domain.errors import GridwatchError, UsageError
from gridwatch.domain.frame import Detection, Frame, Image, Track
from gridwatch.domain.geometry import Box, Point, Position
from gridwatch.domain.grid import Grid, Person, Unit
from gridwatch.domain.health import CameraHealth, CameraState
from gridwatch.domain.ids import incident_id
from gridwatch.domain.incident import (
    HEALTH_RULE_PREFIX,
    ONVIF_TOPICS,
    DetectorInfo,
    Evidence,
    Incident,
    IncidentBox,
    IncidentKind,
    OpenIncident,
    Phase,
    Severity,
)
from gridwatch.domain.labels import CHINESE
from gridwatch.domain.observation import OBSERVED, ClassCount, Observation
from gridwatch.domain.positions import FixVerdict, PositionFix, PositionTrack
from gridwatch.domain.records import (
    Account,
    AuditEntry,
    CameraRecord,
    CaseFilter,
    EventRecord,
    IncidentFilter,
    IncidentRecord,
    PageKey,
    Role,
    SiteRecord,
)
from gridwatch.domain.retention import Hold, RetentionPolicy
from gridwatch.domain.site import MISSING_LEVEL, SiteLevel, SitePath
from gridwatch.domain.timing import Clock, FakeClock, SystemClock

__all__ = [
    "CHINESE", "HEALTH_RULE_PREFIX", "MAX_LIFETIME", "MAX_MUTE", "MISSING_LEVEL", "OBSERVED", "ONVIF_TOPICS",
    "Account", "Acknowledge", "Acknowledgement", "Answer", "AuditEntry", "Box", "CameraHealth", "CameraRecord",
    "CameraState", "Case", "CaseFilter", "CaseSource", "CaseStep", "Category", "ClassCount", "Clock", "Command",
    "CommandName", "Detail", "Detection", "DetectorInfo", "EventRecord", "Evidence", "FakeClock", "FixVerdict",
    "Frame", "Grid", "GridwatchError", "Hold", "Image", "Incident", "IncidentBox", "IncidentFilter", "IncidentKind",
    "IncidentRecord", "Mute", "MuteRule", "Observation", "OpenIncident", "Outcome", "PageKey", "Person", "Phase",
    "Point", "Position", "PositionFix", "PositionTrack", "Reload", "Reloaded", "RetentionPolicy", "Role",
    "Severity", "SiteLevel", "SitePath", "SiteRecord", "StepClock", "StepEntry", "SystemClock", "TakeSnapshot",
    "Track", "Unit", "UsageError", "Wish", "incident_id",
]  # fmt: skip
