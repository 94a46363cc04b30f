"""ONVIF event service of one virtual camera: real-time pull points (Core, 9.2), their faults on request."""

import asyncio
import itertools
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from gridwatch.rig.onvif_messages import EVENTS_NS, NOT_SUPPORTED, Fault

SUBSCRIPTIONS_NS = "http://docs.oasis-open.org/wsn/b-2"
MAX_SUBSCRIPTIONS = 10
"""Real cameras allow 2 to 30 at a time."""
MAX_QUEUED = 1000
"""Messages a subscription holds; the oldest go first."""

_NAMESPACES = (
    f'xmlns:tev="{EVENTS_NS}" xmlns:wsnt="{SUBSCRIPTIONS_NS}" xmlns:wsa5="http://www.w3.org/2005/08/addressing" '
    'xmlns:wstop="http://docs.oasis-open.org/wsn/t-1" xmlns:tns1="http://www.onvif.org/ver10/topics"'
)
_NOTHING: Mapping[str, str] = MappingProxyType({})
_CONCRETE = "http://docs.oasis-open.org/wsn/t-1/TopicExpression/Concrete"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_UNKNOWN = Fault(
    status=400, code="Sender", subcodes=("InvalidArgVal", "ResourceUnknown"), reason="There is no such subscription"
)
_TOO_MANY = Fault(
    status=400, code="Receiver", subcodes=("Action", "MaxPullPoints"), reason="There are too many pull points"
)
_BAD_TIME = Fault(status=400, code="Sender", subcodes=("InvalidArgVal",), reason="That is no time or duration")


class PropertyOperation(StrEnum):
    """What a message says of a property (Core, 9.4)."""

    INITIALIZED = "Initialized"  # its state when a subscription begins
    CHANGED = "Changed"  # its state is another one now
    DELETED = "Deleted"  # there is no such property any more


@dataclass(frozen=True, kw_only=True, slots=True)
class Emission:
    """A message to send. Names and values as ONVIF has them."""

    topic: str
    """With its prefix, of which `tns1` is declared."""
    source: Mapping[str, str]
    key: Mapping[str, str]
    data: Mapping[str, str]
    operation: PropertyOperation | None
    """None for a message that tells of no property, such as `LineDetector/Crossed`."""
    utc_time: datetime
    elements: Mapping[str, str] = field(default_factory=dict)
    """More data: XML by name."""

    @property
    def property_key(self) -> tuple[str, ...]:
        """Tells properties apart."""
        return (self.topic, *(f"{name}={value}" for name, value in sorted({**self.source, **self.key}.items())))

    def render(self, operation: PropertyOperation | None) -> str:
        """The `wsnt:NotificationMessage`."""
        told = "" if operation is None else f' PropertyOperation="{operation}"'
        return (
            f'<wsnt:NotificationMessage><wsnt:Topic Dialect="{_CONCRETE}">{escape(self.topic)}</wsnt:Topic>'
            f'<wsnt:Message><tt:Message UtcTime="{_time(self.utc_time)}"{told}>'
            f"{_items('Source', self.source)}{_items('Key', self.key)}{_items('Data', self.data, self.elements)}"
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )


@dataclass(slots=True)
class _Subscription:
    ends_at: datetime
    """By the camera's wall clock, as the meaner cameras have it."""
    lifetime: timedelta
    waiting: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_QUEUED))
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: str) -> None:
        self.waiting.append(message)
        self.news.set()


