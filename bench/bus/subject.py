"""One measured process: `python -m bench.bus.subject`. Reads an order as a line of JSON, then says what it did.

`up` once it is ready; a sender then waits for an empty line. At the end a listener says when each message came, a
sender when each was raised: seconds of the machine's monotonic clock, by CRC-32 of the payload.
"""

import json
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import structlog

from bench.bus.raw import RawClient
from gridwatch.bus import (
    BrokerAddress,
    Delivery,
    LinkState,
    Outbox,
    OutgoingMessage,
    Publisher,
    Subscriber,
    encode_incident,
)
from gridwatch.domain import (
    Box,
    DetectorInfo,
    Incident,
    IncidentBox,
    IncidentKind,
    Phase,
    Position,
    Severity,
    SitePath,
    SystemClock,
    incident_id,
)

CLOCK: Final = SystemClock()
CAMERAS: Final = 16
THREADS: Final = 4
"""Which raise incidents at the same time, as the threads of an analysis do."""
OUTBOX_BYTES: Final = 500_000_000
_NO_LIMIT = 100_000.0
"""A drain rate that limits nothing here."""
_WAIT = 300.0


class Part(StrEnum):
    """What a process does."""

    LISTEN = "listen"  # subscribes and notes when what came
    SEND = "send"  # raises incidents while connected
    DRAIN = "drain"  # has a backlog, then connects
    APPEND = "append"  # puts incidents into an outbox and does nothing else


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a process is to do."""

    part: Part
    ours: bool
    """Our way, else paho alone."""
    host: str
    port: int
    username: str
    password: str
    district: str
    """A part of the topics of its own."""
    count: int
    rate: float = 0.0
    """Incidents a second; 0: as fast as it goes."""
    folder: str = ""
    """For an outbox."""
    threads: int = 1

    def dump(self) -> str:
        """As one line."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, line: str) -> Self:
        """From one line."""
        fields = json.loads(line)
        return cls(**{**fields, "part": Part(fields["part"])})

    @property
    def address(self) -> BrokerAddress:
        """Of the broker."""
        return BrokerAddress(host=self.host, port=self.port, username=self.username, password=self.password)


