"""What to send of an outbox, when, and what to forget of it. One thread at a time; it knows no sockets."""

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from gridwatch.bus.connection import REFUSALS
from gridwatch.bus.lanes import Lanes, Pick
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.outbox import Outbox
from gridwatch.bus.outbox_entry import OutboxEntry
from gridwatch.bus.topics import is_mirrored
from gridwatch.domain import Clock

log = structlog.get_logger(__name__)

WINDOW: Final = 100
"""Most messages sent and not yet acknowledged; less when the broker's receive maximum is."""
WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Most bytes sent and not yet acknowledged, but for a single larger message."""
_BATCH = 20
"""Messages read from the outbox at a time: bounds memory, as a picture may have megabytes."""
_LEARN = 5000
"""Messages of which the outbox is asked for number and topic at a time."""
SETTLE: Final = 2.0
"""Seconds a message stays in the outbox after its PUBACK, at least, and is sent again should the link break meanwhile.

Brokers acknowledge before they save: Mosquitto with `autosave_on_changes` writes its file in the next turn of its
loop, so one killed in between has acknowledged what it does not remember. Receivers deduplicate.
"""
_TOGETHER = 1.0
"""Seconds whose messages are deleted in one transaction."""
_HEADER_BYTES = 100
"""More than fixed header, packet id and properties of ours take."""
_RETRY = (1.0, 30.0)
"""First and longest wait in seconds after the broker refused a message that it may take later."""
_NEVER = {0x90: "topic name invalid", 0x95: "packet too large", 0x99: "payload format invalid"}
"""Reason codes that repeating cannot cure; such messages are set aside."""
_NOBODY = 0x10
"""No matching subscribers: the broker took the message and kept it for no one, so it is not delivered."""
FAULTS: Final = {0x81, 0x82, *_NEVER}
"""Codes of a disconnection that a message of ours may have caused (malformed packet, protocol error).

Mosquitto answers a message above its `message_size_limit` with a PUBACK that MQTT does not have, and paho hangs up.
"""


@dataclass(frozen=True, slots=True)
class Link:
    """What the feeder must know of the current connection."""

    epoch: int = 0
    connected: bool = False
    window: int = WINDOW
    max_packet: int | None = None
    faults: int = 0
    """Disconnections so far that a message of ours may have caused."""


@dataclass(frozen=True, slots=True)
class Ack:
    """A PUBACK."""

    epoch: int
    """Of the connection it came by."""
    mid: int
    code: int


class Sends(Protocol):
    """The connection, and the states that are kept beside the outbox."""

    def send(self, link: Link, message: OutgoingMessage) -> int | None:
        """Packet id; None when the connection is no longer that one."""

    def take_states(self, room: int) -> list[OutgoingMessage]:
        """Up to `room` states to be sent."""

    def all_states_again(self) -> None:
        """All of them are to be sent."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message in flight: its place in the outbox (None for a state) and its size."""

    pick: Pick | None
    size: int
    must_be_heard: bool
    """False for states, and for a mirror: nobody may ever ask for it, and the recorder does not."""


