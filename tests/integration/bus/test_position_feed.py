"""Positions over a real Mosquitto, published by Debian's own client."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from gridwatch.bus import BrokerAddress, CameraPath, LinkState, PositionFeed
from gridwatch.domain import Position, PositionFix, SitePath, SystemClock
from tests.fixtures.broker import BrokerControl
from tests.waiting import wait_until

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def publish(broker: BrokerAddress, topic: str, message: str) -> None:
    program = shutil.which("mosquitto_pub")
    assert program, "install mosquitto-clients"
    account = ["-u", broker.username or "", "-P", broker.password or ""]
    command = [program, "-V", "5", "-q", "1", "-r", "-h", broker.host, "-p", str(broker.port), *account]
    subprocess.run([*command, "-t", topic, "-m", message], check=True, timeout=10)


def tell(broker: BrokerAddress, camera: str, lon: float, seconds: int, district: str = "feed") -> None:
    at = (AT + timedelta(seconds=seconds)).isoformat()
    message = {"camera": camera, "site": district, "position": {"lon": lon, "lat": 31.0}, "at": at}
    publish(broker, f"gridwatch/v1/{district}/-/-/{camera}/position", json.dumps(message))


@contextmanager
def following(broker: BrokerAddress, *cameras: str) -> Iterator[tuple[PositionFeed, list[tuple[str, PositionFix]]]]:
    taken: list[tuple[str, PositionFix]] = []
    paths = [CameraPath(site=SitePath(district="feed"), camera=camera) for camera in cameras]
    feed = PositionFeed(broker, "feed", paths, lambda camera, fix: taken.append((camera, fix)), SystemClock())
    feed.start()
    try:
        wait_until(lambda: feed.status.state is LinkState.CONNECTED, 10.0)
        yield feed, taken
    finally:
        feed.close(2.0)


def fix(lon: float, seconds: int) -> PositionFix:
    return PositionFix(at=AT + timedelta(seconds=seconds), position=Position(lon=lon, lat=31.0))


def test_positions_of_its_cameras_come_the_retained_one_first_and_bad_ones_are_counted(
    mosquitto: BrokerControl,
) -> None:
    broker = mosquitto.address
    tell(broker, "van-1", 121.1, 0)
    with following(broker, "van-1", "van-2") as (feed, taken):
        wait_until(lambda: len(taken) >= 1, 5.0)
        tell(broker, "van-3", 121.3, 1)
        publish(broker, "gridwatch/v1/feed/-/-/van-2/position", "here")
        publish(broker, "gridwatch/v1/feed/-/-/van-2/position", "")
        tell(broker, "van-2", 121.2, 2)
        wait_until(lambda: len(taken) >= 2, 5.0)
        assert taken == [("van-1", fix(121.1, 0)), ("van-2", fix(121.2, 2))]
        assert feed.malformed == 1


def test_after_the_broker_came_back_positions_come_again(own_mosquitto: BrokerControl) -> None:
    with following(own_mosquitto.address, "van-1") as (feed, taken):
        own_mosquitto.stop()
        wait_until(lambda: feed.status.state is LinkState.LOST, 10.0)
        own_mosquitto.start()
        wait_until(lambda: feed.status.state is LinkState.CONNECTED, 10.0)
        tell(own_mosquitto.address, "van-1", 121.5, 5)
        wait_until(lambda: len(taken) >= 1, 5.0)
        assert taken == [("van-1", fix(121.5, 5))]
