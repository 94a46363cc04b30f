"""A walking person out of balls and limbs. Proportions: Drillis and Contini (1966), rounded."""

import math

from gridwatch.rig.scenes.model import Colour, Person
from gridwatch.rig.scenes.solids import Blob, Pose, Solid

Spot = tuple[float, float, float]
"""Forward, to the left and up, in body heights."""

STRIDE = 0.84
"""Length of a double step in body heights."""
FULL_SWING_SPEED = 1.2
"""Metres per second from which arms and legs swing fully."""


def person_solids(person: Person, pose: Pose) -> list[Solid]:
    """The body of `person`, standing on the ground in `pose`."""
    swing = min(1.0, pose.speed / FULL_SWING_SPEED)
    phase = 2 * math.pi * pose.walked / (STRIDE * person.height)
    sway = 0.0 if swing > 0.1 else 0.008 * math.sin(1.1 * pose.t + person.height * 40)
    legs = {side: _leg(phase + (0.0 if side > 0 else math.pi), swing) for side in (1, -1)}
    drop = min(joints[2][2] for joints in legs.values()) - 0.032  # stand on the lower ankle
    body = _Body(person, pose.heading, drop, sway)
    solids: list[Solid] = []
    for side, joints in legs.items():
        solids += body.leg(side, joints)
        solids += body.arm(side, phase + (math.pi if side > 0 else 0.0), swing)
    return solids + body.trunk()


def _leg(phase: float, swing: float) -> list[Spot]:
    """Hip, knee, ankle and toe of one leg, sideways 0."""
    hip_angle = swing * (0.46 * math.sin(phase) + 0.06)
    bend = 0.06 + swing * 0.85 * max(0.0, math.cos(phase)) ** 1.5
    hip = (0.0, 0.0, 0.52)
    knee = (0.245 * math.sin(hip_angle), 0.0, hip[2] - 0.245 * math.cos(hip_angle))
    shin = hip_angle - bend
    ankle = (knee[0] + 0.24 * math.sin(shin), 0.0, knee[2] - 0.24 * math.cos(shin))
    pitch = 0.5 * shin
    toe = (ankle[0] + 0.095 * math.cos(pitch), 0.0, ankle[2] - 0.012 + 0.095 * math.sin(pitch))
    return [hip, knee, ankle, toe]


class _Body:
    """Turns spots of the body, in body heights, into metres."""

    def __init__(self, person: Person, heading: float, drop: float, sway: float) -> None:
        self._person = person
        self._cos, self._sin = math.cos(heading), math.sin(heading)
        self._drop, self._sway = drop, sway

    def _blob(self, colour: Colour, spots: list[Spot], radii: list[float], order: float = 0.0) -> Blob:
        tall = self._person.height
        centres = tuple(
            (
                tall * (forward * self._cos - left * self._sin + self._sway * max(0.0, up - 0.1)),
                tall * (forward * self._sin + left * self._cos),
                tall * (up - self._drop),
            )
            for forward, left, up in spots
        )
        return Blob(colour=colour, centres=centres, radii=tuple(tall * r for r in radii), order=order)

    def leg(self, side: int, joints: list[Spot]) -> list[Solid]:
        """Thigh, shin and shoe."""
        hip, knee, ankle, toe = (
            (f, side * w, u) for (f, _, u), w in zip(joints, (0.05, 0.05, 0.045, 0.05), strict=True)
        )
        far = side * self._cos > 0.3  # the other leg keeps the light off it
        cloth = _shade(self._person.trousers, 0.78 if far else 1.0)
        return [
            self._blob((30, 30, 32), [(ankle[0] - 0.02, ankle[1], ankle[2]), toe], [0.028, 0.022]),
            self._blob(cloth, [knee, ankle], [0.043, 0.03], order=0.01),
            self._blob(cloth, [hip, knee], [0.066, 0.045], order=0.02),
        ]

    def arm(self, side: int, phase: float, swing: float) -> list[Solid]:
        """Sleeve and hand."""
        angle = swing * 0.42 * math.sin(phase) + 0.03
        elbow_bend = 0.25 + 0.25 * swing
        shoulder = (0.0, side * 0.113, 0.805)
        elbow = (0.165 * math.sin(angle), side * 0.135, 0.805 - 0.165 * math.cos(angle))
        lower = angle + elbow_bend
        wrist = (elbow[0] + 0.145 * math.sin(lower), side * 0.13, elbow[2] - 0.145 * math.cos(lower))
        hand = (wrist[0] + 0.035 * math.sin(lower), side * 0.125, wrist[2] - 0.035 * math.cos(lower))
        coat = _shade(self._person.coat, 0.9)
        return [
            self._blob(self._person.skin, [wrist, hand], [0.02, 0.022], order=0.13),
            self._blob(coat, [elbow, wrist], [0.034, 0.027], order=0.135),
            self._blob(coat, [shoulder, elbow], [0.045, 0.036], order=0.14),
        ]

    def trunk(self) -> list[Solid]:
        """Coat, neck, head and hair."""
        coat, hem = self._person.coat, 0.5 - 0.2 * self._person.coat_length
        flare = 0.06 + 0.02 * self._person.coat_length
        chest = [(0.01, 0.085, 0.79), (0.01, -0.085, 0.79), (0.0, 0.065, 0.62), (0.0, -0.065, 0.62)]
        skirt = [(0.0, 0.06, 0.63), (0.0, -0.06, 0.63), (0.0, flare, hem), (0.0, -flare, hem)]
        return [
            self._blob(coat, skirt, [0.066, 0.066, 0.06, 0.06], order=0.12),
            self._blob(coat, chest, [0.06, 0.06, 0.066, 0.066], order=0.125),
            self._blob(self._person.skin, [(0.005, 0.0, 0.85), (0.01, 0.0, 0.875)], [0.034, 0.034], order=0.13),
            self._blob(self._person.skin, [(0.022, 0.0, 0.925), (0.026, 0.0, 0.9)], [0.05, 0.042], order=0.15),
            self._blob(
                self._person.hair, [(0.004, 0.0, 0.944), (-0.014, 0.0, 0.915)], [0.055, 0.052],
                order=0.15 + 0.03 * self._sin,  # over the face when seen from behind
            ),
        ]  # fmt: skip


def _shade(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, round(value * factor)) for value in colour)
    return blue, green, red
