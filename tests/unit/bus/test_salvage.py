"""Damage of every kind to a file of the outbox: only what stands on the damaged bytes is lost."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.bus import Outbox, OutgoingMessage
from gridwatch.bus.salvage import PAGE, salvage
from gridwatch.domain import FakeClock, Phase
from tests.unit.bus.samples import incident

LIMIT = 50_000_000


def message(number: int, size: int) -> OutgoingMessage:
    body = f"{number}|".encode() + random.Random(number).randbytes(size)
    return OutgoingMessage(topic="gridwatch/v1/d/-/-/c/incident/intrusion", payload=body, content_type="x")


SENT = [message(n, 60_000 if n % 40 == 7 else 900) for n in range(400)]
"""Some as large as pictures, which span pages."""


def written(folder: Path, *, keep_log: bool = False) -> Path:
    """An outbox file with all of SENT; `keep_log`: as a killed process leaves it."""
    file = folder / "whole.db"
    outbox = Outbox(file, LIMIT, FakeClock())
    outbox.open()
    for start in range(0, len(SENT), 20):
        outbox.append(SENT[start : start + 20])
    if keep_log:
        copied = folder / "killed.db"
        for tail in ("", "-wal"):
            copied.with_name(copied.name + tail).write_bytes(file.with_name(file.name + tail).read_bytes())
        file = copied
    outbox.close()
    return file


def numbers(outbox: Outbox) -> list[int]:
    entries = outbox.peek(10_000)
    for entry in entries:
        assert entry.message == SENT[entry.id - 1]
    return [entry.id - 1 for entry in entries]


def overwrite(file: Path, at: int, content: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(content)


def touching(file: Path, page: int) -> set[int]:
    """Which of SENT stand on a page, told by searching for their bytes: a method that shares no code."""
    content = file.read_bytes()[(page - 1) * PAGE : page * PAGE]
    return {
        n for n, one in enumerate(SENT)
        if any(one.payload[at : at + 40] in content for at in range(0, len(one.payload) - 40, 40))
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_page_costs_only_the_messages_on_it(tmp_path: Path, seed: int) -> None:
    file = written(tmp_path)
    pages = file.stat().st_size // PAGE
    chosen = random.Random(seed)
    for page in (1, 2, *chosen.sample(range(3, pages + 1), 6)):
        damaged = tmp_path / f"damaged-{page}.db"
        damaged.write_bytes(file.read_bytes())
        overwrite(damaged, (page - 1) * PAGE, chosen.randbytes(PAGE))
        lost = touching(file, page)
        with Outbox(damaged, LIMIT, FakeClock()) as outbox:
            found = numbers(outbox)
            stats = outbox.stats()
        # The neighbour of a record may be cut with it, no more; a page that only leads to others costs nothing.
        assert set(found) >= set(range(len(SENT))) - lost
        assert found == sorted(found)
        assert len(found) + stats.damaged >= len(SENT) - (min(lost, default=1) == 0)


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_anywhere_never_bring_a_wrong_message(tmp_path: Path, seed: int) -> None:
    file = written(tmp_path)
    chosen = random.Random(seed)
    for at in chosen.sample(range(file.stat().st_size), 8):
        overwrite(file, at, bytes([chosen.randrange(256)]))
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        found = numbers(outbox)  # compares every byte
        assert len(found) >= len(SENT) - 8 * 5
        assert len(found) + outbox.stats().damaged == len(SENT)


def test_a_record_with_a_wrong_byte_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = written(tmp_path)
    at = file.read_bytes().index(SENT[200].payload[10:60])
    overwrite(file, at, b"\xff" if SENT[200].payload[10] != 0xFF else b"\0")
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        assert numbers(outbox) == [n for n in range(len(SENT)) if n != 200]
        stats = outbox.stats()
        assert (stats.set_aside, stats.damaged, stats.count) == (1, 1, len(SENT) - 1)
    assert not list(tmp_path.glob("*.corrupt-*"))  # the file as such is sound


def test_a_file_cut_short_keeps_what_is_before_the_cut(tmp_path: Path) -> None:
    file = written(tmp_path)
    size = file.stat().st_size
    os.truncate(file, size // 2 + 100)
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        found = numbers(outbox)
    assert len(found) > len(SENT) // 3
    assert found[:100] == list(range(100))


def test_a_file_that_is_no_database_is_kept_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    file = tmp_path / "o.db"
    for text in (b"this is no database\n" * 1000, os.urandom(100_000)):
        file.write_bytes(text)
        with Outbox(file, LIMIT, FakeClock()) as outbox:
            outbox.append(SENT[:1])
            assert outbox.stats().count == 1
        assert text in [one.read_bytes() for one in tmp_path.glob("o.db.corrupt-*")]
        file.unlink()


@pytest.mark.parametrize("where", ["header", "middle"])
def test_a_killed_process_and_a_damaged_log_lose_only_what_stands_there(tmp_path: Path, where: str) -> None:
    file = written(tmp_path, keep_log=True)
    log = file.with_name(file.name + "-wal")
    frames = (log.stat().st_size - 32) // (PAGE + 24)
    assert frames > 100
    overwrite(log, 0 if where == "header" else 32 + 60 * (PAGE + 24) + 500, os.urandom(32))
    # SQLite alone would end the log at its first damaged frame, without a word.
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        found = numbers(outbox)
    assert len(found) >= len(SENT) - 8


def test_open_incidents_survive_too(tmp_path: Path) -> None:
    file = tmp_path / "o.db"
    raised = [incident(n) for n in range(20)]
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        for one in raised:
            outbox.put_incident(one)
        outbox.put_incident(incident(3, phase=Phase.CLEARED, seq=1))
    overwrite(file, 0, os.urandom(100))
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        assert [one.latest for one in outbox.open_incidents()] == [one for one in raised if one != raised[3]]
        assert outbox.stats().count == 21


def test_what_was_delivered_does_not_come_back_with_the_rest(tmp_path: Path) -> None:
    file = written(tmp_path)
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        # Not from the first to the last, so that pages are joined, and what stood on them is left as it was.
        for step in (3, 2, 1):
            outbox.forget([one.id for one in outbox.waiting(10_000) if one.id <= 380][::step])
    overwrite(file, PAGE, os.urandom(PAGE))
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        assert numbers(outbox) == list(range(380, 400))


def test_a_file_damaged_while_in_use_is_mended_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "o.db"
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        for start in range(0, len(SENT), 20):
            outbox.append(SENT[start : start + 20])
        last = outbox.waiting(1, after=len(SENT) - 1)[0].id
        # The log goes to the file, then the cache of pages is outrun by reading all of them.
        outbox._file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        outbox._file._db.execute("PRAGMA shrink_memory")  # type: ignore[union-attr]
        lost = touching(file, 50)
        overwrite(file, 49 * PAGE, os.urandom(PAGE))
        assert set(numbers(outbox)) >= set(range(len(SENT))) - lost
        assert outbox.stats().damaged > 0
        outbox.append([OutgoingMessage(topic="t", payload=b"new", content_type="x")])
        assert outbox.waiting(9, after=last)[0].id == last + 1


@pytest.mark.parametrize("state", ["before", "linked", "log gone"])
def test_mending_that_was_interrupted_is_finished_by_the_next(tmp_path: Path, state: str) -> None:
    """As it stands on disk when the process is killed between two steps."""
    mended = written(tmp_path)
    file = tmp_path / "o.db"
    file.write_bytes(b"damaged")
    log = tmp_path / "o.db-wal"
    log.write_bytes(b"its log")
    (tmp_path / "o.db.mending").write_bytes(b"half of an earlier try")
    mended.rename(tmp_path / "o.db.mended")
    if state != "before":
        (tmp_path / "o.db.corrupt").hardlink_to(file)
    if state == "log gone":
        log.unlink()
    with Outbox(file, LIMIT, FakeClock()) as outbox:
        assert len(numbers(outbox)) == len(SENT)
        assert outbox.stats().damaged == 0
    assert (tmp_path / "o.db.corrupt").read_bytes() == b"damaged"


def test_only_the_latest_damaged_files_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "o.db"
    clock = FakeClock()
    for n in range(6):
        file.write_bytes(f"damage {n}".encode())
        with Outbox(file, LIMIT, clock):
            pass
        clock.advance(1)
    kept = sorted(tmp_path.glob("o.db.corrupt-*"))
    assert [one.read_bytes() for one in kept] == [b"damage 3", b"damage 4", b"damage 5"]


def hostile() -> list[Callable[[random.Random], tuple[bytes, bytes]]]:
    leaf = bytes([0x0D, 0, 0, 0, 200, 0, 0, 0])
    return [
        lambda r: (r.randbytes(10 * PAGE), r.randbytes(3 * PAGE)),
        lambda r: (b"".join(leaf + r.randbytes(PAGE - 8) for _ in range(10)), b""),
        lambda r: (b"", r.randbytes(r.randrange(100))),
        lambda r: (bytes(PAGE * 3), bytes(PAGE * 3)),
    ]


@pytest.mark.parametrize("kind", range(len(hostile())))
def test_no_bytes_make_it_raise_or_hang(kind: int) -> None:
    for seed in range(5):
        list(salvage(*hostile()[kind](random.Random(seed))))
