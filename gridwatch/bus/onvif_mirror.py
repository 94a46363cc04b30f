"""Incidents in ONVIF's own JSON (Core specification, 9.12), for receivers that know that and nothing of ours.

A mirrored message goes into the outbox in the transaction that stores its incident: there is one exactly when there is
the other. What lasts is a property and so retained: the topic holds whether anything of that rule goes on now, which is
why it turns false only with the last of several incidents at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from uuid import UUID

from gridwatch.bus.errors import MessageRefused
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.schema import OnvifEventData, utc
from gridwatch.bus.topics import CameraPath, OnvifTopic, local_onvif_topic
from gridwatch.bus.wire import STATE_CONTENT_TYPE
from gridwatch.domain import Incident, IncidentKind, Phase

ANALYTICS: Final = "gridwatch"
"""Stands for the analytics configuration, of which a camera has one here."""
_MOMENTS: Final = frozenset({IncidentKind.LINE_CROSSING, IncidentKind.WRONG_WAY})
"""Kinds whose ONVIF topic, LineDetector/Crossed, tells of a moment and is no property."""
_STATES: Final = MappingProxyType({IncidentKind.INTRUSION: "IsInside", IncidentKind.DEVICE_ALARM: "LogicalState"})
"""The data item that says on or off, where it is not `State`."""

_Place = tuple[CameraPath, IncidentKind, str]
"""Camera, kind and rule: what has one retained state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnvifMirror:
    """Which incidents go on, as far as the mirror has told. Pure: `tell` gives the next one."""

    going_on: Mapping[_Place, frozenset[UUID]] = field(default_factory=dict)

    @classmethod
    def resumed(cls, still_open: Iterable[Incident]) -> "OnvifMirror":
        """After a restart: `still_open` was told before it."""
        mirror = cls()
        for incident in still_open:
            mirror = mirror._with(incident)
        return mirror

    def tell(self, incidents: Iterable[Incident]) -> tuple["OnvifMirror", tuple[OutgoingMessage, ...]]:
        """The messages that go with these incidents, in order. Raises MessageRefused as `encode_incident`."""
        mirror, messages = self, []
        for incident in incidents:
            after = mirror._with(incident)
            if _is_news(incident, mirror, after):
                messages.append(_message(incident, goes_on=bool(after.going_on.get(_place(incident)))))
            mirror = after
        return mirror, tuple(messages)

    def _with(self, incident: Incident) -> "OnvifMirror":
        place = _place(incident)
        known = self.going_on.get(place, frozenset())
        now = known - {incident.id} if incident.phase is Phase.CLEARED else known | {incident.id}
        others = {key: ids for key, ids in self.going_on.items() if key != place}
        return OnvifMirror(going_on=MappingProxyType({**others, place: now} if now else others))


def _place(incident: Incident) -> _Place:
    return (CameraPath(site=incident.site, camera=incident.camera), incident.kind, incident.rule)


def _is_news(incident: Incident, before: OnvifMirror, after: OnvifMirror) -> bool:
    if incident.kind in _MOMENTS:
        return incident.phase is Phase.RAISED
    place = _place(incident)
    changed = bool(before.going_on.get(place)) != bool(after.going_on.get(place))
    counted = incident.kind is IncidentKind.CROWDING and incident.phase is Phase.UPDATED
    return changed or counted


def _message(incident: Incident, *, goes_on: bool) -> OutgoingMessage:
    source = _source(incident)
    data = {"Incident": str(incident.id)}
    if incident.kind not in _MOMENTS:
        data = {_STATES.get(incident.kind, "State"): "true" if goes_on else "false", **data}
    if incident.kind is IncidentKind.CROWDING and goes_on:
        data["Count"] = str(incident.count)
    at = incident.occurred_at if incident.phase is Phase.RAISED else incident.observed_at
    try:
        event = OnvifEventData.model_validate({"UtcTime": utc(at), "Source": source, "Data": data})
    except (ValueError, OverflowError) as exc:
        raise MessageRefused(f"incident {incident.message_id} cannot be told in ONVIF's JSON") from exc
    topic = OnvifTopic(
        camera=CameraPath(site=incident.site, camera=incident.camera),
        topic=local_onvif_topic(incident.kind), source=tuple(source.values()),
    )  # fmt: skip
    return OutgoingMessage(
        topic=str(topic), payload=event.model_dump_json(by_alias=True).encode(), content_type=STATE_CONTENT_TYPE,
        retain=incident.kind not in _MOMENTS,
        importance=Importance.UPDATE if incident.phase is Phase.UPDATED else Importance.INCIDENT,
    )  # fmt: skip


def _source(incident: Incident) -> dict[str, str]:
    """The source items of the incident's ONVIF topic, in the order in which the topic of MQTT has their values."""
    if incident.kind is IncidentKind.DEVICE_ALARM:
        return {"InputToken": incident.rule}
    if local_onvif_topic(incident.kind).startswith("RuleEngine/"):
        return {"VideoSource": incident.camera, "AnalyticsConfiguration": ANALYTICS, "Rule": incident.rule}
    return {"Source": incident.camera, "Rule": incident.rule}
