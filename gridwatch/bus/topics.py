"""MQTT topics of contract version 1: built, parsed and subscribed to here and nowhere else.

    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/incident/<kind>
    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/evidence/<incident id>
    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/clip/<incident id>
    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/observation
    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/state                    (retained)
    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/position                 (retained; read, not written)
    gridwatch/v1/<district>/<substation>/<checkpoint>/<camera>/onvif-ej/<ONVIF topic>/&<source...>   (a switch)
    gridwatch/v1/<district>/<substation>/<checkpoint>/-/node/<node id>/state            (retained, last will)

A missing site level is `-`. A node is no camera, so its camera level is `-` too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from gridwatch.bus.errors import BadTopicLevel, MalformedMessage
from gridwatch.config.base import IDENTIFIER
from gridwatch.domain import MISSING_LEVEL, ONVIF_TOPICS, IncidentKind, SitePath

ROOT = "gridwatch/v1"
_LEVEL = re.compile(IDENTIFIER)
_LEVELS_OF_ROOT = ROOT.count("/") + 1


class Channel(StrEnum):
    """What can be subscribed to."""

    INCIDENT = "incident"  # incident messages
    EVIDENCE = "evidence"  # pictures of incidents
    CLIP = "clip"  # word of the clips of incidents that workers keep
    OBSERVATION = "observation"  # what cameras saw, by the minute
    STATE = "state"  # retained state of cameras
    POSITION = "position"  # retained position of cameras that move, from whoever knows it
    NODE = "node"  # retained state of worker nodes
    ONVIF = "onvif-ej"  # incidents again, in ONVIF's own JSON, where that is switched on


_TAILS = {
    Channel.INCIDENT: "+/incident/+",
    Channel.EVIDENCE: "+/evidence/+",
    Channel.CLIP: "+/clip/+",
    Channel.OBSERVATION: "+/observation",
    Channel.STATE: "+/state",
    Channel.POSITION: "+/position",
    Channel.NODE: f"{MISSING_LEVEL}/node/+/state",
    Channel.ONVIF: "+/onvif-ej/#",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraPath:
    """A camera and the site it hangs on."""

    site: SitePath
    camera: str

    def __str__(self) -> str:
        """CloudEvents source: `/district/substation/checkpoint/camera`, `-` for a missing level."""
        return "/" + "/".join((*self.site.levels, self.camera))


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentTopic:
    """Where messages of one kind from one camera go."""

    camera: CameraPath
    kind: IncidentKind

    def __str__(self) -> str:
        return f"{_under(self.camera.site, self.camera.camera)}/incident/{self.kind}"


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceTopic:
    """Where pictures of one incident go."""

    camera: CameraPath
    incident: UUID

    def __str__(self) -> str:
        return f"{_under(self.camera.site, self.camera.camera)}/evidence/{self.incident}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipTopic:
    """Where it is told that a worker keeps a clip of an incident."""

    camera: CameraPath
    incident: UUID

    def __str__(self) -> str:
        return f"{_under(self.camera.site, self.camera.camera)}/clip/{self.incident}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservationTopic:
    """Where it is told what a camera saw in a minute."""

    camera: CameraPath

    def __str__(self) -> str:
        return f"{_under(self.camera.site, self.camera.camera)}/observation"


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraStateTopic:
    """Where a camera's latest state is kept."""

    camera: CameraPath

    def __str__(self) -> str:
        return f"{_under(self.camera.site, self.camera.camera)}/state"


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionTopic:
    """Where it is told where a moving camera is."""

    camera: CameraPath

    def __str__(self) -> str:
        return f"{_under(self.camera.site, self.camera.camera)}/position"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStateTopic:
    """Where a worker node's latest state is kept."""

    site: SitePath
    node: str

    def __str__(self) -> str:
        return f"{_under(self.site, None)}/node/{_level(self.node)}/state"


@dataclass(frozen=True, kw_only=True, slots=True)
class OnvifTopic:
    """Where one rule's events go in ONVIF's own JSON (Core specification, 9.12)."""

    camera: CameraPath
    topic: str
    """Of ONVIF, without its namespace: `RuleEngine/LineDetector/Crossed`."""
    source: tuple[str, ...]
    """Values of the message's source items, in their order."""

    def __str__(self) -> str:
        under = _under(self.camera.site, self.camera.camera)
        return f"{under}/{Channel.ONVIF}/{self.topic}/&{'/'.join(_level(one) for one in self.source)}"


_CameraTopic = (
    IncidentTopic | EvidenceTopic | ClipTopic | ObservationTopic | CameraStateTopic | PositionTopic | OnvifTopic
)
Topic = _CameraTopic | NodeStateTopic


_OF_CAMERA: Final[Mapping[str, type[ObservationTopic] | type[CameraStateTopic] | type[PositionTopic]]] = {
    Channel.OBSERVATION: ObservationTopic,
    Channel.STATE: CameraStateTopic,
    Channel.POSITION: PositionTopic,
}
"""Those that need no more than the camera."""


