"""The embedded server: starts, keeps its data, and never outlives its owner."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from gridwatch.app.embedded_postgres import EmbeddedPostgresError, start_postgres
from gridwatch.domain import SystemClock


@pytest.fixture
def directory() -> Iterator[Path]:
    # pytest's own temporary directory is closed to the user the server runs as.
    path = Path(tempfile.mkdtemp(prefix="gridwatch-test-embedded-"))
    yield path
    shutil.rmtree(path)


class HastyClock(SystemClock):
    """Patience runs out at the second look."""

    def __init__(self) -> None:
        self._looks = itertools.count()

    def monotonic(self) -> float:
        return next(self._looks) * 60.0


def servers_of(directory: Path) -> list[psutil.Process]:
    cluster = str(directory / "pgdata")
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == cluster or cluster in (process.info["cmdline"] or [])
    ]


def test_data_survive_a_restart_and_no_process_is_left(directory: Path) -> None:
    for expected in ([], [(1,)]):
        running = start_postgres(directory)
        with psycopg.connect(running.dsn) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
            assert connection.execute("SELECT * FROM kept").fetchall() == expected
            connection.execute("INSERT INTO kept VALUES (1)")
        assert servers_of(directory)
        running.close(10.0)
        assert not servers_of(directory)
        running.close(10.0)


def test_it_listens_on_no_network_address_and_its_socket_is_private(directory: Path) -> None:
    running = start_postgres(directory)
    try:
        assert psutil.Process(running.pid).net_connections("inet") == []
        assert (directory / "socket").stat().st_mode & 0o077 == 0
    finally:
        running.close(10.0)


def test_a_path_too_long_for_a_socket_works_and_leaves_nothing_outside(directory: Path) -> None:
    deep = directory / ("deep" * 20) / ("deeper" * 10)
    deep.mkdir(parents=True)
    running = start_postgres(deep)
    with psycopg.connect(running.dsn) as connection:
        socket_dir = connection.info.host
        assert connection.execute("SELECT 1").fetchone() == (1,)
    running.close(10.0)
    assert not Path(socket_dir).exists()


def test_a_second_start_on_the_same_data_is_refused_and_the_first_goes_on(
    directory: Path,
) -> None:
    running = start_postgres(directory)
    try:
        with pytest.raises(EmbeddedPostgresError, match=f"in use by process {running.pid}"):
            start_postgres(directory, clock=HastyClock())
        with psycopg.connect(running.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        running.close(10.0)


def test_a_setting_it_does_not_know_is_quoted_from_its_log(directory: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        start_postgres(directory, settings={"no_such_setting": "1"})
    assert not servers_of(directory)


def test_it_may_be_started_from_a_thread_that_ends(directory: Path) -> None:
    started = []
    starter = threading.Thread(target=lambda: started.append(start_postgres(directory)))
    starter.start()
    starter.join(30.0)
    try:
        with psycopg.connect(started[0].dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        started[0].close(10.0)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_it_ends_when_its_owner_is_killed_and_starts_again_at_once(directory: Path) -> None:
    code = (
        "import sys, pathlib; from gridwatch.app.embedded_postgres import start_postgres;"
        "print(start_postgres(pathlib.Path(sys.argv[1])).pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        server = 0
        for line in owner.stdout:
            if line.strip().isdigit():
                server = int(line)
                break
        processes = [psutil.Process(server), *psutil.Process(server).children()]
        os.kill(owner.pid, signal.SIGKILL)
    running = start_postgres(directory)
    assert psutil.wait_procs(processes, timeout=10.0)[1] == []
    running.close(10.0)
    assert not servers_of(directory)
