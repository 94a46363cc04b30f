"""What is sent and when, without a broker: a port that remembers, a clock that is told."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.bus import Outbox, OutboxError, OutgoingMessage
from gridwatch.bus.feeder import SETTLE, Ack, Feeder, Link
from gridwatch.domain import FakeClock

UP = Link(epoch=1, connected=True)
REFUSED = 0x87


class Port:
    """The other end of the wire."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.broken = False

    def send(self, link: Link, message: OutgoingMessage) -> int | None:
        if self.broken:
            return None
        self.sent.append((len(self.sent) + 1, message.payload.decode()))
        return len(self.sent)

    def take_states(self, room: int) -> list[OutgoingMessage]:
        return []

    def all_states_again(self) -> None:
        pass

    def texts(self) -> list[str]:
        return [text for _, text in self.sent]


class Rig:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.outbox = Outbox(folder / "o.db", 1_000_000, self.clock)
        self.outbox.open()
        self.port = Port()
        self.feeder = Feeder(self.outbox, self.port, 100.0, self.clock)

    def append(self, *texts: str) -> None:
        """Messages like a1, a2, b1: the letter is the camera."""
        self.outbox.append(
            [
                OutgoingMessage(
                    topic=f"gridwatch/v1/d/-/-/{text[0]}/incident/x", payload=text.encode(), content_type="x"
                )
                for text in texts
            ]
        )

    def ack(self, *mids: int, code: int = 0, link: Link = UP) -> None:
        self.feeder.take_acks(deque(Ack(link.epoch, mid, code) for mid in mids))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    one = Rig(tmp_path)
    yield one
    one.outbox.close()


def test_nothing_is_forgotten_before_it_is_acknowledged_and_settled(rig: Rig) -> None:
    rig.append("a1", "a2")
    assert not rig.feeder.fill(UP)
    rig.clock.advance(SETTLE)
    rig.feeder.forget()
    assert rig.outbox.stats().count == 2
    rig.ack(1)
    rig.feeder.forget()
    assert rig.outbox.stats().count == 2
    assert rig.feeder.wait(UP) == pytest.approx(SETTLE + 1)
    rig.clock.advance(SETTLE)
    rig.feeder.forget()
    assert rig.outbox.stats().count == 2  # those of a second go together
    rig.clock.advance(1)
    rig.feeder.forget()
    assert [entry.message.payload for entry in rig.outbox.peek(9)] == [b"a2"]


def test_a_new_connection_gets_all_that_has_not_settled_again(rig: Rig) -> None:
    rig.append("a1", "b1", "a2")
    rig.feeder.fill(UP)
    rig.ack(1, 2)
    rig.feeder.fill(replace(UP, connected=False))
    again = replace(UP, epoch=2)
    rig.feeder.fill(again)
    assert rig.port.texts() == ["a1", "b1", "a2"] * 2
    rig.ack(3)  # of the old connection
    assert not rig.feeder.fill(again)
    rig.ack(4, 5, 6, link=again)
    assert rig.feeder.fill(again)


def test_a_window_is_not_exceeded_and_the_order_goes_on_after_it(rig: Rig) -> None:
    rig.append(*(f"a{n}" for n in range(30)))
    narrow = replace(UP, window=7)
    rig.feeder.fill(narrow)
    assert len(rig.port.sent) == 7
    rig.ack(1, 2, 3)
    rig.feeder.fill(narrow)
    assert rig.port.texts() == [f"a{n}" for n in range(10)]


def test_a_refusal_stops_everything_and_starts_again_with_the_oldest(rig: Rig) -> None:
    rig.append("a1", "b1", "a2")
    rig.feeder.fill(UP)
    rig.ack(1, code=REFUSED)
    rig.append("b2")
    assert not rig.feeder.fill(UP)
    rig.ack(2, 3)
    rig.clock.advance(rig.feeder.wait(UP) or 0)
    rig.feeder.fill(UP)
    assert rig.port.texts()[3:] == ["a1", "a2", "b2"]  # b1 was taken, a2 is sent again behind the refused
    assert rig.feeder.refused == 1


def test_what_breaks_every_connection_is_found_although_new_ones_keep_coming(rig: Rig) -> None:
    rig.append("a1", "a2", "a3")
    link = UP
    for round_ in range(1, 10):
        link = Link(epoch=round_, connected=True, faults=round_ - 1)
        before = len(rig.port.sent)
        rig.append(f"b{round_}")
        rig.feeder.fill(link)
        while "a2" not in rig.port.texts()[before:]:
            rig.ack(*range(before + 1, len(rig.port.sent) + 1), link=link)
            sent = len(rig.port.sent)
            rig.feeder.fill(link)
            if len(rig.port.sent) == sent:
                break
        if rig.outbox.stats().set_aside:
            break
    assert rig.outbox.stats().set_aside == 1
    assert round_ <= 4
    assert b"a2" not in [entry.message.payload for entry in rig.outbox.peek(99)]


def test_what_cannot_be_deleted_now_is_deleted_later_and_not_sent_again(rig: Rig) -> None:
    rig.append("a1")
    rig.feeder.fill(UP)
    rig.ack(1)
    rig.clock.advance(SETTLE + 1)
    rig.outbox.close()  # as on a full disk: every use fails
    with pytest.raises(OutboxError):
        rig.feeder.forget()
    rig.feeder.forget()  # waits instead of failing again
    wait = rig.feeder.wait(UP)
    assert wait
    rig.outbox.open()
    rig.append("a2")
    again = replace(UP, epoch=2)
    rig.feeder.fill(again)
    assert rig.port.texts() == ["a1", "a2"]
    rig.clock.advance(wait)
    rig.feeder.forget()
    assert [entry.message.payload for entry in rig.outbox.peek(9)] == [b"a2"]


def test_what_expired_while_it_waited_is_passed_over(rig: Rig) -> None:
    rig.append(*(f"a{n}" for n in range(30)))
    narrow = replace(UP, window=5)
    rig.feeder.fill(narrow)
    rig.outbox.forget([entry.id for entry in rig.outbox.peek(20)][5:])
    rig.ack(*range(1, 6))
    rig.feeder.fill(narrow)
    assert rig.port.texts() == [f"a{n}" for n in (*range(5), *range(20, 25))]


def test_a_backlog_goes_at_its_rate_and_news_of_other_cameras_at_once(rig: Rig) -> None:
    rig.append(*(f"a{n}" for n in range(60)))
    rig.clock.advance(timedelta(days=7).total_seconds())
    rig.feeder.fill(UP)
    assert len(rig.port.sent) == 10
    rig.append("b1")
    rig.feeder.fill(UP)
    assert rig.port.texts()[10:] == ["b1"]
    rig.clock.advance(0.05)
    rig.feeder.fill(UP)
    assert rig.port.texts()[11:] == [f"a{n}" for n in range(10, 15)]
    rig.ack(*range(1, 17))
    assert rig.feeder.wait(UP) == pytest.approx(0.1, abs=0.001)
