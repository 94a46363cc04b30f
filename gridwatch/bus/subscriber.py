"""From the broker to whoever keeps or shows messages."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gridwatch.bus.connection import (
    KEEPALIVE,
    BrokerAddress,
    LinkState,
    LinkStatus,
    connack_status,
    cut,
    lost_status,
    make_client,
    publish_properties,
    unreachable_status,
)
from gridwatch.bus.errors import BusError
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.wire import MAX_EVIDENCE_BYTES
from gridwatch.domain import Clock

log = structlog.get_logger(__name__)

SESSION_SECONDS = 7 * 24 * 3600
"""How long a broker keeps messages for a persistent subscriber that is away."""
RECEIVE_MAXIMUM = 500
"""Most deliveries not yet acknowledged; the broker waits. Bounds the memory of whoever takes them."""
_MAX_PACKET = 2 * MAX_EVIDENCE_BYTES
"""The broker drops what is larger instead of sending it to us."""
_TAKEN_OVER = 0x8E
"""MQTT 5, 4.13: another client has connected with our client id. Both go on taking the session from each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message that arrived. Nothing about it has been checked."""

    topic: str
    payload: bytes
    content_type: str | None
    retained: bool
    """True for a stored state the broker gave on subscribing, False for news."""
    received_at: datetime
    ack: Callable[[], None]
    """Call once the message is safe, from any thread, in any order, more than once without harm.

    A persistent subscriber that does not is given the message again after its next connection. Late calls, for a
    connection that is gone, do nothing: the message comes again and is then acknowledged. Acknowledgements reach the
    broker in the order of delivery, as MQTT 5 (4.6) wants, so one that is missing holds back those after it.
    """
    connection: int = 0
    """Which of the subscriber's connections it came on; only those of the latest can be acknowledged."""
    response_topic: str | None = None
    """Where whoever sent it wants to be answered."""
    correlation: bytes | None = None
    """What they want to find in the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Headers:
    """What MQTT 5 says beside a message. No expiry: a recorder that was away must still see what was asked."""

    response_topic: str | None = None
    correlation: bytes | None = None

    def as_properties(self, content_type: str) -> Properties:
        """Of a PUBLISH."""
        properties = publish_properties(content_type)
        if self.response_topic is not None:
            properties.ResponseTopic = self.response_topic
        if self.correlation is not None:
            properties.CorrelationData = self.correlation
        return properties


class Subscriber:
    """Keeps a subscription alive and hands over what arrives. Methods are thread-safe.

    Persistent: the broker keeps a session of `client_id` for SESSION_SECONDS and gives everything again that was not
    acknowledged. Not persistent: it sees what happens while it is connected, and `ack` does nothing.

    `deliver` is called in the network thread: it must hand over within seconds (meanwhile nothing is read, which slows
    the broker down, and nothing acknowledged) and not raise. If it raises all the same, that
    is logged and counted, and the connection is renewed so that the message, and those after it, come again in order.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        filters: Sequence[str],
        deliver: Callable[[Delivery], None],
        persistent: bool,
        clock: Clock,
        on_sent: Callable[[int, int], None] | None = None,
    ) -> None:
        """`on_sent` is told, in the network thread, what `send` gave and the reason code of its acknowledgement."""
        self._on_sent = on_sent
        self._address = address
        self._client_id = client_id
        self._filters = tuple(filters)
        self._deliver = deliver
        self._persistent = persistent
        self._clock = clock
        self._client: mqtt.Client | None = None
        self._status = LinkStatus(state=LinkState.IDLE)
        self._gone = threading.Event()
        # Guards the three below. Held while acknowledging, so that no acknowledgement meets another connection.
        self._lock = threading.Lock()
        self._epoch = 0
        self._live = False
        self._pending: OrderedDict[int, bool] = OrderedDict()
        """Packet ids in order of delivery, and whether the taker has acknowledged; bounded by RECEIVE_MAXIMUM."""
        self._failed = 0
        self._failed_epoch = -1
        """The connection on which `deliver` raised last; paho's thread alone uses it."""

    def start(self) -> None:
        """Start connecting in the background, for as long as it takes."""
        client = make_client(self._address, self._client_id, manual_ack=self._persistent)
        # Or a command would be acknowledged before its answer is on the way.
        client.max_inflight_messages_set(0)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        self._client = client
        self._status = LinkStatus(state=LinkState.CONNECTING)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_SECONDS if self._persistent else 0
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = _MAX_PACKET
        client.connect_async(
            self._address.host,
            self._address.port,
            keepalive=KEEPALIVE,
            clean_start=not self._persistent,
            properties=properties,
        )
        client.loop_start()

    def send(self, message: OutgoingMessage, headers: Headers) -> int:
        """Publish, now or once connected, until the broker acknowledges it or this is closed; a number for `on_sent`.

        What is sent is kept in memory alone. Raises BusError when it was not started.
        """
        if self._client is None:
            raise BusError(f"{self._client_id} is not started")
        properties = headers.as_properties(message.content_type)
        return self._client.publish(message.topic, message.payload, qos=1, properties=properties).mid

    @property
    def status(self) -> LinkStatus:
        """How the link is; CONNECTED only once the broker has granted every filter."""
        return self._status

    @property
    def failed(self) -> int:
        """How often `deliver` raised."""
        return self._failed

    def close(self, timeout: float) -> None:
        """Leave the broker and join the thread; a persistent session stays there.

        May take five seconds longer than `timeout` in the middle of a try to connect.
        """
        if self._client is None:
            return
        self._client.disconnect()
        if self._client.socket() is not None and not self._gone.wait(timeout):
            cut(self._client)
        self._client.loop_stop()
        self._client = None
        self._status = LinkStatus(state=LinkState.CLOSED)

    # Callbacks: paho's thread.

    def _on_connect(
        self, client: mqtt.Client, _: object, flags: mqtt.ConnectFlags, code: ReasonCode, __: Properties | None
    ) -> None:
        if code.is_failure:
            self._status = connack_status(self._address, code)
            log.error("broker_refused", broker=str(self._address), reason=str(code))
            return
        with self._lock:
            self._epoch += 1
            self._live = True
            self._pending.clear()
        self._gone.clear()
        if self._persistent and not flags.session_present:
            log.warning("session_is_new", broker=str(self._address), client_id=self._client_id)
        client.subscribe([(one, SubscribeOptions(qos=1)) for one in self._filters])

    def _on_subscribe(
        self, _: mqtt.Client, __: object, ___: int, codes: list[ReasonCode], ____: Properties | None
    ) -> None:
        refused = [f"{one} ({code})" for one, code in zip(self._filters, codes, strict=False) if code.is_failure]
        if refused:
            reason = f"{self._address} refused the subscription to {', '.join(refused)}"
            self._status = LinkStatus(state=LinkState.REFUSED, reason=reason)
            log.error("subscription_refused", reason=reason)
            return
        self._status = LinkStatus(state=LinkState.CONNECTED)
        log.info("broker_subscribed", broker=str(self._address), filters=self._filters)

    def _on_connect_fail(self, _: mqtt.Client, __: object) -> None:
        status = unreachable_status(self._address)
        if status != self._status:
            log.warning("broker_unreachable", reason=status.reason)
        self._status = status

    def _on_disconnect(
        self, _: mqtt.Client, __: object, ___: mqtt.DisconnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        with self._lock:
            self._live = False
            self._pending.clear()
        self._status = lost_status(self._address, self._status, code)
        self._gone.set()
        if code.value == _TAKEN_OVER:
            remedy = "give each process a name of its own"
            log.error("session_taken_over", broker=str(self._address), client_id=self._client_id, remedy=remedy)
            return
        log.info("broker_disconnected", broker=str(self._address), reason=str(code))

    def _on_message(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        if self._epoch == self._failed_epoch:
            return  # read before the cut took effect; it comes again after the one that failed
        must_ack = self._persistent and message.qos > 0
        if must_ack:
            with self._lock:
                self._pending[message.mid] = False
        epoch, mid = self._epoch, message.mid
        try:
            delivery = Delivery(
                topic=message.topic,
                payload=bytes(message.payload),
                content_type=getattr(message.properties, "ContentType", None),
                retained=message.retain,
                received_at=self._clock.now(),
                ack=(lambda: self._ack(client, epoch, mid)) if must_ack else _nothing,
                response_topic=getattr(message.properties, "ResponseTopic", None),
                correlation=getattr(message.properties, "CorrelationData", None),
                connection=epoch,
            )
            self._deliver(delivery)
        except Exception as exc:
            self._failed += 1
            self._failed_epoch = epoch
            log.exception("delivery_failed", mid=mid, error=type(exc).__name__)
            cut(client)

    def _on_publish(self, _: mqtt.Client, __: object, mid: int, code: ReasonCode, ___: Properties | None) -> None:
        if self._on_sent is not None:
            self._on_sent(mid, code.value)

    def _ack(self, client: mqtt.Client, epoch: int, mid: int) -> None:
        with self._lock:
            if epoch != self._epoch or not self._live or mid not in self._pending:
                return
            self._pending[mid] = True
            for first, done in list(self._pending.items()):
                if not done:
                    return
                del self._pending[first]
                client.ack(first, 1)


def _nothing() -> None:
    """Acknowledge what needs no acknowledgement."""