def metadata_document(emission: Emission) -> bytes:
    """The message as it comes in a metadata stream (Streaming, 5.1.2.1)."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema" '
        f"{_NAMESPACES}><tt:Event>{emission.render(emission.operation)}</tt:Event></tt:MetadataStream>"
    ).encode()


class EventService:
    """The pull points of one camera. Belongs to one event loop."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` is the camera's own clock."""
        self._now = now
        self._numbers = itertools.count(1)
        self._subscriptions: dict[str, _Subscription] = {}
        self._properties: dict[tuple[str, ...], Emission] = {}
        self.created = 0
        """Subscriptions ever made."""

    @property
    def live(self) -> int:
        """Subscriptions alive. Any thread, perhaps a moment late."""
        now = self._now()
        return sum(one.ends_at >= now for one in list(self._subscriptions.values()))

    def emit(self, emission: Emission) -> None:
        """Send to every subscription, and remember the state of a property."""
        self._expire()
        if emission.operation is PropertyOperation.DELETED:
            self._properties.pop(emission.property_key, None)
        elif emission.operation is not None:
            self._properties[emission.property_key] = emission
        for one in self._subscriptions.values():
            one.put(emission.render(emission.operation))

    def forget_subscriptions(self) -> None:
        """Lose them all; pulls that wait are answered with a fault."""
        lost = list(self._subscriptions.values())
        self._subscriptions.clear()
        for one in lost:
            one.news.set()

    async def answer(self, action: str, element: ET.Element, address: str, number: str) -> str | Fault:
        """Answer `action` (a local name).

        `address` is where this client reaches subscriptions, ending in `/`; `number` the one that it asks, if any.
        """
        self._expire()
        if action == "CreatePullPointSubscription":
            return self._create(element, address)
        if action == "GetEventProperties":
            return _event_properties(sorted({one.topic for one in self._properties.values()}))
        subscription = self._subscriptions.get(number)
        if subscription is None:
            return _UNKNOWN
        if action == "PullMessages":
            return await self._pull(number, subscription, element)
        return self._manage(action, element, number, subscription)

    def _manage(self, action: str, element: ET.Element, number: str, subscription: _Subscription) -> str | Fault:
        if action == "Renew":
            return self._renew(subscription, element)
        if action == "Unsubscribe":
            self._subscriptions.pop(number).news.set()
            return f"<wsnt:UnsubscribeResponse {_NAMESPACES}/>"
        if action == "SetSynchronizationPoint":
            self._synchronize(subscription)
            return f"<tev:SetSynchronizationPointResponse {_NAMESPACES}/>"
        return NOT_SUPPORTED

    def _create(self, element: ET.Element, address: str) -> str | Fault:
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            return _TOO_MANY
        lifetime = self._lifetime(element.findtext(f"{{{EVENTS_NS}}}InitialTerminationTime", "PT60S"))
        if lifetime is None:
            return _BAD_TIME
        number = str(next(self._numbers))
        subscription = _Subscription(ends_at=self._now() + lifetime, lifetime=lifetime)
        self._subscriptions[number] = subscription
        self.created += 1
        self._synchronize(subscription)
        return (
            f"<tev:CreatePullPointSubscriptionResponse {_NAMESPACES}><tev:SubscriptionReference>"
            f"<wsa5:Address>{escape(address)}{number}</wsa5:Address></tev:SubscriptionReference>"
            f"{self._times('wsnt', subscription)}</tev:CreatePullPointSubscriptionResponse>"
        )

    async def _pull(self, number: str, subscription: _Subscription, element: ET.Element) -> str | Fault:
        timeout = _duration(element.findtext(f"{{{EVENTS_NS}}}Timeout", ""))
        limit = element.findtext(f"{{{EVENTS_NS}}}MessageLimit", "")
        if timeout is None or not limit.isdecimal():
            return _BAD_TIME
        # A pull keeps its subscription alive (Core, 9.2.2).
        subscription.ends_at = self._now() + max(subscription.lifetime, timeout)
        if not subscription.waiting:
            subscription.news.clear()
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    await subscription.news.wait()
            except TimeoutError:
                pass
        if self._subscriptions.get(number) is not subscription:
            return _UNKNOWN
        sent = [subscription.waiting.popleft() for _ in range(min(int(limit), len(subscription.waiting)))]
        return (
            f"<tev:PullMessagesResponse {_NAMESPACES}>{self._times('tev', subscription)}{''.join(sent)}"
            "</tev:PullMessagesResponse>"
        )

    def _renew(self, subscription: _Subscription, element: ET.Element) -> str | Fault:
        lifetime = self._lifetime(element.findtext(f"{{{SUBSCRIPTIONS_NS}}}TerminationTime", ""))
        if lifetime is None:
            return _BAD_TIME
        subscription.lifetime = lifetime
        subscription.ends_at = self._now() + lifetime
        return (
            f"<wsnt:RenewResponse {_NAMESPACES}><wsnt:TerminationTime>{_time(subscription.ends_at)}"
            f"</wsnt:TerminationTime><wsnt:CurrentTime>{_time(self._now())}</wsnt:CurrentTime></wsnt:RenewResponse>"
        )

    def _synchronize(self, subscription: _Subscription) -> None:
        for one in self._properties.values():
            subscription.put(one.render(PropertyOperation.INITIALIZED))

    def _expire(self) -> None:
        now = self._now()
        for number in [number for number, one in self._subscriptions.items() if one.ends_at < now]:
            self._subscriptions.pop(number).news.set()

    def _lifetime(self, text: str) -> timedelta | None:
        """A duration, or a time by the camera's clock."""
        try:
            return _duration(text) or datetime.fromisoformat(text) - self._now()
        except (ValueError, TypeError):
            return None

    def _times(self, prefix: str, subscription: _Subscription) -> str:
        return (
            f"<{prefix}:CurrentTime>{_time(self._now())}</{prefix}:CurrentTime>"
            f"<{prefix}:TerminationTime>{_time(subscription.ends_at)}</{prefix}:TerminationTime>"
        )


def _event_properties(topics: list[str]) -> str:
    tree = ""
    for topic in topics:
        first, *rest = topic.split("/")
        inner = f'<{rest[-1]} wstop:topic="true"/>' if rest else ""
        for name in reversed(rest[:-1]):
            inner = f"<{name}>{inner}</{name}>"
        tree += f"<{first}>{inner}</{first}>"
    return (
        f"<tev:GetEventPropertiesResponse {_NAMESPACES}><tev:TopicNamespaceLocation>"
        "http://www.onvif.org/onvif/ver10/topics/topicns.xml</tev:TopicNamespaceLocation>"
        f"<wsnt:FixedTopicSet>false</wsnt:FixedTopicSet><wstop:TopicSet>{tree}</wstop:TopicSet>"
        f"<wsnt:TopicExpressionDialect>{_CONCRETE}</wsnt:TopicExpressionDialect>"
        "<tev:MessageContentFilterDialect>http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"
        "</tev:MessageContentFilterDialect><tev:MessageContentSchemaLocation>"
        "http://www.onvif.org/onvif/ver10/schema/onvif.xsd</tev:MessageContentSchemaLocation>"
        "</tev:GetEventPropertiesResponse>"
    )


def _items(group: str, items: Mapping[str, str], elements: Mapping[str, str] = _NOTHING) -> str:
    listed = "".join(
        f"<tt:SimpleItem Name={quoteattr(name)} Value={quoteattr(value)}/>" for name, value in items.items()
    )
    listed += "".join(
        f"<tt:ElementItem Name={quoteattr(name)}>{inside}</tt:ElementItem>" for name, inside in elements.items()
    )
    return f"<tt:{group}>{listed}</tt:{group}>" if listed or group != "Key" else ""


def _duration(text: str) -> timedelta | None:
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
