"""The ingest role on virtual cameras that misbehave, watched through a real Mosquitto."""

import os
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from gridwatch.app.ingest import IngestRole
from gridwatch.bus import (
    Channel,
    Delivery,
    LinkState,
    Outbox,
    Subscriber,
    decode_health,
    decode_incident,
    encode_incident,
    subscriptions,
)
from gridwatch.config import Settings
from gridwatch.config.services import HomeAssistantConfig
from gridwatch.domain import (
    CameraHealth,
    CameraState,
    Incident,
    IncidentKind,
    Phase,
    SitePath,
    SystemClock,
    UsageError,
)
from gridwatch.rig import Fault, Rig
from tests.fixtures.broker import BrokerControl
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.app.conftest import MakeSettings
from tests.unit.bus.samples import incident
from tests.waiting import wait_until

CLOCK = SystemClock()


class HealthWatch:
    """The latest health of each camera, as a subscriber sees it."""

    def __init__(self, broker: BrokerControl, district: str) -> None:
        self.latest: dict[str, CameraHealth] = {}
        self._subscriber = Subscriber(
            broker.address, client_id=f"watch-{district}", persistent=False, clock=CLOCK,
            filters=subscriptions(SitePath(district=district), Channel.STATE),
            deliver=self._take,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._subscriber.start()
        wait_until(lambda: self._subscriber.status.state is LinkState.CONNECTED, 5.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._subscriber.close(2.0)

    def _take(self, delivery: Delivery) -> None:
        health = decode_health(delivery.topic, delivery.payload)
        self.latest[health.camera] = health

    def state(self, camera: str) -> CameraState | None:
        return self.latest[camera].state if camera in self.latest else None


def onvif(rig: Rig, camera: str, password: str = PASSWORD) -> dict[str, object]:
    """A camera of the rig, as a deployment has it."""
    return {
        "id": camera,
        "source": {"onvif": {"url": rig.onvif_url(camera), "username": USERNAME, "password": password}},
        "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        "rules": [{"id": "any", "kind": "intrusion", "zone": "all"}],
    }


def unbroken(watch: HealthWatch, camera: str, pictures: int) -> Callable[[], bool]:
    """True once that many pictures were analysed in a row, with none dropped between them and the camera up."""
    start = watch.latest[camera]

    def seen() -> bool:
        nonlocal start
        latest = watch.latest[camera]
        if latest.dropped > start.dropped or latest.state is not CameraState.UP:
            start = latest
        return latest.analysed >= start.analysed + pictures

    return seen


@pytest.fixture
def running() -> Iterator[list[IngestRole]]:
    roles: list[IngestRole] = []
    yield roles
    for role in roles:
        role.close()


def start(settings: Settings, running: list[IngestRole]) -> IngestRole:
    deployment = settings.deployment
    role = IngestRole(deployment, deployment.cameras, f"node-{deployment.district.id}", CLOCK)
    role.start()
    running.append(role)
    return role


def test_cameras_in_trouble_are_reported_by_name_and_the_good_one_does_not_notice(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    cameras = rig("good", "wrong-password", "no-video", "dead")
    cameras.set_fault("no-video", Fault.NO_VIDEO)
    cameras.set_fault("dead", Fault.DROP)
    sources = [
        onvif(cameras, "good"), onvif(cameras, "wrong-password", "a guess"), onvif(cameras, "no-video"),
        onvif(cameras, "dead"),
    ]  # fmt: skip
    with HealthWatch(mosquitto, "ing-a") as watch:
        start(settings("ing-a", broker=mosquitto, cameras=sources), running)
        wait_until(lambda: watch.state("wrong-password") is CameraState.REFUSED, 20.0)
        wait_until(lambda: watch.state("no-video") is CameraState.NO_VIDEO, 20.0)
        wait_until(lambda: watch.state("dead") is CameraState.UNREACHABLE, 20.0)
        wait_until(lambda: watch.state("good") is CameraState.UP and watch.latest["good"].analysed > 5, 20.0)
        assert watch.latest["good"].reason == ""
        assert "password" in watch.latest["wrong-password"].reason
        assert "a guess" not in watch.latest["wrong-password"].reason
        # While the others are tried again. A picture may be late while the network is compiled, or on a busy machine.
        wait_until(unbroken(watch, "good", pictures=10), 20.0)


def test_a_camera_that_dies_in_mid_stream_comes_back_by_itself(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    cameras = rig("steady", "shaky")
    with HealthWatch(mosquitto, "ing-b") as watch:
        sources = [onvif(cameras, "steady"), onvif(cameras, "shaky")]
        start(settings("ing-b", broker=mosquitto, cameras=sources), running)
        wait_until(lambda: watch.state("shaky") is CameraState.UP, 20.0)
        cameras.set_fault("shaky", Fault.DROP)
        wait_until(lambda: watch.state("shaky") is CameraState.UNREACHABLE, 20.0)
        assert watch.state("steady") is CameraState.UP
        cameras.set_fault("shaky", Fault.NONE)
        wait_until(lambda: watch.state("shaky") is CameraState.UP, 30.0)
    wait_until(lambda: watch.state("steady") is CameraState.UP, 5.0)


def test_cameras_are_reported_stopped_when_their_worker_ends(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    with HealthWatch(mosquitto, "ing-c") as watch:
        role = start(settings("ing-c", broker=mosquitto, cameras=[onvif(rig("one"), "one")]), running)
        wait_until(lambda: watch.state("one") is CameraState.UP, 20.0)
        role.close()
        wait_until(lambda: watch.state("one") is CameraState.STOPPED, 5.0)


def test_two_workers_of_one_name_do_not_share_an_outbox(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    chosen = settings("ing-d", broker=mosquitto, cameras=[onvif(rig("one"), "one")])
    start(chosen, running)
    with pytest.raises(UsageError, match="another ingest runs as 'node-ing-d'"):
        start(chosen, [])


def test_changed_weights_are_refused_before_anything_starts(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig
) -> None:
    chosen = settings("ing-e", broker=mosquitto, cameras=[onvif(rig("one"), "one")])
    weights = chosen.path.parent / "mine.onnx"
    weights.write_bytes(b"not what the hash says")
    detector = chosen.deployment.detector.model_copy(update={"weights": weights, "weights_sha256": "0" * 64})
    deployment = chosen.deployment.model_copy(update={"detector": detector})
    with pytest.raises(UsageError, match=r"mine\.onnx"):
        IngestRole(deployment, deployment.cameras, "node", CLOCK).start()
    assert not deployment.services.data_dir.exists()


def test_cameras_are_announced_and_incidents_mirrored_where_that_is_switched_on(
    settings: MakeSettings, mosquitto: BrokerControl, running: list[IngestRole]
) -> None:
    dead = {"id": "dead", "source": {"rtsp": "rtsp://127.0.0.1:9/"}, "health": {"offline_seconds": 0.2}}
    chosen = settings("ing-e", broker=mosquitto, cameras=[dead])
    services = chosen.deployment.services
    switched = {"onvif_mirror": True, "home_assistant": HomeAssistantConfig(prefix="ha-ing-e")}
    broker = services.broker.model_copy(update=switched)
    deployment = chosen.deployment.model_copy(update={"services": services.model_copy(update={"broker": broker})})
    heard: list[str] = []
    subscriber = Subscriber(
        mosquitto.address, client_id="watch-ing-e", persistent=False, clock=CLOCK,
        filters=["ha-ing-e/#", *subscriptions(SitePath(district="ing-e"), Channel.ONVIF)],
        deliver=lambda delivery: heard.append(delivery.topic),
    )  # fmt: skip
    subscriber.start()
    start(chosen.model_copy(update={"deployment": deployment}), running)
    try:
        mirrored = "gridwatch/v1/ing-e/east/-/dead/onvif-ej/VideoSource/SignalLoss/&dead/health.offline"
        wait_until(lambda: {"ha-ing-e/device/gridwatch_ing-e/dead/config", mirrored} <= set(heard), 20.0)
    finally:
        subscriber.close(2.0)


def test_an_outbox_that_was_damaged_is_said_as_an_incident_and_the_rest_of_it_arrives(
    settings: MakeSettings, mosquitto: BrokerControl, running: list[IngestRole]
) -> None:
    chosen = settings("ing-g", broker=mosquitto, cameras=[{"id": "dead", "source": {"rtsp": "rtsp://127.0.0.1:9/"}}])
    file = chosen.deployment.services.data_dir / "node-ing-g.outbox"
    waiting = [incident(number, site=SitePath(district="ing-g")) for number in range(100)]
    with Outbox(file, 10_000_000, CLOCK) as outbox:
        outbox.append([encode_incident(one) for one in waiting], waiting)
    with file.open("r+b") as stream:
        stream.seek(10 * 4096)
        stream.write(os.urandom(4096))
    heard: list[Incident] = []

    def hear(delivery: Delivery) -> None:
        heard.append(decode_incident(delivery.topic, delivery.payload, delivery.content_type))
        delivery.ack()

    filters = subscriptions(SitePath(district="ing-g"), Channel.INCIDENT)
    subscriber = Subscriber(mosquitto.address, "hear-ing-g", filters, hear, True, CLOCK)
    subscriber.start()
    try:
        wait_until(lambda: subscriber.status.state is LinkState.CONNECTED, 5.0)
        start(chosen, running)
        damaged = "health.outbox-damaged"
        wait_until(lambda: [one.phase for one in heard if one.rule == damaged] == [Phase.RAISED, Phase.CLEARED], 20.0)
        (told, *_) = [one for one in heard if one.rule == damaged]
        assert (told.camera, told.kind) == ("dead", IncidentKind.DEVICE_ALARM)
        arrived = {one.id for one in heard if one.phase is Phase.RAISED and one.rule != damaged}
        assert len(waiting) - told.count <= len(arrived & {one.id for one in waiting}) < len(waiting)
    finally:
        subscriber.close(2.0)
