"""A real server on a free port over the world of the unit tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from gridwatch.api import ApiServer
from tests.fixtures.api import ApiWorld, log_in


@asynccontextmanager
async def serving(world: ApiWorld, **settings: float) -> AsyncIterator[ApiServer]:
    """A fresh server over the world, as after a restart."""
    server = ApiServer(world.app(**settings), "127.0.0.1", 0)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def login_at(server: ApiServer, name: str) -> dict[str, str]:
    """Log in over the network."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        return await log_in(client, name)


@pytest.fixture
def world() -> ApiWorld:
    return ApiWorld()


@pytest.fixture
async def server(world: ApiWorld) -> AsyncIterator[ApiServer]:
    async with serving(world, heartbeat_s=0.05, session_check_s=0.05) as server:
        yield server
