"""What the last run of a worker left open, sorted by who goes on with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gridwatch.config import CameraConfig
from gridwatch.config.model import ONVIF_RULE_PREFIX
from gridwatch.detectors import PICTURE_RULES
from gridwatch.domain import HEALTH_RULE_PREFIX, Incident, OpenIncident


@dataclass(frozen=True, kw_only=True, slots=True)
class StillOpen:
    """Each incident is in one of these."""

    analysis: Mapping[str, tuple[OpenIncident, ...]]
    """Of rules and pictures, by camera."""
    device: Mapping[str, tuple[Incident, ...]]
    """Told by cameras, by camera."""
    health: tuple[Incident, ...]
    """Outages and clocks; whoever watches those knows which cameras are gone."""
    orphans: tuple[Incident, ...]
    """Of cameras and rules that are not configured any more: to be cleared."""


def sort_out(found: Iterable[OpenIncident], cameras: Sequence[CameraConfig]) -> StillOpen:
    """By the rule that raised it, when its camera still has a rule of that name and kind."""
    by_id = {camera.id: camera for camera in cameras}
    analysis: dict[str, list[OpenIncident]] = {}
    device: dict[str, list[Incident]] = {}
    health: list[Incident] = []
    orphans: list[Incident] = []
    for one in found:
        incident = one.latest
        camera = by_id.get(incident.camera)
        is_of_picture = incident.rule in PICTURE_RULES
        if incident.rule.startswith(HEALTH_RULE_PREFIX) and not is_of_picture:
            health.append(incident)
        elif camera is None:
            orphans.append(incident)
        elif incident.rule.startswith(ONVIF_RULE_PREFIX):
            told = camera.source.onvif is not None and camera.events.enabled
            (device.setdefault(camera.id, []) if told else orphans).append(incident)
        elif is_of_picture or any((rule.id, rule.kind) == (incident.rule, incident.kind) for rule in camera.rules):
            analysis.setdefault(camera.id, []).append(one)
        else:
            orphans.append(incident)
    return StillOpen(
        analysis={camera: tuple(some) for camera, some in analysis.items()},
        device={camera: tuple(some) for camera, some in device.items()},
        health=tuple(health), orphans=tuple(orphans),
    )  # fmt: skip
