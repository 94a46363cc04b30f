"""What is true of a scene: boxes by frame, and the incidents that follow from them by geometry alone.

Nothing here looks at pixels and nothing is written by hand. docs/samples.md describes the JSON.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shapely.geometry import Point as Spot
from shapely.geometry import Polygon

from gridwatch.domain import Box, IncidentKind, Point
from gridwatch.rig.scenes.fire import fire_box
from gridwatch.rig.scenes.model import LABELS, Bag, Line, Scene, SceneRule, View
from gridwatch.rig.scenes.stage import Placed, place

MIN_INSIDE = 0.4
"""An actor counts from this share of its box in the picture."""
COVERED = 0.8
"""A lens covered by at least this share of the picture's width is tampered with."""
LEAST_SPEED = 0.5
"""Metres a second from which something moves in a direction."""
STILL_METRES = 0.25
"""Something that stayed within this many metres stands still."""
OWNER_METRES = 2.5
"""A bag with nobody this near is unattended (PETS 2006 uses 3 m; our plaza is smaller)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueBox:
    """An actor in one frame."""

    name: str
    label: str
    box: Box
    """Cut at the picture's edge."""
    visible: float
    """Share of the actor's whole box that is in the picture and not behind a nearer actor's box, 0..1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueFrame:
    """Everything on the stage at one time."""

    t: float
    boxes: tuple[TrueBox, ...]
    covered: float = 0.0
    """Share of the lens that is covered."""
    blurred: bool = False
    """The lens is out of focus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueIncident:
    """Something that happened, in seconds from the start of the clip."""

    rule: str
    kind: IncidentKind
    start: float
    """First frame in which the rule's condition held."""
    due: float
    """When it had held as long as the rule asks; equals `start` where it asks nothing."""
    end: float
    """Last frame in which it held; equals `start` for a line crossing."""
    count: int
    """How many objects took part, at most."""
    direction: str | None = None
    """Of a line crossing: the side arrived on."""
    actors: tuple[str, ...] = ()
    """Who took part."""


def frames_of(scene: Scene) -> list[TrueFrame]:
    """The truth of every frame of `scene`."""
    return [_frame(scene, index / scene.fps) for index in range(scene.frames)]


