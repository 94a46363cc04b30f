"""A worker without cameras: known incidents through the real outbox and publisher. Runs as a process, to be killed.

It reads orders on standard input: `step SECONDS` moves its wall clock, `quiet` ends producing; at the end of the input
it leaves in good order.
"""

import json
import random
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from gridwatch.bus import BrokerAddress, Outbox, OutboxError, Publisher
from gridwatch.domain import Incident, IncidentKind, Phase, Position, Severity, SitePath, SystemClock, incident_id
from tests.acceptance.chaos.history import Message
from tests.acceptance.chaos.ledger import FAILED, REFUSED, STORED, TRY, Ledger, read_tries

CAMERAS = 3
OPEN_AT_MOST = 4
"""Incidents of a camera at once."""
RETRY_SECONDS = 0.05
OUTBOX_BYTES = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """How to run one."""

    name: str
    district: str
    port: int
    username: str
    password: str
    outbox: str
    ledger: str
    rate: float
    """Messages a second."""
    seed: int
    clock_offset: float


class SteppedClock:
    """The machine's clock with a wall clock that jumps when told. Thread-safe."""

    def __init__(self, offset: float) -> None:
        self._system = SystemClock()
        self._offset = timedelta(seconds=offset)

    def step(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._system.now() + self._offset

    def monotonic(self) -> float:
        return self._system.monotonic()


class Story:
    """Incidents of a few cameras, without end: raised, updated some times, cleared, many of them open at once."""

    def __init__(self, orders: Orders, clock: SteppedClock, told: list[Message]) -> None:
        self._orders = orders
        self._clock = clock
        self._random = random.Random(f"{orders.seed} {orders.name} {len(told)}")
        self._count = len(told)
        self._open: dict[str, Incident] = {}
        for message in told:
            if message.phase == Phase.CLEARED:
                self._open.pop(message.incident, None)
            else:
                self._open[message.incident] = self._incident(message)

    def __iter__(self) -> Iterator[Incident]:
        while True:
            camera = f"{self._orders.name}-{self._random.randrange(CAMERAS)}"
            here = [one for one in self._open.values() if one.camera == camera]
            if here and (len(here) >= OPEN_AT_MOST or self._random.random() < 0.6):
                before = self._random.choice(here)
                phase = Phase.CLEARED if self._random.random() < 0.5 else Phase.UPDATED
                seen_at = max(self._clock.now(), before.occurred_at)
                yield self._next(replace(before, phase=phase, seq=before.seq + 1, observed_at=seen_at))
            else:
                at = self._clock.now()
                at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # so that the id holds all of it
                name = incident_id(at, camera, str(self._count))
                yield self._next(self._incident(Message(camera, str(name), 0, Phase.RAISED, 0), at))

    def _next(self, incident: Incident) -> Incident:
        incident = replace(incident, count=self._count)
        self._count += 1
        if incident.phase is Phase.CLEARED:
            self._open.pop(str(incident.id), None)
        else:
            self._open[str(incident.id)] = incident
        return incident

    def _incident(self, message: Message, at: datetime | None = None) -> Incident:
        identity = UUID(message.incident)
        at = at or _EPOCH + timedelta(milliseconds=identity.int >> 80)  # one from before a restart
        return Incident(
            id=identity, kind=IncidentKind.INTRUSION, severity=Severity.MAJOR, phase=Phase(message.phase),
            seq=message.seq, site=SitePath(district=self._orders.district, substation="east"), camera=message.camera,
            rule="fence", position=Position(lon=0.5, lat=0.5), occurred_at=at, observed_at=at, boxes=(), score=0.5,
            count=message.count, evidence=(), detector=None,
        )  # fmt: skip


def put(outbox: Outbox, ledger: Ledger, incident: Incident, leaving: threading.Event) -> None:
    """Into the outbox, however often it takes, as a worker must; each try and its outcome into the ledger."""
    clock = SystemClock()
    message = Message(incident.camera, str(incident.id), incident.seq, incident.phase, incident.count)
    while not leaving.is_set():
        ledger.write(TRY, clock.now().timestamp(), message)
        try:
            appended = outbox.put_incident(incident)
        except OutboxError:
            ledger.write(FAILED, clock.now().timestamp())
            leaving.wait(RETRY_SECONDS)
            continue
        ledger.write(STORED if appended.stored else REFUSED, clock.now().timestamp())
        return


def listen(clock: SteppedClock, quiet: threading.Event, leaving: threading.Event) -> None:
    for line in sys.stdin:
        word, *values = line.split()
        if word == "step":
            clock.step(float(values[0]))
        elif word == "quiet":
            quiet.set()
    quiet.set()
    leaving.set()


def main(orders: Orders) -> None:
    clock = SteppedClock(orders.clock_offset)
    quiet, leaving = threading.Event(), threading.Event()
    threading.Thread(target=listen, args=(clock, quiet, leaving), daemon=True).start()
    ledger_path = Path(orders.ledger)
    told = read_tries(ledger_path)
    address = BrokerAddress(host="127.0.0.1", port=orders.port, username=orders.username, password=orders.password)
    site = SitePath(district=orders.district)
    pause = random.Random(orders.seed)
    with Ledger(ledger_path) as ledger, Outbox(Path(orders.outbox), OUTBOX_BYTES, clock) as outbox:
        publisher = Publisher(outbox, address, f"worker-{orders.name}", orders.name, site, clock)
        publisher.start()
        try:
            for incident in Story(orders, clock, told):
                if quiet.wait(pause.expovariate(orders.rate)):
                    break
                put(outbox, ledger, incident, leaving)
                publisher.wake()
            leaving.wait()
        finally:
            publisher.close(3.0)


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
