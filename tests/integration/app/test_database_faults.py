"""The recorder while its database fills its disk, fails over, or takes no writes: nothing is lost or doubled."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from structlog.testing import capture_logs

from gridwatch.bus import Outbox
from gridwatch.domain import Incident, SystemClock
from tests.fixtures.broker import BrokerControl
from tests.integration.app.conftest import MakeSettings
from tests.integration.app.test_record import eventually, publishing, raised, recording
from tests.integration.store.servers import Server, program, server_folder

pytestmark = pytest.mark.slow
CLOCK = SystemClock()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox", 10_000_000, CLOCK)


def stored(dsn: str) -> Counter[tuple[str, int]]:
    with psycopg.connect(dsn) as connection:
        return Counter(map(tuple, connection.execute("SELECT incident_id::text, seq FROM incident_message").fetchall()))


def once(incidents: list[Incident]) -> Counter[tuple[str, int]]:
    return Counter((str(one.id), one.seq) for one in incidents)


def said(logs: list[dict[str, object]], words: str) -> Callable[[], bool]:
    return lambda: any(one["event"] == "database_away" and words in str(one["reason"]) for one in logs)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}M,mode=755", "gridwatch-test", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    block = bytes(1 << 20)
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(block) == len(block):
                pass
        except OSError:
            pass


async def test_a_full_disk_stops_recording_until_there_is_room(
    settings: MakeSettings, mosquitto: BrokerControl, outbox: Outbox
) -> None:
    made = [raised("rec-full", number) for number in range(600)]
    with server_folder() as folder, small_disk(folder, 160):
        server = Server(folder, {"max_wal_size": "32MB", "min_wal_size": "32MB", "fsync": "off"})
        try:
            async with (
                recording(settings("rec-full", broker=mosquitto, dsn=server.running.dsn)) as role,
                publishing(mosquitto, outbox, "rec-full") as put,
            ):
                put(made[0])
                await eventually(lambda: role.recorder.counts.stored == 1)
                await asyncio.to_thread(fill, folder / "ballast")
                with capture_logs() as logs:
                    for one in made[1:]:
                        put(one)
                    await eventually(said(logs, "No space left on device"))
                (folder / "ballast").unlink()
                await eventually(lambda: role.recorder.counts.stored == len(made), timeout=60)
            assert stored(server.running.dsn) == once(made)
            assert role.recorder.counts.quarantined == 0
        finally:
            server.running.close(5.0)


class Standby:
    """A copy of a server that follows it, and may take its place."""

    def __init__(self, primary: Server, folder: Path) -> None:
        self._data = folder / "pgdata"
        socket = primary.directory / "socket"
        program("pg_basebackup", "-h", str(socket), "-U", "postgres", "-D", str(self._data), "-R", "-c", "fast")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        program("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(folder / "log"), "-w", "start")

    def promote(self) -> None:
        program("pg_ctl", "-D", str(self._data), "-w", "promote")

    def stop(self) -> None:
        program("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")


async def test_after_a_failover_it_goes_on_with_the_new_server(
    settings: MakeSettings, mosquitto: BrokerControl, outbox: Outbox
) -> None:
    made = [raised("rec-over", number) for number in range(40)]
    with server_folder() as first, server_folder() as second:
        server = Server(first)
        standby = await asyncio.to_thread(Standby, server, second)
        try:
            with psycopg.connect(server.running.dsn, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
            hosts = ",".join(quote(str(one), safe="") for one in (first / "socket", second))
            async with (
                recording(settings("rec-over", broker=mosquitto, dsn=f"postgresql://postgres@/gridwatch?host={hosts}"))
                as role,
                publishing(mosquitto, outbox, "rec-over") as put,
            ):  # fmt: skip
                for one in made[:20]:
                    put(one)
                await eventually(lambda: role.recorder.counts.stored == 20)
                await asyncio.to_thread(server.kill)
                for one in made[20:]:
                    put(one)
                await eventually(lambda: outbox.stats().count == 0)
                await asyncio.to_thread(standby.promote)
                await eventually(lambda: role.recorder.counts.stored == 40, timeout=40)
            assert stored(f"postgresql://postgres@/gridwatch?host={quote(str(second), safe='')}") == once(made)
        finally:
            standby.stop()
            server.running.close(5.0)


async def test_a_server_that_takes_no_writes_is_waited_for_and_nothing_is_set_aside(
    settings: MakeSettings, mosquitto: BrokerControl, outbox: Outbox
) -> None:
    """As after a failover: what is still connected to the old server must not call sound messages bad."""
    made = [raised("rec-read", number) for number in range(10)]

    def read_only(value: str) -> None:
        with psycopg.connect(server.running.dsn, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    with server_folder() as folder:
        server = Server(folder, {"fsync": "off"})
        try:
            async with (
                recording(settings("rec-read", broker=mosquitto, dsn=server.running.dsn)) as role,
                publishing(mosquitto, outbox, "rec-read") as put,
            ):
                put(made[0])
                await eventually(lambda: role.recorder.counts.stored == 1)
                await asyncio.to_thread(read_only, "on")
                with capture_logs() as logs:
                    for one in made[1:]:
                        put(one)
                    await eventually(said(logs, ""))
                await asyncio.to_thread(read_only, "off")
                await eventually(lambda: role.recorder.counts.stored == len(made), timeout=40)
            assert role.recorder.counts.quarantined == 0
            assert stored(server.running.dsn) == once(made)
        finally:
            server.running.close(5.0)
