"""Fixtures every test may use."""

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.broker", "tests.fixtures.rig", "tests.fixtures.gst_rtsp"]
