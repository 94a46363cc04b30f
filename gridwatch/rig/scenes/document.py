"""The truth of a scene as JSON, schema `gridwatch-truth/1` (docs/samples.md), and the deployment that watches it."""

import json

import yaml

from gridwatch.domain import HEALTH_RULE_PREFIX, IncidentKind, Point
from gridwatch.rig.scenes.model import Scene, SceneRule
from gridwatch.rig.scenes.truth import TrueFrame, TrueIncident, frames_of, incidents_of
from gridwatch.rig.scenes.weather import sway

SCHEMA = "gridwatch-truth/1"

_PIXELS = {IncidentKind.ABANDONED_OBJECT, IncidentKind.REMOVED_OBJECT, IncidentKind.FIRE_SMOKE}
"""Rules that look at the picture itself, so at no class."""


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
    lines = ",\n".join("  " + json.dumps(_frame(scene, frame), separators=(",", ":")) for frame in frames)
    return f'{body[:-2]},\n "frames": [\n{lines}\n ]\n}}\n'


def _pair(point: Point) -> list[float]:
    return [round(point.x, 4), round(point.y, 4)]


def _rule(rule: SceneRule) -> dict[str, object]:
    """With the keys the configuration uses."""
    out: dict[str, object] = {"id": rule.id, "kind": rule.kind.value}
    if rule.kind is IncidentKind.CAMERA_TAMPER or rule.kind in _PIXELS:
        pass
    else:
        out["classes"] = list(rule.labels)
    out |= {key: value for key, value in (("zone", rule.zone), ("line", rule.line)) if value is not None}
    match rule.kind:
        case IncidentKind.LINE_CROSSING:
            out["direction"] = rule.direction
        case IncidentKind.WRONG_WAY:
            out["direction"] = None if rule.way is None else list(rule.way)
        case IncidentKind.CROWDING:
            out |= {"count": rule.count, "seconds": rule.seconds}
        case IncidentKind.INTRUSION:
            out["dwell_seconds"] = rule.seconds
        case _:
            out["seconds"] = rule.seconds
    return out


def _incident(scene: Scene, incident: TrueIncident) -> dict[str, object]:
    rule = next(rule for rule in scene.rules if rule.id == incident.rule)
    out: dict[str, object] = {"rule": incident.rule, "kind": incident.kind.value}
    out |= {"from": round(incident.start, 2), "due": round(incident.due, 2), "to": round(incident.end, 2)}
    out |= {"tolerance": rule.tolerance, "count": incident.count}
    if incident.direction is not None:
        out["direction"] = incident.direction
    return out | {"actors": list(incident.actors)}


def _frame(scene: Scene, frame: TrueFrame) -> dict[str, object]:
    """Boxes where they are on the picture, which may sway; the incidents are those of the ground, which does not."""
    right, down = sway(scene, frame.t)
    right /= scene.view.aspect
    boxes = {
        one.name: [
            *(round(v + by, 4) for v, by in zip(one.box.corners, (right, down, right, down), strict=True)),
            round(one.visible, 2),
        ]
        for one in frame.boxes
    }
    out: dict[str, object] = {"t": round(frame.t, 3), "boxes": boxes}
    if frame.covered:
        out["covered"] = round(frame.covered, 3)
    if frame.blurred:
        out["blurred"] = True
    return out


def deployment_document(scene: Scene) -> str:
    """A deployment whose one camera plays the clip of `scene`, beside it, and watches its rules, as YAML text."""
    rules = [_rule(rule) for rule in scene.rules]
    tampers = [rule for rule in scene.rules if rule.kind is IncidentKind.CAMERA_TAMPER]
    camera = {
        "id": scene.name,
        "site": "samples",
        "position": [0.0, 0.0],
        "source": {"file": f"{scene.name}.mp4"},
        "zones": {name: [_pair(corner) for corner in zone] for name, zone in scene.zones.items()},
        "lines": {name: {"start": _pair(line.start), "end": _pair(line.end)} for name, line in scene.lines.items()},
        "rules": [rule for rule in rules if rule["kind"] != IncidentKind.CAMERA_TAMPER],
        "health": {f"{rule.id.removeprefix(HEALTH_RULE_PREFIX)}_seconds": rule.seconds for rule in tampers},
    }
    district = {"id": "samples", "name": "Samples"}
    document = {"version": 1, "district": district, "cameras": [camera]}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
