"""Cameras that publish their events over MQTT themselves, in ONVIF's JSON (Core specification, 9.12).

The same topics, meanings and refusals as over SOAP (docs/events.md). What lasts is retained at the broker: its state on
subscribing ends what is open and begins nothing.
"""

from collections.abc import Mapping

from gridwatch.config import Deployment
from gridwatch.config.sources import OnvifJsonSource
from gridwatch.domain import Severity
from gridwatch.domain.onvif import (
    STATE_ITEMS,
    AlarmTopic,
    alarm_topic,
    has_identity_item,
    is_identity_topic,
    named_rule,
)
from gridwatch.sources.model import Arrived, Change, Reading, Told, Unread, Where
from gridwatch.sources.reading import Json, Unreadable, believable, is_object, moment, read_json

PAYLOAD_PREFIX = "onvif-ej"
_MAX_ITEMS = 16
_MAX_TEXT = 128
_ON, _OFF = frozenset({"true", "1", "on", "active"}), frozenset({"false", "0", "off", "inactive"})


class OnvifJsonAdapter:
    """Reads the messages of such cameras. Pure, thread-safe."""

    def __init__(self, source: OnvifJsonSource, deployment: Deployment) -> None:
        self._source = source
        self._where = {prefix: Where.of(bound, deployment) for prefix, bound in source.cameras.items()}

    def read(self, arrived: Arrived) -> Reading:
        """One message. Raises Unreadable."""
        prefix, _, rest = arrived.topic.partition(f"/{PAYLOAD_PREFIX}/")
        where = self._where.get(prefix)
        if where is None:
            return Reading(unread=Unread.UNBOUND, reason="of a topic prefix that is not bound")
        local, _, source = rest.partition("/&")
        if is_identity_topic(local):
            return Reading(unread=Unread.IDENTITY, identities=1, reason="a topic about persons or plates")
        topic = alarm_topic(local.replace("tns1:", ""))
        if topic is None or (topic.is_motion and not self._source.motion):
            return Reading(unread=Unread.UNKNOWN, reason="of a topic without a meaning here")
        if not arrived.payload:  # a property that was deleted, which is all that such a message says (9.12)
            told = self._told(topic, where, arrived, (rest, source.rpartition("/")[2]), Change.OFF)
            return Reading(told=(told,))
        return self._with_body(topic, where, arrived, rest)

    def _with_body(self, topic: AlarmTopic, where: Where, arrived: Arrived, rest: str) -> Reading:
        message = read_json(arrived.payload)
        if not is_object(message):
            raise Unreadable("no object")
        source, data = _items(message.get("Source")), _items(message.get("Data"))
        promised = sum(has_identity_item([name]) for name in (*source, *data))
        if promised:
            return Reading(unread=Unread.IDENTITY, identities=promised, reason="an item about persons or plates")
        state = next((data[name] for name in STATE_ITEMS if name in data), None)
        change = Change.MOMENT if state is None else Change.ON if _truth(state) else Change.OFF
        name = _text(source.get("Rule") or source.get("InputToken"))
        at = message.get("UtcTime")
        return Reading(told=(self._told(topic, where, arrived, (rest, name), change, at),))

    def _told(
        self,
        topic: AlarmTopic,
        where: Where,
        arrived: Arrived,
        subject: tuple[str, str],
        change: Change,
        at: Json = None,
    ) -> Told:
        """`subject`: the topic after its prefix, and the name of the camera's rule."""
        occurred_at = believable(moment(at), arrived.received_at, self._source.max_age)
        default = Severity.INFO if topic.is_motion else Severity.MAJOR
        return Told(
            where=where, kind=topic.kind, severity=self._source.severity.get(topic.kind, default),
            rule=named_rule(f"{self._source.id}.{topic.rule}", subject[1]),
            subject=f"{where.camera}/{subject[0]}", once=False, news=not arrived.stored, change=change,
            occurred_at=occurred_at, observed_at=occurred_at,
        )  # fmt: skip


def _items(group: Json) -> Mapping[str, Json]:
    """`{"Rule": "fence"}`, or as some cameras have it, `{"SimpleItem": [{"Name": "Rule", "Value": "fence"}]}`."""
    if group is None:
        return {}
    if not is_object(group):
        raise Unreadable("Source or Data is no object")
    listed = group.get("SimpleItem")
    if isinstance(listed, list):
        pairs = [(_text(one.get("Name")), one.get("Value")) for one in listed if is_object(one)]
        group = {**{name: value for name, value in group.items() if name != "SimpleItem"}, **dict(pairs)}
    if len(group) > _MAX_ITEMS or any(len(name) > _MAX_TEXT for name in group):
        raise Unreadable("more items than an event needs")
    return group


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict) or len(str(value)) > _MAX_TEXT:
        raise Unreadable("an item is no short text")
    return str(value)


def _truth(value: Json) -> bool:
    told = _text(value).strip().lower()
    if told not in _ON | _OFF:
        raise Unreadable("a state is neither on nor off")
    return told in _ON
