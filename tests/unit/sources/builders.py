"""A small deployment, its sources, and a teller that writes down what it puts."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gridwatch.config.model import Deployment
from gridwatch.domain import FakeClock, Incident, OpenIncident
from gridwatch.sources import Adapter, Arrived, Reading, SourceMemory, Teller, adapter_for

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
FRIGATE: dict[str, Any] = {
    "id": "lobby", "type": "frigate",
    "cameras": {"front_door": "gate-1", "yard": {"id": "yard", "site": "harbour/north", "position": [121.5, 31.2]}},
    "pictures": {"front_door": [1280, 720]},
    "rules": [
        {"id": "inside", "kind": "intrusion", "labels": ["person"], "zones": ["steps"], "min_score": 0.6},
        {"id": "parked", "kind": "stopped_vehicle", "severity": "minor", "labels": ["car"], "cameras": ["front_door"]},
    ],
}  # fmt: skip
ONVIF: dict[str, Any] = {"id": "cams", "type": "onvif", "cameras": {"site/cam7": "gate-1"}}
MAPPED: dict[str, Any] = {
    "id": "smoke", "type": "topic", "topic": "plant/+/smoke",
    "map": {
        "kind": "fire_smoke", "severity": "critical", "rule": "detector", "camera": "gate-1",
        "raise_when": {"path": "state.alarm", "equals": True}, "clear_when": {"path": "state.alarm", "equals": False},
        "subject": "sensor", "time": "at", "score": "state.level", "count": "state.heads",
    },
}  # fmt: skip


def deployment(*sources: dict[str, Any]) -> Deployment:
    return Deployment.model_validate(
        {
            "version": 1,
            "district": {"id": "harbour", "name": "Harbour", "substations": [{"id": "north", "name": "North"}]},
            "cameras": [
                {"id": "gate-1", "site": "harbour/north", "position": [121.47, 31.23],
                 "source": {"rtsp": "rtsp://192.0.2.1/"}},
            ],
            "sources": sources,
        }
    )  # fmt: skip


def adapter(source: dict[str, Any]) -> Adapter:
    config = deployment(source)
    return adapter_for(config.sources[0], config)


def read(source: dict[str, Any], message: object, topic: str = "t", at: datetime = NOON, **more: Any) -> Reading:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return adapter(source).read(Arrived(topic=topic, payload=payload, received_at=at, **more))


def frigate(kind: str = "new", seconds: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A message of Frigate's, `seconds` after the object was first seen, as its documentation has it."""
    start = NOON.timestamp() - 5
    after: dict[str, Any] = {
        "id": f"{start}-mxklsc", "camera": "front_door", "frame_time": start + seconds, "label": "person",
        "sub_label": None, "top_score": 0.95, "false_positive": False, "start_time": start,
        "end_time": start + seconds if kind == "end" else None, "score": 0.78, "box": [128, 72, 640, 720],
        "area": 23744, "ratio": 2.1, "region": [264, 450, 667, 853], "current_zones": ["steps"],
        "entered_zones": ["street", "steps"], "has_snapshot": False, "has_clip": False, "active": True,
        "stationary": False, "motionless_count": 0, "position_changes": 2, "attributes": {}, "current_attributes": [],
        "thumbnail": None, "snapshot": None, "recognized_license_plate": None,
    }  # fmt: skip
    after |= changes
    return {"type": kind, "before": after, "after": after}


class Desk:
    """A teller with its memory, and what it put. `put` may be told to fail."""

    def __init__(self, folder: Path, *sources: dict[str, Any], still_open: Sequence[OpenIncident] = ()) -> None:
        self.clock = FakeClock(NOON)
        self.put: list[Incident] = []
        self.fails = False
        self.config = deployment(*sources)
        self.memory = SourceMemory(folder / "memory")
        self.memory.open()
        self._adapters = {one.id: adapter_for(one, self.config) for one in self.config.sources}
        self.teller = Teller(self.config.sources, self.memory, self._put, self.clock, still_open)

    def _put(self, incidents: Sequence[Incident]) -> None:
        if self.fails:
            raise OSError("no room")
        self.put += incidents

    def hear(self, source: str, message: object, topic: str = "t", **more: Any) -> tuple[Incident, ...]:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        arrived = Arrived(topic=topic, payload=payload, received_at=self.clock.now(), **more)
        return self.teller.take(source, self._adapters[source].read(arrived))

    @property
    def open(self) -> list[OpenIncident]:
        """As an outbox would keep them."""
        latest = {one.id: one for one in self.put}
        return [OpenIncident(latest=one, seen_at=self.clock.now()) for one in latest.values() if one.phase != "cleared"]

    def restarted(self, folder: Path, *sources: dict[str, Any]) -> "Desk":
        """The next run, with the same memory and outbox."""
        self.memory.close()
        other = Desk(folder, *sources, still_open=self.open)
        other.put = list(self.put)
        other.clock.advance((self.clock.now() - NOON) / timedelta(seconds=1))
        return other