def local_onvif_topic(kind: IncidentKind) -> str:
    """The ONVIF topic that names `kind`, without its namespace, as MQTT has no namespaces."""
    return ONVIF_TOPICS[kind].removeprefix("tns1:")


def is_mirrored(topic: str) -> bool:
    """Whether it tells in ONVIF's JSON what an incident message tells too."""
    return f"/{Channel.ONVIF}/" in topic


def parse_topic(text: str) -> Topic:
    """Read a topic of the contract. Raises MalformedMessage; building the result gives back the same text."""
    levels = text.split("/")
    if "/".join(levels[:_LEVELS_OF_ROOT]) != ROOT or len(levels) < _LEVELS_OF_ROOT + 4:
        raise MalformedMessage("topic is not of this contract")
    site, camera = read_place(levels[_LEVELS_OF_ROOT : _LEVELS_OF_ROOT + 4])
    tail = levels[_LEVELS_OF_ROOT + 4 :]
    if camera == MISSING_LEVEL:
        return _node_topic(site, tail)
    return _camera_topic(CameraPath(site=site, camera=camera), tail)


def read_place(levels: list[str]) -> tuple[SitePath, str]:
    """Site and camera (`-` for none) of the four levels that name them. Raises MalformedMessage."""
    *site, camera = levels
    return _site(site), camera if camera == MISSING_LEVEL else _received(camera)


def place_levels(camera: CameraPath) -> str:
    """The four levels that name it. Raises BadTopicLevel."""
    return _levels(camera.site, camera.camera)


def _node_topic(site: SitePath, tail: list[str]) -> NodeStateTopic:
    match tail:
        case ["node", node, "state"]:
            return NodeStateTopic(site=site, node=_received(node))
    raise MalformedMessage("topic names neither a camera nor a node")


def _camera_topic(camera: CameraPath, tail: list[str]) -> _CameraTopic:
    match tail:
        case ["incident", kind] if kind in set(IncidentKind):
            return IncidentTopic(camera=camera, kind=IncidentKind(kind))
        case ["incident", _]:
            raise MalformedMessage("topic names an unknown kind of incident")
        case ["evidence", incident]:
            return EvidenceTopic(camera=camera, incident=_uuid(incident))
        case ["clip", incident]:
            return ClipTopic(camera=camera, incident=_uuid(incident))
        case [channel] if channel in _OF_CAMERA:
            return _OF_CAMERA[channel](camera=camera)
        case [Channel.ONVIF, *rest]:
            return _onvif_topic(camera, rest)
    raise MalformedMessage("topic names an unknown channel")


def _onvif_topic(camera: CameraPath, levels: list[str]) -> OnvifTopic:
    topic, _, source = "/".join(levels).partition("/&")
    if topic not in {local_onvif_topic(kind) for kind in IncidentKind}:
        raise MalformedMessage("topic names none of the topics of ONVIF that incidents have")
    return OnvifTopic(camera=camera, topic=topic, source=tuple(_received(one) for one in source.split("/")))


def subscriptions(site: SitePath | None, *channels: Channel) -> tuple[str, ...]:
    """Topic filters for the given channels (all when none is given) of a site and everything below it.

    `None` is every district. Raises BadTopicLevel when the site cannot be part of a topic.
    """
    given = tuple(_level(part) for part in site.parts) if site else ()
    places = "/".join((ROOT, *given, *("+",) * (3 - len(given))))
    return tuple(f"{places}/{_TAILS[channel]}" for channel in (channels or tuple(Channel)))


def _under(site: SitePath, camera: str | None) -> str:
    return f"{ROOT}/{_levels(site, camera)}"


def _levels(site: SitePath, camera: str | None) -> str:
    levels = [level if level == MISSING_LEVEL else _level(level) for level in site.levels]
    return "/".join((*levels, MISSING_LEVEL if camera is None else _level(camera)))


def _level(text: str) -> str:
    if not _LEVEL.fullmatch(text):
        raise BadTopicLevel(f"{text!r} cannot be a topic level: it must match {IDENTIFIER}")
    return text


def _received(text: str) -> str:
    if not _LEVEL.fullmatch(text):
        raise MalformedMessage("topic has a level that is not an identifier")
    return text


def _site(levels: list[str]) -> SitePath:
    district, substation, checkpoint = (None if level == MISSING_LEVEL else _received(level) for level in levels)
    if district is None or (checkpoint is not None and substation is None):
        raise MalformedMessage("topic skips a level of the site")
    return SitePath(district=district, substation=substation, checkpoint=checkpoint)


def _uuid(text: str) -> UUID:
    try:
        value = UUID(text)
    except ValueError as exc:
        raise MalformedMessage("topic's incident id is not a UUID") from exc
    if str(value) != text:
        raise MalformedMessage("topic's incident id is not in canonical form")
    return value
