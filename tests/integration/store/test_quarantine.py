"""Messages that could not be used: kept once each, bounded, taken out with a word in the audit."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from gridwatch.domain import AuditEntry, SystemClock
from gridwatch.store import BadMessage, Database, StoreError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUDIT = AuditEntry(at=NOON, account="ann", action="quarantine.discard", subject="quarantine/1", reason="a test")


def bad(payload: bytes, topic: str = "some/topic", *, kind: str | None = "text/plain") -> BadMessage:
    return BadMessage(topic=topic, content_type=kind, payload=payload, reason="not JSON")


async def test_the_beginning_of_anything_is_kept(database: Database) -> None:
    wrong = BadMessage(topic="bad\0topic", content_type="a\ud800b", payload=b"\0" * 100_000, reason="not\0JSON")
    await database.quarantine.add([wrong])
    [kept] = await database.quarantine.newest(10)
    assert (kept.topic, kept.content_type, kept.reason) == ("bad\N{REPLACEMENT CHARACTER}topic", "a?b", "not�JSON")
    assert (len(kept.payload), kept.bytes, kept.whole) == (65_536, 100_000, False)
    assert await database.quarantine.message(kept.id) == kept
    assert (await database.figures.summary()).quarantined == 1


async def test_what_comes_again_is_counted_and_kept_once(database: Database) -> None:
    await database.quarantine.add([bad(b"a"), bad(b"b"), bad(b"a")])
    await database.quarantine.add([bad(b"a")])
    await database.quarantine.add([bad(b"a", "other/topic"), bad(b"a", kind=None)])
    kept = {(one.topic, one.content_type, one.payload): one.seen for one in await database.quarantine.newest(10)}
    assert kept == {
        ("some/topic", "text/plain", b"a"): 3, ("some/topic", "text/plain", b"b"): 1,
        ("other/topic", "text/plain", b"a"): 1, ("some/topic", None, b"a"): 1,
    }  # fmt: skip


async def test_two_recorders_setting_aside_the_same_at_once_keep_it_once(database_dsn: str, tmp_path: Path) -> None:
    both = [Database(dsn=database_dsn, pool_size=2, clock=SystemClock(), evidence_dir=tmp_path) for _ in range(2)]
    for one in both:
        await one.open()
    try:
        messages = [bad(b"%d" % number) for number in range(100)]
        await asyncio.gather(both[0].quarantine.add(messages), both[1].quarantine.add(messages[::-1]))
        kept = await both[0].quarantine.newest(1000)
    finally:
        for one in both:
            await one.close()
    assert [one.seen for one in kept] == [2] * 100


async def test_the_oldest_make_room_for_the_newest_and_repeats_take_none(database: Database, database_dsn: str) -> None:
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO quarantine (at, last_at, topic, payload, bytes, reason, fingerprint)"
            " SELECT now(), now(), 't', '', 0, 'r', sha256(n::text::bytea) FROM generate_series(1, 10000) AS n"
        )
    for _ in range(5):
        await database.quarantine.add([bad(b"again")])
    numbers = [one.id for one in await database.quarantine.newest(20_000)]
    assert numbers == list(range(10_001, 1, -1)), "one went, for the one that is new"


async def test_a_message_leaves_only_with_a_word_in_the_audit(database: Database) -> None:
    await database.quarantine.add([bad(b"a")])
    [kept] = await database.quarantine.newest(10)
    refused = AuditEntry(at=NOON, account="nul\0", action="a", subject="s", reason="r")
    with pytest.raises(StoreError):
        await database.quarantine.remove(kept.id, refused)
    assert await database.quarantine.newest(10) == [kept]
    await database.quarantine.remove(kept.id, AUDIT)
    assert await database.quarantine.newest(10) == []
    assert await database.audit.entries(NOON, 10) == [AUDIT]
