"""The JSON the API speaks: snake_case, ISO 8601 in UTC, places in GeoJSON order (longitude first)."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gridwatch.api.roles import readable, steps_of
from gridwatch.cases import allowed
from gridwatch.domain import (
    Account,
    AuditEntry,
    CameraRecord,
    CameraState,
    Case,
    CaseSource,
    CaseStep,
    EventRecord,
    Evidence,
    Grid,
    Incident,
    IncidentBox,
    IncidentKind,
    IncidentRecord,
    Phase,
    Position,
    Role,
    Severity,
    SiteLevel,
    SiteRecord,
    StepClock,
)

Utc = Annotated[datetime, AfterValidator(lambda value: value.astimezone(UTC))]
"""Whatever zone the store answers in, `Z` goes out."""


class View(BaseModel):
    """Base of everything sent."""

    model_config = ConfigDict(frozen=True)


class PointView(View):
    """GeoJSON Point."""

    type: Literal["Point"] = "Point"
    coordinates: tuple[float, float] = Field(description="Longitude, latitude; WGS84 degrees.")

    @classmethod
    def of(cls, position: Position) -> Self:
        """`position` as GeoJSON."""
        return cls(coordinates=(position.lon, position.lat))


class PolygonView(View):
    """GeoJSON Polygon."""

    type: Literal["Polygon"] = "Polygon"
    coordinates: list[list[tuple[float, float]]] = Field(description="Exterior ring first, then holes; each closed.")


class AccountView(View):
    """An account, without its hash."""

    name: str
    role: Role
    site: str = Field(description="The account sees this site and everything below it.")
    reads: list[str] = Field(description="What its role may read: `incidents`, `evidence`, `cases`, `audit`.")
    steps: list[CaseStep] = Field(description="Case steps its role may take.")

    @classmethod
    def of(cls, account: Account) -> Self:
        """What may be told of `account`."""
        reads, steps = readable(account.role), steps_of(account.role)
        return cls(
            name=account.name, role=account.role, site=str(account.site), reads=reads,
            steps=[step for step in CaseStep if step in steps],
        )  # fmt: skip


class SessionView(View):
    """A login. The token is told once and kept only as a hash."""

    token: str
    expires_at: Utc
    account: AccountView


class SiteView(View):
    """A node of the tree."""

    path: str
    level: SiteLevel
    name: str
    position: PointView | None

    @classmethod
    def of(cls, site: SiteRecord) -> Self:
        """`site` as JSON."""
        position = PointView.of(site.position) if site.position else None
        return cls(path=str(site.path), level=site.path.level, name=site.name, position=position)


class HealthView(View):
    """State and counters of one camera since its worker started."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    state: CameraState
    reason: str = Field(description="One line a person can act on; empty while up.")
    since: Utc
    observed_at: Utc
    frames: int
    analysed: int
    dropped: int
    detected: int
    detections: int
    incidents: int
    fps: float


class CameraView(View):
    """A camera and how it is doing."""

    id: str
    name: str
    site: str
    position: PointView
    health: HealthView | None = Field(description="Null until its worker has reported.")

    @classmethod
    def of(cls, camera: CameraRecord) -> Self:
        """`camera` as JSON."""
        return cls(
            id=camera.id, name=camera.name, site=str(camera.site), position=PointView.of(camera.position),
            health=HealthView.model_validate(camera.health) if camera.health else None,
        )  # fmt: skip


class PersonView(View):
    """Somebody named as responsible for a grid."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    duty: str
    phone: str


class GridView(View):
    """A grid and who is responsible for it."""

    code: str
    name: str
    unit: str
    people: list[PersonView]
    geometry: PolygonView

    @classmethod
    def of(cls, grid: Grid) -> Self:
        """`grid` as JSON."""
        rings = [[(point.lon, point.lat) for point in ring] for ring in grid.rings]
        return cls(
            code=grid.code, name=grid.name, unit=grid.unit, geometry=PolygonView(coordinates=rings),
            people=[PersonView.model_validate(person) for person in grid.people],
        )  # fmt: skip


class BoxView(View):
    """Where in the picture, in fractions of its width and height from the top left."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str
    score: float

    @classmethod
    def of(cls, box: IncidentBox) -> Self:
        """`box` as JSON."""
        at = box.box
        return cls(x1=at.x1, y1=at.y1, x2=at.x2, y2=at.y2, label=box.label, score=box.score)


class EvidenceView(View):
    """A masked picture, its bytes at `/v1/incidents/{id}/evidence/{sha256}`; or a clip that stays with its worker."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    sha256: str
    media_type: str
    bytes: int
    width: int
    height: int
    captured_at: Utc
    masked: bool

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """`evidence` as JSON."""
        return cls.model_validate(evidence)


class DetectorView(View):
    """Which detector saw it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    version: str
    weights_sha256: str | None


