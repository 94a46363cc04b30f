import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.bus import Appended, Importance, MessageRefused, Outbox, OutboxError, OutboxFull, OutgoingMessage
from gridwatch.domain import FakeClock, Phase
from tests.unit.bus.samples import JPEG, evidence, incident
from tests.waiting import wait_until

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
        outbox.append(kilobyte * 800)

        appended = outbox.append([message("u", Importance.UPDATE, 2000), message("e", Importance.EVIDENCE, 2000)])
        assert (appended.stored, appended.refused) == (1, 1)
        outbox.append(kilobyte * 97)
        assert outbox.append([message("e", Importance.EVIDENCE, 2000), message("last")]).stored == 1
        outbox.append(kilobyte * 79)

        before = outbox.stats()
        with pytest.raises(OutboxFull, match=r"outbox\.max_bytes"):
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


def test_calls_that_come_together_are_flushed_together_and_each_has_its_own_outcome(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append([message("x", size=974)] * 700)
        statements: list[str] = []
        outbox._file._db.set_trace_callback(statements.append)  # type: ignore[union-attr]
        outcomes: dict[str, object] = {}

        def write(name: str, size: int) -> None:
            try:
                outcomes[name] = outbox.append([message(name, size=size), message(name, Importance.UPDATE)])
            except OutboxFull as exc:
                outcomes[name] = exc

        threads = [
            threading.Thread(target=write, args=(f"{n}", 200_000 if n % 4 == 3 else 100), name=f"{n}") for n in range(8)
        ]
        with outbox._appending:  # as long as a flush takes
            for thread in threads:
                thread.start()
            wait_until(lambda: len(outbox._queue) == 8, 10)
        for thread in threads:
            thread.join()

        assert statements.count("COMMIT") == 1
        stored = texts(outbox)[700:]
        assert sorted(stored) == ["0", "1", "2", "4", "5", "6"]
        for name, outcome in outcomes.items():
            assert isinstance(outcome, OutboxFull) if name in "37" else outcome == Appended(stored=1, refused=1)


def test_incidents_are_flushed_to_the_disk_before_they_are_seen_and_deletions_with_the_next(tmp_path: Path) -> None:
    """A killed process loses nothing that the system has; a power cut loses what was not flushed."""
    with opened(tmp_path) as outbox:
        db = outbox._file._db
        assert db is not None
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        outbox.append([message("a")])
        assert (statements[0], statements[-1]) == ("PRAGMA synchronous = FULL", "COMMIT")
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        seen_while_flushing: list[str] = []
        reader = threading.Thread(target=lambda: seen_while_flushing.extend(texts(outbox)))
        with outbox._lock:  # held from the beginning of a transaction until its flush is over
            reader.start()
            reader.join(0.05)
            assert seen_while_flushing == []
        reader.join()
        assert seen_while_flushing == ["a"]
        outbox.forget([outbox.peek(1)[0].id])
        assert db.execute("PRAGMA synchronous").fetchone() == (1,)


_WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
from gridwatch.bus import Outbox, OutgoingMessage
from gridwatch.domain import SystemClock

def write(file, pipe, size):
    outbox = Outbox(file, 100_000_000, SystemClock())
    outbox.open()
    for n in range(1_000_000):
        texts = [f"{n}{half}".ljust(size).encode() for half in "ab"]
        pair = [OutgoingMessage(topic="t", payload=text, content_type="x") for text in texts]
        outbox.append(pair)
        os.write(pipe, b".")
        if n % 5 == 4:
            outbox.forget([entry.id for entry in outbox.peek(2)])

for seed in range(int(sys.argv[2])):
    chosen = random.Random(seed)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        write(Path(sys.argv[1]) / f"{seed}.db", writing, chosen.choice([1, 300, 3000, 20_000]))
    os.close(writing)
    acknowledged, wanted = 0, chosen.randrange(1, 40)
    while acknowledged < wanted:
        acknowledged += len(os.read(reading, 100))
    end = time.perf_counter() + chosen.uniform(0, 0.004)
    while time.perf_counter() < end:
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while got := os.read(reading, 100):
        acknowledged += len(got)
    os.close(reading)
    print(acknowledged, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9_at_any_moment(tmp_path: Path) -> None:
    seeds = 25
    done = subprocess.run(
        [sys.executable, "-c", _WRITERS, str(tmp_path), str(seeds)], stdout=subprocess.PIPE, text=True, check=True
    )
    acknowledged = [int(line) for line in done.stdout.splitlines() if line.isdigit()]
    assert len(acknowledged) == seeds
    for seed, count in enumerate(acknowledged):
        with Outbox(tmp_path / f"{seed}.db", LIMIT * 100, FakeClock()) as outbox:
            stored = texts(outbox)
            assert outbox.stats().damaged == outbox.stats().set_aside == 0
        first, last = int(stored[0][:-1]), int(stored[-1][:-1])
        assert stored == [f"{n}{half}" for n in range(first, last + 1) for half in "ab"]  # never half of a call
        # All that was acknowledged, at most one call more; what was forgotten is a pair of each five.
        assert last + 1 in (count, count + 1)
        assert first <= (count + 1) // 5