def incidents_of(scene: Scene, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """Every incident of the scene's rules in `frames`, by time."""
    found = [incident for rule in scene.rules for incident in _FINDERS[rule.kind](scene, rule, frames)]
    return sorted(found, key=lambda incident: (incident.start, incident.rule))


def _frame(scene: Scene, t: float) -> TrueFrame:
    placed = [spot for name, actor in scene.actors.items() if (spot := place(name, actor, t, scene.view))]
    placed.sort(key=lambda spot: spot.foot.y)  # far ones first
    boxes = [box for index, spot in enumerate(placed) if (box := _true_box(spot, placed[index + 1 :]))]
    flames = fire_box(scene.fire, scene.view, t) if scene.fire else None
    if flames is not None:
        boxes.append(TrueBox(name="fire", label="fire", box=flames, visible=1.0))
    covered = scene.cover.share(t) if scene.cover else 0.0
    blurred = scene.defocus is not None and scene.defocus.holds(t)
    return TrueFrame(t=t, boxes=tuple(boxes), covered=covered, blurred=blurred)


def _true_box(spot: Placed, nearer: Iterable[Placed]) -> TrueBox | None:
    whole = spot.box
    cut = _cut(whole)
    if cut is None or cut.area < MIN_INSIDE * whole.area:
        return None
    hidden = _hidden_share(cut, [other.box for other in nearer])
    visible = cut.area / whole.area * (1 - hidden)
    return TrueBox(name=spot.name, label=LABELS[type(spot.actor)], box=cut, visible=visible)


def _cut(box: Box) -> Box | None:
    x1, y1, x2, y2 = max(0.0, box.x1), max(0.0, box.y1), min(1.0, box.x2), min(1.0, box.y2)
    return Box(x1=x1, y1=y1, x2=x2, y2=y2) if x1 < x2 and y1 < y2 else None


def _hidden_share(box: Box, others: list[Box], cells: int = 20) -> float:
    """Share of `box` under the union of `others`, on a grid of cells x cells."""
    near = [other for other in others if box.iou(other) > 0]
    if not near:
        return 0.0
    hidden = 0
    for row in range(cells):
        y = box.y1 + box.height * (row + 0.5) / cells
        for column in range(cells):
            x = box.x1 + box.width * (column + 0.5) / cells
            hidden += any(o.x1 <= x <= o.x2 and o.y1 <= y <= o.y2 for o in near)
    return hidden / cells**2


Held = list[tuple[float, frozenset[str]]]
"""Times at which a condition held, and for which actors, in order."""


def _spells(held: Held, step: float) -> list[Held]:
    """`held` cut where a frame is missing."""
    spells: list[Held] = []
    for moment in held:
        if spells and moment[0] - spells[-1][-1][0] < 1.5 * step:
            spells[-1].append(moment)
        else:
            spells.append([moment])
    return spells


def _lasting(rule: SceneRule, held: Held, step: float) -> list[TrueIncident]:
    """An incident for each spell that lasts as long as the rule asks."""
    return [
        TrueIncident(
            rule=rule.id, kind=rule.kind, start=spell[0][0], due=spell[0][0] + rule.seconds,
            end=spell[-1][0], count=max(len(actors) for _, actors in spell),
            actors=tuple(sorted({name for _, actors in spell for name in actors})),
        )
        for spell in _spells(held, step)
        if spell[-1][0] - spell[0][0] >= rule.seconds - 1e-9
    ]  # fmt: skip


def _zone_test(scene: Scene, rule: SceneRule) -> Callable[[Box], bool]:
    """Whether the foot of a box is in the rule's zone; without a zone every foot is."""
    if rule.zone is None:
        return lambda _: True
    polygon = Polygon([(corner.x, corner.y) for corner in scene.zones[rule.zone]])
    return lambda box: bool(polygon.covers(Spot(box.foot.x, box.foot.y)))


def _tracks(frames: Sequence[TrueFrame], labels: tuple[str, ...]) -> dict[str, list[tuple[float, Box]]]:
    tracks: dict[str, list[tuple[float, Box]]] = {}
    for frame in frames:
        for box in frame.boxes:
            if box.label in labels:
                tracks.setdefault(box.name, []).append((frame.t, box.box))
    return tracks


def _stays(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """Intrusion and loitering: somebody's foot is in the zone."""
    inside = _zone_test(scene, rule)
    return [
        incident
        for name, track in _tracks(frames, rule.labels).items()
        for incident in _lasting(rule, [(t, frozenset({name})) for t, box in track if inside(box)], 1 / scene.fps)
    ]


def _crowds(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    inside = _zone_test(scene, rule)
    there = [(f.t, frozenset(b.name for b in f.boxes if b.label in rule.labels and inside(b.box))) for f in frames]
    return _lasting(rule, [(t, names) for t, names in there if len(names) >= rule.count], 1 / scene.fps)


def _crossings(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    if rule.line is None:
        raise ValueError(f"rule {rule.id!r} watches line crossings and names no line")
    line, found = scene.lines[rule.line], []
    for name, track in _tracks(frames, rule.labels).items():
        for (_, before), (t, after) in pairwise(track):
            side = crossed(line, before.foot, after.foot)
            if side is not None and rule.direction in {"any", side}:
                found.append(TrueIncident(
                    rule=rule.id, kind=rule.kind, start=t, due=t, end=t, count=1, direction=side, actors=(name,),
                ))  # fmt: skip
    return found


def crossed(line: Line, before: Point, after: Point) -> str | None:
    """`left` or `right`: the side of `line` arrived on by moving between two points; None when it was not crossed.

    Looking from the line's start to its end. A point on the line counts as being on its right.
    """
    from_, to = _side(line.start, line.end, before), _side(line.start, line.end, after)
    if (from_ >= 0) == (to >= 0):
        return None
    start, end = _side(before, after, line.start), _side(before, after, line.end)
    if (start >= 0) == (end >= 0):
        return None  # passed beside the segment
    return "right" if to >= 0 else "left"


def _side(start: Point, end: Point, point: Point) -> float:
    """Positive to the right of start -> end on a picture (y runs down), negative to the left."""
    return (end.x - start.x) * (point.y - start.y) - (end.y - start.y) * (point.x - start.x)


def _at_rest(track: list[tuple[float, Box]], view: View) -> list[list[tuple[float, Box]]]:
    """Spells in which the foot stayed within STILL_METRES of where the spell began."""
    spells: list[list[tuple[float, Box]]] = []
    for t, box in track:
        if spells and view.distance(spells[-1][0][1].foot, box.foot) <= STILL_METRES:
            spells[-1].append((t, box))
        else:
            spells.append([(t, box)])
    return spells


def _stops(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """A vehicle that came, and stands. One that stands there from the first picture on is parked."""
    inside = _zone_test(scene, rule)
    found: list[TrueIncident] = []
    for name, track in _tracks(frames, rule.labels).items():
        for spell in _at_rest(track, scene.view):
            if spell[0][0] > frames[0].t:
                held: Held = [(t, frozenset({name})) for t, box in spell if inside(box)]
                found += _lasting(rule, held, 1 / scene.fps)
    return found


def _wrong_ways(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """A foot in the zone moves against `way`: the angle between the two on the picture is more than 90 degrees."""
    if rule.way is None:
        raise ValueError(f"rule {rule.id!r} watches a direction and names none")
    inside, (right, down) = _zone_test(scene, rule), rule.way
    found: list[TrueIncident] = []
    for name, track in _tracks(frames, rule.labels).items():
        held: Held = []
        for (earlier, before), (t, after) in pairwise(track):
            along = (after.foot.x - before.foot.x) * scene.view.aspect * right + (after.foot.y - before.foot.y) * down
            speed = scene.view.distance(before.foot, after.foot) / (t - earlier)
            if along < 0 and speed >= LEAST_SPEED and inside(after):
                held.append((t, frozenset({name})))
        found += _lasting(rule, held, 1 / scene.fps)
    return found


def _abandoned(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """Something stands with nobody near."""
    inside = _zone_test(scene, rule)
    people = {frame.t: [b.box.foot for b in frame.boxes if b.label == "person"] for frame in frames}
    found: list[TrueIncident] = []
    for name, track in _tracks(frames, (LABELS[Bag],)).items():
        for spell in _at_rest(track, scene.view):
            alone: Held = [
                (t, frozenset({name}))
                for t, box in spell
                if inside(box) and all(scene.view.distance(box.foot, foot) > OWNER_METRES for foot in people[t])
            ]
            found += _lasting(rule, alone, 1 / scene.fps)
    return found


def _removals(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """Something that stood in the zone from the first picture on is no longer where it stood."""
    inside = _zone_test(scene, rule)
    found: list[TrueIncident] = []
    for name, track in _tracks(frames, (LABELS[Bag],)).items():
        spell = _at_rest(track, scene.view)[0]
        if spell[0][0] == frames[0].t and inside(spell[0][1]):
            gone: Held = [(frame.t, frozenset({name})) for frame in frames if frame.t > spell[-1][0]]
            found += _lasting(rule, gone, 1 / scene.fps)
    return found


def _fires(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    inside = _zone_test(scene, rule)
    burning: Held = [
        (frame.t, frozenset({one.name})) for frame in frames for one in frame.boxes
        if one.label == "fire" and inside(one.box)
    ]  # fmt: skip
    return _lasting(rule, burning, 1 / scene.fps)


def _tampering(scene: Scene, rule: SceneRule, frames: Sequence[TrueFrame]) -> list[TrueIncident]:
    """By the rule's id: `health.covered` or `health.blurred`."""
    is_blur = rule.id.endswith("blurred")
    held: Held = [(f.t, frozenset({"lens"})) for f in frames if (f.blurred if is_blur else f.covered >= COVERED)]
    return _lasting(rule, held, 1 / scene.fps)


_Finder = Callable[[Scene, SceneRule, Sequence[TrueFrame]], list[TrueIncident]]

_FINDERS: dict[IncidentKind, _Finder] = {
    IncidentKind.INTRUSION: _stays,
    IncidentKind.LOITERING: _stays,
    IncidentKind.LINE_CROSSING: _crossings,
    IncidentKind.CROWDING: _crowds,
    IncidentKind.STOPPED_VEHICLE: _stops,
    IncidentKind.WRONG_WAY: _wrong_ways,
    IncidentKind.ABANDONED_OBJECT: _abandoned,
    IncidentKind.REMOVED_OBJECT: _removals,
    IncidentKind.FIRE_SMOKE: _fires,
    IncidentKind.CAMERA_TAMPER: _tampering,
}