def incidents(district: str, count: int) -> list[Incident]:
    """Raised incidents of some cameras, each with two boxes."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    boxes = tuple(
        IncidentBox(box=Box(x1=x, y1=0.25, x2=x + 0.123456, y2=0.75), label="person", score=0.87) for x in (0.1, 0.5)
    )
    made = []
    for number in range(count):
        at, camera = began + timedelta(milliseconds=number), f"camera-{number % CAMERAS}"
        made.append(
            Incident(
                id=incident_id(at, district, camera, str(number)), kind=IncidentKind.INTRUSION, severity=Severity.MAJOR,
                phase=Phase.RAISED, seq=0, site=SitePath(district=district, substation="north"), camera=camera,
                rule="yard", position=Position(lon=121.4737, lat=31.2304), occurred_at=at, observed_at=at, boxes=boxes,
                score=0.87, count=2, evidence=(),
                detector=DetectorInfo(name="nanodet-g", version="1", weights_sha256="ab" * 32),
            )
        )  # fmt: skip
    return made


def say(**words: object) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def listen(order: Order) -> None:
    """Note when each message came for the first time."""
    came: dict[int, float] = {}
    all_came = threading.Event()

    def take(payload: bytes) -> None:
        came.setdefault(zlib.crc32(payload), time.perf_counter())
        if len(came) == order.count:
            all_came.set()

    def deliver(one: Delivery) -> None:
        take(one.payload)
        one.ack()

    topics = f"gridwatch/v1/{order.district}/+/+/+/incident/+"
    if order.ours:
        ours = Subscriber(order.address, f"listen-{order.district}", [topics], deliver, True, CLOCK)
        ours.start()
        _until(lambda: ours.status.state is LinkState.CONNECTED)
        close: Callable[[], None] = lambda: ours.close(5.0)  # noqa: E731 - both ways end alike
    else:
        raw = RawClient(order.address, f"listen-{order.district}")
        raw.connect()
        raw.listen(topics, take)
        close = raw.close
    say(up=True)
    if not all_came.wait(_WAIT):
        say(failed=f"{len(came)} of {order.count} came within {_WAIT:g} s")
        return
    say(came=came)
    close()


def send(order: Order) -> None:
    """Raise incidents at the rate, or as fast as it goes."""
    chosen = incidents(order.district, order.count)
    messages = [encode_incident(one) for one in chosen]
    raised: dict[int, float] = {}
    with _way(order) as raise_one:
        say(up=True)
        sys.stdin.readline()
        cpu = time.process_time()

        def run(numbers: Sequence[int]) -> None:
            began = time.perf_counter()
            for done, number in enumerate(numbers):
                if order.rate:
                    time.sleep(max(0.0, began + done / order.rate - time.perf_counter()))
                raised[number] = time.perf_counter()
                raise_one(chosen[number], messages[number])

        _in_threads(run, order)
        sys.stdin.readline()  # all of it has come
        say(
            raised={zlib.crc32(message.payload): raised[number] for number, message in enumerate(messages)},
            cpu=time.process_time() - cpu,
        )


@contextmanager
def _way(order: Order) -> Iterator[Callable[[Incident, OutgoingMessage], None]]:
    """Something to raise an incident with, connected."""
    if not order.ours:
        raw = RawClient(order.address, f"send-{order.district}")
        raw.connect()
        yield lambda _, message: raw.publish(message)
        raw.close()
        return
    site = SitePath(district=order.district)
    with Outbox(Path(order.folder) / f"{order.district}.db", OUTBOX_BYTES, CLOCK) as outbox:
        publisher = Publisher(outbox, order.address, f"send-{order.district}", "bench", site, CLOCK)
        publisher.start()
        _until(lambda: publisher.status().link.state is LinkState.CONNECTED)

        def raise_one(incident: Incident, _: OutgoingMessage) -> None:
            outbox.put_incident(incident)
            publisher.wake()

        yield raise_one
        publisher.close(5.0)


def drain(order: Order) -> None:
    """Have a backlog, then connect and get rid of it."""
    messages = [encode_incident(one) for one in incidents(order.district, order.count)]
    if not order.ours:
        say(up=True)
        sys.stdin.readline()
        began, cpu = time.perf_counter(), time.process_time()
        raw = RawClient(order.address, f"send-{order.district}")
        raw.connect()
        for message in messages:
            raw.publish(message)
        sys.stdin.readline()
        say(began=began, cpu=time.process_time() - cpu)
        raw.close()
        return
    with Outbox(Path(order.folder) / f"{order.district}.db", OUTBOX_BYTES, _LongAgo()) as outbox:
        for start in range(0, len(messages), 500):
            outbox.append(messages[start : start + 500])
    with Outbox(Path(order.folder) / f"{order.district}.db", OUTBOX_BYTES, CLOCK) as outbox:
        site = SitePath(district=order.district)
        publisher = Publisher(outbox, order.address, f"send-{order.district}", "bench", site, CLOCK, _NO_LIMIT)
        say(up=True)
        sys.stdin.readline()
        began, cpu = time.perf_counter(), time.process_time()
        publisher.start()
        sys.stdin.readline()
        say(began=began, cpu=time.process_time() - cpu)
        publisher.close(5.0)


class _LongAgo(SystemClock):
    """A week back, so that what is appended is old."""

    def now(self) -> datetime:
        return super().now() - timedelta(days=7)


def append(order: Order) -> None:
    """What an incident costs until it is on disk."""
    chosen = incidents(order.district, order.count)
    file = Path(order.folder) / f"{order.district}.db"
    took: list[float] = []
    with Outbox(file, OUTBOX_BYTES, CLOCK) as outbox:
        say(up=True)
        sys.stdin.readline()
        cpu, began = time.process_time(), time.perf_counter()

        def run(numbers: Sequence[int]) -> None:
            for number in numbers:
                start = time.perf_counter()
                outbox.put_incident(chosen[number])
                took.append(time.perf_counter() - start)

        _in_threads(run, order)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    say(took=took, cpu=cpu, seconds=seconds, bytes=file.stat().st_size)


def _in_threads(run: Callable[[Sequence[int]], None], order: Order) -> None:
    """Each camera is of one thread."""
    shares = [range(number, order.count, order.threads) for number in range(order.threads)]
    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _until(condition: Callable[[], bool]) -> None:
    end = time.perf_counter() + _WAIT
    while not condition():
        if time.perf_counter() > end:
            say(failed=f"not connected within {_WAIT:g} s")
            raise SystemExit(1)
        time.sleep(0.01)


def main() -> None:
    """See the module."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    order = Order.load(sys.stdin.readline())
    {Part.LISTEN: listen, Part.SEND: send, Part.DRAIN: drain, Part.APPEND: append}[order.part](order)


if __name__ == "__main__":
    main()
