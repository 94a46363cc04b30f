"""Domain types to rows and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gridwatch.domain import (
    Account,
    Acknowledgement,
    AuditEntry,
    Box,
    CameraHealth,
    CameraState,
    Case,
    CaseSource,
    CaseStep,
    DetectorInfo,
    Evidence,
    Grid,
    Incident,
    IncidentBox,
    IncidentFilter,
    IncidentKind,
    PageKey,
    Person,
    Phase,
    Position,
    Role,
    Severity,
    SitePath,
    StepClock,
    StepEntry,
)

Row = Mapping[str, Any]


def site_columns(site: SitePath) -> dict[str, str | None]:
    """The three columns that hold a site."""
    return {"district": site.district, "substation": site.substation, "checkpoint": site.checkpoint}


def site_of(row: Row) -> SitePath:
    """The site a row carries."""
    return SitePath(district=row["district"], substation=row["substation"], checkpoint=row["checkpoint"])


def page_parameters(after: PageKey | None, limit: int) -> dict[str, object]:
    """Where a keyset page starts and ends."""
    return {
        "after_at": after.at if after else None,
        "after_id": after.id if after else None,
        "limit": limit,
    }


def incident_filter_parameters(where: IncidentFilter) -> dict[str, object]:
    """The parameters of the filter that `incidents` and `events` share."""
    return {
        **site_columns(where.scope),
        "kinds": list(where.kinds),
        "severities": list(where.severities),
        "camera": where.camera,
        "since": where.since,
        "until": where.until,
    }


def evidence_object(evidence: Evidence) -> dict[str, Any]:
    """The columns of `evidence` but the incident's id."""
    return {
        "sha256": evidence.sha256,
        "media_type": evidence.media_type,
        "bytes": evidence.bytes,
        "width": evidence.width,
        "height": evidence.height,
        "captured_at": evidence.captured_at.isoformat(),
        "masked": evidence.masked,
    }


def incident_of(row: Row) -> Incident:
    """A row of `incident_message` or `incident` as the message it was."""
    detail = row["detail"]
    detector = detail["detector"]
    return Incident(
        id=row["incident_id"],
        kind=IncidentKind(row["kind"]),
        severity=Severity(row["severity"]),
        phase=Phase(row["phase"]),
        seq=row["seq"],
        site=site_of(row),
        camera=row["camera"],
        rule=row["rule"],
        position=Position(lon=row["lon"], lat=row["lat"]),
        occurred_at=row["occurred_at"],
        observed_at=row["observed_at"],
        boxes=tuple(
            IncidentBox(box=Box(x1=x1, y1=y1, x2=x2, y2=y2), label=label, score=score)
            for x1, y1, x2, y2, label, score in detail["boxes"]
        ),
        score=row["score"],
        count=row["count"],
        evidence=tuple(evidence_of(one) for one in detail["evidence"]),
        detector=None
        if detector is None
        else DetectorInfo(name=detector[0], version=detector[1], weights_sha256=detector[2]),
    )


def acknowledgement_of(row: Row) -> Acknowledgement | None:
    """Who acknowledged the incident of a row; None for nobody, and for a row that does not say."""
    if row.get("acknowledged_at") is None:
        return None
    return Acknowledgement(at=row["acknowledged_at"], by=row["acknowledged_by"])


def evidence_of(row: Row) -> Evidence:
    """A row of `evidence`, or one of the objects in an incident's detail."""
    at = row["captured_at"]
    return Evidence(
        sha256=row["sha256"],
        media_type=row["media_type"],
        bytes=row["bytes"],
        width=row["width"],
        height=row["height"],
        captured_at=datetime.fromisoformat(at) if isinstance(at, str) else at,
        masked=row["masked"],
    )


