"""Cars and suitcases out of flat faces."""

import math
from itertools import pairwise

from gridwatch.rig.scenes.model import Bag, Car, Colour
from gridwatch.rig.scenes.solids import Blob, Face, Pose, Solid

Spot = tuple[float, float, float]
"""Forward, to the left and up, in metres."""

WIDTH = 1.74
GLASS: Colour = (88, 76, 66)
TYRE: Colour = (28, 28, 28)
RIM: Colour = (150, 150, 150)
HEADLIGHT: Colour = (215, 245, 255)
TAIL_LIGHT: Colour = (35, 30, 215)

# Side view of a hatchback: forward (in lengths, front at 0.5) and up (metres); front bumper first, along the top.
_PROFILE = [
    (0.5, 0.52), (0.492, 0.64), (0.455, 0.74), (0.36, 0.84), (0.25, 0.92), (0.065, 1.36), (-0.04, 1.45), (-0.2, 1.46),
    (-0.33, 1.38), (-0.445, 1.02), (-0.485, 0.93), (-0.5, 0.7),
]  # fmt: skip
_SCREENS = {4, 8}
"""Which stretches of the profile are glass."""
_SILL = [(-0.5, 0.45), (-0.475, 0.25), (0.475, 0.25)]
_SIDE_WINDOWS = [
    [(0.195, 0.96), (0.06, 1.29), (-0.035, 1.37), (-0.035, 0.97)],
    [(-0.06, 0.97), (-0.06, 1.37), (-0.2, 1.37), (-0.2, 0.98)],
    [(-0.22, 0.98), (-0.22, 1.36), (-0.31, 1.3), (-0.385, 1.02)],
]
_WHEELS = (0.31, -0.3)
_WHEEL_RADIUS = 0.31


class _Frame:
    """Turns forward/left/up into right/away/up with a heading."""

    def __init__(self, heading: float, length: float) -> None:
        self._cos, self._sin, self._length = math.cos(heading), math.sin(heading), length

    def spot(self, along: float, left: float, up: float) -> Spot:
        """`along` in lengths."""
        forward = along * self._length
        return forward * self._cos - left * self._sin, forward * self._sin + left * self._cos, up

    def face(self, colour: Colour, corners: list[Spot], order: float = 0.0, *, glow: bool = False) -> Face:
        """A face of corners (along, left, up)."""
        return Face(colour=colour, corners=tuple(self.spot(*corner) for corner in corners), order=order, glow=glow)

    def near_side(self) -> int:
        """+1 when the left side faces the camera, else -1."""
        return 1 if self._cos < 0 else -1

    @property
    def end_on(self) -> float:
        """+1 seen from behind, -1 from the front, 0 from the side."""
        return self._sin


def car_solids(car: Car, pose: Pose) -> list[Solid]:
    """The car, its near wheels on the ground line through the path."""
    frame = _Frame(pose.heading, car.length)
    side = frame.near_side()
    solids = _top(car, frame) + _ends(car, frame) + _side(car, frame, side) + _wheels(frame, side)
    return _pull_near_side_to_path(solids, abs(math.cos(pose.heading)) * WIDTH / 2)


def _pull_near_side_to_path(solids: list[Solid], away: float) -> list[Solid]:
    """Shift everything away from the camera so that the near wheels stand on the path."""
    shifted: list[Solid] = []
    for solid in solids:
        if isinstance(solid, Face):
            corners = tuple((x, d + away, z) for x, d, z in solid.corners)
            shifted.append(Face(colour=solid.colour, corners=corners, order=solid.order, glow=solid.glow))
        else:
            centres = tuple((x, d + away, z) for x, d, z in solid.centres)
            shifted.append(Blob(colour=solid.colour, centres=centres, radii=solid.radii, order=solid.order))
    return shifted


def _half_width(up: float) -> float:
    """Metres from the middle to the side at height `up`: the cabin leans inwards."""
    return WIDTH / 2 - 0.42 * max(0.0, up - 0.92)


def _top(car: Car, frame: _Frame) -> list[Solid]:
    """The ground below, then bonnet, screens, roof and boot lid, seen from above."""
    under = [(0.46, -0.78, 0.02), (0.46, 0.78, 0.02), (-0.46, 0.78, 0.02), (-0.46, -0.78, 0.02)]
    solids: list[Solid] = [frame.face((24, 24, 24), under, order=-2.0)]
    for index, (a, b) in enumerate(pairwise(_PROFILE)):
        run, rise = (a[0] - b[0]) * car.length, b[1] - a[1]
        sky = run / math.hypot(run, rise)
        left, right = (a[0], _half_width(a[1]), a[1]), (a[0], -_half_width(a[1]), a[1])
        far_left, far_right = (b[0], _half_width(b[1]), b[1]), (b[0], -_half_width(b[1]), b[1])
        solids.append(frame.face(_shade(car.paint, 0.78 + 0.4 * sky), [left, right, far_right, far_left]))
        if index in _SCREENS:
            solids.append(frame.face(GLASS, _inset([left, right, far_right, far_left], 0.9), order=0.05))
    return solids


def _inset(corners: list[Spot], share: float) -> list[Spot]:
    middle = [sum(corner[axis] for corner in corners) / len(corners) for axis in range(3)]
    x, d, z = middle
    return [(x + (a - x) * 0.97, d + (b - d) * share, z + (c - z) * 0.97) for a, b, c in corners]


