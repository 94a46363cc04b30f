"""The record role between a real Mosquitto and a real PostgreSQL."""

import asyncio
import copy
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import paho.mqtt.publish
import pytest

from gridwatch.app.embedded_postgres import start_postgres
from gridwatch.app.record import BATCH, RecordRole, SessionRefused, ensure_session
from gridwatch.bus import Outbox, Publisher
from gridwatch.config import Settings
from gridwatch.detectors.evidence import snapshot
from gridwatch.domain import (
    Frame,
    Incident,
    IncidentFilter,
    IncidentKind,
    Phase,
    Position,
    Severity,
    SitePath,
    SystemClock,
    incident_id,
)
from gridwatch.store import Database
from tests.fixtures.broker import BrokerControl
from tests.fixtures.proxy import FaultProxy
from tests.integration.app.conftest import MakeSettings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLOCK = SystemClock()
GREY = Frame(
    camera="square", index=0, pts=0.0, captured_at=NOON, arrived_at=NOON, image=np.full((48, 64, 3), 90, np.uint8)
)


def raised(district: str, number: int, *, lon: float = 0.5) -> Incident:
    at = NOON + timedelta(seconds=number)
    return Incident(
        id=incident_id(at, district, str(number)), kind=IncidentKind.INTRUSION, severity=Severity.MAJOR,
        phase=Phase.RAISED, seq=0, site=SitePath.parse(f"{district}/east"), camera="square", rule="fence",
        position=Position(lon=lon, lat=0.5), occurred_at=at, observed_at=at, boxes=(), score=0.5, count=1, evidence=(),
        detector=None,
    )  # fmt: skip


