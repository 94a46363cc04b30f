"""The supervision of NMEA servers and of cameras that are asked: shared by a vehicle, found again, left in time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gridwatch.app.positions import Positions
from gridwatch.bus import BrokerAddress
from gridwatch.config import CameraConfig
from gridwatch.domain import Position, PositionFix, SystemClock
from gridwatch.rig import Fault, Rig, VirtualCamera
from tests.fixtures.nmea import NmeaServer, gga
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
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


def boat(device: Rig, password: str = PASSWORD) -> CameraConfig:
    onvif = {"url": device.onvif_url("boat"), "username": USERNAME, "password": password}
    return CameraConfig.model_validate(
        {"id": "boat", "site": "d", "position": [0.5, 0.5], "source": {"onvif": onvif}, "moving": {"onvif": True}}
    )


@pytest.fixture
def device(rig: MakeRig, tiny_clip: Path) -> Rig:
    """A camera with a receiver, and without events."""
    one = VirtualCamera(id="boat", clip=tiny_clip, username=USERNAME, password=PASSWORD, has_events=False)
    running = rig(one)
    running.set_position("boat", 121.0, 31.0)
    return running


def test_a_camera_is_asked_where_it_is_and_again_after_it_was_gone(device: Rig) -> None:
    with capture_logs() as logs, following(boat(device)) as positions:
        wait_until(lambda: kept(positions)["boat"] >= 1, 10.0)
        device.set_fault("boat", Fault.DROP)
        wait_until(lambda: any(one["event"] == "positions_lost" for one in logs), 10.0)
        device.set_position("boat", 121.0001, 31.0)
        device.set_fault("boat", Fault.NONE)
        before = kept(positions)["boat"]
        wait_until(lambda: kept(positions)["boat"] > before, 15.0)
        assert positions.of(boat(device))(CLOCK.now()) == Position(lon=121.0001, lat=31.0)
    assert PASSWORD not in repr(logs)


def test_a_camera_with_metadata_tells_there_and_is_asked_less(rig: MakeRig, tiny_clip: Path) -> None:
    one = VirtualCamera(
        id="boat", clip=tiny_clip, username=USERNAME, password=PASSWORD, has_events=False, has_metadata=True
    )
    device = rig(one)
    device.set_position("boat", 121.0, 31.0)
    with capture_logs() as logs, following(boat(device)) as positions:
        wait_until(lambda: any(one["event"] == "metadata_connected" for one in logs), 10.0)
        began, before = CLOCK.monotonic(), kept(positions)["boat"]
        for i in range(1, 21):
            device.set_position("boat", 121.0 + i * 1e-5, 31.0)
            wait_until(lambda i=i: kept(positions)["boat"] >= before + i, 5.0)
        seconds = CLOCK.monotonic() - began
        wait_until(lambda: positions.of(boat(device))(CLOCK.now()) == Position(lon=121.0002, lat=31.0), 5.0)
    assert seconds < 10.0, "asking, once a second, cannot have told twenty"
    assert not [one for one in logs if one["event"] == "positions_lost"]


def test_what_the_camera_tells_by_events_is_taken_for_cameras_that_want_it(device: Rig) -> None:
    van = camera("van", "tcp://127.0.0.1:1")
    positions = Positions([boat(device), van], NOBODY, "node", CLOCK)
    fix = PositionFix(at=CLOCK.now(), position=Position(lon=7.0, lat=8.0))
    for name in ("boat", "van", "gate"):
        positions.told(name, fix)
    assert positions.of(boat(device))(fix.at) == fix.position
    assert positions.counts() == {"boat": {"kept": 1}, "van": {}}


def test_a_camera_that_refuses_us_is_said_and_is_where_the_deployment_has_it(device: Rig) -> None:
    with capture_logs() as logs, following(boat(device, "wrong")) as positions:
        wait_until(lambda: any(one["event"] == "positions_lost" for one in logs), 10.0)
        lost = [one["reason"] for one in logs if one["event"] == "positions_lost"]
        assert "refused the user name or password" in lost[0]
        assert positions.of(boat(device))(CLOCK.now()) == Position(lon=0.5, lat=0.5)
