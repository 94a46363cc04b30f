"""What the tests of the bus share: waiting, collecting, publishing."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gridwatch.bus import (
    BrokerAddress,
    Channel,
    Delivery,
    LinkState,
    Outbox,
    Publisher,
    Subscriber,
    subscriptions,
)
from gridwatch.domain import SitePath, SystemClock

CLOCK = SystemClock()
DEADLINE = 30.0


def wait_until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Wait on a condition that no event tells of."""
    end = CLOCK.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        assert CLOCK.monotonic() < end, f"waited {deadline} s for {what}"
        pause.wait(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Collector:
    """A taker of deliveries that acknowledges, or not, and lets a test wait for them."""

    def __init__(self, *, acknowledge: bool = True) -> None:
        self.acknowledge = acknowledge
        self.deliveries: list[Delivery] = []

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self.acknowledge:
            delivery.ack()

    def payloads(self, topic: str = "/incident/") -> list[bytes]:
        return [one.payload for one in list(self.deliveries) if topic in one.topic]

    def wait_for(self, count: int, topic: str = "/incident/") -> list[bytes]:
        """The first `count` different payloads under topics that contain `topic`, in order of first delivery."""
        wait_until(lambda: len(set(self.payloads(topic))) >= count, f"{count} messages on {topic}")
        return list(dict.fromkeys(self.payloads(topic)))


@contextmanager
def subscribed(
    address: BrokerAddress,
    district: str,
    deliver: Callable[[Delivery], None],
    *,
    client_id: str | None = None,
    persistent: bool = True,
    channels: Sequence[Channel] = (),
) -> Iterator[Subscriber]:
    """A subscriber to a district, connected."""
    filters = subscriptions(SitePath(district=district), *channels)
    subscriber = Subscriber(address, client_id or f"rec-{district}", filters, deliver, persistent, CLOCK)
    subscriber.start()
    try:
        wait_until(lambda: subscriber.status.state is LinkState.CONNECTED, "the subscriber to connect")
        yield subscriber
    finally:
        subscriber.close(5)


@contextmanager
def publishing(
    address: BrokerAddress, district: str, folder: Path, limit: int = 50_000_000
) -> Iterator[tuple[Outbox, Publisher]]:
    """An outbox and its publisher, started but not necessarily connected."""
    with Outbox(folder / "outbox.db", limit, CLOCK) as outbox:
        publisher = Publisher(outbox, address, f"pub-{district}", "n1", SitePath(district=district), CLOCK)
        publisher.start()
        try:
            yield outbox, publisher
        finally:
            publisher.close(5)