class IncidentView(View):
    """One message about an incident."""

    id: UUID
    kind: IncidentKind
    severity: Severity
    phase: Phase
    seq: int
    site: str
    camera: str
    rule: str
    position: PointView
    occurred_at: Utc = Field(description="First frame where the rule held.")
    observed_at: Utc = Field(description="The frame this message speaks of.")
    boxes: list[BoxView]
    score: float
    count: int
    evidence: list[EvidenceView]
    detector: DetectorView | None

    @classmethod
    def of(cls, incident: Incident) -> Self:
        """`incident` as JSON."""
        return cls(
            id=incident.id, kind=incident.kind, severity=incident.severity, phase=incident.phase, seq=incident.seq,
            site=str(incident.site), camera=incident.camera, rule=incident.rule,
            position=PointView.of(incident.position), occurred_at=incident.occurred_at,
            observed_at=incident.observed_at, boxes=[BoxView.of(box) for box in incident.boxes], score=incident.score,
            count=incident.count, evidence=[EvidenceView.of(one) for one in incident.evidence],
            detector=DetectorView.model_validate(incident.detector) if incident.detector else None,
        )  # fmt: skip


class AcknowledgementView(View):
    """Who said first that an incident was seen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: Utc
    by: str = Field(description="Their account at the broker.")


class _BelongingView(View):
    """An incident's latest message and what it belongs to."""

    incident: IncidentView
    grid: str | None = Field(description="Code of the grid that contains it; null outside every grid.")
    case: UUID | None


class IncidentRecordView(_BelongingView):
    """An incident's latest message and what it belongs to."""

    acknowledgement: AcknowledgementView | None = Field(description="Null while nobody has acknowledged it.")

    @classmethod
    def of(cls, record: IncidentRecord | EventRecord) -> Self:
        """`record` as JSON."""
        seen = record.acknowledgement
        return cls(
            incident=IncidentView.of(record.incident), grid=record.grid, case=record.case,
            acknowledgement=AcknowledgementView.model_validate(seen) if seen else None,
        )  # fmt: skip


class StreamView(_BelongingView):
    """`data` of a live-stream message; its `id` is the cursor."""

    cursor: int

    @classmethod
    def at(cls, record: EventRecord) -> Self:
        """`record` as JSON."""
        return cls(
            cursor=record.cursor, incident=IncidentView.of(record.incident), grid=record.grid, case=record.case
        )  # fmt: skip


class IncidentDetailView(IncidentRecordView):
    """An incident with all its messages."""

    history: list[IncidentView] = Field(description="Every message by seq; the last is `incident`.")


class IncidentPage(View):
    """Newest first."""

    items: list[IncidentRecordView]
    next: str | None = Field(description="Give it back as `next` for the following page; null on the last.")


class StepClockView(View):
    """The deadline of the step a case waits for."""

    step: CaseStep
    started_at: Utc
    due_at: Utc
    late: bool = Field(description="True when the deadline had passed as this was sent.")

    @classmethod
    def of(cls, clock: StepClock, now: datetime) -> Self:
        """`clock` as JSON, judged at `now`."""
        return cls(step=clock.step, started_at=clock.started_at, due_at=clock.due_at, late=clock.is_late(now))


class StepEntryView(View):
    """Who took a step, when and why."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    step: CaseStep
    at: Utc
    by: str
    note: str


class CaseView(View):
    """Work in one grid."""

    id: UUID
    number: str
    grid: str
    site: str
    category: str
    kind: IncidentKind
    severity: Severity
    source: CaseSource
    unit: str | None
    step: CaseStep
    allowed: list[CaseStep] = Field(description="Steps that can be taken now; dispatch after a review is rework.")
    clock: StepClockView | None
    opened_at: Utc
    latest_at: Utc
    incidents: list[UUID]
    history: list[StepEntryView]

    @classmethod
    def of(cls, case: Case, now: datetime) -> Self:
        """`case` as JSON, its clock judged at `now`."""
        return cls(
            id=case.id, number=case.number, grid=case.grid, site=str(case.site), category=case.category, kind=case.kind,
            severity=case.severity, source=case.source, unit=case.unit, step=case.step,
            allowed=list(allowed(case.step)),
            clock=StepClockView.of(case.clock, now) if case.clock else None, opened_at=case.opened_at,
            latest_at=case.latest_at, incidents=list(case.incidents),
            history=[StepEntryView.model_validate(entry) for entry in case.history],
        )  # fmt: skip


class CasePage(View):
    """Newest `latest_at` first."""

    items: list[CaseView]
    next: str | None = Field(description="Give it back as `next` for the following page; null on the last.")


class AuditView(View):
    """Who did what to which thing, when and why."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: Utc
    account: str
    action: str
    subject: str
    reason: str

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """`entry` as JSON."""
        return cls.model_validate(entry)


class LabelView(View):
    """What to show a person for an enum value."""

    en: str
    zh: str


class LabelsView(View):
    """Labels by enum and value."""

    kind: dict[IncidentKind, LabelView]
    severity: dict[Severity, LabelView]
    phase: dict[Phase, LabelView]
    step: dict[CaseStep, LabelView]
    camera_state: dict[CameraState, LabelView]
    site_level: dict[SiteLevel, LabelView]
    role: dict[Role, LabelView]


class StatusView(View):
    """Whether the parts work."""

    status: Literal["ok", "degraded", "failing"] = Field(
        description="`degraded`: the API works, and something else needs a person."
    )
    parts: dict[str, Literal["ok", "failing"]]
