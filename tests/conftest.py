"""Fixtures every test may use, and how often a test of real parts may be tried."""

import pytest

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.broker", "tests.fixtures.rig", "tests.fixtures.gst_rtsp"]

RETRIES = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests over real networks and processes be tried again, and be reported so: a busy machine loses datagrams.

    Tests of pure code get no second try.
    """
    for item in items:
        if {"integration", "acceptance"} & set(item.path.parts):
            item.add_marker(pytest.mark.flaky(reruns=RETRIES))
