"""The topics of ONVIF that mean something here, and names that promise an identity and are refused. Pure.

For whoever takes in what others tell: camera events over ONVIF (`ingest.events`), and other systems (`sources`).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gridwatch.domain.incident import IncidentKind

ONVIF_TOPICS_NS = "http://www.onvif.org/ver10/topics"
LOCATION_TOPIC = "Monitoring/GeoLocation"
"""Where the camera is, without prefix; read for cameras that move."""
STATE_ITEMS = ("State", "LogicalState", "IsInside", "IsMotion")
"""The data items that say on or off. A message without any tells of a moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmTopic:
    """What a topic means."""

    path: str
    """Without prefix; it covers the topics below it too."""
    kind: IncidentKind
    is_motion: bool = False
    """Plain motion: a flood, so only on request."""

    @property
    def rule(self) -> str:
        """How incidents' rules begin: `linedetector.crossed`."""
        return ".".join(self.path.split("/")[1:]).lower()


_TAMPER = IncidentKind.CAMERA_TAMPER
_ALARM = IncidentKind.DEVICE_ALARM
_TOPICS = {
    one.path: one
    for one in (
        AlarmTopic(path="VideoSource/SignalLoss", kind=IncidentKind.CAMERA_OFFLINE),
        AlarmTopic(path="VideoSource/GlobalSceneChange", kind=_TAMPER),
        AlarmTopic(path="VideoSource/ImageTooDark", kind=_TAMPER),
        AlarmTopic(path="VideoSource/ImageTooBright", kind=_TAMPER),
        AlarmTopic(path="VideoSource/ImageTooBlurry", kind=_TAMPER),
        AlarmTopic(path="VideoSource/MotionAlarm", kind=_ALARM, is_motion=True),
        AlarmTopic(path="RuleEngine/CellMotionDetector/Motion", kind=_ALARM, is_motion=True),
        AlarmTopic(path="RuleEngine/LineDetector/Crossed", kind=IncidentKind.LINE_CROSSING),
        AlarmTopic(path="RuleEngine/FieldDetector/ObjectsInside", kind=IncidentKind.INTRUSION),
        AlarmTopic(path="RuleEngine/LoiteringDetector/ObjectIsLoitering", kind=IncidentKind.LOITERING),
        AlarmTopic(path="RuleEngine/ObjectAbandoned", kind=IncidentKind.ABANDONED_OBJECT),
        AlarmTopic(path="RuleEngine/ObjectRemoved", kind=IncidentKind.REMOVED_OBJECT),
        AlarmTopic(path="RuleEngine/ObjectDetector/ObjectAbandoned", kind=IncidentKind.ABANDONED_OBJECT),
        AlarmTopic(path="RuleEngine/ObjectDetector/ObjectRemoved", kind=IncidentKind.REMOVED_OBJECT),
        AlarmTopic(path="Device/Trigger/DigitalInput", kind=_ALARM),
    )
}

# Beginnings of words: they are compared with the words of CamelCase and snake_case names, so that `Interface` and
# `Template` are nobody's face or plate.
_IDENTITY = (
    "face",
    "facial",
    "plate",
    "licen",
    "anpr",
    "alpr",
    "lpr",
    "recogni",
    "identity",
    "likelihood",
    "temperature",
)
_IDENTITY_TOPICS = (*_IDENTITY, "radiometry")
_IDENTITY_ITEMS = (*_IDENTITY, "person", "gender", "ethnic")
_IDENTITY_FIELDS = frozenset(
    {"sub_label", "sub_labels", "thumbnail", "snapshot", "attributes", "current_attributes", "name", "owner"}
)
"""Under these, other systems (Frigate first) keep names, plates and pictures; the names themselves do not say so."""
_MAX_RULE = 63
_UNSAFE = re.compile(r"[^a-z0-9_-]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def alarm_kinds() -> frozenset[IncidentKind]:
    """Every kind that a camera's own events can have."""
    return frozenset(one.kind for one in _TOPICS.values())


def alarm_topic(path: str) -> AlarmTopic | None:
    """What the topic of that path, without prefixes, means: its own entry, or that of the nearest topic above it."""
    while path:
        if path in _TOPICS:
            return _TOPICS[path]
        path = path.rpartition("/")[0]
    return None


def is_identity_field(name: str) -> bool:
    """Whether a field of another system's message holds a name, a plate, a picture of a person or a fact about one."""
    return name.lower() in _IDENTITY_FIELDS or has_identity_item([name])


def named_rule(head: str, name: str) -> str:
    """`onvif.linedetector.crossed.gate-west`: `head`, and the name that somebody else gave a rule or an input.

    A name that had to be changed to be safe in topics and URLs gets a digest, lest two become one.
    """
    if not name:
        return head
    room = _MAX_RULE - len(head) - 1
    safe = _UNSAFE.sub("-", name.lower()).strip("-")
    if safe != name.lower() or len(safe) > room:
        digest = hashlib.sha256(name.encode()).hexdigest()[:6]
        safe = f"{safe[: room - 7]}-{digest}".lstrip("-")
    return f"{head}.{safe}"


def is_identity_topic(path: str) -> bool:
    """Whether a topic, in whatever namespace, is about who somebody is, whose car it is, or how warm a body is."""
    return _begins_a_word(path, _IDENTITY_TOPICS)


def has_identity_item(names: Iterable[str]) -> bool:
    """Whether one of these item names promises a fact about a person."""
    return any(_begins_a_word(name, _IDENTITY_ITEMS) for name in names)


def _begins_a_word(name: str, beginnings: tuple[str, ...]) -> bool:
    return any(word.lower().startswith(beginnings) for word in _WORD.findall(name))
