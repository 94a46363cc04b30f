"""`gridwatch hold` and `gridwatch retention` as a person runs them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from gridwatch.app.hold_command import end_of
from gridwatch.app.keeping_cli import holds, retention
from gridwatch.domain import Account, GridwatchError, IncidentFilter, Role, SitePath, SystemClock, UsageError
from gridwatch.store import Database
from tests.fixtures.api import PASSWORD, PASSWORD_HASH, make_incident
from tests.integration.app.conftest import MakeSettings

DEMO = SitePath.parse("demo")
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def furnished(database: Database) -> Database:
    """Two incidents, one of 40 and one of 200 days ago, and who may decide about them."""
    now = SystemClock().now()
    for days in (40, 200):
        one = make_incident(at=now - timedelta(days=days), site="demo/east", camera="square")
        async with database.recording() as recording:
            await recording.add_messages([replace(one, observed_at=one.occurred_at)])
    for role in (Role.ADMINISTRATOR, Role.OFFICER):
        await database.accounts.save_account(
            Account(name=role.value, role=role, site=DEMO, password_hash=PASSWORD_HASH)
        )  # fmt: skip
    return database


@pytest.fixture
def run(settings: MakeSettings, database_dsn: str) -> Run:
    config = ["--config", str(settings("demo", dsn=database_dsn).path)]

    async def call(group: Typer, *arguments: str, password: str = PASSWORD) -> Result:
        invoke = partial(
            CliRunner().invoke, group, [*arguments, *config], input=password + "\n", env={"COLUMNS": "300"}
        )
        return await asyncio.to_thread(invoke)

    return call


async def ids(database: Database) -> list[str]:
    return [str(one.incident.id) for one in await database.archive.incidents(IncidentFilter(scope=DEMO), None, 10)]


async def test_a_hold_stops_a_run_by_hand_until_it_is_released(furnished: Database, run: Run) -> None:
    young, old = await ids(furnished)
    add = ["add", "--account", "administrator", "--reason", "a complaint", "--person", "Inspector Wang"]
    placed = await run(holds, *add, "--incident", old, "--until", "2099-12-31")
    number = placed.output.split()[1].rstrip(":")
    listed = await run(holds, "list", "--account", "administrator")
    assert number in listed.output
    assert "Inspector Wang" in listed.output
    looked = await run(retention, "run", "--dry-run")
    assert looked.output.splitlines()[3].replace("│", " ").split()[-3:] == ["0", "0", "1"], looked.output
    assert "deleted 0 incidents" in (await run(retention, "run", "--now")).output
    freed = await run(holds, "release", number, "--account", "administrator", "--reason", "settled")
    assert "released" in freed.output
    assert "deleted 1 incidents, 1 messages" in (await run(retention, "run", "--now")).output
    assert await ids(furnished) == [young]
    assert "0 files taken up" in (await run(retention, "adopt")).output


@pytest.mark.parametrize(
    ("arguments", "password", "says"),
    [
        (["--now", "--older-than", "20", "--account", "administrator"], PASSWORD, "30 days at least; 20 days are"),
        (["--now", "--older-than", "35", "--account", "administrator"], "wrong", "no account 'administrator' has this"),
        (["--now", "--older-than", "35", "--account", "officer"], PASSWORD, "the role officer may not delete before"),
        (["--now", "--older-than", "35"], PASSWORD, "give --account and --reason"),
        (["--now", "--dry-run"], PASSWORD, "give --dry-run to look or --now to delete"),
        ([], PASSWORD, "give --dry-run to look or --now to delete"),
    ],
)
async def test_who_may_not_delete_or_too_much_deletes_nothing(
    furnished: Database, run: Run, arguments: list[str], password: str, says: str
) -> None:
    reason = ["--reason", "the purpose is met"] if "--account" in arguments else []
    done = await run(retention, "run", *arguments, *reason, password=password)
    assert isinstance(done.exception, GridwatchError)
    assert says in str(done.exception)
    assert len(await ids(furnished)) == 2


def test_a_day_is_held_to_its_end_where_the_district_is() -> None:
    assert end_of("2028-03-26", "Europe/Berlin") == datetime(2028, 3, 26, 22, tzinfo=UTC)
    assert end_of("2028-02-29", "Asia/Shanghai") == datetime(2028, 2, 29, 16, tzinfo=UTC)
    assert end_of("2028-02-29", None) == datetime(2028, 3, 1, tzinfo=UTC)
    assert end_of("2028-02-29T18:00+08:00", None) == datetime(2028, 2, 29, 10, tzinfo=UTC)
    for wrong in ("2027-02-29", "tomorrow", "2028-02-29T18:00"):
        with pytest.raises(UsageError, match="--until"):
            end_of(wrong, None)
