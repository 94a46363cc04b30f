"""The live stream over a real server: order, resume, scope, limits, endings."""

import asyncio

import httpx
import pytest

from gridwatch.api import ApiServer
from gridwatch.domain import IncidentKind, Role, Severity
from tests.fixtures.api import ApiWorld, add_account, make_incident
from tests.integration.api.conftest import login_at, serving
from tests.integration.api.sse import listen


async def test_a_message_arrives_as_it_is_committed(world: ApiWorld, server: ApiServer) -> None:
    world.store.append(make_incident())
    async with listen(server.url, await login_at(server, "operator")) as stream:
        world.store.append(make_incident(seq=1), grid="g")
        message = await stream.message()
    assert message["cursor"] == 2  # the first was before the connection
    assert message["incident"]["seq"] == 1
    assert message["grid"] == "g"
    assert message["incident"]["position"]["coordinates"] == [116.4, 39.9]


async def test_resuming_is_exact_across_a_restart_of_the_server(world: ApiWorld) -> None:
    seen: list[int] = []
    last_id = "0"
    for life in range(3):
        for seq in range(300):
            world.store.append(make_incident(seq=life * 1000 + seq))
        async with serving(world) as server:
            login = await login_at(server, "operator")
            async with listen(server.url, login, last_id) as stream:
                seen += await stream.cursors(250)  # more than one batch, fewer than there are
                last_id = stream.last_id
    assert seen == list(range(1, 751))


async def test_a_client_cut_off_before_its_first_message_misses_nothing(world: ApiWorld, server: ApiServer) -> None:
    login = await login_at(server, "operator")
    world.store.append(make_incident())
    async with listen(server.url, login) as stream:
        last_id = stream.last_id
    world.store.append(make_incident(seq=1))
    async with listen(server.url, login, last_id) as stream:
        assert await stream.cursors(1) == [2]


async def test_filtered_out_stretches_move_the_cursor(world: ApiWorld, server: ApiServer) -> None:
    login = await login_at(server, "operator")
    async with listen(server.url, login, "0", kind="crowding") as stream:
        for seq in range(450):
            world.store.append(make_incident(seq=seq))
        world.clock.advance(1)
        async with asyncio.timeout(5):
            while stream.last_id != "450":
                stream.comments.clear()
                world.clock.advance(1)
                await stream.comment("heartbeat")
        world.store.append(make_incident(kind=IncidentKind.CROWDING))
        assert await stream.cursors(1) == [451]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"site": "demo/north"}, [2, 3]),
        ({"kind": "crowding"}, [3, 4]),
        ({"kind": ["crowding", "intrusion"], "severity": "info"}, [4]),
        ({"last_event_id": "2"}, [3, 4]),
    ],
)
async def test_filters(world: ApiWorld, server: ApiServer, params: dict[str, str], expected: list[int]) -> None:
    world.store.append(make_incident("demo"))
    world.store.append(make_incident("demo/north"))
    world.store.append(make_incident("demo/north/gate", IncidentKind.CROWDING))
    world.store.append(make_incident("demo/south", IncidentKind.CROWDING, severity=Severity.INFO))
    login = await login_at(server, "operator")
    async with listen(server.url, login, None if "last_event_id" in params else "0", **params) as stream:
        assert await stream.cursors(len(expected)) == expected


async def test_the_header_wins_over_the_query(world: ApiWorld, server: ApiServer) -> None:
    for seq in range(3):
        world.store.append(make_incident(seq=seq))
    login = await login_at(server, "operator")
    async with listen(server.url, login, "2", last_event_id="0") as stream:
        assert await stream.cursors(1) == [3]


async def test_an_account_hears_its_subtree_only(world: ApiWorld, server: ApiServer) -> None:
    add_account(world.store, "north", Role.OFFICER, "demo/north")
    async with listen(server.url, await login_at(server, "north")) as stream:
        world.store.append(make_incident("demo"))
        world.store.append(make_incident("demo/south"))
        world.store.append(make_incident("demo/north"))
        world.store.append(make_incident("demo/north/gate"))
        assert await stream.cursors(2) == [3, 4]


@pytest.mark.parametrize("role", Role)
async def test_every_role_but_the_auditor_may_listen(world: ApiWorld, server: ApiServer, role: Role) -> None:
    login = await login_at(server, role)
    if role is Role.AUDITOR:
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/v1/events/stream", headers=login)).status_code == 403
        return
    async with listen(server.url, login) as stream:
        world.store.append(make_incident())
        assert await stream.cursors(1) == [1]


@pytest.mark.parametrize("cursor", ["-1", "1.5", "next", "", "2", "9" * 30, "0x1", "%D9%A1"])
async def test_a_cursor_that_cannot_be_is_explained(world: ApiWorld, server: ApiServer, cursor: str) -> None:
    world.store.append(make_incident())
    login = await login_at(server, "operator")
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.get(f"/v1/events/stream?last_event_id={cursor}", headers=login)
    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.json()["detail"]
    assert "without it" in answer.json()["remedy"] or "leave it out" in answer.json()["remedy"]


async def test_the_stream_ends_with_its_session(world: ApiWorld, server: ApiServer) -> None:
    login = await login_at(server, "operator")
    async with listen(server.url, login) as stream:
        world.clock.advance(12 * 3600)
        world.store.append(make_incident())
        await stream.end()
        assert "log in again" in stream.comments[-1]


async def test_the_stream_ends_when_the_account_is_moved(world: ApiWorld, server: ApiServer) -> None:
    login = await login_at(server, "operator")
    async with listen(server.url, login) as stream:
        add_account(world.store, "operator", Role.OPERATOR, "demo/south")
        world.clock.advance(1)
        world.store.append(make_incident("demo/north"))
        await stream.end()


async def test_a_silent_stream_beats(world: ApiWorld, server: ApiServer) -> None:
    async with listen(server.url, await login_at(server, "operator")) as stream:
        world.clock.advance(1)
        await stream.comment("heartbeat")


async def test_a_database_outage_is_waited_for_and_nothing_is_missed(world: ApiWorld, server: ApiServer) -> None:
    login = await login_at(server, "operator")
    async with listen(server.url, login) as stream:
        world.store.available = False
        world.store.append(make_incident())
        world.clock.advance(1)
        await stream.comment("database")
        world.store.available = True
        assert await stream.cursors(1) == [1]


async def test_streams_beyond_the_bound_are_refused_and_the_place_is_given_back(world: ApiWorld) -> None:
    async with serving(world, max_streams=1) as server:
        login = await login_at(server, "operator")
        async with httpx.AsyncClient(base_url=server.url) as client:
            async with listen(server.url, login):
                answer = await client.get("/v1/events/stream", headers=login)
                assert answer.status_code == 503
                assert answer.headers["retry-after"]
                assert "gridwatch_api_streams 1.0" in (await client.get("/metrics")).text
            async with asyncio.timeout(5):
                while "gridwatch_api_streams 0.0" not in (await client.get("/metrics")).text:
                    pass
        async with listen(server.url, login) as stream:
            world.store.append(make_incident())
            assert await stream.cursors(1) == [1]
