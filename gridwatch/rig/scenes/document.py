"""The truth of a scene as JSON, schema `gridwatch-truth/1` (docs/samples.md)."""

import json

from gridwatch.domain import IncidentKind, Point
from gridwatch.rig.scenes.model import Scene, SceneRule
from gridwatch.rig.scenes.truth import TrueFrame, TrueIncident, frames_of, incidents_of

SCHEMA = "gridwatch-truth/1"

_HOLD_KEY = {
    IncidentKind.INTRUSION: "dwell_seconds",
    IncidentKind.CROWDING: "seconds",
    IncidentKind.STOPPED_VEHICLE: "seconds",
    IncidentKind.ABANDONED_OBJECT: "seconds",
    IncidentKind.CAMERA_TAMPER: "seconds",
}
"""What the configuration calls the time a condition must hold."""


def truth_document(scene: Scene) -> str:
    """The truth of `scene` as JSON text, one line a frame, ending in a newline. The same scene gives the same text."""
    frames = frames_of(scene)
    head = {
        "schema": SCHEMA,
        "clip": f"{scene.name}.mp4",
        "made": "computed from the geometry of the synthetic scene",
        "width": scene.view.width,
        "height": scene.view.height,
        "fps": scene.fps,
        "seconds": scene.seconds,
        "zones": {name: [_pair(corner) for corner in zone] for name, zone in scene.zones.items()},
        "lines": {name: {"start": _pair(line.start), "end": _pair(line.end)} for name, line in scene.lines.items()},
        "rules": [_rule(rule) for rule in scene.rules],
        "incidents": [_incident(scene, incident) for incident in incidents_of(scene, frames)],
        "actors": {name: label for frame in frames for name, label in ((b.name, b.label) for b in frame.boxes)},
    }
    body = json.dumps(head, indent=1, ensure_ascii=False)
    lines = ",\n".join("  " + json.dumps(_frame(frame), separators=(",", ":")) for frame in frames)
    return f'{body[:-2]},\n "frames": [\n{lines}\n ]\n}}\n'


def _pair(point: Point) -> list[float]:
    return [round(point.x, 4), round(point.y, 4)]


def _rule(rule: SceneRule) -> dict[str, object]:
    """With the keys the configuration uses."""
    out: dict[str, object] = {"id": rule.id, "kind": rule.kind.value, "classes": list(rule.labels)}
    out |= {key: value for key, value in (("zone", rule.zone), ("line", rule.line)) if value is not None}
    if rule.kind is IncidentKind.LINE_CROSSING:
        out["direction"] = rule.direction
    if rule.kind is IncidentKind.CROWDING:
        out["count"] = rule.count
    if key := _HOLD_KEY.get(rule.kind):
        out[key] = rule.seconds
    if rule.kind is IncidentKind.CAMERA_TAMPER:
        del out["classes"]
    return out


def _incident(scene: Scene, incident: TrueIncident) -> dict[str, object]:
    rule = next(rule for rule in scene.rules if rule.id == incident.rule)
    out: dict[str, object] = {"rule": incident.rule, "kind": incident.kind.value}
    out |= {"from": round(incident.start, 2), "due": round(incident.due, 2), "to": round(incident.end, 2)}
    out |= {"tolerance": rule.tolerance, "count": incident.count}
    if incident.direction is not None:
        out["direction"] = incident.direction
    return out


def _frame(frame: TrueFrame) -> dict[str, object]:
    boxes = {
        one.name: [round(v, 4) for v in (one.box.x1, one.box.y1, one.box.x2, one.box.y2)] + [round(one.visible, 2)]
        for one in frame.boxes
    }
    out: dict[str, object] = {"t": round(frame.t, 3), "boxes": boxes}
    if frame.covered:
        out["covered"] = round(frame.covered, 3)
    return out