def _ends(car: Car, frame: _Frame) -> list[Solid]:
    """The front or the back, whichever faces the camera, with its lamps and bumper."""
    rear = frame.end_on > 0
    along, half, top = (-0.5, WIDTH / 2, 0.92) if rear else (0.5, WIDTH / 2, 0.7)
    order = 0.6 * abs(frame.end_on)
    body = [(along, -half, 0.27), (along, half, 0.27), (along, half, top), (along, -half, top)]
    low = [(along, -half, 0.27), (along, half, 0.27), (along, half, 0.42), (along, -half, 0.42)]
    solids: list[Solid] = [frame.face(_shade(car.paint, 0.8), body, order=order)]
    solids.append(frame.face((45, 45, 45), low, order=order + 0.01))
    for middle in (-half + 0.2, half - 0.2):
        lamp = [(along, middle - 0.17, 0.56), (along, middle + 0.17, 0.56)]
        lamp += [(along, middle + 0.17, 0.68), (along, middle - 0.17, 0.68)]
        solids.append(frame.face(TAIL_LIGHT if rear else HEADLIGHT, lamp, order=order + 0.02, glow=True))
    return solids


def _side(car: Car, frame: _Frame, side: int) -> list[Solid]:
    """The side that faces the camera: panel, windows, door lines, lamps at its ends."""

    def panel(colour: Colour, outline: list[tuple[float, float]], order: float, *, glow: bool = False) -> Face:
        corners = [(along, side * _half_width(up), up) for along, up in outline]
        return frame.face(colour, corners, order=order, glow=glow)

    paint = car.paint
    solids: list[Solid] = [panel(_shade(paint, 0.88), _PROFILE + _SILL, 0.02)]
    solids.append(panel(_shade(paint, 1.08), [(0.42, 0.76), (0.3, 0.86), (-0.47, 0.9), (-0.49, 0.8)], 0.03))
    solids.append(panel(_shade(paint, 0.66), [(0.475, 0.25), (0.5, 0.45), (-0.5, 0.45), (-0.475, 0.25)], 0.03))
    for window in _SIDE_WINDOWS:
        solids.append(panel(_shade(GLASS, 0.72), window, 0.35))
        high, low = max(up for _, up in window), min(up for _, up in window)
        shine = [(along, up if up > (high + low) / 2 else high - 0.12) for along, up in window]
        solids.append(panel(_shade(GLASS, 1.15), shine, 0.36))
    solids += [panel(_shade(paint, 0.5), _upright(seam, 0.004, 0.34, 0.94), 0.05) for seam in (0.2, -0.045, -0.24)]
    solids += [panel(_shade(paint, 0.45), _upright(handle, 0.03, 0.8, 0.83), 0.05) for handle in (-0.02, -0.215)]
    solids.append(panel(HEADLIGHT, [(0.495, 0.58), (0.42, 0.64), (0.43, 0.72), (0.475, 0.7)], 0.05, glow=True))
    solids.append(panel(TAIL_LIGHT, [(-0.498, 0.7), (-0.455, 0.72), (-0.46, 0.92), (-0.488, 0.92)], 0.05, glow=True))
    return solids


def _upright(along: float, length: float, low: float, high: float) -> list[tuple[float, float]]:
    return [(along, low), (along + length, low), (along + length, high), (along, high)]


def _wheels(frame: _Frame, side: int) -> list[Solid]:
    """Arches, tyres and rims on the side that faces the camera."""
    solids: list[Solid] = []
    for along in _WHEELS:
        for radius, colour, order in ((0.37, (25, 25, 25), 0.06), (_WHEEL_RADIUS, TYRE, 0.07), (0.19, RIM, 0.08)):
            ring = [_rim_spot(frame, along, side * (WIDTH / 2), radius, step) for step in range(18)]
            solids.append(Face(colour=colour, corners=tuple(ring), order=order))
    return solids


def _rim_spot(frame: _Frame, along: float, left: float, radius: float, step: int) -> Spot:
    angle = 2 * math.pi * step / 18
    hub = frame.spot(along, left, 0.0)
    ahead = frame.spot(along + 0.1, left, 0.0)
    unit = math.hypot(ahead[0] - hub[0], ahead[1] - hub[1])
    reach = radius * math.cos(angle) / unit
    up = max(0.0, _WHEEL_RADIUS + radius * math.sin(angle))
    return hub[0] + (ahead[0] - hub[0]) * reach, hub[1] + (ahead[1] - hub[1]) * reach, up


def bag_solids(bag: Bag) -> list[Solid]:
    """A suitcase with its handle folded, turned a little so that two sides show."""
    frame = _Frame(0.35, 1.0)
    wide, deep, low, high = 0.21, 0.13, 0.04, bag.height
    near = [(-wide, -deep, low), (wide, -deep, low), (wide, -deep, high), (-wide, -deep, high)]
    end = [(-wide, -deep, low), (-wide, deep, low), (-wide, deep, high), (-wide, -deep, high)]
    top = [(-wide, -deep, high), (wide, -deep, high), (wide, deep, high), (-wide, deep, high)]
    strap = [(-wide, -deep, 0.3), (wide, -deep, 0.3), (wide, -deep, 0.34), (-wide, -deep, 0.34)]
    handle = [(-0.09, 0.0, high), (0.09, 0.0, high), (0.09, 0.0, high + 0.07), (-0.09, 0.0, high + 0.07)]
    foot = [(-wide, -deep, 0.0), (wide, -deep, 0.0), (wide, -deep, low), (-wide, -deep, low)]
    return [
        frame.face(_shade(bag.paint, 1.15), top, order=0.0),
        frame.face((40, 40, 40), handle, order=0.05),
        frame.face(_shade(bag.paint, 0.7), end, order=0.1),
        frame.face(bag.paint, near, order=0.2),
        frame.face(_shade(bag.paint, 0.6), strap, order=0.25),
        frame.face((25, 25, 25), foot, order=0.25),
    ]


def _shade(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, round(value * factor)) for value in colour)
    return blue, green, red
