"""From the outbox to the broker.

Two threads: paho's moves bytes and runs the `_on_*` callbacks; the feeder alone decides what to send and to forget.
Locks are taken in the order `_link_lock`, then paho's own; `_signal` is a leaf, for callbacks run under paho's locks.
"""

import threading
from collections import deque
from dataclasses import dataclass, replace

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gridwatch.bus.connection import (
    KEEPALIVE,
    REFUSALS,
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
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.outbox import Outbox, OutboxEntry
from gridwatch.bus.schema import NodeState
from gridwatch.bus.topics import is_mirrored
from gridwatch.bus.wire import NodeStatus, encode_health, encode_node
from gridwatch.domain import CameraHealth, Clock, SitePath

log = structlog.get_logger(__name__)

WINDOW = 100
"""Most messages sent and not yet acknowledged; less when the broker's receive maximum is."""
WINDOW_BYTES = 8 * 1024 * 1024
"""Most bytes sent and not yet acknowledged, but for a single larger message."""
_BATCH = 20
"""Messages read from the outbox at a time: bounds memory, as a picture may have megabytes."""
SETTLE = 2.0
"""Seconds a message stays in the outbox after its PUBACK, and is sent again should the link break meanwhile.

Brokers acknowledge before they save: Mosquitto with `autosave_on_changes` writes its file in the next turn of its
loop, so one killed in between has acknowledged what it does not remember. Receivers deduplicate.
"""
_HEADER_BYTES = 100
"""More than fixed header, packet id and properties of ours take."""
_RETRY = (1.0, 30.0)
"""First and longest wait in seconds after the broker refused a message that it may take later."""
_NEVER = {0x90: "topic name invalid", 0x95: "packet too large", 0x99: "payload format invalid"}
"""Reason codes that repeating cannot cure; such messages are set aside."""
_NOBODY = 0x10
"""No matching subscribers: the broker took the message and kept it for no one, so it is not delivered."""
WILL_DELAY = 5
"""Seconds after which the broker says that a node is lost; one that is back by then was never gone."""
_FAULTS = {0x81, 0x82, *_NEVER}
"""Codes of a disconnection that a message of ours may have caused (malformed packet, protocol error).

Mosquitto answers a message above its `message_size_limit` with a PUBACK that MQTT does not have, and paho hangs up.
"""


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


@dataclass(frozen=True, slots=True)
class _Link:
    """What the feeder must know of the current connection."""

    epoch: int = 0
    connected: bool = False
    window: int = WINDOW
    max_packet: int | None = None
    faults: int = 0
    """Disconnections so far that a message of ours may have caused."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message in flight: its place in the outbox (None for a state) and its size."""

    entry: int | None
    size: int
    must_be_heard: bool
    """False for a mirror: nobody may ever ask for it, and the recorder does not."""


@dataclass(frozen=True, slots=True)
class _Ack:
    epoch: int
    mid: int
    code: int


class Publisher:
    """Sends an outbox to a broker at QoS 1, in order, forgetting on PUBACK only. Methods are thread-safe.

    Also keeps the retained states of this node (with a last will) and of its cameras, which are not in the outbox:
    only the latest of each counts.
    """

    def __init__(
        self, outbox: Outbox, address: BrokerAddress, client_id: str, node: str, site: SitePath, clock: Clock
    ) -> None:
        self._outbox = outbox
        self._address = address
        self._client_id = client_id
        self._clock = clock
        self._node = NodeStatus(node=node, site=site, state=NodeState.UP, started_at=clock.now())
        self._status = LinkStatus(state=LinkState.IDLE)
        self._client: mqtt.Client | None = None
        self._feeder: threading.Thread | None = None
        self._link_lock = threading.Lock()
        self._link = _Link()
        self._gone = threading.Event()
        self._signal = threading.Condition()
        # Guarded by _signal. Acks are bounded by the window, states by the number of cameras.
        self._woken = False
        self._deadline: float | None = None
        self._acks: deque[_Ack] = deque()
        self._states: dict[str, OutgoingMessage] = {}
        self._dirty: dict[str, None] = {}
        # The feeder's own.
        self._epoch = 0
        self._cursor = 0
        self._faults = 0
        self._careful_until = 0
        self._in_flight: dict[int, _Sent] = {}
        self._settling: deque[tuple[float, int]] = deque()
        self._retry_at: float | None = None
        self._retry_delay = _RETRY[0]
        self._published = 0
        self._refused = 0

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
        self._feeder = threading.Thread(
            target=self._run, name=f"bus-feeder-{self._client_id}", args=(client,), daemon=True
        )
        self._feeder.start()
        # The session lives just as long as the will waits: it ends at once with the session (MQTT 5, 3.1.3.2.2), and
        # starting clean would end it. Nothing else of it is used, as everything is sent again from the outbox.
        client.connect_async(
            self._address.host, self._address.port, keepalive=KEEPALIVE, clean_start=False,
            properties=session_properties(WILL_DELAY),
        )  # fmt: skip
        client.loop_start()

    def wake(self) -> None:
        """Say that the outbox has something new. Cheap; call it after every append."""
        with self._signal:
            self._woken = True
            self._signal.notify()

    def put_health(self, health: CameraHealth) -> None:
        """Publish a camera's state, now or once connected. Raises MessageRefused."""
        self._keep_state(encode_health(health))

    def put_state(self, message: OutgoingMessage) -> None:
        """Keep a retained message at the broker: sent now or once connected, and after every connection again."""
        self._keep_state(message)

    def status(self) -> PublisherStatus:
        """How it is doing. Raises OutboxError."""
        return PublisherStatus(
            link=self._status,
            published=self._published,
            pending=max(0, self._outbox.stats().count - len(self._settling)),
            refused=self._refused,
            reconnects=max(0, self._link.epoch - 1),
        )

    def close(self, timeout: float) -> None:
        """Send what is left for at most `timeout` seconds while the link holds, say goodbye, and join both threads.

        May take five seconds longer in the middle of a try to connect. What was not sent stays in the outbox.
        """
        if self._client is None or self._feeder is None:
            return
        deadline = self._clock.monotonic() + timeout
        self._keep_state(encode_node(replace(self._node, state=NodeState.STOPPED)))
        with self._signal:
            self._deadline = deadline
            self._signal.notify()
        self._feeder.join()
        self._client.disconnect()
        # A peer that reads nothing would hold paho's thread for a keepalive; cut the socket after a moment instead.
        patience = max(0.5, deadline - self._clock.monotonic())
        if self._client.socket() is not None and not self._gone.wait(patience):
            cut(self._client)
        self._client.loop_stop()
        self._client = self._feeder = None
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
            self._link = _Link(
                epoch=self._link.epoch + 1,
                connected=True,
                window=min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)),
                max_packet=getattr(properties, "MaximumPacketSize", None),
                faults=self._link.faults,
            )
        self._gone.clear()
        log.info("broker_connected", broker=str(self._address), epoch=self._link.epoch)
        self.wake()

    def _on_connect_fail(self, _: mqtt.Client, __: object) -> None:
        status = unreachable_status(self._address)
        if status != self._status:
            log.warning("broker_unreachable", reason=status.reason)
        self._status = status
        self.wake()

    def _on_disconnect(
        self, _: mqtt.Client, __: object, ___: mqtt.DisconnectFlags, code: ReasonCode, ____: Properties | None
    ) -> None:
        with self._link_lock:
            faults = self._link.faults + (code.value in _FAULTS)
            self._link = replace(self._link, connected=False, faults=faults)
        self._status = lost_status(self._address, self._status, code)
        self._gone.set()
        log.info("broker_disconnected", broker=str(self._address), reason=str(code))
        self.wake()

    def _on_publish(self, _: mqtt.Client, __: object, mid: int, code: ReasonCode, ___: Properties | None) -> None:
        with self._signal:
            self._acks.append(_Ack(self._link.epoch, mid, code.value))
            self._woken = True
            self._signal.notify()

    # Feeder thread.

    def _run(self, client: mqtt.Client) -> None:
        while True:
            with self._signal:
                if not self._woken:
                    self._signal.wait(self._nap())
                self._woken = False
                acks = list(self._acks)
                self._acks.clear()
                deadline = self._deadline
            try:
                self._take_acks(acks)
                idle = self._fill(client)
                self._forget(everything=deadline is not None and idle)
            except OutboxError as exc:
                log.exception("outbox_failed", reason=str(exc))
                idle = False
                self._pause()
            if deadline is not None and (idle or self._hopeless() or self._clock.monotonic() >= deadline):
                return

    def _nap(self) -> float | None:
        """Seconds until something is due without anybody waking us; None when nothing is."""
        due = [] if self._deadline is None else [self._deadline]
        if self._settling:
            due.append(self._settling[0][0] + SETTLE)
        # While something is in flight or the link is down, an acknowledgement or a connection comes first and wakes us.
        if self._retry_at is not None and self._link.connected and not self._in_flight:
            due.append(self._retry_at)
        return max(0.0, min(due) - self._clock.monotonic()) if due else None

    def _hopeless(self) -> bool:
        return self._status.state in (LinkState.LOST, LinkState.REFUSED)

    def _take_acks(self, acks: list[_Ack]) -> None:
        for ack in acks:
            if ack.epoch != self._epoch or ack.mid not in self._in_flight:
                continue
            sent = self._in_flight.pop(ack.mid)
            entry = sent.entry
            if ack.code < REFUSALS and not (ack.code == _NOBODY and sent.must_be_heard):
                self._published += 1
                if entry is not None:
                    self._settling.append((self._clock.monotonic(), entry))
                    self._retry_delay = _RETRY[0] if self._retry_at is None else self._retry_delay
                continue
            self._refused += 1
            if entry is None:
                log.error("state_refused", code=hex(ack.code))
            elif ack.code in _NEVER:
                self._set_aside(entry, f"{ack.code:#x} {_NEVER[ack.code]}")
            else:
                event = "nobody_takes_messages" if ack.code == _NOBODY else "message_refused"
                log.error(event, code=hex(ack.code), entry=entry, retry_in=self._retry_delay)
                self._pause()

    def _pause(self) -> None:
        """Send nothing for a while, then everything from the oldest message on: order is kept by waiting."""
        if self._retry_at is None:
            self._retry_at = self._clock.monotonic() + self._retry_delay
            self._retry_delay = min(self._retry_delay * 2, _RETRY[1])

    def _set_aside(self, entry: int, reason: str) -> None:
        log.error("message_set_aside", entry=entry, reason=reason)
        self._outbox.set_aside(entry, reason)

    def _fill(self, client: mqtt.Client) -> bool:
        """Send what the window allows. True when everything is sent and acknowledged."""
        with self._link_lock:
            link = self._link
        if link.epoch != self._epoch:
            self._begin(link)
        if not link.connected:
            self._settling.clear()  # it may be the broker that died: all of it is sent again
            return False
        for message in self._dirty_states(link.window - len(self._in_flight)):
            self._send(client, link, None, message)
        if self._retry_at is not None and not self._retry_now():
            return False
        while entries := self._outbox.peek(_BATCH, self._cursor):
            for entry in entries:
                if not self._send_entry(client, link, entry):
                    return False
                self._cursor = entry.id
        return not self._in_flight

    def _send_entry(self, client: mqtt.Client, link: _Link, entry: OutboxEntry) -> bool:
        """Send it or set it aside; False when it must wait for room or for a connection."""
        size = len(entry.message.payload) + len(entry.message.topic.encode()) + _HEADER_BYTES
        if link.max_packet is not None and size > link.max_packet:
            self._set_aside(entry.id, f"larger than the broker's {link.max_packet} bytes")
            return True
        sizes = [sent.size for sent in self._in_flight.values() if sent.entry is not None]
        if sizes and (entry.id <= self._careful_until or sum(sizes) + size > WINDOW_BYTES):
            return False
        if len(self._in_flight) >= link.window:
            return False
        return self._send(client, link, entry.id, entry.message)

    def _begin(self, link: _Link) -> None:
        """A new connection: nothing is in flight, and what had not settled is sent again from the outbox."""
        self._epoch = link.epoch
        if link.faults != self._faults:
            self._faults = link.faults
            self._blame()
        self._in_flight.clear()
        self._settling.clear()
        self._cursor = 0
        self._retry_at = None
        with self._signal:
            self._dirty = dict.fromkeys(self._states)

    def _blame(self) -> None:
        """A message broke the connection. Find it by sending one at a time; one that does it alone is set aside."""
        suspects = [sent.entry for sent in self._in_flight.values() if sent.entry is not None]
        if len(suspects) == 1 and suspects[0] <= self._careful_until:
            self._set_aside(suspects[0], "the broker hangs up on it")
        elif suspects:
            self._careful_until = max(suspects)

    def _retry_now(self) -> bool:
        """After a refusal: once the pause is over and nothing is in flight, start again from the oldest message."""
        if self._retry_at is None or self._clock.monotonic() < self._retry_at or self._in_flight:
            return False
        self._forget(everything=True)
        self._cursor = 0
        self._retry_at = None
        return True

    def _dirty_states(self, room: int) -> list[OutgoingMessage]:
        with self._signal:
            topics = list(self._dirty)[: max(0, room)]
            for topic in topics:
                del self._dirty[topic]
            return [self._states[topic] for topic in topics]

    def _send(self, client: mqtt.Client, link: _Link, entry: int | None, message: OutgoingMessage) -> bool:
        """Hand a message to paho if the connection is still the one it was meant for."""
        with self._link_lock:
            if self._link != link:
                return False
            info = client.publish(
                message.topic,
                message.payload,
                qos=1,
                retain=message.retain,
                properties=publish_properties(message.content_type),
            )
        must_be_heard = entry is not None and not is_mirrored(message.topic)
        self._in_flight[info.mid] = _Sent(entry, len(message.payload), must_be_heard)
        return True

    def _forget(self, *, everything: bool) -> None:
        """Drop settled messages from the outbox, a second's worth at a time."""
        now = self._clock.monotonic()
        if not self._settling or not (everything or now - self._settling[0][0] >= SETTLE):
            return
        until = now if everything else now - SETTLE / 2
        ids = []
        while self._settling and self._settling[0][0] <= until:
            ids.append(self._settling.popleft()[1])
        self._outbox.forget(ids)

    def _keep_state(self, message: OutgoingMessage) -> None:
        with self._signal:
            self._states[message.topic] = message
            self._dirty[message.topic] = None
            self._woken = True
            self._signal.notify()
