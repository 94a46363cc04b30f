"""The scenes of `gridwatch samples make`: one for every rule and one in which nothing happens."""

from gridwatch.rig.scenes import catalogue_people as people
from gridwatch.rig.scenes import catalogue_things as things
from gridwatch.rig.scenes import catalogue_vehicles as vehicles
from gridwatch.rig.scenes.model import Scene


def kit_scenes() -> dict[str, Scene]:
    """By name, which is the name of its rule's kind with dashes; by day."""
    made = (
        people.intrusion(), people.line_crossing(), people.loitering(), people.crowding(),
        vehicles.stopped_vehicle(), vehicles.wrong_way(),
        things.abandoned_object(), things.removed_object(), things.fire_smoke(), things.camera_tamper(),
        things.uneventful(),
    )  # fmt: skip
    return {scene.name: scene for scene in made}
