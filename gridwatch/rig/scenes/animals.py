"""A dog out of balls and limbs."""

import math

from gridwatch.rig.scenes.model import Colour, Dog
from gridwatch.rig.scenes.solids import Blob, Pose, Solid

Spot = tuple[float, float, float]
"""Forward, to the left and up, in shoulder heights."""

STRIDE = 1.6
"""Length of a double step of the trot in shoulder heights."""


def dog_solids(dog: Dog, pose: Pose) -> list[Solid]:
    """The body of `dog`, standing on the ground in `pose`; diagonal legs swing together."""
    swing = min(1.0, pose.speed)
    phase = 2 * math.pi * pose.walked / (STRIDE * dog.height)
    cos, sin = math.cos(pose.heading), math.sin(pose.heading)

    def blob(colour: Colour, spots: list[Spot], radii: list[float], order: float = 0.0) -> Blob:
        centres = tuple(
            (dog.height * (f * cos - left * sin), dog.height * (f * sin + left * cos), dog.height * up)
            for f, left, up in spots
        )
        return Blob(colour=colour, centres=centres, radii=tuple(dog.height * r for r in radii), order=order)

    dark: Colour = (dog.coat[0] * 7 // 10, dog.coat[1] * 7 // 10, dog.coat[2] * 7 // 10)
    solids: list[Solid] = []
    for forward, side in ((0.42, 1), (0.42, -1), (-0.42, 1), (-0.42, -1)):
        step = phase if (forward > 0) == (side > 0) else phase + math.pi
        reach = 0.22 * swing * math.sin(step)
        lift = 0.08 * swing * max(0.0, math.cos(step))
        foot = (forward + reach, side * 0.12, 0.04 + lift)
        solids.append(blob(dark, [(forward, side * 0.12, 0.6), foot], [0.09, 0.045], order=0.01))
    solids.append(blob(dog.coat, [(0.42, 0.0, 0.74), (-0.42, 0.0, 0.76)], [0.22, 0.18], order=0.1))
    solids.append(blob(dog.coat, [(0.45, 0.0, 0.85), (0.62, 0.0, 1.02)], [0.15, 0.13], order=0.11))
    solids.append(blob(dog.coat, [(0.64, 0.0, 1.06), (0.86, 0.0, 0.98)], [0.13, 0.07], order=0.12))
    solids.append(blob(dark, [(0.56, 0.1, 1.12), (0.54, -0.1, 1.12)], [0.07, 0.07], order=0.13))
    solids.append(blob(dark, [(-0.55, 0.0, 0.84), (-0.85, 0.0, 1.05)], [0.06, 0.03], order=0.09))
    return solids
