"""The API while its database hangs, is locked, or has no connection left: 503, and no wait without end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest

from gridwatch.api import ApiServer, ApiServices, ApiSettings, Passwords, create_app
from gridwatch.domain import Account, Role, SitePath, SystemClock
from gridwatch.store import Database
from tests.fixtures.api import CATEGORY, CHEAP, PASSWORD_HASH, log_in
from tests.integration.store.build import incident, record
from tests.integration.store.servers import Server, server_folder

ANSWER_S = 0.5
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_folder() as folder:
        server = Server(folder, {"fsync": "off"})
        yield server
        server.running.close(5.0)


@pytest.fixture
async def database(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    store = Database(dsn=server.running.dsn, pool_size=3, clock=CLOCK, evidence_dir=tmp_path_factory.mktemp("evidence"))
    await store.migrate()
    await store.open()
    for role in (Role.OPERATOR, Role.ADMINISTRATOR):
        await store.accounts.save_account(
            Account(name=role.value, role=role, site=SitePath.parse("d"), password_hash=PASSWORD_HASH)
        )
    yield store
    await store.close()


@asynccontextmanager
async def api_over(database: Database) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    services = ApiServices(
        directory=database.directory, archive=database.archive, log=database.events, cases=database.cases,
        accounts=database.accounts, audit=database.audit, holds=database.holds, counts=database.statistics,
        observations=database.observations,
    )  # fmt: skip
    settings = ApiSettings(categories={CATEGORY.id: CATEGORY}, answer_s=ANSWER_S)
    server = ApiServer(create_app(services, settings, CLOCK, Passwords(CHEAP)))
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=20.0) as client:
            yield client, await log_in(client, "administrator")
    finally:
        await server.close()


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_query_that_hangs_is_answered_and_so_are_those_without_a_connection(
    server: Server, database: Database
) -> None:
    """Somebody locks a table for good: more requests than the pool has connections, each is told."""
    async with api_over(database) as (client, login):
        with psycopg.connect(server.running.dsn) as other:
            other.execute("LOCK TABLE incident IN ACCESS EXCLUSIVE MODE")
            answers = await asyncio.gather(*(client.get("/v1/incidents", headers=login) for _ in range(6)))
            for answer in answers:
                assert_unavailable(answer)
            stream = await client.get("/v1/events/stream?site=nowhere", headers=login)
            assert stream.status_code in {403, 503}
        assert (await client.get("/v1/incidents", headers=login)).status_code == 200


async def test_a_server_that_hangs_is_answered_for_until_it_goes_on(server: Server, database: Database) -> None:
    await record(database, incident("before"))
    async with api_over(database) as (client, login):
        server.hang()
        try:
            paths = ("/v1/incidents", "/v1/cases", "/v1/sites", "/v1/events/stream", "/v1/audit")
            answers = await asyncio.gather(*(client.get(path, headers=login) for path in paths))
            for answer in answers:
                assert_unavailable(answer)
            assert (await client.get("/healthz")).status_code == 503
        finally:
            server.go_on()
        async with asyncio.timeout(20):
            while (answer := await client.get("/v1/incidents", headers=login)).status_code != 200:
                await asyncio.sleep(0.05)
        assert len(answer.json()["items"]) == 1
