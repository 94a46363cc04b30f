"""From a virtual camera's input to a real broker, and what must never get that far."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridwatch.app.ingest import IngestRole
from gridwatch.bus import Channel, Delivery, LinkState, Subscriber, decode_incident, subscriptions
from gridwatch.config import Deployment
from gridwatch.domain import Incident, SitePath, SystemClock
from gridwatch.rig import PropertyOperation, Rig
from tests.fixtures.broker import BrokerControl
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.waiting import wait_until

CLOCK = SystemClock()
DEADLINE = 20.0
INPUT = "tns1:Device/Trigger/DigitalInput"
SECRETS = ("沪A88888", "suspect-4711", "Zhang-San", "37.9-degrees")


def deployment(rig: Rig, broker: BrokerControl, folder: Path, district: str) -> Deployment:
    source = {"url": rig.onvif_url("cam1"), "username": USERNAME, "password": PASSWORD}
    return Deployment.model_validate({
        "version": 1, "district": {"id": district, "name": "District"},
        "cameras": [{
            "id": "gate-3", "site": district, "position": [0, 0], "source": {"onvif": source},
            "events": {"severity": {"device_alarm": "critical"}}, "health": {"offline_seconds": None},
        }],
        "services": {"data_dir": folder, "broker": broker.config.model_dump()},
    })  # fmt: skip


@contextmanager
def ingesting(settings: Deployment) -> Iterator[IngestRole]:
    role = IngestRole(settings, settings.cameras, "door", CLOCK)
    role.start()
    try:
        yield role
    finally:
        role.close()


@contextmanager
def incidents_of(broker: BrokerControl, district: str) -> Iterator[list[Incident]]:
    """Every incident message of a district that the broker delivers."""
    heard: list[Incident] = []

    def take(delivery: Delivery) -> None:
        heard.append(decode_incident(delivery.topic, delivery.payload, delivery.content_type))

    filters = subscriptions(SitePath(district=district), Channel.INCIDENT)
    subscriber = Subscriber(broker.address, f"door-{district}", filters, take, False, CLOCK)
    subscriber.start()
    try:
        wait_until(lambda: subscriber.status.state is LinkState.CONNECTED, DEADLINE)
        yield heard
    finally:
        subscriber.close(2.0)


def switch(rig: Rig, *, on: bool) -> None:
    rig.emit("cam1", INPUT, {"InputToken": "village alarm"}, {"LogicalState": str(on).lower()})


def test_a_village_alarm_reaches_whoever_subscribed_at_the_broker(
    rig: MakeRig, mosquitto: BrokerControl, tmp_path: Path
) -> None:
    device = rig()
    with (
        incidents_of(mosquitto, "door1") as heard,
        ingesting(deployment(device, mosquitto, tmp_path, "door1")),
    ):
        wait_until(lambda: device.subscriptions("cam1")[0] == 1, DEADLINE)
        switch(device, on=True)
        wait_until(lambda: len(heard) == 1, DEADLINE)
        switch(device, on=False)
        wait_until(lambda: len(heard) == 2, DEADLINE)
    raised, cleared = heard
    assert (str(raised.kind), str(raised.severity), raised.camera) == ("device_alarm", "critical", "gate-3")
    assert raised.rule.startswith("onvif.trigger.digitalinput.village-alarm-")
    assert (str(raised.phase), str(cleared.phase), raised.id) == ("raised", "cleared", cleared.id)


def test_faces_plates_and_body_heat_leave_no_trace(
    rig: MakeRig, own_mosquitto: BrokerControl, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    device, data = rig(), tmp_path / "data"
    own_mosquitto.stop()  # so that everything stays in the outbox
    with ingesting(deployment(device, own_mosquitto, data, "door2")):
        wait_until(lambda: device.subscriptions("cam1")[0] == 1, DEADLINE)
        for operation in (*PropertyOperation, None):
            tell_secrets(device, operation)
        switch(device, on=True)
        wait_until(lambda: "device_alarm" in traces(data), DEADLINE)
    own_mosquitto.start()
    written = traces(data)
    said = capfd.readouterr()
    logged = said.out + said.err + caplog.text
    assert "device_alarm" in written  # the search does find what is there
    assert "identity_events_refused" in logged
    assert "'refused': 20" in logged or "refused=20" in logged
    for secret in SECRETS:
        assert secret not in written
        assert secret not in logged


def tell_secrets(device: Rig, operation: PropertyOperation | None) -> None:
    plate, person, name, heat = SECRETS
    rule = {"Rule": "r"}
    device.emit("cam1", "tns1:RuleEngine/Recognition/LicensePlate", rule, {"PlateNumber": plate}, operation)
    device.emit("cam1", "tns1:RuleEngine/Recognition/Face", rule, {"Person": person, "Likelihood": "0.9"}, operation)
    device.emit("cam1", "tns1:VideoAnalytics/Radiometry/BodyTemperatureAlarm", rule, {"Value": heat}, operation)
    crossed = "tns1:RuleEngine/LineDetector/Crossed"
    device.emit("cam1", crossed, rule, {"ObjectId": "1", "PersonName": name}, operation)
    device.emit("cam1", INPUT, {"InputToken": "1", "FaceId": person}, {"LogicalState": "true"}, operation)


def traces(folder: Path) -> str:
    """Everything that was written there, as text."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return "".join(path.read_bytes().decode("utf-8", errors="replace") for path in files)
