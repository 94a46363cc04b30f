"""Commands through a Mosquitto that holds every account to its own name, into a real PostgreSQL."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.api.views import IncidentRecordView
from gridwatch.app.record import RecordRole
from gridwatch.bus import (
    LinkState,
    NoAnswer,
    Outbox,
    Publisher,
    Subscriber,
    answer_filter,
    command_filter,
)
from gridwatch.config import Settings
from gridwatch.domain import (
    Acknowledge,
    IncidentFilter,
    Outcome,
    SitePath,
    TakeSnapshot,
)
from gridwatch.store import Database
from tests.fixtures.acl_broker import PASSWORD, AclBroker, acl_broker
from tests.integration.app.commanding import CLOCK, NORTH, OFFICER, ask, login, wish, write_settings
from tests.integration.app.test_record import eventually
from tests.integration.bus.parts import Collector
from tests.unit.bus.samples import incident
from tests.waiting import wait_until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[AclBroker]:
    deployment = write_settings(tmp_path, {}).deployment
    with acl_broker(deployment, tmp_path / "mosquitto") as running:
        yield running


@asynccontextmanager
async def recording(settings: Settings) -> AsyncIterator[RecordRole]:
    role = RecordRole(settings, "recorder", CLOCK)
    stop = asyncio.Event()
    task = asyncio.create_task(role.run(stop))
    try:
        await eventually(lambda: role.subscribed and role.commands.subscribed)
        yield role
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


@pytest.mark.parametrize(
    ("who", "account", "site"),
    [
        ("officer@harbour/south", "officer@harbour/south", "harbour/north"),
        ("officer@harbour/south", OFFICER, "harbour/north"),
        ("officer@harbour/south", "operator@harbour", "harbour/south"),
        (OFFICER, OFFICER, "harbour"),
        ("ingest@harbour/north", OFFICER, "harbour/north"),
        ("vehicle@harbour/north", OFFICER, "harbour/north"),
        ("recorder@harbour", OFFICER, "harbour/north"),
    ],
)
def test_the_broker_lets_nobody_ask_elsewhere_or_in_the_name_of_another(
    broker: AclBroker, who: str, account: str, site: str
) -> None:
    heard = Collector()
    recorder = Subscriber(
        broker.address("recorder@harbour"), "ear", [command_filter(SitePath(district="harbour"))], heard,
        persistent=False, clock=CLOCK,
    )  # fmt: skip
    recorder.start()
    try:
        wait_until(lambda: recorder.status.state is LinkState.CONNECTED, 10.0)
        with pytest.raises(NoAnswer, match=r"does not let .* ask that .* \(code 0x87\)"):
            ask(broker, wish(TakeSnapshot(), account, site=SitePath.parse(site)), who)
        with pytest.raises(NoAnswer, match="no answer within"):
            ask(broker, wish(TakeSnapshot()), timeout=0.3)
        assert [one.topic.rpartition("/")[2] for one in heard.deliveries] == ["officer@harbour:north"]
    finally:
        recorder.close(2.0)


async def test_an_acknowledgement_is_in_the_database_once_with_an_audit_and_others_do_not_hear_of_it(
    broker: AclBroker, database: Database, database_dsn: str, tmp_path: Path
) -> None:
    recorder = login(broker, "recorder@harbour")
    happened = incident(site=NORTH)
    other = Collector()
    curious = Subscriber(
        broker.address("officer@harbour/south"), "curious", [answer_filter(SitePath(district="harbour")) + "/#"], other,
        persistent=False, clock=CLOCK,
    )  # fmt: skip
    async with recording(write_settings(tmp_path, recorder, database_dsn)) as role:
        curious.start()
        with Outbox(tmp_path / "outbox", 10_000_000, CLOCK) as outbox:
            publisher = Publisher(outbox, broker.address("ingest@harbour/north"), "p", "n", NORTH, CLOCK)
            publisher.start()
            outbox.put_incident(happened)
            publisher.wake()
            await eventually(lambda: role.recorder.counts.stored == 1)
            await asyncio.to_thread(publisher.close, 2.0)

        seen = wish(Acknowledge(incident=happened.id))
        first = await asyncio.to_thread(ask, broker, seen)
        again = await asyncio.to_thread(ask, broker, seen)
        late = await asyncio.to_thread(ask, broker, wish(Acknowledge(incident=happened.id), "operator@harbour"))
        await eventually(lambda: role.commands.clerk.counts.answered == 3)
        curious.close(2.0)

    assert first.answer.outcome is Outcome.DONE
    assert again.answer == first.answer
    assert late.answer.detail == first.answer.detail
    assert other.deliveries == []
    [record] = await database.archive.incidents(IncidentFilter(scope=NORTH), None, 10)
    assert record.acknowledgement == first.answer.detail
    [event] = await database.archive.history(happened.id)
    assert IncidentRecordView.of(event).model_dump(mode="json")["acknowledgement"]["by"] == OFFICER
    entries = await database.audit.entries(seen.asked_at - timedelta(minutes=1), 10)
    assert sorted((one.account, one.action) for one in entries) == [
        (OFFICER, "command.acknowledge"), (OFFICER, "command.acknowledge.done"),
        ("operator@harbour", "command.acknowledge"), ("operator@harbour", "command.acknowledge.done"),
    ]  # fmt: skip


async def test_the_command_line_says_who_acknowledged_and_fails_when_it_may_not(
    broker: AclBroker, database_dsn: str, tmp_path: Path
) -> None:
    recorder = login(broker, "recorder@harbour")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gridwatch", "command", *arguments, "--broker", str(recorder["url"]), "--username",
             OFFICER], input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=60, env=os.environ, check=False,
        )  # fmt: skip

    async with recording(write_settings(tmp_path, recorder, database_dsn)):
        unknown = await asyncio.to_thread(run, "acknowledge", "/harbour/north/-/gate-1", str(incident().id))
        wrong = await asyncio.to_thread(run, "acknowledge", "gate-1", str(incident().id))
        unheard = await asyncio.to_thread(
            run, "snapshot", "/harbour/north/-/gate-1", "--reason", "a test", "--timeout", "0.5"
        )

    assert unknown.returncode == 1
    assert f"unknown: camera gate-1 of harbour/north has no incident {incident().id}" in unknown.stderr
    assert wrong.returncode == 2
    assert "/district/substation/checkpoint/gate-1" in wrong.stderr
    assert unheard.returncode == 1
    assert "no answer within 0.5 s" in unheard.stderr
