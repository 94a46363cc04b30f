"""What a worker tells Home Assistant of its cameras."""

from collections.abc import Iterable, Iterator

from gridwatch.bus import CameraPath, DiscoveredCamera, NodeStateTopic, OutgoingMessage, discovery
from gridwatch.config import CameraConfig, Deployment
from gridwatch.domain import IncidentKind, SitePath
from gridwatch.domain.onvif import alarm_kinds

_HEALTH = frozenset({IncidentKind.CAMERA_OFFLINE, IncidentKind.CAMERA_TAMPER})


def announcements(deployment: Deployment, cameras: Iterable[CameraConfig], node: str) -> Iterator[OutgoingMessage]:
    """The discovery message of each camera, where `services.broker.home_assistant` is given; else none."""
    settings = deployment.services.broker.home_assistant
    if settings is None:
        return
    worker = NodeStateTopic(site=SitePath(district=deployment.district.id), node=node)
    for camera in cameras:
        found = DiscoveredCamera(
            camera=CameraPath(site=camera.site_path, camera=camera.id), name=camera.name or camera.id,
            kinds=_kinds(camera), node=worker,
        )  # fmt: skip
        yield discovery(found, settings.prefix)


def _kinds(camera: CameraConfig) -> tuple[IncidentKind, ...]:
    """What can happen on it, in the order of the enum."""
    tells = camera.source.onvif is not None and camera.events.enabled
    kinds = _HEALTH | {IncidentKind(rule.kind) for rule in camera.rules} | (alarm_kinds() if tells else frozenset())
    return tuple(kind for kind in IncidentKind if kind in kinds)
