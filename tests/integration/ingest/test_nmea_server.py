"""NMEA over real TCP: servers that speak, fall silent, hang up, or are not there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gridwatch.domain import PositionFix, SystemClock
from gridwatch.ingest import NmeaReader, PositionsLost
from tests.fixtures.nmea import NmeaServer, gga, rmc
from tests.waiting import wait_until


@contextmanager
def reading(url: str, fixes: list[PositionFix], silence: float = 15.0) -> Iterator[tuple[NmeaReader, list[str]]]:
    """A reader in a thread, and why it ended."""
    reader = NmeaReader(url, SystemClock(), fixes.append, silence)
    ended: list[str] = []

    def run() -> None:
        try:
            reader.run_once()
            ended.append("stopped")
        except PositionsLost as error:
            ended.append(str(error))

    thread = threading.Thread(target=run, name="test-nmea")
    thread.start()
    try:
        yield reader, ended
    finally:
        reader.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_fixes_come_from_a_server_and_noise_is_counted() -> None:
    fixes: list[PositionFix] = []
    with NmeaServer() as server, reading(server.url, fixes) as (reader, ended):
        server.send(gga(121.4737, 31.2304), b"$GPGSV,1,1,00*79\r\n", b"\x00" * 5000 + b"\n", b"$GPRMC,1*00\r\n")
        for byte in rmc(-58.38155, -34.6036667):
            server.send(bytes([byte]))
        wait_until(lambda: len(fixes) >= 2, 5.0)
        assert [(one.position.lon, one.position.lat) for one in fixes] == [
            (pytest.approx(121.4737, abs=1e-6), pytest.approx(31.2304, abs=1e-6)),
            (pytest.approx(-58.38155, abs=1e-6), pytest.approx(-34.6036667, abs=1e-6)),
        ]
        assert {why: n for why, n in reader.refused.items() if n} == {"other": 1, "checksum": 1, "overlong": 1}
        assert ended == []
    assert ended == ["stopped"]


def test_a_server_that_hangs_up_is_lost_with_a_reason() -> None:
    with NmeaServer() as server, reading(server.url, []) as (_, ended):
        server.send(gga(1, 1))
        server.hang_up()
        wait_until(lambda: bool(ended), 5.0)
        assert "closed the connection" in ended[0]


def test_a_silent_server_is_lost() -> None:
    with NmeaServer() as server, reading(server.url, [], silence=0.2) as (_, ended):
        wait_until(lambda: bool(ended), 5.0)
        assert ended == [f"{server.url} is silent; check the receiver and its network"]


def test_no_server_is_lost_with_its_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(PositionsLost, match=f"{url} cannot be read: Connection refused"):
        NmeaReader(url, SystemClock(), [].append).run_once()
