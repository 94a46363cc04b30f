"""The messages of an incident that is about a camera itself: raised once, cleared once."""

from dataclasses import replace
from datetime import datetime

from gridwatch.config.model import CameraConfig
from gridwatch.domain import Incident, IncidentKind, Phase, Severity, incident_id


def raised(
    camera: CameraConfig, kind: IncidentKind, rule: str, severity: Severity, occurred_at: datetime, at: datetime,
    count: int = 1,
) -> Incident:  # fmt: skip
    """Say at `at` that something is wrong since `occurred_at`. `count`: how many cameras take part.

    The id follows from camera, rule and `occurred_at`. No detector saw it, and there is no picture.
    """
    return Incident(
        id=incident_id(occurred_at, camera.id, rule), kind=kind, severity=severity, phase=Phase.RAISED, seq=0,
        site=camera.site_path, camera=camera.id, rule=rule, position=camera.place, occurred_at=occurred_at,
        observed_at=max(at, occurred_at), boxes=(), score=1.0, count=count, evidence=(), detector=None,
    )  # fmt: skip


def cleared(incident: Incident, at: datetime) -> Incident:
    """Say at `at` that what was raised is over; never before it occurred, even when our clock was set back since."""
    return replace(incident, phase=Phase.CLEARED, seq=1, observed_at=max(at, incident.occurred_at))
