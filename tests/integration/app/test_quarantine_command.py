"""`gridwatch quarantine`: what was set aside is shown, tried again, and thrown away by who may, with a reason."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from gridwatch.api import hash_password
from gridwatch.app.opening import make_database
from gridwatch.app.quarantine_command import (
    Decision,
    discard,
    quarantined,
    quarantined_message,
    replay,
    show_list,
    show_message,
)
from gridwatch.bus import encode_incident
from gridwatch.config import Settings
from gridwatch.domain import Account, AuditEntry, IncidentFilter, Position, Role, SitePath, SystemClock, UsageError
from gridwatch.store import BadMessage, Database
from tests.integration.app.conftest import MakeSettings
from tests.unit.bus.samples import incident

CLOCK = SystemClock()
PASSWORD = "correct horse battery"
SITE = SitePath(district="q", substation="east")
GOOD = encode_incident(incident(1, site=SITE, position=Position(lon=0.5, lat=0.5)))


def message(payload: bytes = GOOD.payload, topic: str = GOOD.topic, kind: str = GOOD.content_type) -> BadMessage:
    return BadMessage(topic=topic, content_type=kind, payload=payload, reason="an older version could not read it")


def decision(*numbers: int, account: str = "ann", password: str = PASSWORD, reason: str = "version 2 reads it"):
    return Decision(numbers=numbers, account=account, password=password, reason=reason)


@cache
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
async def chosen(settings: MakeSettings, database_dsn: str) -> Settings:
    """A deployment with an administrator and an operator, whose directory is in the database."""
    made = settings("q", dsn=database_dsn)
    database = make_database(made, CLOCK)
    await database.open()
    for name, role, site in (
        ("ann", Role.ADMINISTRATOR, "q"), ("ola", Role.OPERATOR, "q"), ("eve", Role.ADMINISTRATOR, "q/east"),
    ):  # fmt: skip
        account = Account(name=name, role=role, site=SitePath.parse(site), password_hash=password_hash())
        await database.accounts.save_account(account)
    await database.sync_directory(made.sites, [], made.grids, [one.to_domain() for one in made.deployment.units])
    await database.close()
    return made


async def audited(database: Database) -> list[AuditEntry]:
    entries = await database.audit.entries(datetime(2000, 1, 1, tzinfo=UTC), 50)
    return [one for one in reversed(entries) if one.action.startswith("quarantine.")]


async def test_what_can_be_read_now_is_recorded_with_its_case_and_leaves(chosen: Settings, database: Database) -> None:
    await database.quarantine.add([message()])
    [kept] = await database.quarantine.newest(10)
    assert [one.reason for one in await replay(chosen, decision(), CLOCK)] == [None]
    [record] = await database.archive.incidents(IncidentFilter(scope=SitePath(district="q")), None, 10)
    assert record.case is not None
    assert await database.quarantine.newest(10) == []
    [entry] = await audited(database)
    assert (entry.account, entry.action) == ("ann", "quarantine.replay")
    assert entry.subject == f"quarantine/{kept.id} {GOOD.topic}"
    assert entry.reason == "version 2 reads it (recorded)"


async def test_what_is_wrong_still_stays_with_the_new_reason(chosen: Settings, database: Database) -> None:
    await database.quarantine.add([message(b"{"), message(), message(b"\xff\xd8\xff" + b"x" * 70_000, "q/evidence")])
    results = {one.number: one.reason for one in await replay(chosen, decision(), CLOCK)}
    assert [reason is None for reason in results.values()].count(True) == 1
    left = await database.quarantine.newest(10)
    assert len(left) == 2
    assert {one.id: one.reason for one in left} == {k: v for k, v in results.items() if v is not None}
    assert {re.sub(r"\d+", "N", one.reason)[:40] for one in left} == {
        "Invalid JSON: EOF while parsing an objec", "only N of its N bytes were kept: an olde",
    }  # fmt: skip
    assert sum("(stays: " in one.reason for one in await audited(database)) == 2


async def test_replaying_again_what_is_recorded_records_nothing_twice(chosen: Settings, database: Database) -> None:
    for _ in range(2):
        await database.quarantine.add([message()])
        assert [one.reason for one in await replay(chosen, decision(), CLOCK)] == [None]
    assert await database.events.head() == 1


async def test_who_may_not_and_who_says_not_why_changes_nothing(chosen: Settings, database: Database) -> None:
    await database.quarantine.add([message()])
    [kept] = await database.quarantine.newest(10)
    for action, wrong, says in (
        (replay, decision(kept.id, account="ola"), "only an administrator of the whole district"),
        (discard, decision(kept.id, account="eve"), "only an administrator of the whole district"),
        (replay, decision(kept.id, account="nobody"), "no account 'nobody' has this password"),
        (discard, decision(kept.id, password="guess"), "no account 'ann' has this password"),
        (replay, decision(kept.id, reason=" "), "give a reason"),
        (discard, decision(kept.id, reason="x"), "give a reason"),
        (replay, decision(kept.id, kept.id + 1), f"no message {kept.id + 1} in the quarantine"),
        (discard, decision(kept.id, kept.id + 1), f"no message {kept.id + 1} in the quarantine"),
    ):
        with pytest.raises(UsageError, match=says):
            await action(chosen, wrong, CLOCK)
    with pytest.raises(UsageError, match="name the messages"):
        await discard(chosen, decision(), CLOCK)
    assert await database.quarantine.newest(10) == [kept]
    assert await audited(database) == []


async def test_discarding_removes_the_named_ones_only(chosen: Settings, database: Database) -> None:
    await database.quarantine.add([message(b"a"), message(b"b")])
    second, first = await database.quarantine.newest(10)
    assert await discard(chosen, decision(first.id, reason="a test of ours"), CLOCK) == [first.id]
    assert await database.quarantine.newest(10) == [second]
    [entry] = await audited(database)
    assert (entry.account, entry.action, entry.reason) == ("ann", "quarantine.discard", "a test of ours")


async def test_nothing_shown_is_obeyed_by_a_terminal(chosen: Settings, database: Database) -> None:
    await database.quarantine.add([message(b"\x1b[2J\x9b boo", "t/\x1b[31m"), message(b'{"a": "\\u001b[2J"}')])
    console = Console(record=True, width=200, color_system=None)
    listed = await quarantined(chosen, 10, CLOCK)
    show_list(listed, console)
    for one in listed:
        show_message(await quarantined_message(chosen, one.id, CLOCK), console)
    text = console.export_text(styles=False)
    assert not {c for c in text if c != "\n" and not c.isprintable()}
    assert "1b 5b 32 4a 9b 20 62 6f 6f" in text
    assert '"a": "\\u001b[2J"' in text


async def test_the_commands(chosen: Settings, database: Database) -> None:
    await database.quarantine.add([message(b"{")])
    [kept] = await database.quarantine.newest(10)
    number = str(kept.id)
    who = ["--account", "ann", "--reason", "a test"]

    async def run(arguments: Sequence[str], code: int) -> str:
        command = [sys.executable, "-m", "gridwatch", "quarantine", *arguments, "--config", str(chosen.path)]
        done = await asyncio.to_thread(
            subprocess.run, command, input=f"{PASSWORD}\n", capture_output=True, text=True, check=False, timeout=60,
            cwd=Path(__file__).parents[3], env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout

    assert "an older version could not read it" in await run(["list"], 0)
    assert f"{number}: stays, Invalid JSON" in await run(["replay", number, *who], 1)
    assert f"{number}: discarded" in await run(["discard", number, *who], 0)
    assert await database.quarantine.newest(10) == []
