"""Draws the pictures of docs/rules.md: `python scripts/rule_pictures.py`. Scene on the left, time on the right."""

from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
ZONE, WATCHED, QUIET, ALARM = "#2b7de9", "#1a1a1a", "#8a8a8a", "#d4351c"
Points = Sequence[tuple[float, float]]


def _text(x: float, y: float, words: str, colour: str = WATCHED, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def _line(points: Points, colour: str, width: float = 2, *, dashed: bool = False, arrow: bool = False) -> str:
    extra = (' stroke-dasharray="4 4"' if dashed else "") + (' marker-end="url(#tip)"' if arrow else "")
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{width:g}"{extra}/>'


def _zone(points: Points, colour: str = ZONE) -> str:
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polygon points="{way}" fill="{colour}" fill-opacity="0.12" stroke="{colour}" stroke-width="2"/>'


def _person(x: float, y: float, colour: str = WATCHED) -> str:
    """Standing, with the foot at (x, y)."""
    body = _line([(x, y - 38), (x, y - 16), (x - 7, y)], colour, 3) + _line([(x, y - 16), (x + 7, y)], colour, 3)
    arms = _line([(x - 9, y - 24), (x, y - 34), (x + 9, y - 24)], colour, 3)
    dot = f'<circle cx="{x:g}" cy="{y:g}" r="3" fill="{ALARM}"/>'
    return f'<circle cx="{x:g}" cy="{y - 45:g}" r="7" fill="{colour}"/>{body}{arms}{dot}'


def _car(x: float, y: float, colour: str = WATCHED) -> str:
    """From the side, with the middle of its lower edge at (x, y)."""
    wheels = "".join(f'<circle cx="{x + d:g}" cy="{y - 4:g}" r="6" fill="{colour}"/>' for d in (-16, 16))
    body = f'<path d="M{x - 30:g} {y - 6:g}v-12h10l8 -12h22l10 12h10v12z" fill="{colour}" fill-opacity="0.85"/>'
    return body + wheels


def _time(states: Points, raised: float, cleared: float, notes: str) -> str:
    """A condition over time: (x, 0 or 1) corners from 0 to 260, raised and cleared at those x."""
    left, low, high = 360.0, 120.0, 80.0
    way: list[tuple[float, float]] = []
    for x, state in states:
        y = high if state else low
        way += [(left + x, way[-1][1])] if way else []
        way.append((left + x, y))
    marks = [(raised, "raised"), (cleared, "cleared")]
    ticks = "".join(
        _line([(left + x, 60), (left + x, 140)], ALARM, 1.5, dashed=True) + _text(left + x, 155, name, ALARM, "middle")
        for x, name in marks
    )
    bar = _line([(left + raised, 168), (left + cleared, 168)], ALARM, 5)
    return _line(way, WATCHED, 2.5) + ticks + bar + notes


def _span(begin: float, end: float, words: str, y: float = 50) -> str:
    left = 360.0
    ends = "".join(_line([(left + x, y - 4), (left + x, y + 4)], QUIET, 1.5) for x in (begin, end))
    middle = left + (begin + end) / 2
    return ends + _line([(left + begin, y), (left + end, y)], QUIET, 1.5) + _text(middle, y - 8, words, QUIET, "middle")


def _intrusion() -> str:
    scene = _zone([(120, 90), (280, 90), (310, 180), (90, 180)]) + _person(45, 165, QUIET) + _person(190, 160)
    way = _line([(60, 165), (175, 160)], QUIET, dashed=True, arrow=True)
    notes = (
        _span(50, 100, "dwell_seconds")
        + _span(180, 240, "clear_seconds")
        + _text(360, 190, "foot inside or not", QUIET)
    )
    return scene + way + _time([(0, 0), (50, 1), (180, 0), (260, 0)], 100, 240, notes)


def _loitering() -> str:
    scene = _zone([(90, 90), (270, 90), (310, 180), (60, 180)]) + _person(180, 160)
    steps = [(185, 165), (230, 150), (215, 120), (140, 125), (130, 160), (165, 168)]
    wander = _line(steps, QUIET, dashed=True, arrow=True)
    post = '<rect x="222" y="70" width="16" height="110" fill="#c9c9c9"/>'
    notes = _span(20, 160, "seconds") + _span(80, 105, "hidden", 72) + _span(200, 245, "clear_seconds")
    states = [(0, 0), (20, 1), (80, 0), (105, 1), (200, 0), (260, 0)]
    return scene + wander + post + _time(states, 160, 245, notes)


def _crowding() -> str:
    scene = _zone([(70, 80), (260, 80), (310, 180), (30, 180)])
    people = "".join(_person(x, y) for x, y in ((90, 150), (135, 165), (175, 140), (215, 168), (250, 150)))
    left = 360.0
    counts = [(0, 140), (40, 140), (40, 100), (80, 100), (80, 70), (170, 70)]
    counts += [(170, 95), (205, 95), (205, 125), (260, 125)]
    way = _line([(left + x, y) for x, y in counts], WATCHED, 2.5)
    levels = _line([(left, 78), (left + 260, 78)], ZONE, 1, dashed=True) + _line(
        [(left, 108), (left + 260, 108)], ZONE, 1, dashed=True
    )
    names = _text(left, 73, "count", ZONE) + _text(left, 120, "clear_count", ZONE)
    spans = _span(80, 110, "seconds") + _span(205, 240, "clear_seconds")
    marks = "".join(
        _line([(left + x, 60), (left + x, 140)], ALARM, 1.5, dashed=True) + _text(left + x, 155, name, ALARM, "middle")
        for x, name in ((110, "raised"), (240, "cleared"))
    )
    bar = _line([(left + 110, 168), (left + 240, 168)], ALARM, 5)
    return scene + people + levels + names + way + spans + marks + bar


def _stopped_vehicle() -> str:
    scene = _zone([(120, 110), (290, 110), (320, 180), (95, 180)])
    scene += _car(70, 100, QUIET) + _text(70, 60, "parked", QUIET, "middle")
    way = _line([(20, 165), (160, 165)], QUIET, dashed=True, arrow=True)
    notes = _span(30, 150, "seconds") + _span(195, 235, "clear_seconds") + _text(360, 190, "standing or not", QUIET)
    return scene + _car(210, 165) + way + _time([(0, 0), (30, 1), (195, 0), (260, 0)], 150, 235, notes)


def _wrong_way() -> str:
    scene = _zone([(130, 20), (230, 20), (300, 190), (40, 190)]) + _line([(170, 180), (180, 40)], ZONE, 3, arrow=True)
    scene += _text(110, 36, "direction", ZONE, "end") + _car(225, 110)
    scene += _line([(225, 118), (240, 175)], ALARM, 3, arrow=True) + _text(262, 165, "distance", ALARM)
    fan = (
        f'<path d="M480 115 L428.04 145 A60 60 0 1 1 531.96 145 Z" fill="{ZONE}" fill-opacity="0.15" stroke="{ZONE}"/>'
    )
    fan += _line([(480, 115), (480, 60)], ZONE, 3, arrow=True) + _line([(480, 115), (500, 172)], ALARM, 3, arrow=True)
    names = (
        _text(480, 45, "direction", ZONE, "middle")
        + _text(545, 110, "tolerance", ZONE)
        + _text(508, 180, "wrong", ALARM)
    )
    return scene + fan + names


def _line_crossing() -> str:
    scene = _line([(180, 20), (180, 185)], ZONE, 4, arrow=True)
    scene += _text(188, 30, "start", ZONE) + _text(188, 185, "end", ZONE)
    scene += _person(80, 150, QUIET) + _person(290, 150)
    scene += _line([(95, 150), (270, 150)], ALARM, 2, dashed=True, arrow=True)
    scene += _text(222, 140, "arrives left", ALARM) + _text(60, 60, "right", ZONE) + _text(270, 60, "left", ZONE)
    band = '<rect x="172" y="20" width="16" height="165" fill="#2b7de9" fill-opacity="0.15"/>'
    notes = _text(380, 90, "looking from start to end;", QUIET) + _text(380, 110, "the band is the margin", QUIET)
    return band + scene + notes


def _main() -> None:
    style = (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7"'
        ' orient="auto"><path d="M0 0L10 5L0 10z" fill="context-stroke"/></marker></defs>'
        '<rect width="640" height="200" fill="#ffffff"/>'
    )
    for draw in (_intrusion, _loitering, _crowding, _stopped_vehicle, _wrong_way, _line_crossing):
        head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 200" font-family="sans-serif" font-size="12">'
        (FOLDER / f"{draw.__name__[1:]}.svg").write_text(f"{head}{style}{draw()}</svg>\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
