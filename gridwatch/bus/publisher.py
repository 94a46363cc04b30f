"""From the outbox to the broker.

Two threads: paho's moves bytes and runs the `_on_*` callbacks; the feeder's decides what to send and to forget, and so
does, at once, whoever says that there is something new. Locks are taken in the order `_feeding`, `_link_lock`, then
paho's own; `_signal` is a leaf, for callbacks run under paho's locks.
"""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

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
    session_properties,
    unreachable_status,
    will_properties,
)
from gridwatch.bus.errors import OutboxError
from gridwatch.bus.feeder import FAULTS, WINDOW, Ack, Feeder, Link
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.outbox import Outbox
from gridwatch.bus.schema import NodeState, OutboxState
from gridwatch.bus.wire import NodeStatus, encode_health, encode_node
from gridwatch.domain import CameraHealth, Clock, SitePath

log = structlog.get_logger(__name__)

WILL_DELAY = 5
"""Seconds after which the broker says that a node is lost; one that is back by then was never gone."""
DRAIN_RATE: Final = 200.0
"""Messages a second of what has waited long, unless told otherwise."""

_AT_ONCE = 4
"""Messages that are sent on the thread of whoever says that there is something new: an incident and its pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublisherStatus:
    """Counts since start."""

    link: LinkStatus
    published: int
    """Acknowledged, states included; a message sent again after a reconnect counts again."""
    pending: int
    """In the outbox and not acknowledged."""
    refused: int
    """PUBACKs with a failure."""
    reconnects: int
    """Times the broker took us in again."""


class Publisher:
    """Sends an outbox to a broker at QoS 1, in order, forgetting on PUBACK only. Methods are thread-safe.

    Also keeps the retained states of this node (with a last will) and of its cameras, which are not in the outbox:
    only the latest of each counts.
    """

    def __init__(
        self,
        outbox: Outbox,
        address: BrokerAddress,
        client_id: str,
        node: str,
        site: SitePath,
        clock: Clock,
        drain_rate: float = DRAIN_RATE,
    ) -> None:
        """`drain_rate`: messages a second of what is old; what happens now is not slowed down (`Lanes`)."""
        self._outbox = outbox
        self._address = address
        self._client_id = client_id
        self._clock = clock
        self._node = NodeStatus(node=node, site=site, state=NodeState.UP, started_at=clock.now())
        self._status = LinkStatus(state=LinkState.IDLE)
        self._client: mqtt.Client | None = None
        self._thread: threading.Thread | None = None
        self._feeder = Feeder(outbox, self, drain_rate, clock)
        self._link_lock = threading.Lock()
        self._link = Link()
        self._gone = threading.Event()
        self._signal = threading.Condition()
        # Held by whoever uses the feeder; taken before all others.
        self._feeding = threading.Lock()
        self._taken: deque[Ack] = deque()
        # Guarded by _signal. Acks are bounded by the window, states by the number of cameras.
        self._woken = False
        self._deadline: float | None = None
        self._acks: deque[Ack] = deque()
        self._states: dict[str, OutgoingMessage] = {}
        self._dirty: dict[str, None] = {}

    def start(self) -> None:
        """Start both threads; connecting goes on in the background for as long as it takes."""
        client = make_client(self._address, self._client_id)
        client.max_inflight_messages_set(0)  # the feeder's window is the limit
        will = encode_node(replace(self._node, state=NodeState.LOST))
        client.will_set(
            will.topic, will.payload, qos=1, retain=True, properties=will_properties(will.content_type, WILL_DELAY)
        )
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._client = client
        self._status = LinkStatus(state=LinkState.CONNECTING)
        self._keep_state(encode_node(self._node))
        self._thread = threading.Thread(target=self._run, name=f"bus-feeder-{self._client_id}", daemon=True)
        self._thread.start()
        # The session lives just as long as the will waits: it ends at once with the session (MQTT 5, 3.1.3.2.2), and
        # starting clean would end it. Nothing else of it is used, as everything is sent again from the outbox.
        client.connect_async(
            self._address.host, self._address.port, keepalive=KEEPALIVE, clean_start=False,
            properties=session_properties(WILL_DELAY),
        )  # fmt: skip
        client.loop_start()

    def wake(self) -> None:
        """Say that the outbox has something new; call it after every append.

        Sent at once, on the caller's thread, unless another thread is sending: to hand it over would cost a turn of
        the scheduler, which is most of the time to the broker on a busy machine.
        """
        if (
            self._deadline is not None
            or not self._feeder.is_at(self._link)
            or not self._feeding.acquire(blocking=False)
        ):
            self._notify()
            return
        try:
            is_done = self._turn(_AT_ONCE) or self._feeder.in_flight > 0  # an acknowledgement wakes the thread
        finally:
            self._feeding.release()
        if not is_done:
            self._notify()

    def _notify(self) -> None:
        with self._signal:
            self._woken = True
            self._signal.notify()

    def put_health(self, health: CameraHealth) -> None:
        """Publish a camera's state, now or once connected. Raises MessageRefused."""
        self._keep_state(encode_health(health))

    def put_outbox(self, state: OutboxState, lost: int) -> None:
        """Say in the node's state how the outbox is doing. `lost`: messages that will never arrive."""
        if (self._node.outbox, self._node.outbox_lost) != (state, lost):
            self._node = replace(self._node, outbox=state, outbox_lost=lost)
            self._keep_state(encode_node(self._node))

    def put_state(self, message: OutgoingMessage) -> None:
        """Keep a retained message at the broker: sent now or once connected, and after every connection again."""
        self._keep_state(message)

    def status(self) -> PublisherStatus:
        """How it is doing. Raises OutboxError."""
        return PublisherStatus(
            link=self._status,
            published=self._feeder.published,
            pending=max(0, self._outbox.stats().count - self._feeder.settling),
            refused=self._feeder.refused,
            reconnects=max(0, self._link.epoch - 1),
        )

    def close(self, timeout: float) -> None:
        """Send what is left for at most `timeout` seconds while the link holds, say goodbye, and join both threads.

        May take five seconds longer in the middle of a try to connect. What was not sent stays in the outbox.
        """
        if self._client is None or self._thread is None:
            return
        deadline = self._clock.monotonic() + timeout
        self._keep_state(encode_node(replace(self._node, state=NodeState.STOPPED)))
        with self._signal:
            self._deadline = deadline
            self._woken = True
            self._signal.notify()
        self._thread.join()
        self._client.disconnect()
        # A peer that reads nothing would hold paho's thread for a keepalive; cut the socket after a moment instead.
        patience = max(0.5, deadline - self._clock.monotonic())
        if self._client.socket() is not None and not self._gone.wait(patience):
            cut(self._client)
        self._client.loop_stop()
        self._client = self._thread = None
        self._status = LinkStatus(state=LinkState.CLOSED)

    # Callbacks: paho's thread.

    def _on_connect(
        self, client: mqtt.Client, _: object, __: mqtt.ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._status = connack_status(self._address, code)
        if code.is_failure:
            log.error("broker_refused", broker=str(self._address), reason=str(code))
            return
        with self._link_lock:
            # paho would send its copies again by itself; the feeder sends from the outbox, in order, instead.
            client.drop_out_messages()
            self._link = Link(
                epoch=self._link.epoch + 1,
                connected=True,
                window=min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)),
                max_packet=getattr(properties, "MaximumPacketSize", None),
                faults=self._link.faults,
            )
        self._gone.clear()
        log.info("broker_connected", broker=str(self._address), epoch=self._link.epoch)
        self._notify()

    def _on_connect_fail(self, _: mqtt.Client, __: object) -> None:
        status = unreachable_status(self._address)
        if status != self._status:
            log.warning("broker_unreachable", reason=status.reason)
        self._status = status
        self._notify()

    def _on_disconnect(
        self, _: mqtt.Client, __: object, ___: mqtt.DisconnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        with self._link_lock:
            faults = self._link.faults + (code.value in FAULTS)
            self._link = replace(self._link, connected=False, faults=faults)
        self._status = lost_status(self._address, self._status, code)
        self._gone.set()
        log.info("broker_disconnected", broker=str(self._address), reason=str(code))
        self._notify()

    def _on_publish(self, _: mqtt.Client, __: object, mid: int, code: ReasonCode, ___: Properties | None) -> None:
        with self._signal:
            self._acks.append(Ack(self._link.epoch, mid, code.value))
            self._woken = True
            self._signal.notify()

    # Feeder thread, or whoever wakes it.

    def _run(self) -> None:
        while True:
            with self._feeding:
                idle = self._turn()
                nap = self._feeder.wait(self._link)
            deadline = self._deadline
            if deadline is not None:
                left = deadline - self._clock.monotonic()
                if idle or self._hopeless() or left <= 0:
                    return
                nap = left if nap is None else min(nap, left)
            with self._signal:
                if not self._woken:
                    self._signal.wait(nap)
                self._woken = False

    def _turn(self, most: int = WINDOW) -> bool:
        """Send up to `most`, and do what else is due. True when all is sent and acknowledged. `_feeding` is held."""
        with self._signal:
            self._taken.extend(self._acks)
            self._acks.clear()
        with self._link_lock:
            link = self._link
        idle = False
        try:
            self._feeder.take_acks(self._taken)
            idle = self._feeder.fill(link, most)
        except OutboxError as exc:
            log.exception("outbox_failed", reason=str(exc))
            self._feeder.pause()
        try:
            self._feeder.forget()
        except OutboxError as exc:
            log.error("outbox_keeps_what_was_sent", reason=str(exc))
        return idle

    def _hopeless(self) -> bool:
        return self._status.state in (LinkState.LOST, LinkState.REFUSED)

    def send(self, link: Link, message: OutgoingMessage) -> int | None:
        """Hand a message to paho if the connection is still the one it was meant for. For the feeder."""
        with self._link_lock:
            if self._client is None or self._link != link:
                return None
            return self._client.publish(
                message.topic,
                message.payload,
                qos=1,
                retain=message.retain,
                properties=publish_properties(message.content_type),
            ).mid

    def take_states(self, room: int) -> list[OutgoingMessage]:
        """States that changed. For the feeder."""
        with self._signal:
            topics = list(self._dirty)[: max(0, room)]
            for topic in topics:
                del self._dirty[topic]
            return [self._states[topic] for topic in topics]

    def all_states_again(self) -> None:
        """A broker may have forgotten them. For the feeder."""
        with self._signal:
            self._dirty = dict.fromkeys(self._states)

    def _keep_state(self, message: OutgoingMessage) -> None:
        with self._signal:
            self._states[message.topic] = message
            self._dirty[message.topic] = None
            self._woken = True
            self._signal.notify()
