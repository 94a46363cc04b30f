"""The supervision of NMEA servers: shared by the cameras of a vehicle, found again, left in time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gridwatch.app.positions import Positions
from gridwatch.bus import BrokerAddress
from gridwatch.config import CameraConfig
from gridwatch.domain import Position, SystemClock
from tests.fixtures.nmea import NmeaServer, gga
from tests.waiting import wait_until

CLOCK = SystemClock()
NOBODY = BrokerAddress(host="127.0.0.1", port=1)


def camera(name: str, server: str) -> CameraConfig:
    return CameraConfig.model_validate(
        {
            "id": name, "site": "d", "position": [0.5, 0.5], "source": {"rtsp": "rtsp://192.0.2.1/"},
            "moving": {"nmea": server},
        }
    )  # fmt: skip


@contextmanager
def following(*cameras: CameraConfig) -> Iterator[Positions]:
    positions = Positions(cameras, NOBODY, "node", CLOCK)
    positions.start()
    try:
        yield positions
    finally:
        positions.close(2.0)
        assert not [one.name for one in threading.enumerate() if one.name.startswith("positions-")]


def kept(positions: Positions) -> dict[str, int]:
    return {camera: counts.get("kept", 0) for camera, counts in positions.counts().items()}


def test_the_cameras_of_a_vehicle_share_one_connection_which_is_made_again_when_lost() -> None:
    with NmeaServer() as server:
        front, rear = camera("front", server.url), camera("rear", server.url)
        with following(front, rear) as positions:
            server.send(gga(121.0, 31.0))
            wait_until(lambda: kept(positions) == {"front": 1, "rear": 1}, 5.0)
            assert server.visits == 1
            server.hang_up()
            wait_until(lambda: server.visits == 2, 10.0)
            at = CLOCK.now()
            server.send(gga(121.0001, 31.0, at))
            wait_until(lambda: kept(positions) == {"front": 2, "rear": 2}, 5.0)
            expected = Position(lon=pytest.approx(121.0001), lat=pytest.approx(31.0))
            assert positions.of(front)(at) == positions.of(rear)(at) == expected


def test_a_server_that_is_not_there_holds_up_nobody() -> None:
    with following(camera("van", "tcp://127.0.0.1:1")) as positions:
        assert positions.of(camera("van", "tcp://127.0.0.1:1"))(CLOCK.now()) == Position(lon=0.5, lat=0.5)