class Feeder:
    """Sends in order within each camera, forgets what is acknowledged and settled. Not thread-safe.

    `take_acks`, `fill` and `forget` raise OutboxError when the outbox cannot be used. After the first two, `pause`.
    """

    def __init__(self, outbox: Outbox, port: Sends, drain_rate: float, clock: Clock) -> None:
        """`drain_rate`: messages a second of what is old; see `Lanes`."""
        self._outbox = outbox
        self._port = port
        self._clock = clock
        self._lanes = Lanes(drain_rate)
        self._learned = 0
        self._epoch = 0
        self._faults = 0
        self._suspects: set[int] = set()
        self._in_flight: dict[int, _Sent] = {}
        self._bytes = 0
        self._settling: deque[tuple[float, Pick]] = deque()
        self._done: list[int] = []
        self._delete_at = 0.0
        self._retry_at: float | None = None
        self._retry_delay = _RETRY[0]
        self.published = 0
        self.refused = 0

    @property
    def settling(self) -> int:
        """Messages that are acknowledged and still in the outbox. Any thread."""
        return len(self._settling) + len(self._done)

    @property
    def in_flight(self) -> int:
        """Messages and states that are not acknowledged yet."""
        return len(self._in_flight)

    def wait(self, link: Link) -> float | None:
        """Seconds until something is due without anybody waking us; None when nothing is."""
        now = self._clock.monotonic()
        # While something is in flight or the link is down, an acknowledgement or a connection comes first and wakes us.
        is_quiet = link.connected and not self._in_flight
        if self._retry_at is not None:
            return max(0.0, self._retry_at - now) if is_quiet else None
        due = [self._settling[0][0] + SETTLE + _TOGETHER - now] if self._settling else []
        if self._done:
            due.append(self._delete_at - now)
        if is_quiet and (drain := self._lanes.wait(now)) is not None:
            due.append(drain)
        return max(0.0, min(due)) if due else None

    def take_acks(self, acks: deque[Ack]) -> None:
        """Note what the broker answered, one by one from the left."""
        while acks:
            ack = acks.popleft()
            if ack.epoch != self._epoch or ack.mid not in self._in_flight:
                continue
            sent = self._in_flight.pop(ack.mid)
            pick = sent.pick
            self._bytes -= sent.size
            if ack.code < REFUSALS and not (ack.code == _NOBODY and sent.must_be_heard):
                self.published += 1
                if pick is not None:
                    self._suspects.discard(pick.id)
                    self._settling.append((self._clock.monotonic(), pick))
                    self._retry_delay = _RETRY[0] if self._retry_at is None else self._retry_delay
                continue
            self.refused += 1
            if pick is None:
                log.error("state_refused", code=hex(ack.code))
            elif ack.code in _NEVER:
                self._set_aside(pick, f"{ack.code:#x} {_NEVER[ack.code]}")
            else:
                event = "nobody_takes_messages" if ack.code == _NOBODY else "message_refused"
                log.error(event, code=hex(ack.code), entry=pick.id, retry_in=self._retry_delay)
                self.pause()

    def pause(self) -> None:
        """Send nothing for a while, then everything from the oldest message on: order is kept by waiting."""
        now = self._clock.monotonic()
        if self._retry_at is None or self._retry_at <= now:
            self._retry_at = now + self._retry_delay
            self._retry_delay = min(self._retry_delay * 2, _RETRY[1])

    def is_at(self, link: Link) -> bool:
        """Whether it has begun with this connection, so that there is little left to find out. Any thread."""
        return link.connected and link.epoch == self._epoch

    def fill(self, link: Link, most: int = WINDOW) -> bool:
        """Send up to `most` of what window and rate allow. True when everything is sent and acknowledged."""
        if link.epoch != self._epoch:
            self._begin(link)
        if not link.connected:
            self._settling.clear()  # it may be the broker that died: all of it is sent again
            return False
        for message in self._port.take_states(link.window - len(self._in_flight)):
            self._send(link, None, message)
        if self._retry_at is not None and not self._retry_now():
            return False
        self._learn()
        until = min(link.window, len(self._in_flight) + most)
        while len(self._in_flight) < until and (picks := self._take(until)):
            entries = {one.id: one for one in self._outbox.read([pick.id for pick in picks])}
            for done, pick in enumerate(picks):
                if pick.id not in entries:  # it expired, or was damaged on the disk
                    self._lanes.drop(pick.lane, pick.id)
                elif not self._send_entry(link, pick, entries[pick.id]):
                    self._lanes.put_back(picks[done:])
                    return False
        return self._lanes.is_empty and not self._in_flight

    def forget(self) -> None:
        """Drop settled messages from the outbox, some of them at a time.

        Where that fails they are not sent again for it, only deleted later: sending goes on.
        """
        now = self._clock.monotonic()
        if self._settling and now - self._settling[0][0] >= SETTLE + _TOGETHER:
            while self._settling and now - self._settling[0][0] >= SETTLE:
                pick = self._settling.popleft()[1]
                self._lanes.drop(pick.lane, pick.id)
                self._done.append(pick.id)
        if self._done and now >= self._delete_at:
            self._delete_at = now + _RETRY[1]
            self._outbox.forget(self._done)
            self._delete_at = now
            self._done = []

    def _learn(self) -> None:
        """Hear of what is new in the outbox."""
        while new := self._outbox.waiting(_LEARN, self._learned):
            self._lanes.add(new)
            self._learned = new[-1].id

    def _take(self, until: int) -> list[Pick]:
        room = min(_BATCH, until - len(self._in_flight))
        return self._lanes.take(room, self._clock.now().timestamp(), self._clock.monotonic())

    def _send_entry(self, link: Link, pick: Pick, entry: OutboxEntry) -> bool:
        """Send it or set it aside; False when it must wait for room or for a connection."""
        size = len(entry.message.payload) + len(entry.message.topic.encode()) + _HEADER_BYTES
        if link.max_packet is not None and size > link.max_packet:
            self._set_aside(pick, f"larger than the broker's {link.max_packet} bytes")
            return True
        entries = [sent.pick for sent in self._in_flight.values() if sent.pick is not None] if self._suspects else []
        if entries and any(one.id in self._suspects for one in (pick, *entries)):
            return False
        if self._bytes and self._bytes + size > WINDOW_BYTES:
            return False
        return self._send(link, pick, entry.message, size)

    def _send(self, link: Link, pick: Pick | None, message: OutgoingMessage, size: int = 0) -> bool:
        mid = self._port.send(link, message)
        if mid is None:
            return False
        self._in_flight[mid] = _Sent(pick, size, pick is not None and not is_mirrored(message.topic))
        self._bytes += size
        return True

    def _begin(self, link: Link) -> None:
        """A new connection: nothing is in flight, and what had not settled is sent again from the outbox."""
        self._epoch = link.epoch
        if link.faults != self._faults:
            self._faults = link.faults
            self._blame()
        self._in_flight.clear()
        self._bytes = 0
        self._settling.clear()
        self._lanes.rewind()
        self._retry_at = None
        self._port.all_states_again()

    def _blame(self) -> None:
        """A message broke the connection. Find it by sending one at a time; one that does it alone is set aside."""
        picks = [sent.pick for sent in self._in_flight.values() if sent.pick is not None]
        if len(picks) == 1 and picks[0].id in self._suspects:
            self._set_aside(picks[0], "the broker hangs up on it")
        else:
            self._suspects.update(pick.id for pick in picks)

    def _retry_now(self) -> bool:
        """After a refusal: once the pause is over and nothing is in flight, start again from the oldest message."""
        if self._retry_at is None or self._clock.monotonic() < self._retry_at or self._in_flight:
            return False
        self._lanes.rewind(done={pick.id for _, pick in self._settling})
        self._retry_at = None
        return True

    def _set_aside(self, pick: Pick, reason: str) -> None:
        log.error("message_set_aside", entry=pick.id, reason=reason)
        self._outbox.set_aside(pick.id, reason)
        self._suspects.discard(pick.id)
        self._lanes.drop(pick.lane, pick.id)
