import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.bus import Importance, MessageRefused, Outbox, OutboxError, OutboxFull, OutgoingMessage
from gridwatch.domain import FakeClock, Phase
from tests.unit.bus.samples import JPEG, evidence, incident

LIMIT = 1_000_000


def message(text: str, importance: Importance = Importance.INCIDENT, size: int = 0) -> OutgoingMessage:
    return OutgoingMessage(
        topic="gridwatch/v1/d/-/-/c/state", payload=text.encode().ljust(size), content_type="x", importance=importance
    )


def texts(outbox: Outbox) -> list[str]:
    return [entry.message.payload.decode().strip() for entry in outbox.peek(100_000)]


def opened(tmp_path: Path, limit: int = LIMIT) -> Outbox:
    outbox = Outbox(tmp_path / "data" / "outbox.db", limit, FakeClock())
    outbox.open()
    return outbox


def test_messages_come_back_whole_in_order_also_after_reopening(tmp_path: Path) -> None:
    whole = OutgoingMessage(
        topic="t/雾", payload=b"\x00\xff", content_type="image/jpeg", retain=True, importance=Importance.EVIDENCE
    )
    with opened(tmp_path) as outbox:
        outbox.append([message("a"), whole])
        outbox.append([message("b")])

    with opened(tmp_path) as outbox:
        entries = outbox.peek(10)
        assert [entry.message for entry in entries] == [message("a"), whole, message("b")]
        assert [entry.id for entry in outbox.peek(1, after=entries[0].id)] == [entries[1].id]
        assert outbox.stats().count == 3


def test_ids_are_never_used_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append([message("a")])
        first = outbox.peek(1)[0].id
        outbox.forget([first])
    with opened(tmp_path) as outbox:
        outbox.append([message("b")])
        assert outbox.peek(1)[0].id > first


