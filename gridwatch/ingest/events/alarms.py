"""From device events to incidents. Pure: no clock, no I/O, equal inputs give equal answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from gridwatch.config.model import ONVIF_RULE_PREFIX, CameraConfig
from gridwatch.domain import Incident, Phase, Severity, incident_id
from gridwatch.domain.onvif import AlarmTopic, alarm_topic, named_rule
from gridwatch.ingest.events.model import DeviceEvent, Items, Operation

MAX_ACTIVE = 128
"""Alarms on at the same time on one camera; the oldest is given up for another."""
MAX_RECENT = 64
"""Incidents remembered, to know one that is told again."""
BURST = 20
"""Incidents that one topic of a camera may raise at once..."""
REFILL_SECONDS = 3.0
"""...and how long it takes to be allowed one more."""

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmKey:
    """Tells the alarms of a camera apart."""

    topic: str
    source: Items
    key: Items


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """How many incidents a topic may still raise."""

    left: float
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmState:
    """What the alarms of one camera remember."""

    active: Mapping[AlarmKey, Incident | None] = field(default_factory=dict)
    """What is on, oldest first, with its raised incident; None where it was no news or came in a flood."""
    resumed: tuple[Incident, ...] = ()
    """Open since an earlier run, and not heard of in this one."""
    recent: tuple[UUID, ...] = ()
    """The latest incidents raised."""
    allowances: Mapping[str, Allowance] = field(default_factory=dict)
    """By topic; full where there is none."""
    repeated: int = 0
    """Events that told what was known."""
    suppressed: int = 0
    """Incidents not raised since their topic raised too many."""


class DeviceAlarms:
    """Turns the events of one camera into incidents. Frozen; the state is the caller's."""

    def __init__(self, camera: CameraConfig) -> None:
        self._camera = camera

    def take(self, state: AlarmState, event: DeviceEvent) -> tuple[AlarmState, tuple[Incident, ...]]:
        """One event, in the order of arrival."""
        topic = alarm_topic(event.topic.removeprefix("tns1:"))
        if topic is None or (topic.is_motion and not self._camera.events.motion):
            return state, ()
        key = AlarmKey(topic=event.topic, source=event.source, key=event.key)
        if state.resumed and key not in state.active:
            state = self._recognised(state, topic, key, event)
        if event.operation is Operation.DELETED or event.state is False:
            return self._off(state, key, event)
        if event.state is None:
            return self._once(state, topic, key, event)
        return self._on(state, topic, key, event)

    def settled(self, state: AlarmState, at: datetime) -> tuple[AlarmState, tuple[Incident, ...]]:
        """The camera has told the state of everything that lasts: what is open and was not among it is over."""
        return replace(state, resumed=()), tuple(one.cleared(at) for one in state.resumed)

    def resubscribed(self, state: AlarmState, at: datetime) -> tuple[AlarmState, tuple[Incident, ...]]:
        """A new subscription begins, which tells the state of everything that lasts, but of nothing that has gone.

        So what has a key, an object in a zone, is over; it would never be heard of again.
        """
        gone = [key for key in state.active if key.key]
        return _given_up(state, gone, at)

    def _recognised(self, state: AlarmState, topic: AlarmTopic, key: AlarmKey, event: DeviceEvent) -> AlarmState:
        """With the incident of an earlier run that this event is about, if there is one, under its key.

        Its id tells: it follows from when it occurred and from the key (`_incident`).
        """
        rule = _rule(topic, event)
        for one in state.resumed:
            ids = (self._id(one.occurred_at, rule, key, again) for again in range(MAX_RECENT))
            if one.rule == rule and one.id in ids:
                left = tuple(other for other in state.resumed if other.id != one.id)
                return replace(state, resumed=left, active=_with(state.active, key, one))
        return state

    def _on(
        self, state: AlarmState, topic: AlarmTopic, key: AlarmKey, event: DeviceEvent
    ) -> tuple[AlarmState, tuple[Incident, ...]]:
        if key in state.active:
            return replace(state, repeated=state.repeated + 1), ()
        said: tuple[Incident, ...] = ()
        if len(state.active) >= MAX_ACTIVE:
            state, said = _given_up(state, [next(iter(state.active))], event.occurred_at)
        raised = None
        if event.operation is not Operation.INITIALIZED:
            state, raised = self._raise(state, topic, key, event)
        state = replace(state, active=_with(state.active, key, raised))
        return state, said if raised is None else (*said, raised)

    def _off(self, state: AlarmState, key: AlarmKey, event: DeviceEvent) -> tuple[AlarmState, tuple[Incident, ...]]:
        if key not in state.active:
            known = event.operation is not Operation.INITIALIZED
            return replace(state, repeated=state.repeated + known), ()
        return _given_up(state, [key], event.occurred_at)

    def _once(
        self, state: AlarmState, topic: AlarmTopic, key: AlarmKey, event: DeviceEvent
    ) -> tuple[AlarmState, tuple[Incident, ...]]:
        if event.operation is Operation.INITIALIZED:
            return state, ()
        if self._incident(topic, key, event).id in state.recent:
            return replace(state, repeated=state.repeated + 1), ()
        state, raised = self._raise(state, topic, key, event)
        return state, () if raised is None else (raised, raised.cleared(raised.occurred_at))

    def _raise(
        self, state: AlarmState, topic: AlarmTopic, key: AlarmKey, event: DeviceEvent
    ) -> tuple[AlarmState, Incident | None]:
        allowance = _refilled(state.allowances.get(topic.path), event.received_at)
        if allowance.left < 1:
            return replace(state, suppressed=state.suppressed + 1), None
        spent = replace(allowance, left=allowance.left - 1)
        # A contact may bounce within one second, which is all that some cameras tell of the time.
        raised = next(
            one for again in count() if (one := self._incident(topic, key, event, again)).id not in state.recent
        )
        recent = (*state.recent[-MAX_RECENT + 1 :], raised.id)
        return replace(state, allowances=_with(state.allowances, topic.path, spent), recent=recent), raised

    def _incident(self, topic: AlarmTopic, key: AlarmKey, event: DeviceEvent, again: int = 0) -> Incident:
        camera = self._camera
        rule = _rule(topic, event)
        return Incident(
            id=self._id(event.occurred_at, rule, key, again), kind=topic.kind,
            severity=camera.events.severity.get(topic.kind, _severity(topic)), phase=Phase.RAISED, seq=0,
            site=camera.site_path, camera=camera.id, rule=rule, position=camera.place,
            occurred_at=event.occurred_at, observed_at=event.occurred_at, boxes=(), score=1.0, count=1, evidence=(),
            detector=None,
        )  # fmt: skip

    def _id(self, occurred_at: datetime, rule: str, key: AlarmKey, again: int) -> UUID:
        return incident_id(occurred_at, self._camera.id, rule, repr((key.topic, key.source, key.key, again)))


