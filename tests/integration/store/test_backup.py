"""Back-up and restore with PostgreSQL's own programs, as docs/backup.md says: whole, and to a point in time."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from gridwatch.app.embedded_postgres import _unprivileged_user
from gridwatch.cases import CaseLinker
from gridwatch.domain import Account, AuditEntry, CaseFilter, FakeClock, IncidentFilter, Role
from gridwatch.store import Database
from tests.integration.store.build import (
    CATEGORY,
    DISTRICT,
    INSIDE,
    START,
    fill_directory,
    incident,
    picture,
    record,
)
from tests.integration.store.servers import Server, program, server_folder, started_by_hand
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
CLOCK = FakeClock(START + timedelta(days=1))
DATA = b"a picture"
SHA = sha256(DATA).hexdigest()
ONE = incident("one", evidence=[picture(DATA)])
EVERYTHING = IncidentFilter(scope=DISTRICT)


@asynccontextmanager
async def opened(dsn: str, evidence: Path) -> AsyncIterator[Database]:
    database = Database(dsn=dsn, pool_size=3, clock=CLOCK, evidence_dir=evidence)
    await database.migrate()
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def live(database: Database) -> None:
    """A little of everything."""
    await fill_directory(database)
    async with database.recording() as recording:
        new = await recording.add_messages([ONE, incident("two", at=timedelta(minutes=1))])
        await CaseLinker([CATEGORY], database, CLOCK).link(new, recording)
    assert await database.store_evidence(ONE.id, SHA, DATA)
    await database.accounts.save_account(Account(name="ann", role=Role.AUDITOR, site=DISTRICT, password_hash="x"))
    await database.audit.record(AuditEntry(at=START, account="ann", action="login", subject="ann", reason=""))


async def state(database: Database) -> list[object]:
    """What a person would miss."""
    return [
        await database.archive.incidents(EVERYTHING, None, 100),
        await database.archive.history(ONE.id),
        await database.cases.cases(CaseFilter(scope=DISTRICT), None, 100),
        await database.directory.grids(),
        await database.directory.grids_at(CLOCK.now()),
        await database.accounts.account("ann"),
        await database.audit.entries(START, 100),
        await database.archive.evidence(ONE.id, SHA),
        await database.events.events(0, 100, EVERYTHING, 100),
        await database.events.head(),
    ]


def prepare(dsn: str, step: str) -> None:
    """What TimescaleDB wants before and after (docs/backup.md); nothing elsewhere."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        there = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'timescaledb'").fetchall()
        if there:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            connection.execute(f"SELECT timescaledb_{step}_restore()".encode())


async def test_a_dump_and_the_folder_bring_everything_back(
    database_dsn: str, empty_database_dsn: str, tmp_path: Path
) -> None:
    async with opened(database_dsn, tmp_path / "evidence") as database:
        await live(database)
        before = await state(database)
        with server_folder() as folder:
            file = folder / "gridwatch.dump"
            await asyncio.to_thread(program, "pg_dump", "-Fc", "-f", str(file), "-d", database_dsn)
            # What comes after the dump is not in it; its picture is copied, and harms nothing.
            late = incident("late", at=timedelta(hours=1), evidence=[picture(b"late")])
            await record(database, late)
            assert await database.store_evidence(late.id, sha256(b"late").hexdigest(), b"late")
            await asyncio.to_thread(shutil.copytree, tmp_path / "evidence", tmp_path / "restored")
            prepare(empty_database_dsn, "pre")
            restore = ["--exit-on-error", "--no-owner", "-d", empty_database_dsn, str(file)]
            await asyncio.to_thread(program, "pg_restore", *restore)
            prepare(empty_database_dsn, "post")
    async with opened(empty_database_dsn, tmp_path / "restored") as restored:
        assert await restored.migrate() == [], "the restored schema is known and whole"
        assert await state(restored) == before
        assert await restored.retention.adopt() == 1, "the picture that is newer than the dump"
        # It goes on: known messages are known, new ones get the next cursors, the audit is still append-only.
        assert await record(restored, ONE, late) == [late]
        assert await restored.events.head() == before[-1] + 1  # type: ignore[operator]
        assert restored.locate(INSIDE) is not None
        with psycopg.connect(empty_database_dsn) as connection, pytest.raises(psycopg.Error, match="append-only"):
            connection.execute("DELETE FROM audit")


async def test_a_base_backup_and_the_log_bring_back_any_moment(tmp_path: Path) -> None:
    with server_folder() as first, server_folder() as second, server_folder() as archive:
        server = Server(
            first, {"archive_mode": "on", "archive_command": f"test ! -f {archive}/%f && cp %p {archive}/%f"}
        )  # fmt: skip
        try:
            async with opened(server.running.dsn, tmp_path / "evidence") as database:
                socket = str(first / "socket")
                base = ["-h", socket, "-U", "postgres", "-D", str(second / "pgdata"), "-c", "fast"]
                await asyncio.to_thread(program, "pg_basebackup", *base)
                await live(database)
                before = await state(database)
                with psycopg.connect(server.running.dsn, autocommit=True) as connection:
                    connection.execute("SELECT pg_create_restore_point('before the mistake')")
                await record(database, incident("after", at=timedelta(hours=1)))
                with psycopg.connect(server.running.dsn, autocommit=True) as connection:
                    connection.execute("SELECT pg_switch_wal()")
            # In good order, so that the last segment is archived.
            server.running.close(20.0)
            signal_file = second / "pgdata" / "recovery.signal"
            signal_file.touch()
            user = _unprivileged_user()
            if user is not None:
                shutil.chown(signal_file, user.pw_uid, user.pw_gid)
            recovery = {
                "restore_command": f"cp {archive}/%f %p", "recovery_target_name": "before the mistake",
                "recovery_target_action": "promote",
            }  # fmt: skip
            with started_by_hand(second, recovery) as dsn:
                await asyncio.to_thread(until_it_takes_writes, dsn)
                async with opened(dsn, tmp_path / "evidence") as restored:
                    assert await state(restored) == before
                    assert await record(restored, incident("after", at=timedelta(hours=1)))
        finally:
            server.running.close(5.0)


def until_it_takes_writes(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        wait_until(lambda: connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,), 30.0)
