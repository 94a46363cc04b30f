"""The demo, as a stranger gets it: a clean clone, an empty virtual environment, one command."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.fixtures.broker import BrokerControl
from tests.integration.app.conftest import broker_url
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
OURS = re.compile(r"gridwatch (demo|ingest|record|serve)|bin/postgres|mosquitto -c|iotcore")


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Whatever was started has ended, the grandchildren too."""
    before = {process.pid for process in ours()}
    yield
    wait_until(lambda: {process.pid for process in ours()} <= before, 10.0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Not pytest's own: every pytest closes that again to the user that PostgreSQL runs as under root."""
    with tempfile.TemporaryDirectory(prefix="gridwatch-acceptance-") as name:
        yield Path(name)


def ours() -> list[psutil.Process]:
    running = psutil.process_iter(["cmdline"])
    return [process for process in running if OURS.search(" ".join(process.info["cmdline"] or []))]


@pytest.mark.timeout(600)
def test_make_demo_works_in_a_clean_clone(open_folder: Path, nothing_left: None) -> None:
    clone = open_folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRIDWATCH_", "VIRTUAL_"))}
    environment.pop("MAKEFLAGS", None)
    done = subprocess.run(
        ["make", "demo", "FOR=60"], cwd=clone, env=environment, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checks = [line for line in done.stdout.splitlines() if line.startswith(("ok", "FAILED"))]
    assert len(checks) == 7, done.stdout
    assert all(line.startswith("ok") for line in checks), done.stdout
    assert "frame to MQTT subscriber  p50" in done.stdout
    print(done.stdout)  # noqa: T201  (the figures, with -rP)


@pytest.mark.timeout(120)
def test_the_demo_works_without_mosquitto(nothing_left: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gridwatch", "demo", "--for", "25", "--broker", "embedded"],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broker      embedded (not durable" in done.stdout


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_stopped_or_killed_leaves_no_process(
    open_folder: Path, nothing_left: None, number: signal.Signals
) -> None:
    output = open_folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gridwatch", "demo", "--keep", str(open_folder / "kept")], stdout=file, stderr=file
        )
    try:
        wait_until(lambda: "cameras up 4/4" in output.read_text(), 60.0)
        process.send_signal(number)
        assert process.wait(10.0) == (-number if number is signal.SIGKILL else 0)
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_uses_the_database_and_the_broker_it_is_given_again_and_again(
    empty_database_dsn: str, own_mosquitto: BrokerControl, nothing_left: None
) -> None:
    given = {**os.environ, "GRIDWATCH_DSN": empty_database_dsn, "GRIDWATCH_MQTT": broker_url(own_mosquitto)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "gridwatch", "demo", "--for", "25"],
            env=given, capture_output=True, text=True, timeout=80, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the one GRIDWATCH_DSN names" in done.stdout
        assert "the one GRIDWATCH_MQTT names" in done.stdout
