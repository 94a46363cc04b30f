"""Incidents and states to send around."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from gridwatch.domain import (
    Box,
    CameraHealth,
    CameraState,
    DetectorInfo,
    Evidence,
    Incident,
    IncidentBox,
    IncidentKind,
    Phase,
    Position,
    Severity,
    SitePath,
    incident_id,
)

WHEN = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4 + b"\xff\xd9"


def evidence(jpeg: bytes = JPEG, *, masked: bool = True) -> Evidence:
    return Evidence(
        sha256=hashlib.sha256(jpeg).hexdigest(), media_type="image/jpeg", bytes=len(jpeg), width=640, height=360,
        captured_at=WHEN, masked=masked,
    )  # fmt: skip


def incident(number: int = 0, **changes: Any) -> Incident:
    """The number-th incident: each has its own id and time."""
    occurred = WHEN + timedelta(milliseconds=number)
    camera = changes.get("camera", "gate-1")
    fields: dict[str, Any] = {
        "id": incident_id(occurred, camera, str(number)),
        "kind": IncidentKind.INTRUSION,
        "severity": Severity.MAJOR,
        "phase": Phase.RAISED,
        "seq": 0,
        "site": SitePath(district="harbour", substation="north", checkpoint="gate"),
        "camera": camera,
        "rule": "yard",
        "position": Position(lon=121.4737, lat=31.2304),
        "occurred_at": occurred,
        "observed_at": occurred + timedelta(seconds=1),
        "boxes": (IncidentBox(box=Box(x1=0.1, y1=0.2, x2=0.30000000000000004, y2=1.0), label="person", score=0.87),),
        "score": 0.87,
        "count": 1,
        "evidence": (),
        "detector": DetectorInfo(name="nanodet-g", version="1", weights_sha256="ab" * 32),
    }
    return Incident(**(fields | changes))


def health(**changes: Any) -> CameraHealth:
    fields: dict[str, Any] = {
        "camera": "gate-1", "site": SitePath(district="harbour", substation="north", checkpoint="gate"),
        "state": CameraState.UP, "reason": "", "since": WHEN, "observed_at": WHEN, "frames": 10, "analysed": 5,
        "dropped": 0, "detected": 4, "detections": 3, "incidents": 1, "fps": 14.98,
    }  # fmt: skip
    return CameraHealth(**(fields | changes))
