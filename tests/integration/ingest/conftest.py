"""Fixtures of the ingest tests."""

from collections.abc import Iterator

import pytest

from tests.integration.ingest.canned import Serve, canned_devices


@pytest.fixture
def refusals() -> list[str]:
    """The operations that a device of `serve` answered with 401."""
    return []


@pytest.fixture
def serve(refusals: list[str]) -> Iterator[Serve]:
    """Starts devices of canned answers."""
    with canned_devices(refusals) as start:
        yield start