def _severity(topic: AlarmTopic) -> Severity:
    return Severity.INFO if topic.is_motion else Severity.MAJOR


def _rule(topic: AlarmTopic, event: DeviceEvent) -> str:
    """`onvif.linedetector.crossed.gate-west`: the topic, and the name of the camera's rule or input."""
    source = dict(event.source)
    return named_rule(ONVIF_RULE_PREFIX + topic.rule, source.get("Rule") or source.get("InputToken") or "")


def _refilled(allowance: Allowance | None, now: datetime) -> Allowance:
    if allowance is None:
        return Allowance(left=BURST, at=now)
    # Our own clock may be set back.
    waited = max(0.0, (now - allowance.at).total_seconds())
    return Allowance(left=min(BURST, allowance.left + waited / REFILL_SECONDS), at=now)


def _given_up(state: AlarmState, keys: list[AlarmKey], at: datetime) -> tuple[AlarmState, tuple[Incident, ...]]:
    """Those alarms are off as of `at`."""
    raised = [state.active[key] for key in keys]
    left = {key: one for key, one in state.active.items() if key not in keys}
    return replace(state, active=MappingProxyType(left)), tuple(one.cleared(at) for one in raised if one is not None)


def _with(old: Mapping[_K, _V], key: _K, value: _V) -> Mapping[_K, _V]:
    return MappingProxyType({**old, key: value})
