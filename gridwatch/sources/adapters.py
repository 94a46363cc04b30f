"""Which adapter reads a source, and the door in front of all of them."""

from typing import Protocol

from gridwatch.config import Deployment
from gridwatch.config.sources import FrigateSource, MqttSourceBase, OnvifJsonSource, SourceConfig, TopicSource
from gridwatch.sources.frigate import FrigateAdapter
from gridwatch.sources.mapping import MappedAdapter
from gridwatch.sources.model import Arrived, Reading, Unread
from gridwatch.sources.onvif_json import PAYLOAD_PREFIX, OnvifJsonAdapter
from gridwatch.sources.reading import MAX_BYTES, Unreadable


class _Reads(Protocol):
    """One kind of source."""

    def read(self, arrived: Arrived) -> Reading:
        """What a message says. Raises Unreadable."""


class Adapter:
    """Reads the messages of one source, whatever they are. Thread-safe, raises nothing."""

    def __init__(self, source: SourceConfig, deployment: Deployment) -> None:
        self.source = source
        self._inner = _inner(source, deployment)

    def read(self, arrived: Arrived) -> Reading:
        """What a message says, or why it says nothing."""
        if len(arrived.payload) > MAX_BYTES:
            return Reading(unread=Unread.TOO_LARGE, reason=f"over {MAX_BYTES} bytes")
        try:
            return self._inner.read(arrived)
        except Unreadable as error:
            return Reading(unread=Unread.MALFORMED, reason=str(error))


def _inner(source: SourceConfig, deployment: Deployment) -> _Reads:
    if isinstance(source, FrigateSource):
        return FrigateAdapter(source, deployment)
    if isinstance(source, OnvifJsonSource):
        return OnvifJsonAdapter(source, deployment)
    return MappedAdapter(source, deployment)


def adapter_for(source: SourceConfig, deployment: Deployment) -> Adapter:
    """The adapter of `source`, whose cameras and places must be in `deployment` (KeyError)."""
    return Adapter(source, deployment)


def topic_filters(source: MqttSourceBase) -> tuple[str, ...]:
    """What to subscribe to."""
    if isinstance(source, OnvifJsonSource):
        return tuple(f"{prefix}/{PAYLOAD_PREFIX}/#" for prefix in source.cameras)
    return (source.topic,) if isinstance(source, FrigateSource | TopicSource) else ()
