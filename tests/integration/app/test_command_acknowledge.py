"""Commands through a Mosquitto that holds every account to its own name, into a real PostgreSQL."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from gridwatch.api.views import IncidentRecordView
from gridwatch.app.record import RecordRole
from gridwatch.bus import (
    CameraPath,
    CommandClient,
    LinkState,
    NoAnswer,
    Outbox,
    Publisher,
    Reply,
    Subscriber,
    answer_filter,
    command_filter,
)
from gridwatch.config import Settings, load_settings
from gridwatch.domain import (
    Acknowledge,
    Command,
    IncidentFilter,
    Outcome,
    SitePath,
    SystemClock,
    TakeSnapshot,
    Wish,
)
from gridwatch.store import Database
from tests.fixtures.acl_broker import PASSWORD, AclBroker, acl_broker
from tests.integration.app.test_record import eventually
from tests.integration.bus.parts import Collector
from tests.unit.bus.samples import incident
from tests.waiting import wait_until

CLOCK = SystemClock()
NORTH = SitePath.parse("harbour/north")
CAMERA = CameraPath(site=NORTH, camera="gate-1")
OFFICER = "officer@harbour/north"


def write_settings(folder: Path, broker: dict[str, object], dsn: str) -> Settings:
    document = {
        "version": 1,
        "district": {
            "id": "harbour", "name": "Harbour", "broker": {"host": "127.0.0.1"},
            "substations": [{"id": "north", "name": "North"}, {"id": "south", "name": "South"}],
        },
        "services": {
            "data_dir": str(folder / "data"), "broker": broker, "database": {"dsn": dsn}, "commands": {"enabled": True}
        },
    }  # fmt: skip
    path = folder / "gridwatch.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_settings(path)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[AclBroker]:
    deployment = write_settings(tmp_path, {}, "postgresql://nobody@/none").deployment
    with acl_broker(deployment, tmp_path / "mosquitto") as running:
        yield running


def wish(what: Wish, account: str = OFFICER, **changes: object) -> Command:
    now = CLOCK.now()
    fields = {
        "id": uuid4(), "site": NORTH, "camera": "gate-1", "account": account, "wish": what, "reason": "for a test",
        "asked_at": now, "expires_at": now + timedelta(minutes=1),
    }  # fmt: skip
    return Command(**(fields | changes))  # type: ignore[arg-type]


def ask(broker: AclBroker, asked: Command, login: str | None = None, timeout: float = 10.0) -> Reply:
    place = CameraPath(site=asked.site, camera=asked.camera)
    with CommandClient(broker.address(login or asked.account), asked.account, place, CLOCK) as client:
        return client.request(asked, timeout)


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
    ("login", "account", "site"),
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
    broker: AclBroker, login: str, account: str, site: str
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
            ask(broker, wish(TakeSnapshot(), account, site=SitePath.parse(site)), login)
        with pytest.raises(NoAnswer, match="no answer within"):
            ask(broker, wish(TakeSnapshot()), timeout=0.3)
        assert [one.topic.rpartition("/")[2] for one in heard.deliveries] == ["officer@harbour:north"]
    finally:
        recorder.close(2.0)


async def test_an_acknowledgement_is_in_the_database_once_with_an_audit_and_others_do_not_hear_of_it(
    broker: AclBroker, database: Database, database_dsn: str, tmp_path: Path
) -> None:
    login = {"url": f"mqtt://127.0.0.1:{broker.port}", "username": "recorder@harbour", "password": PASSWORD}
    happened = incident(site=NORTH)
    other = Collector()
    curious = Subscriber(
        broker.address("officer@harbour/south"), "curious", [answer_filter(SitePath(district="harbour")) + "/#"], other,
        persistent=False, clock=CLOCK,
    )  # fmt: skip
    async with recording(write_settings(tmp_path, login, database_dsn)) as role:
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
    login = {"url": f"mqtt://127.0.0.1:{broker.port}", "username": "recorder@harbour", "password": PASSWORD}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gridwatch", "command", *arguments, "--broker", str(login["url"]), "--username",
             OFFICER], input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=60, env=os.environ, check=False,
        )  # fmt: skip

    async with recording(write_settings(tmp_path, login, database_dsn)):
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
