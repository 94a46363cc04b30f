"""A worker's part in commands: checked, carried out once, answered; over restarts and on a full disk."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gridwatch.app.commands import memory as memory_module
from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.fakes import MemoryMemory
from gridwatch.app.commands.memory import CommandMemory, MemoryFailed
from gridwatch.app.commands.office import Done, Office
from gridwatch.bus import EVENT_CONTENT_TYPE, AnswerTopic, CameraPath, Delivery, decode_answer, encode_command
from gridwatch.config.commands import CommandsConfig
from gridwatch.domain import Answer, Command, CommandName, FakeClock, Outcome
from tests.unit.bus.command_samples import DETAILS, GATE, OFFICER, WISHES, command
from tests.unit.bus.samples import JPEG, WHEN

INBOX = AnswerTopic(camera=CameraPath(site=GATE, camera="gate-1"), account=OFFICER, inbox="desk")
SNAPSHOT = command(WISHES[CommandName.SNAPSHOT])


class Bench:
    """An office whose one action takes a picture, and counts."""

    def __init__(self, memory: MemoryMemory | CommandMemory | None = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock(WHEN)
        self.memory = memory or MemoryMemory()
        self.taken = 0
        self.done = Done(detail=DETAILS[CommandName.SNAPSHOT], picture=JPEG)
        self.office = Office(
            node="ingest", authority=Authority(CommandsConfig(enabled=True)), memory=self.memory,
            actions={CommandName.SNAPSHOT: self._take}, clock=self.clock,
        )  # fmt: skip

    def _take(self, asked: Command) -> Done:
        self.taken += 1
        return self.done

    def ask(self, asked: Command = SNAPSHOT, **changes: Any) -> tuple[Answer | None, bytes | None]:
        message = encode_command(asked)
        fields: dict[str, Any] = {
            "topic": message.topic, "payload": message.payload, "content_type": EVENT_CONTENT_TYPE, "retained": False,
            "received_at": self.clock.now(), "ack": lambda: None, "response_topic": str(INBOX), "correlation": b"7",
        }  # fmt: skip
        sent = self.office.take(Delivery(**fields | changes))
        if not sent:
            return None, None
        assert all(one.headers.correlation == b"7" for one in sent)
        *pictures, last = [one.message for one in sent]
        assert all(one.topic == f"{last.topic}/picture" for one in pictures)
        picture = pictures[0].payload if pictures else None
        return decode_answer(last.topic, last.payload, last.content_type), picture


def test_a_command_is_carried_out_and_its_picture_comes_before_the_answer() -> None:
    bench = Bench()
    answer, picture = bench.ask()

    assert answer is not None
    assert (answer.outcome, answer.command, answer.node) == (Outcome.DONE, SNAPSHOT.id, "ingest")
    assert picture == JPEG
    assert bench.taken == bench.office.counts.done == 1


def test_the_same_command_again_is_answered_alike_and_carried_out_once() -> None:
    bench = Bench()
    first = bench.ask()
    bench.clock.advance(40)

    assert bench.ask() == first
    assert bench.ask(replace(SNAPSHOT, reason="another reason", expires_at=WHEN + timedelta(minutes=5))) == first
    assert bench.taken == 1
    assert bench.office.counts.repeated == 2


def test_so_it_is_over_a_restart_until_it_has_expired_for_certain(tmp_path: Path) -> None:
    clock = FakeClock(WHEN)
    answers = []
    for _ in range(2):
        memory = CommandMemory(tmp_path / "node.commands", clock)
        memory.open()
        bench = Bench(memory, clock)
        answers.append(bench.ask())
        memory.close()
        clock.advance(61)
    assert bench.taken == 0
    assert answers[0] == answers[1]

    clock.advance(1)
    memory.open()
    bench = Bench(memory, clock)
    bench.ask(command(id=uuid4(), asked_at=clock.now(), expires_at=clock.now() + timedelta(minutes=1)))
    late, _ = bench.ask()
    memory.close()
    assert bench.taken == 1
    assert late is not None
    assert late.outcome is Outcome.LATE, "forgotten, and too late to take effect again"


def test_another_wish_under_a_known_id_is_refused() -> None:
    bench = Bench()
    bench.ask()
    answer, picture = bench.ask(
        replace(SNAPSHOT, camera="gate-2"), response_topic=str(INBOX).replace("gate-1", "gate-2")
    )

    assert answer is not None
    assert (answer.outcome, picture, bench.taken) == (Outcome.ID_REUSED, None, 1)


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        (replace(SNAPSHOT, account="officer@harbour/south"), Outcome.NOT_ALLOWED),
        (replace(SNAPSHOT, expires_at=WHEN - timedelta(seconds=3)), Outcome.LATE),
        (replace(SNAPSHOT, expires_at=WHEN + timedelta(hours=1)), Outcome.MALFORMED),
    ],
)
def test_what_may_not_be_is_refused_with_an_answer_and_not_carried_out(asked: Command, outcome: Outcome) -> None:
    bench = Bench()
    answer, _ = bench.ask(asked, response_topic=str(replace(INBOX, account=asked.account)))

    assert answer is not None
    assert answer.outcome is outcome
    assert bench.taken == 0
    assert bench.office.counts.refused == 1


def test_what_cannot_be_read_is_answered_and_counted() -> None:
    bench = Bench()
    answer, _ = bench.ask(payload=b"{")

    assert answer is not None
    assert (answer.outcome, answer.command) == (Outcome.MALFORMED, None)
    assert bench.ask(topic="gridwatch/command/v1/x") == (None, None)
    assert bench.office.counts.malformed == 2


def test_what_others_carry_out_is_left_to_them() -> None:
    bench = Bench()

    assert bench.ask(command(WISHES[CommandName.ACKNOWLEDGE])) == (None, None)
    assert bench.ask(command(WISHES[CommandName.ACKNOWLEDGE]), payload=b"{") == (None, None)


def test_who_wants_no_answer_gets_none_and_what_was_asked_is_done() -> None:
    bench = Bench()

    assert bench.ask(response_topic=None) == (None, None)
    assert bench.ask(response_topic="gridwatch/v1/harbour/north/gate/gate-1/incident/intrusion") == (None, None)
    assert bench.taken == 1


def test_what_was_tried_and_failed_is_answered_so_each_time() -> None:
    bench = Bench()
    bench.done = Done(outcome=Outcome.FAILED, reason="the camera is unreachable")
    first, _ = bench.ask()
    bench.done = Done()
    again, _ = bench.ask()

    assert first == again
    assert first is not None
    assert (first.outcome, first.reason) == (Outcome.FAILED, "the camera is unreachable")


def test_a_full_disk_stops_commands_before_they_take_effect() -> None:
    memory = MemoryMemory()
    bench = Bench(memory)
    memory.works = False

    with pytest.raises(MemoryFailed):
        bench.ask()
    assert bench.taken == 0


def test_more_commands_than_can_be_remembered_are_refused_as_too_many(tmp_path: Path) -> None:
    clock = FakeClock(WHEN)
    memory = CommandMemory(tmp_path / "node.commands", clock)
    memory.open()
    bench = Bench(memory, clock)
    answers = [bench.ask(replace(SNAPSHOT, id=uuid4()))[0] for _ in range(memory_module.PICTURES + 1)]
    clock.advance(200)
    later = command(id=uuid4(), asked_at=clock.now(), expires_at=clock.now() + timedelta(minutes=1))
    after, _ = bench.ask(later)
    memory.close()

    assert [one.outcome for one in answers if one] == [*[Outcome.DONE] * memory_module.PICTURES, Outcome.BUSY]
    assert after is not None
    assert after.outcome is Outcome.DONE, "what has expired makes room"


def test_a_picture_is_gone_from_the_disk_once_its_command_has_expired(tmp_path: Path) -> None:
    clock = FakeClock(WHEN)
    memory = CommandMemory(tmp_path / "node.commands", clock)
    memory.open()
    bench = Bench(memory, clock)
    bench.ask()
    clock.advance(121)
    bench.office.tidy()

    assert memory.answer(SNAPSHOT.id) is None
    memory.close()
    assert JPEG[100:400] not in (tmp_path / "node.commands").read_bytes()


def test_a_damaged_memory_is_set_aside_and_one_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "node.commands"
    path.write_bytes(b"no database" * 1000)
    memory = CommandMemory(path, FakeClock(WHEN))
    memory.open()
    assert memory.mutes() == {}
    memory.close()
    assert [one.name for one in tmp_path.glob("*.corrupt-*")] == ["node.commands.corrupt-20260304T050607890123Z"]

    with pytest.raises(MemoryFailed, match=r"missing/x cannot be opened"):
        CommandMemory(tmp_path / "missing/x", FakeClock()).open()
    with pytest.raises(MemoryFailed, match="is not open"):
        memory.mutes()
