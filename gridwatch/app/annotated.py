"""Annotated recordings of others as truth of ours: the very rules, run on perfect tracks.

A reader (`annotations_mot`, `annotations_coco`) gives the boxes; what they mean for a camera's zones, lines and rules
is worked out here, so that truth and detection are judged by one and the same rule, and only what is seen differs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from gridwatch.app.replay import START, stream_seconds
from gridwatch.config import CameraConfig
from gridwatch.detectors import rules
from gridwatch.detectors.rules import Moment, RuleEvent
from gridwatch.domain import Box, IncidentKind, Phase, Track

PIXEL_KINDS: Final = {IncidentKind.ABANDONED_OBJECT, IncidentKind.REMOVED_OBJECT, IncidentKind.FIRE_SMOKE}
"""Rules that look at the picture: boxes say nothing about them."""
_LEAST_VISIBLE: Final = 0.1
"""An object of which less is in sight is nowhere."""
_BELIEVED: Final = 100
"""Detections that a perfect track has behind it from its first picture on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotatedBox:
    """An object in a picture."""

    object_id: int
    """The same in every picture of the sequence; says nothing about any other."""
    label: str
    box: Box
    """Cut at the picture's edges."""
    visible: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotated:
    """A sequence of pictures with the boxes of everybody in them."""

    name: str
    source: str
    """What the boxes were read from, for `made`."""
    width: int
    height: int
    fps: float
    frames: tuple[tuple[AnnotatedBox, ...], ...]
    """One entry a picture, the first at second 0."""
    pictures: tuple[Path, ...] = ()
    """As many as `frames`, or none where they are not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Derived:
    """An incident that a rule raised on perfect tracks."""

    rule: str
    raised: RuleEvent
    cleared_at: float
    actors: tuple[str, ...]


def truth_of(sequence: Annotated, camera: CameraConfig, tolerance: float) -> str:
    """A truth file (docs/samples.md) as JSON text: what the rules of `camera` raise on the boxes of `sequence`."""
    configured = {rule.id: rule for rule in camera.rules if rule.kind not in PIXEL_KINDS}
    incidents = []
    for one in sorted(_derived(sequence, camera), key=lambda one: (one.raised.observed_at, one.rule)):
        rule = configured[one.rule]
        due = stream_seconds(one.raised.observed_at)
        patience = getattr(rule, "dwell_seconds", getattr(rule, "seconds", 0.0))
        over = one.cleared_at - getattr(rule, "clear_seconds", 0.0)
        incidents.append({
            "rule": one.rule, "kind": rule.kind.value, "from": round(max(0.0, due - patience), 3), "due": due,
            "to": round(max(due, over), 3), "tolerance": tolerance, "count": one.raised.count,
            "actors": list(one.actors),
        })  # fmt: skip
    document = {
        "schema": "gridwatch-truth/1", "clip": f"{sequence.name}.mp4",
        "made": f"converted from {sequence.source}: the rules run on its boxes",
        "width": sequence.width, "height": sequence.height, "fps": sequence.fps,
        "seconds": round(len(sequence.frames) / sequence.fps, 3),
        "zones": {name: [list(corner) for corner in zone] for name, zone in camera.zones.items()},
        "lines": {name: {"start": list(one.start), "end": list(one.end)} for name, one in camera.lines.items()},
        "rules": [rule.model_dump(mode="json", exclude_unset=True) for rule in configured.values()],
        "incidents": incidents,
        "actors": {_name(one): one.label for boxes in sequence.frames for one in boxes},
        "frames": [_frame(index / sequence.fps, boxes) for index, boxes in enumerate(sequence.frames)],
    }  # fmt: skip
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def _derived(sequence: Annotated, camera: CameraConfig) -> Iterator[_Derived]:
    watched = camera.model_copy(update={"rules": tuple(r for r in camera.rules if r.kind not in PIXEL_KINDS)})
    running = rules.build(watched, sequence.width / sequence.height)
    first_seen: dict[int, float] = {}
    opened: dict[tuple[str, str], tuple[RuleEvent, tuple[str, ...]]] = {}
    moment = Moment(pts=0.0, at=START)
    for index, boxes in enumerate(sequence.frames):
        pts = index / sequence.fps
        moment = Moment(pts=pts, at=START + timedelta(seconds=pts))
        tracks = [
            _track(one, first_seen.setdefault(one.object_id, pts), pts)
            for one in boxes
            if one.visible >= _LEAST_VISIBLE
        ]
        for rule_id, rule in running.items():
            step = rule.step(moment, tracks)
            running[rule_id] = step.rule
            yield from _close(rule_id, step.events, boxes, opened)
    for rule_id, rule in running.items():
        yield from _close(rule_id, rule.finish(moment).events, (), opened)


def _close(
    rule_id: str, events: Sequence[RuleEvent], boxes: Sequence[AnnotatedBox],
    opened: dict[tuple[str, str], tuple[RuleEvent, tuple[str, ...]]],
) -> Iterator[_Derived]:  # fmt: skip
    """Note in `opened` what `events` raise; give what they clear."""
    for event in events:
        key = (rule_id, event.subject + event.occurred_at.isoformat())
        if event.phase is Phase.RAISED:
            shown = {one.box for one in event.boxes}
            opened[key] = event, tuple(_name(one) for one in boxes if one.box in shown)
        elif event.phase is Phase.CLEARED:
            raised, actors = opened.pop(key)
            yield _Derived(rule=rule_id, raised=raised, cleared_at=stream_seconds(event.observed_at), actors=actors)


def _track(one: AnnotatedBox, first_seen: float, pts: float) -> Track:
    return Track(
        id=one.object_id, label=one.label, box=one.box, score=1.0, best_score=1.0, first_seen=first_seen,
        last_seen=pts, hits=_BELIEVED,
    )  # fmt: skip


def _name(one: AnnotatedBox) -> str:
    return f"{one.label}-{one.object_id}"


def _frame(t: float, boxes: Sequence[AnnotatedBox]) -> dict[str, object]:
    shown = {_name(one): [*(round(v, 4) for v in one.box.corners), round(one.visible, 2)] for one in boxes}
    return {"t": round(t, 3), "boxes": shown}


def fractions(left: float, top: float, width: float, height: float, size: tuple[int, int]) -> Box | None:
    """A box in pixels as fractions of a picture of `size` (width, height), cut at its edges; None outside of it."""
    x1, x2 = (min(1.0, max(0.0, x / size[0])) for x in (left, left + width))
    y1, y2 = (min(1.0, max(0.0, y / size[1])) for y in (top, top + height))
    return Box(x1=x1, y1=y1, x2=x2, y2=y2) if x1 < x2 and y1 < y2 else None