async def eventually(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def recording(settings: Settings) -> AsyncIterator[RecordRole]:
    """The role, running."""
    role = RecordRole(settings, f"recorder-{settings.deployment.district.id}", CLOCK)
    stop = asyncio.Event()
    task = asyncio.create_task(role.run(stop))
    try:
        await eventually(lambda: role.subscribed)
        yield role
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """Not pytest's own: that is closed to the user the server runs as."""
    with tempfile.TemporaryDirectory(prefix="gridwatch-test-pg-") as name:
        yield Path(name)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox", 10_000_000, CLOCK)


@asynccontextmanager
async def publishing(broker: BrokerControl, outbox: Outbox, district: str) -> AsyncIterator[Callable[..., None]]:
    """`put(incident)` into an outbox that is sent to the broker."""
    outbox.open()
    site = SitePath(district=district)
    publisher = Publisher(outbox, broker.address, client_id=f"p-{district}", node="n", site=site, clock=CLOCK)
    publisher.start()

    def put(incident: Incident, *pictures: bytes) -> None:
        outbox.put_incident(incident, pictures)
        publisher.wake()

    try:
        yield put
    finally:
        await asyncio.to_thread(publisher.close, 3.0)
        outbox.close()


def publish_raw(broker: BrokerControl, topic: str, payload: bytes) -> None:
    """With a client that is not ours."""
    config = broker.config
    assert config.password is not None
    paho.mqtt.publish.single(
        topic, payload, qos=1, hostname=broker.address.host, port=broker.address.port,
        auth={"username": config.username or "", "password": config.password.get_secret_value()},
    )  # fmt: skip


async def test_an_incident_and_its_picture_end_in_a_case(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, database: Database, outbox: Outbox
) -> None:
    shot = snapshot(GREY, [], [], ())
    incident = raised("rec-a", 1).with_evidence(shot.evidence)
    async with (
        recording(settings("rec-a", broker=mosquitto, dsn=database_dsn)) as role,
        publishing(mosquitto, outbox, "rec-a") as put,
    ):
        put(incident, shot.jpeg)
        put(replace(incident, phase=Phase.CLEARED, seq=1))
        await eventually(lambda: role.recorder.counts.stored == 2 and role.recorder.counts.pictures == 1)
        assert role.recorder.counts.filed == 1
    [record] = await database.archive.incidents(IncidentFilter(scope=SitePath.parse("rec-a")), None, 10)
    assert record.incident.phase is Phase.CLEARED
    assert record.grid == "310101001001001"
    assert record.case is not None
    files = settings("rec-a").deployment.services.data_dir / "evidence"
    assert [path.read_bytes() for path in files.rglob("*") if path.is_file()] == [shot.jpeg]


async def test_it_checks_the_pictures_that_are_kept_and_tells_of_a_changed_one(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, database: Database
) -> None:
    sha = sha256(b"was stored").hexdigest()
    config = settings("rec-j", broker=mosquitto, dsn=database_dsn)
    folder = config.deployment.services.data_dir / "evidence"
    store = Database(dsn=database_dsn, pool_size=1, clock=CLOCK, evidence_dir=folder)
    await store.open()
    assert await store.store_evidence(raised("rec-j", 1).id, sha, b"was stored")
    await store.close()
    (folder / sha[:2] / sha).write_bytes(b"was changed")
    async with recording(config), asyncio.timeout(20):
        while not any(one.action == "evidence.damaged" for one in await database.audit.entries(NOON, 50)):
            await asyncio.sleep(0.02)


async def test_messages_that_cannot_be_read_are_set_aside_and_stop_nothing(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, database: Database, outbox: Outbox
) -> None:
    async with (
        recording(settings("rec-b", broker=mosquitto, dsn=database_dsn)) as role,
        publishing(mosquitto, outbox, "rec-b") as put,
    ):
        put(raised("rec-b", 1))
        await eventually(lambda: role.recorder.counts.stored == 1)
        for payload in (b"", b"{", b"\xff", b"[]", b"{}" * 100):
            publish_raw(mosquitto, "gridwatch/v1/rec-b/east/-/square/incident/intrusion", payload)
        publish_raw(mosquitto, "gridwatch/v1/rec-b/east/-/square/evidence/nonsense", b"x")
        publish_raw(mosquitto, "gridwatch/v1/rec-b/east/-/square/state", b"up")
        put(raised("rec-b", 2))
        await eventually(lambda: role.recorder.counts.stored == 2 and role.recorder.counts.quarantined == 7)
    assert (await database.figures.summary()).quarantined == 7


async def test_the_same_message_twice_is_stored_once(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, outbox: Outbox
) -> None:
    async with (
        recording(settings("rec-c", broker=mosquitto, dsn=database_dsn)) as role,
        publishing(mosquitto, outbox, "rec-c") as put,
    ):
        for number in (1, 2, 1, 2, 3):
            put(raised("rec-c", number))
        await eventually(lambda: role.recorder.counts.stored == 3)
        assert (role.recorder.counts.stored, role.recorder.counts.filed, role.recorder.counts.joined) == (3, 1, 2)


async def test_what_happens_while_the_recorder_is_away_is_recorded_when_it_is_back(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, outbox: Outbox
) -> None:
    chosen = settings("rec-d", broker=mosquitto, dsn=database_dsn)
    async with publishing(mosquitto, outbox, "rec-d") as put:
        async with recording(chosen) as role:
            put(raised("rec-d", 1))
            await eventually(lambda: role.recorder.counts.stored == 1)
        for number in range(2, 30):
            put(raised("rec-d", number))
        await eventually(lambda: outbox.stats().count == 0)
        async with recording(chosen) as role:
            await eventually(lambda: role.recorder.counts.stored == 28)


async def test_a_database_killed_in_the_middle_loses_nothing(
    settings: MakeSettings, mosquitto: BrokerControl, outbox: Outbox, postgres_folder: Path
) -> None:
    folder = postgres_folder
    postgres = start_postgres(folder)
    dsn = postgres.dsn
    try:
        async with (
            recording(settings("rec-e", broker=mosquitto, dsn=dsn)) as role,
            publishing(mosquitto, outbox, "rec-e") as put,
        ):
            for number in range(1, 21):
                put(raised("rec-e", number))
            await eventually(lambda: role.recorder.counts.stored > 0)
            await asyncio.to_thread(postgres.close, 0.0)
            for number in range(21, 41):
                put(raised("rec-e", number))
            await eventually(lambda: outbox.stats().count == 0)
            postgres = await asyncio.to_thread(start_postgres, folder)
            assert postgres.dsn == dsn
            await eventually(lambda: role.recorder.counts.stored == 40, timeout=40)
        database = Database(dsn=dsn, pool_size=2, clock=CLOCK, evidence_dir=folder / "evidence")
        await database.open()
        try:
            assert len(await database.figures.message_ids()) == 40
        finally:
            await database.close()
    finally:
        postgres.close(5.0)


async def test_reconnects_while_the_database_is_away_do_not_pile_up_what_comes_again(
    settings: MakeSettings, mosquitto: BrokerControl, outbox: Outbox, postgres_folder: Path
) -> None:
    postgres = start_postgres(postgres_folder)
    try:
        with FaultProxy(mosquitto.address.port) as link:
            chosen = settings("rec-i", broker=through(mosquitto, link), dsn=postgres.dsn)
            async with recording(chosen) as role, publishing(mosquitto, outbox, "rec-i") as put:
                await asyncio.to_thread(postgres.close, 0.0)
                for number in range(1, 701):
                    put(raised("rec-i", number))
                for _ in range(3):
                    await eventually(lambda: role.subscribed, timeout=40)
                    link.reset()
                    await eventually(lambda: not role.subscribed)
                await eventually(lambda: role.subscribed, timeout=40)
                postgres = await asyncio.to_thread(start_postgres, postgres_folder)
                await eventually(lambda: role.recorder.counts.stored == 700, timeout=40)
                # At most what was in the works when it came again.
                assert role.recorder.counts.duplicates <= BATCH
    finally:
        postgres.close(5.0)


def through(broker: BrokerControl, link: FaultProxy) -> BrokerControl:
    """The same broker by another way."""
    other = copy.copy(broker)
    other.config = broker.config.model_copy(update={"url": f"mqtt://127.0.0.1:{link.port}"})
    return other


async def test_an_incident_outside_every_grid_is_stored_without_a_case(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, database: Database, outbox: Outbox
) -> None:
    async with (
        recording(settings("rec-f", broker=mosquitto, dsn=database_dsn)) as role,
        publishing(mosquitto, outbox, "rec-f") as put,
    ):
        put(raised("rec-f", 1, lon=50.0))
        await eventually(lambda: role.recorder.counts.stored == 1)
        assert role.recorder.counts.filed == 0
    [record] = await database.archive.incidents(IncidentFilter(scope=SitePath.parse("rec-f")), None, 10)
    assert (record.grid, record.case) == (None, None)


async def test_what_is_published_before_the_recorder_first_runs_waits_for_it(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, outbox: Outbox
) -> None:
    chosen = settings("rec-g", broker=mosquitto, dsn=database_dsn)
    name = "recorder-rec-g"
    await asyncio.to_thread(ensure_session, chosen, CLOCK, threading.Event(), name)
    async with publishing(mosquitto, outbox, "rec-g") as put:
        put(raised("rec-g", 1))
        await eventually(lambda: outbox.stats().count == 0)
        async with recording(chosen) as role:
            await eventually(lambda: role.recorder.counts.stored == 1)


async def test_a_broker_that_does_not_know_the_recorder_is_reported(
    settings: MakeSettings, mosquitto: BrokerControl
) -> None:
    chosen = settings("rec-h")
    stranger = chosen.deployment.services.broker.model_copy(update={"url": mosquitto.config.url})
    services = chosen.deployment.services.model_copy(update={"broker": stranger})
    chosen = chosen.model_copy(update={"deployment": chosen.deployment.model_copy(update={"services": services})})
    with pytest.raises(SessionRefused, match="the recorder cannot subscribe"):
        await asyncio.to_thread(ensure_session, chosen, CLOCK, threading.Event())
