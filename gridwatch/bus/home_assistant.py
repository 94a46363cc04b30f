"""Cameras as Home Assistant's MQTT discovery has devices: one retained message a camera, with all its entities.

Device-based discovery (Home Assistant 2024.11 and later; `DEVICE_DISCOVERY_SCHEMA` of its MQTT integration). What it
then shows comes from the contract's own topics, read by the templates below: nothing is told twice.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

from gridwatch import __version__
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.topics import CameraPath, CameraStateTopic, IncidentTopic, NodeStateTopic
from gridwatch.bus.wire import STATE_CONTENT_TYPE
from gridwatch.domain import IncidentKind, Phase

_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_-]")
"""What may not be in a node or object id."""
_ONLINE: Final = "{{ 'online' if value_json.state == 'up' else 'offline' }}"
_VIDEO: Final = "{{ 'ON' if value_json.state == 'up' else 'OFF' }}"
_EVENT: Final = (
    "{{ {'event_type': value_json.data.phase, 'incident': value_json.data.id, 'rule': value_json.data.rule, "
    "'severity': value_json.data.severity, 'count': value_json.data.count, "
    "'occurred_at': value_json.data.occurred_at} | to_json }}"
)

_Component = dict[str, str | list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveredCamera:
    """A camera to be found."""

    camera: CameraPath
    name: str
    kinds: tuple[IncidentKind, ...]
    """What may happen there: one event entity each."""
    node: NodeStateTopic
    """Of the worker that watches it: without it, nothing here is known."""


def discovery(found: DiscoveredCamera, prefix: str) -> OutgoingMessage:
    """The retained message that makes `found` a device. `prefix`: the first level of discovery topics."""
    camera, site = found.camera, found.camera.site
    identity = f"gridwatch_{site.district}_{camera.camera}"
    components: dict[str, _Component] = {
        "video": {
            "platform": "binary_sensor", "unique_id": f"{identity}_video", "name": "Video",
            "device_class": "connectivity", "entity_category": "diagnostic",
            "state_topic": str(CameraStateTopic(camera=camera)), "value_template": _VIDEO,
            "json_attributes_topic": str(CameraStateTopic(camera=camera)),
        }
    }  # fmt: skip
    for kind in found.kinds:
        components[kind] = {
            "platform": "event", "unique_id": f"{identity}_{kind}", "name": kind.replace("_", " ").capitalize(),
            "event_types": [str(phase) for phase in Phase], "value_template": _EVENT,
            "state_topic": str(IncidentTopic(camera=camera, kind=kind)),
        }  # fmt: skip
    body = {
        "device": {
            "identifiers": [identity], "name": found.name, "manufacturer": "gridwatch", "model": f"camera of {site}",
        },
        "origin": {"name": "gridwatch", "sw_version": __version__},
        "availability": [{"topic": str(found.node), "value_template": _ONLINE}],
        "components": {key: {**one, "qos": 1} for key, one in components.items()},
    }  # fmt: skip
    topic = f"{prefix}/device/{_id(f'gridwatch_{site.district}')}/{_id(camera.camera)}/config"
    payload = json.dumps(body, ensure_ascii=False).encode()
    return OutgoingMessage(topic=topic, payload=payload, content_type=STATE_CONTENT_TYPE, retain=True)


def discovery_topics(district: str, prefix: str) -> str:
    """Filter of the topics that `discovery` uses for the cameras of a district."""
    return f"{prefix}/device/{_id(f'gridwatch_{district}')}/+/config"


def _id(name: str) -> str:
    """`name` as Home Assistant takes ids; one that had to be changed gets a digest, lest two become one."""
    safe = _UNSAFE.sub("-", name)
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
