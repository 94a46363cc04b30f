"""The message of an incident that is about a camera itself."""

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
