"""A world for every test of the API."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fixtures.api import ApiWorld


@pytest.fixture
def world() -> ApiWorld:
    return ApiWorld()


@pytest.fixture
async def client(world: ApiWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client
