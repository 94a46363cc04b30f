"""Whatever happens to link, broker, disk and process: every message arrives, in order within its camera."""

import random
from collections import deque
from contextlib import suppress
from pathlib import Path

import pytest

from gridwatch.bus import Outbox, OutboxError, OutgoingMessage
from gridwatch.bus.feeder import SETTLE, Ack, Feeder, Link
from gridwatch.domain import FakeClock

STEPS = 120
REFUSED = 0x97


class Broker:
    """Takes messages in order, acknowledges before it saves, and forgets what it has not saved when it dies."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.link = Link(epoch=1, connected=True)
        self.saved: list[str] = []
        self._unsaved: list[tuple[float, str]] = []
        self._unacknowledged: deque[tuple[int, int, str]] = deque()
        self._mid = 0

    def send(self, link: Link, message: OutgoingMessage) -> int | None:
        if link != self.link:
            return None
        self._mid += 1
        self._unacknowledged.append((link.epoch, self._mid, message.payload.decode()))
        return self._mid

    def take_states(self, room: int) -> list[OutgoingMessage]:
        return []

    def all_states_again(self) -> None:
        pass

    def save(self) -> None:
        """It saves within SETTLE."""
        now = self._clock.monotonic()
        self.saved += [text for at, text in self._unsaved if now - at >= SETTLE * 0.999]
        self._unsaved = [(at, text) for at, text in self._unsaved if now - at < SETTLE * 0.999]

    def acknowledge(self, count: int, refused: str = "") -> deque[Ack]:
        """Some of what came. It refuses all of the camera `refused`."""
        acks: deque[Ack] = deque()
        for _ in range(min(count, len(self._unacknowledged))):
            epoch, mid, text = self._unacknowledged.popleft()
            is_refused = text[0] == refused
            if not is_refused:
                self._unsaved.append((self._clock.monotonic(), text))
            acks.append(Ack(epoch, mid, REFUSED if is_refused else 0))
        return acks

    def cut(self) -> None:
        """What was on its way may have arrived, or not; nobody knows."""
        self.acknowledge(random.Random(self._mid).randrange(3))
        self._unacknowledged.clear()
        self.link = Link(epoch=self.link.epoch, connected=False)

    def die(self) -> None:
        self.save()
        self._unacknowledged.clear()
        self._unsaved.clear()
        self.link = Link(epoch=self.link.epoch, connected=False)

    def back(self) -> None:
        if not self.link.connected:
            self.link = Link(epoch=self.link.epoch + 1, connected=True, window=self.link.window)


def in_order(texts: list[str], camera: str) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text[0] == camera))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_each_camera_stays_in_order(tmp_path: Path, seed: int) -> None:  # noqa: PLR0915
    chosen = random.Random(seed)
    clock = FakeClock()
    outbox = Outbox(tmp_path / "o.db", 10_000_000, clock)
    outbox.open()
    broker = Broker(clock)
    feeder = Feeder(outbox, broker, chosen.choice([5.0, 50.0, 1000.0]), clock)
    appended: list[str] = []
    refuses = chosen.random() < 0.3

    def turn(acks: deque[Ack]) -> bool:
        """As the publisher's thread does."""
        idle = False
        try:
            feeder.take_acks(acks)
            idle = feeder.fill(broker.link)
        except OutboxError:
            feeder.pause()
        with suppress(OutboxError):
            feeder.forget()
        broker.save()
        return idle

    acks: deque[Ack] = deque()
    for _ in range(STEPS):
        match chosen.choice(["append", "append", "turn", "turn", "turn", "wait", "link", "process", "disk"]):
            case "append" if outbox._opened:
                texts = [f"{chosen.choice('abc')}{len(appended) + n}" for n in range(chosen.randrange(1, 6))]
                outbox.append(
                    [
                        OutgoingMessage(
                            topic=f"gridwatch/v1/d/-/-/{text[0]}/incident/x", payload=text.encode(), content_type="x"
                        )
                        for text in texts
                    ]
                )
                appended += texts
            case "turn":
                # All of a camera is refused or none: what is on its way when only some is may overtake.
                acks.extend(broker.acknowledge(chosen.randrange(30), "c" if refuses and chosen.random() < 0.2 else ""))
                turn(acks)
            case "wait":
                clock.advance(chosen.choice([0.01, 0.3, SETTLE, 40.0, 86400.0]))
            case "link":
                chosen.choice([broker.cut, broker.die, broker.back, broker.back])()
            case "process":  # killed: what it knew is gone
                outbox.close()
                outbox = Outbox(tmp_path / "o.db", 10_000_000, clock)
                outbox.open()
                broker.cut()
                feeder = Feeder(outbox, broker, 50.0, clock)
                acks.clear()
            case "disk":  # fails, and works again
                (outbox.close if outbox._opened and chosen.random() < 0.5 else outbox.open)()
    outbox.open()
    broker.back()
    for _ in range(3000):
        acks.extend(broker.acknowledge(100))
        if turn(acks) and not outbox.stats().count:
            break
        clock.advance(0.5)
    outbox.close()

    for camera in "abc":
        expected = [text for text in appended if text[0] == camera]
        received = in_order(broker.saved, camera)
        assert sorted(received) == sorted(expected)
        if not refuses:
            assert received == expected
