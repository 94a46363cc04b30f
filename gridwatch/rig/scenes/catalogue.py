"""The scenes of `gridwatch samples make`: one for every rule and one in which nothing happens."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gridwatch.rig.errors import RigError
from gridwatch.rig.scenes import catalogue_people as people
from gridwatch.rig.scenes import catalogue_things as things
from gridwatch.rig.scenes import catalogue_vehicles as vehicles
from gridwatch.rig.scenes.draw import Draw, is_clear
from gridwatch.rig.scenes.model import Scene

_TRIES: Final = 50
_MAKERS: Final[dict[str, Callable[[Draw], Scene]]] = {
    "intrusion": people.intrusion,
    "line-crossing": people.line_crossing,
    "loitering": people.loitering,
    "crowding": people.crowding,
    "stopped-vehicle": vehicles.stopped_vehicle,
    "wrong-way": vehicles.wrong_way,
    "abandoned-object": things.abandoned_object,
    "removed-object": things.removed_object,
    "fire-smoke": things.fire_smoke,
    "camera-tamper": things.camera_tamper,
    "uneventful": things.uneventful,
}


def kit_scenes() -> dict[str, Scene]:
    """By name, which is the name of its rule's kind with dashes; by day."""
    return {name: make(Draw()) for name, make in _MAKERS.items()}


def another(name: str, seed: int) -> Scene:
    """The version `seed` (>= 0) of the scene `name` of `kit_scenes`, named after both, by day.

    The same happens as in the usual one, by another path and at another time; the same seed gives the same scene.
    Raises RigError when none could be drawn in which it would be beyond dispute.
    """
    usual = _MAKERS[name](Draw())
    for attempt in range(_TRIES):
        draw = Draw((seed, usual.seed, attempt))
        scene = draw.dressed(_MAKERS[name](draw))
        if is_clear(scene, usual):
            return replace(scene, name=f"{name}-{seed}")
    raise RigError(f"seed {seed} gives no scene {name!r} that is beyond dispute in {_TRIES} tries; take another")
