"""The API over a real database: from a committed message to the stream, a case, its step and the audit."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import httpx
import pytest

from gridwatch.api import ApiServer, ApiServices, ApiSettings, Passwords, create_app
from gridwatch.cases import CaseLinker
from gridwatch.domain import Account, Incident, Observation, Phase, Role, SitePath, SystemClock, Unit
from gridwatch.store import Database
from tests.fixtures.api import CATEGORY, CHEAP, PASSWORD_HASH, ApiWorld, log_in, make_evidence, make_grid, make_incident
from tests.integration.api.sse import listen

JPEG = b"\xff\xd8\xff a picture"


@pytest.fixture
async def furnished(database: Database) -> Database:
    """The district of the fakes, in PostgreSQL."""
    memory = ApiWorld().store
    cameras = [replace(camera, health=None) for camera in memory.camera_records.values()]
    await database.sync_directory(
        list(memory.site_records.values()), cameras, [make_grid()], [Unit(code="u-1", name="Unit 1")]
    )
    for name, site in (("operator", "demo"), ("north", "demo/north"), ("auditor", "demo")):
        role = Role.AUDITOR if name == "auditor" else Role.OPERATOR
        await database.accounts.save_account(
            Account(name=name, role=role, site=SitePath.parse(site), password_hash=PASSWORD_HASH)
        )
    return database


def server_over(database: Database) -> ApiServer:
    services = ApiServices(
        directory=database.directory, archive=database.archive, log=database.events, cases=database.cases,
        accounts=database.accounts, audit=database.audit, holds=database.holds, counts=database.statistics,
        observations=database.observations,
    )  # fmt: skip
    settings = ApiSettings(categories={CATEGORY.id: CATEGORY})
    return ApiServer(create_app(services, settings, SystemClock(), Passwords(CHEAP)))


async def commit(database: Database, *incidents: Incident) -> None:
    linker = CaseLinker([CATEGORY], database, SystemClock())
    async with database.recording() as recording:
        await linker.link(await recording.add_messages(incidents), recording)


async def test_from_a_committed_message_to_a_step_and_the_audit(furnished: Database) -> None:
    sha = sha256(JPEG).hexdigest()
    raised = make_incident().with_evidence(replace(make_evidence(sha), bytes=len(JPEG)))
    server = server_over(furnished)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url) as client:
            login = await log_in(client, "operator")
            async with listen(server.url, login) as stream:
                await commit(furnished, raised)
                message = await stream.message()
            assert message["incident"]["id"] == str(raised.id)
            assert message["incident"]["evidence"][0]["sha256"] == sha
            case = (await client.get(f"/v1/cases/{UUID(message['case'])}", headers=login)).json()
            assert (case["grid"], case["step"], case["allowed"]) == (message["grid"], "file", ["dispatch"])
            url = f"/v1/incidents/{raised.id}/evidence/{sha}?reason=confirm"
            assert (await client.get(url, headers=login)).status_code == 404  # the bytes have not come yet
            assert await furnished.store_evidence(raised.id, sha, JPEG)
            assert (await client.get(url, headers=login)).content == JPEG
            step = {"to": "dispatch", "note": "to unit 1"}
            answers = [await client.post(f"/v1/cases/{case['id']}/steps", json=step, headers=login) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [200, 409]
            audit = (await client.get("/v1/audit", headers=await log_in(client, "auditor"))).json()
    finally:
        await server.close()
    assert [entry["action"] for entry in audit] == ["login", "case.step", "evidence.view", "login"]


async def test_resume_scope_and_pages_hold_in_sql_too(furnished: Database) -> None:
    for number in range(5):
        south = make_incident("demo/south", camera=f"south-{number}")
        north = make_incident("demo/north/gate", camera=f"north-{number}")
        await commit(furnished, south, north, replace(north, seq=1, phase=Phase.UPDATED))
    last_id, seen = "0", []
    for _ in range(2):  # each a new server, as after a restart
        server = server_over(furnished)
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url) as client:
                login = await log_in(client, "north")
                async with listen(server.url, login, last_id) as stream:
                    for _ in range(5):
                        message = await stream.message()
                        seen.append((message["incident"]["camera"], message["incident"]["seq"]))
                    last_id = stream.last_id
                rows, token = [], ""
                while token is not None:
                    params = {"limit": "2"} | ({"next": token} if token else {})
                    page = (await client.get("/v1/incidents", params=params, headers=login)).json()
                    rows += [row["incident"]["camera"] for row in page["items"]]
                    token = page["next"]
                beyond = await client.get("/v1/events/stream?last_event_id=16", headers=login)
        finally:
            await server.close()
        assert sorted(rows) == [f"north-{number}" for number in range(5)]
        assert beyond.status_code == 400
    assert seen == [(f"north-{number}", seq) for number in range(5) for seq in (0, 1)]


async def test_counts_and_observations_come_from_postgresql(furnished: Database) -> None:
    one = make_incident()
    await commit(furnished, one)
    minute = one.occurred_at.replace(second=0, microsecond=0)
    seen = Observation(
        camera="cam-1", site=SitePath.parse("demo/north/gate"), minute=minute, frames=9, analysed=8, detected=7,
        dropped=1, moving=0.5, fps=5.0, classes=(),
    )  # fmt: skip
    await furnished.observations.save([seen])
    server = server_over(furnished)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url) as client:
            login = await log_in(client, "north")
            period = {"since": minute.isoformat(), "until": (minute + timedelta(hours=1)).isoformat()}
            hours = await client.get("/v1/counts", params={**period, "bucket": "hour"}, headers=login)
            grids = await client.get("/v1/counts/grids", params=period, headers=login)
            minutes = await client.get("/v1/cameras/cam-1/observations", params=period, headers=login)
    finally:
        await server.close()
    assert [(kind["kind"], sum(kind["counts"])) for kind in hours.json()["items"]] == [(one.kind, 1)]
    assert [item["incidents"] for item in grids.json()["items"]] == [1]
    assert [row["frames"] for row in minutes.json()] == [9]
