"""Starting and stopping inside an event loop of somebody else."""

import asyncio
import contextlib
import signal
import socket
import threading
import time

import httpx
import pytest

from gridwatch.api import ApiServer, CannotListen, ServerFailed
from tests.fixtures.api import ApiWorld, make_incident
from tests.integration.api.conftest import login_at
from tests.integration.api.sse import listen


async def test_it_listens_on_the_port_it_names(world: ApiWorld) -> None:
    server = ApiServer(world.app(), "127.0.0.1", 0)
    assert server.port == 0
    await server.start()
    try:
        assert server.port > 0
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{server.url}/healthz")).status_code == 200
    finally:
        await server.close()
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as client:
            await client.get(f"{server.url}/healthz")


async def test_open_streams_end_when_it_closes(world: ApiWorld) -> None:
    server = ApiServer(world.app(), "127.0.0.1", 0)
    await server.start()
    login = await login_at(server, "operator")
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(listen(server.url, login)) for _ in range(3)]
        started = time.perf_counter()
        await server.close()
        assert time.perf_counter() - started < 2
        for stream in streams:
            await stream.end()
    await server.wait()
    await server.close()


async def test_a_client_that_does_not_read_cannot_hold_it_open(world: ApiWorld) -> None:
    for seq in range(8000):
        world.store.append(make_incident(seq=seq))
    server = ApiServer(world.app(), "127.0.0.1", 0)
    await server.start()
    token = (await login_at(server, "operator"))["Authorization"]
    request = f"GET /v1/events/stream?last_event_id=0 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(request.encode())
        sent = await stuck_at(server)
        assert 0 < sent < 8000
        started = time.perf_counter()
        await server.close()
        assert time.perf_counter() - started < 4


async def stuck_at(server: ApiServer) -> float:
    """Messages sent once no more go out between twenty looks."""
    seen: list[float] = []
    async with httpx.AsyncClient(base_url=server.url) as client, asyncio.timeout(10):
        while len(seen) < 20 or seen[-20] != seen[-1] or not seen[-1]:
            lines = (await client.get("/metrics")).text.splitlines()
            seen.append(
                float(next(li for li in lines if li.startswith("gridwatch_api_stream_messages_total")).split()[1])
            )
    return seen[-1]


async def test_it_leaves_signals_and_threads_as_they_were(world: ApiWorld) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = ApiServer(world.app(), "127.0.0.1", 0)
    await server.start()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    await login_at(server, "operator")
    await server.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("argon2")]
    assert {task.get_name() for task in asyncio.all_tasks()} & {"api-server", "stream-wait", "api-server-up"} == set()


async def test_a_port_in_use_is_said_with_the_remedy(world: ApiWorld) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port}.*services\.api\.port"):
            await ApiServer(world.app(), "127.0.0.1", port).start()


async def test_an_address_that_is_not_ours_is_said(world: ApiWorld) -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1"):
        await ApiServer(world.app(), "192.0.2.1", 0).start()


async def test_an_app_that_does_not_start_is_an_error_not_an_exit(world: ApiWorld) -> None:
    app = world.app()

    @contextlib.asynccontextmanager
    async def lifespan(_app: object):  # type: ignore[no-untyped-def]
        raise RuntimeError("no")
        yield

    app.router.lifespan_context = lifespan
    with pytest.raises(ServerFailed, match="did not start"):
        await ApiServer(app, "127.0.0.1", 0).start()


async def test_closing_what_never_started_is_fine(world: ApiWorld) -> None:
    await ApiServer(world.app()).close()
