"""Cameras of patrol vehicles in the ingest role: real video, a real NMEA server, a real Mosquitto."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs

from gridwatch.app.ingest import IngestRole
from gridwatch.bus import Channel, Delivery, LinkState, Subscriber, decode_incident, subscriptions
from gridwatch.domain import Incident, IncidentKind, Position, SitePath, SystemClock
from gridwatch.rig import Rig, VirtualCamera
from tests.fixtures.broker import BrokerControl
from tests.fixtures.nmea import NmeaServer, gga
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.app.conftest import MakeSettings
from tests.waiting import wait_until

CLOCK = SystemClock()
STREET = Path(__file__).parents[3] / "samples/streams/pets2009-s2l1-street.mp4"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TICK = 0.1
NAMES = ("car", "van", "boat", "lost")
DEGREES_A_SECOND = 0.0001
"""11 m/s on the equator."""


def place_at(moment: datetime) -> Position:
    """Where all vehicles are, to and fro over a tenth of a degree."""
    way = (moment - EPOCH).total_seconds() * DEGREES_A_SECOND % 0.2
    return Position(lon=0.3 + min(way, 0.2 - way), lat=-0.25)


@contextmanager
def driving(server: NmeaServer, broker: BrokerControl, cameras: Rig, district: str) -> Iterator[None]:
    """Ten times a second, vehicles say by NMEA, by MQTT and by ONVIF where they are."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(broker.address.username, broker.address.password)
    client.connect(broker.address.host, broker.address.port)
    client.loop_start()
    stopped = threading.Event()

    def drive() -> None:
        while not stopped.wait(TICK):
            now = CLOCK.now()
            here = place_at(now)
            message = {
                "camera": "van", "site": f"{district}/east", "at": now.isoformat(),
                "position": {"lon": here.lon, "lat": here.lat},
            }  # fmt: skip
            client.publish(f"gridwatch/v1/{district}/east/-/van/position", json.dumps(message), qos=1, retain=True)
            server.send(gga(here.lon, here.lat, now))
            cameras.set_position("boat", here.lon, here.lat)

    thread = threading.Thread(target=drive, name="vehicles")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(15)
        client.disconnect()
        client.loop_stop()


@contextmanager
def listening(broker: BrokerControl, district: str) -> Iterator[list[Incident]]:
    heard: list[Incident] = []

    def take(delivery: Delivery) -> None:
        if "/incident/" in delivery.topic:
            heard.append(decode_incident(delivery.topic, delivery.payload, delivery.content_type))

    # Pictures too: the publisher keeps trying what nobody takes.
    filters = subscriptions(SitePath(district=district), Channel.INCIDENT, Channel.EVIDENCE)
    subscriber = Subscriber(broker.address, f"watch-{district}", filters, take, persistent=False, clock=CLOCK)
    subscriber.start()
    try:
        wait_until(lambda: subscriber.status.state is LinkState.CONNECTED, 5.0)
        yield heard
    finally:
        subscriber.close(2.0)


def camera(rig: Rig, name: str, moving: dict[str, object]) -> dict[str, object]:
    return {
        "id": name,
        "moving": moving,
        "source": {"onvif": {"url": rig.onvif_url(name), "username": USERNAME, "password": PASSWORD}},
        "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        "rules": [{"id": "any", "kind": "intrusion", "zone": "all", "dwell_seconds": 1}],
    }


@pytest.mark.timeout(90)
def test_what_a_patrol_sees_is_where_the_patrol_was(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig
) -> None:
    cameras = rig(*(VirtualCamera(id=name, clip=STREET, username=USERNAME, password=PASSWORD) for name in NAMES))
    with (
        NmeaServer() as server,
        driving(server, mosquitto, cameras, "moving"),
        listening(mosquitto, "moving") as heard,
    ):
        sources = [
            camera(cameras, "car", {"nmea": server.url}),
            camera(cameras, "van", {"mqtt": True}),
            camera(cameras, "boat", {"onvif": True}),
            camera(cameras, "lost", {"mqtt": True}),
        ]
        chosen = settings("moving", broker=mosquitto, cameras=sources)
        role = IngestRole(chosen.deployment, chosen.deployment.cameras, "node-moving", CLOCK)
        role.start()
        try:
            wait_until(lambda: {one.camera for one in intrusions(heard)} == set(NAMES), 40.0)
        finally:
            with capture_logs() as logs:
                role.close()
    (counts,) = (one["cameras"] for one in logs if one["event"] == "positions_stopped")
    # As often as it tells by events, and not as seldom as it is asked.
    assert counts["boat"]["kept"] > counts["car"]["kept"] / 2
    for one in intrusions(heard):
        if one.camera == "lost":
            assert one.position == Position(lon=0.5, lat=0.5)
            continue
        # The newest fix may be some ticks old, on a busy machine many.
        assert one.position.lat == pytest.approx(-0.25, abs=1e-6)
        assert one.position.lon == pytest.approx(place_at(one.occurred_at).lon, abs=DEGREES_A_SECOND)


def intrusions(heard: list[Incident]) -> list[Incident]:
    return [one for one in list(heard) if one.kind is IncidentKind.INTRUSION]
