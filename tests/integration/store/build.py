"""Incidents, grids and cases for tests."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from gridwatch.domain import (
    Box,
    CameraRecord,
    CaseStep,
    Category,
    DetectorInfo,
    Evidence,
    Grid,
    Incident,
    IncidentBox,
    IncidentKind,
    Person,
    Phase,
    Position,
    Severity,
    SitePath,
    SiteRecord,
    Unit,
    incident_id,
)
from gridwatch.store import Database

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
DISTRICT = SitePath(district="d")
NORTH = SitePath(district="d", substation="north")
GATE = SitePath(district="d", substation="north", checkpoint="gate")
SOUTH = SitePath(district="d", substation="south")
INSIDE = Position(lon=0.5, lat=0.5)
OUTSIDE = Position(lon=50.0, lat=50.0)


def picture(data: bytes = b"picture") -> Evidence:
    return Evidence(
        sha256=sha256(data).hexdigest(), media_type="image/jpeg", bytes=len(data), width=64, height=36,
        captured_at=START, masked=True,
    )  # fmt: skip


def incident(
    name: str = "one",
    *,
    seq: int = 0,
    phase: Phase | None = None,
    at: timedelta = timedelta(0),
    kind: IncidentKind = IncidentKind.INTRUSION,
    severity: Severity = Severity.MAJOR,
    site: SitePath = GATE,
    camera: str = "cam-1",
    position: Position = INSIDE,
    evidence: Iterable[Evidence] = (),
) -> Incident:
    occurred = START + at
    return Incident(
        id=incident_id(occurred, name), kind=kind, severity=severity,
        phase=phase or (Phase.RAISED if seq == 0 else Phase.UPDATED), seq=seq, site=site, camera=camera, rule="rule",
        position=position, occurred_at=occurred, observed_at=occurred + timedelta(seconds=seq),
        boxes=(IncidentBox(box=Box(x1=0.1, y1=0.2, x2=0.3, y2=0.4), label="person", score=0.75),),
        score=0.75, count=1 + seq, evidence=tuple(evidence),
        detector=DetectorInfo(name="onnx", version="1", weights_sha256=None),
    )  # fmt: skip


def square(code: str, west: float, south: float, size: float = 1.0, hole: float = 0.0) -> Grid:
    """A square; with `hole`, its middle square of that size is not part of it."""

    def ring(x: float, y: float, side: float) -> tuple[Position, ...]:
        corners = ((x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y))
        return tuple(Position(lon=lon, lat=lat) for lon, lat in corners)

    inset = (size - hole) / 2
    rings = [ring(west, south, size)] + ([ring(west + inset, south + inset, hole)] if hole else [])
    people = (Person(name="李明", duty="grid worker", phone="000"),)
    return Grid(code=code, name=f"Grid {code}", unit="u1", people=people, rings=tuple(rings))


UNITS = (Unit(code="u1", name="Unit one"),)
GRIDS = (square("g1", 0, 0), square("g2", 1, 0))
SITES = tuple(SiteRecord(path=path, name=str(path).upper(), position=None) for path in (DISTRICT, NORTH, GATE, SOUTH))
CAMERAS = tuple(
    CameraRecord(id=name, name=name, site=site, position=INSIDE, health=None)
    for name, site in (("cam-1", GATE), ("cam-2", SOUTH), ("cam-0", DISTRICT))
)
CATEGORY = Category(
    id="public-order", name="Public order", kinds=(IncidentKind.INTRUSION, IncidentKind.CROWDING), auto_file=True,
    clocks={CaseStep.DISPATCH: timedelta(minutes=10), CaseStep.HANDLE: timedelta(minutes=30)},
    join_window=timedelta(minutes=30),
)  # fmt: skip


async def fill_directory(database: Database) -> None:
    await database.sync_directory(SITES, CAMERAS, GRIDS, UNITS)


async def record(database: Database, *incidents: Incident) -> list[Incident]:
    async with database.recording() as recording:
        return await recording.add_messages(incidents)