def test_counted_bytes_are_the_same_after_forgetting_and_reopening(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append([message(str(n), size=n) for n in range(50)])
        outbox.forget([entry.id for entry in outbox.peek(20)])
        outbox.forget([999_999])
        counted = outbox.stats().bytes
    with opened(tmp_path) as outbox:
        assert outbox.stats().bytes == counted
        outbox.forget([entry.id for entry in outbox.peek(100)])
        assert outbox.stats().bytes == 0


def test_a_filling_outbox_refuses_updates_then_evidence_then_says_full(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        kilobyte = [message("x", size=1000 - 226)]
        while outbox.stats().bytes + 1000 <= 0.8 * LIMIT:
            outbox.append(kilobyte)

        appended = outbox.append([message("u", Importance.UPDATE, 2000), message("e", Importance.EVIDENCE, 2000)])
        assert (appended.stored, appended.refused) == (1, 1)
        while outbox.stats().bytes + 1000 <= 0.9 * LIMIT:
            outbox.append(kilobyte)
        assert outbox.append([message("e", Importance.EVIDENCE, 2000), message("last")]).stored == 1
        while outbox.stats().bytes + 1000 <= LIMIT:
            outbox.append(kilobyte)

        before = outbox.stats()
        with pytest.raises(OutboxFull, match="outbox_max_bytes"):
            outbox.append([message("small"), message("x", size=2000)])
        after = outbox.stats()

        assert (after.count, after.bytes) == (before.count, before.bytes)
        assert (after.refused_updates, after.refused_evidence, after.refused_full) == (1, 1, 1)
        outbox.forget([entry.id for entry in outbox.peek(300)])
        assert outbox.append([message("u", Importance.UPDATE)]).stored == 1


def test_an_incident_is_stored_with_its_pictures_or_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.put_incident(incident(evidence=(evidence(),)), [JPEG])
        with pytest.raises(MessageRefused):
            outbox.put_incident(incident(1, phase=Phase.UPDATED, seq=1, evidence=(evidence(masked=False),)), [JPEG])

        assert [entry.message.content_type.partition(";")[0] for entry in outbox.peek(9)] == [
            "application/cloudevents+json",
            "image/jpeg",
        ]


def test_age_is_that_of_the_oldest_and_does_not_go_below_zero(tmp_path: Path) -> None:
    clock = FakeClock()
    with Outbox(tmp_path / "o.db", LIMIT, clock) as outbox:
        assert outbox.stats().oldest_age == 0
        outbox.append([message("a")])
        clock.advance(30)
        outbox.append([message("b")])
        assert outbox.stats().oldest_age == pytest.approx(30)
        assert outbox.peek(2)[1].appended_at == clock.now()
        clock.step(-timedelta(hours=1).total_seconds())
        assert outbox.stats().oldest_age == 0


def test_a_message_set_aside_is_kept_but_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append([message("bad"), message("good")])
        outbox.set_aside(outbox.peek(1)[0].id, "too large")
    with opened(tmp_path) as outbox:
        assert texts(outbox) == ["good"]
        assert (outbox.stats().count, outbox.stats().set_aside) == (1, 1)


@pytest.mark.parametrize("damage", ["header", "middle", "text"])
def test_a_damaged_file_is_set_aside_and_replaced(tmp_path: Path, damage: str) -> None:
    with opened(tmp_path) as outbox:
        outbox.append([message(f"{n}", size=2000) for n in range(100)])
    file = tmp_path / "data" / "outbox.db"
    content = bytearray(file.read_bytes())
    if damage == "text":
        content = bytearray(b"this is no database\n" * 100)
    else:
        at = 0 if damage == "header" else 4096
        content[at : at + 4096] = os.urandom(4096)
    file.write_bytes(content)

    with opened(tmp_path) as outbox:
        assert texts(outbox) == []
        outbox.append([message("new")])
        assert texts(outbox) == ["new"]

    aside = list(file.parent.glob("outbox.db.corrupt-*"))
    assert [one.read_bytes() for one in aside] == [bytes(content)]


def test_a_second_owner_is_turned_away(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append([message("a")])
        with pytest.raises(OutboxError, match="in use"):
            opened(tmp_path)


def test_a_folder_that_cannot_be_made_and_a_closed_outbox_are_our_errors(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(OutboxError):
        opened(tmp_path)
    with pytest.raises(OutboxError, match="not open"):
        Outbox(tmp_path / "o.db", LIMIT, FakeClock()).append([message("a")])


def test_threads_may_append_peek_and_forget_together(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        seen: list[str] = []

        def write(name: str) -> None:
            for n in range(50):
                outbox.append([message(f"{name}{n}")])

        writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for writer in writers:
            writer.start()
        while len(seen) < 200:
            entries = outbox.peek(10)
            seen += [entry.message.payload.decode() for entry in entries]
            outbox.forget([entry.id for entry in entries])
        for writer in writers:
            writer.join()

        assert outbox.stats().count == outbox.stats().bytes == 0
        for name in "abcd":
            assert [text for text in seen if text[0] == name] == [f"{name}{n}" for n in range(50)]


_WRITER = """
import sys
from pathlib import Path
from gridwatch.bus import Outbox, OutgoingMessage
from gridwatch.domain import SystemClock
outbox = Outbox(Path(sys.argv[1]), 100_000_000, SystemClock())
outbox.open()
for n in range(1_000_000):
    pair = [OutgoingMessage(topic="t", payload=f"{n}{half}".ljust(3000).encode(), content_type="x") for half in "ab"]
    outbox.append(pair)
    print(n, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    file = tmp_path / "outbox.db"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        with writer.stdout:
            acknowledged = -1
            for line in writer.stdout:
                acknowledged = int(line)
                if acknowledged == 40:
                    os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert acknowledged >= 40

        with Outbox(file, LIMIT * 100, FakeClock()) as outbox:
            stored = texts(outbox)
            outbox.forget([entry.id for entry in outbox.peek(100_000)])
        # All that was acknowledged, at most one call more, and never half of a call.
        assert len(stored) in (2 * (acknowledged + 1), 2 * (acknowledged + 2))
        assert stored == [f"{n}{half}" for n in range(len(stored) // 2) for half in "ab"]