def health_row(health: CameraHealth) -> dict[str, Any]:
    """The columns of `camera_health`."""
    return {
        "camera": health.camera,
        **site_columns(health.site),
        "state": health.state,
        "reason": health.reason,
        "since": health.since,
        "observed_at": health.observed_at,
        "frames": health.frames,
        "analysed": health.analysed,
        "dropped": health.dropped,
        "detected": health.detected,
        "detections": health.detections,
        "incidents": health.incidents,
        "fps": health.fps,
    }


def health_of(row: Row) -> CameraHealth:
    """A row of `camera_health`."""
    return CameraHealth(
        camera=row["camera"],
        site=site_of(row),
        state=CameraState(row["state"]),
        reason=row["reason"],
        since=row["since"],
        observed_at=row["observed_at"],
        frames=row["frames"],
        analysed=row["analysed"],
        dropped=row["dropped"],
        detected=row["detected"],
        detections=row["detections"],
        incidents=row["incidents"],
        fps=row["fps"],
    )


def grid_row(grid: Grid) -> dict[str, Any]:
    """The columns of `grid` as one JSON object; the geometry is a GeoJSON Polygon."""
    exterior = grid.rings[0]
    lons = [p.lon for p in exterior]
    lats = [p.lat for p in exterior]
    return {
        "code": grid.code,
        "name": grid.name,
        "unit": grid.unit,
        "people": [{"name": p.name, "duty": p.duty, "phone": p.phone} for p in grid.people],
        "geometry": {"type": "Polygon", "coordinates": [[[p.lon, p.lat] for p in ring] for ring in grid.rings]},
        "west": min(lons),
        "south": min(lats),
        "east": max(lons),
        "north": max(lats),
    }


def grid_of(row: Row) -> Grid:
    """A row of `grid`."""
    return Grid(
        code=row["code"],
        name=row["name"],
        unit=row["unit"],
        people=tuple(Person(**person) for person in row["people"]),
        rings=tuple(tuple(Position(lon=lon, lat=lat) for lon, lat in ring) for ring in row["geometry"]["coordinates"]),
    )


def case_row(case: Case) -> dict[str, Any]:
    """The columns of `cases`."""
    return {
        "id": case.id,
        "number": case.number,
        "grid": case.grid,
        **site_columns(case.site),
        "category": case.category,
        "kind": case.kind,
        "severity": case.severity,
        "source": case.source,
        "unit": case.unit,
        "step": case.step,
        "clock_step": case.clock.step if case.clock else None,
        "clock_started_at": case.clock.started_at if case.clock else None,
        "clock_due_at": case.clock.due_at if case.clock else None,
        "opened_at": case.opened_at,
        "latest_at": case.latest_at,
    }


def case_of(row: Row) -> Case:
    """A row of the queries in `cases.sql`: the case's columns, its `incidents` and its `history`."""
    clock = None
    if row["clock_step"] is not None:
        clock = StepClock(
            step=CaseStep(row["clock_step"]), started_at=row["clock_started_at"], due_at=row["clock_due_at"]
        )
    return Case(
        id=row["id"],
        number=row["number"],
        grid=row["grid"],
        site=site_of(row),
        category=row["category"],
        kind=IncidentKind(row["kind"]),
        severity=Severity(row["severity"]),
        source=CaseSource(row["source"]),
        unit=row["unit"],
        step=CaseStep(row["step"]),
        clock=clock,
        opened_at=row["opened_at"],
        latest_at=row["latest_at"],
        incidents=tuple(row["incidents"]),
        history=tuple(
            StepEntry(step=CaseStep(e["step"]), at=datetime.fromisoformat(e["at"]), by=e["by"], note=e["note"])
            for e in row["history"]
        ),
    )


def account_of(row: Row) -> Account:
    """A row of `account`."""
    return Account(name=row["name"], role=Role(row["role"]), site=site_of(row), password_hash=row["password_hash"])


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    """The columns of `audit` but its id."""
    return {
        "at": entry.at,
        "account": entry.account,
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.reason,
    }
