"""What is wrong with cameras, as a subscriber of a real Mosquitto hears it from the ingest role on virtual cameras."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest

from gridwatch.app.ingest import IngestRole
from gridwatch.bus import Channel, Delivery, LinkState, Subscriber, decode_incident, subscriptions
from gridwatch.config import Settings
from gridwatch.domain import Incident, IncidentKind, Phase, SitePath, SystemClock
from gridwatch.rig import Fault, Rig, VirtualCamera
from tests.fixtures.broker import BrokerControl
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig, encode_clip
from tests.integration.app.conftest import MakeSettings
from tests.waiting import wait_until

CLOCK = SystemClock()
EVER = datetime(2000, 1, 1, tzinfo=UTC)
QUICK = {"offline_seconds": 1, "return_seconds": 1}


class Incidents:
    """Every incident message of a district, in order, once."""

    def __init__(self, broker: BrokerControl, district: str) -> None:
        self.heard: list[Incident] = []
        self._subscriber = Subscriber(
            broker.address, client_id=f"hear-{district}", persistent=False, clock=CLOCK,
            filters=subscriptions(SitePath(district=district), Channel.INCIDENT),
            deliver=self._take,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._subscriber.start()
        wait_until(lambda: self._subscriber.status.state is LinkState.CONNECTED, 5.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._subscriber.close(2.0)

    def _take(self, delivery: Delivery) -> None:
        incident = decode_incident(delivery.topic, delivery.payload, delivery.content_type)
        # A worker's next run repeats what its last one sent in its last seconds.
        if (incident.id, incident.seq) not in {(one.id, one.seq) for one in self.heard}:
            self.heard.append(incident)

    def since(self, moment: datetime) -> list[Incident]:
        """Of what occurred since: with so little grace, a slow start is an outage too."""
        return [one for one in self.heard if one.occurred_at >= moment]

    def told(self) -> list[tuple[str, str, str]]:
        """(camera, rule, phase) of each message."""
        return [(one.camera, one.rule, str(one.phase)) for one in self.heard]

    def wait_for(self, camera: str, rule: str, phase: Phase, since: datetime = EVER) -> Incident:
        def match() -> list[Incident]:
            return [one for one in self.since(since) if (one.camera, one.rule, one.phase) == (camera, rule, phase)]

        wait_until(lambda: bool(match()), 30.0)
        return match()[0]


def camera(rig: Rig, name: str, **health: object) -> dict[str, object]:
    source = {"url": rig.onvif_url(name), "username": USERNAME, "password": PASSWORD}
    return {"id": name, "source": {"onvif": source}, "health": {**QUICK, **health}}


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


def wait_until_up(settings: Settings, broker: BrokerControl, names: set[str]) -> None:
    from tests.integration.app.test_ingest import HealthWatch as States

    with States(broker, settings.deployment.district.id) as states:
        wait_until(lambda: all(str(states.state(name)) == "up" for name in names), 20.0)


def test_a_camera_away_for_longer_than_its_grace_is_one_incident_until_it_is_back(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    cameras = rig("steady", "shaky")
    chosen = settings("health-a", broker=mosquitto, cameras=[camera(cameras, "steady"), camera(cameras, "shaky")])
    with Incidents(mosquitto, "health-a") as incidents:
        start(chosen, running)
        wait_until_up(chosen, mosquitto, {"steady", "shaky"})
        cut_at = CLOCK.now()
        cameras.set_fault("shaky", Fault.DROP)
        raised = incidents.wait_for("shaky", "health.offline", Phase.RAISED, cut_at)
        cameras.set_fault("shaky", Fault.NONE)
        over = incidents.wait_for("shaky", "health.offline", Phase.CLEARED, cut_at)
    assert [one.phase for one in incidents.since(cut_at)] == [Phase.RAISED, Phase.CLEARED]
    assert (raised.kind, raised.id, raised.seq, over.seq) == (IncidentKind.CAMERA_OFFLINE, over.id, 0, 1)
    assert (raised.observed_at - raised.occurred_at).total_seconds() >= 1
    assert raised.detector is None


def test_all_cameras_of_a_site_away_together_are_one_incident_of_the_site(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    cameras = rig("left", "right")
    # More grace than two reconnecting cameras need to be noticed one after the other, and to come back.
    several = [camera(cameras, name, offline_seconds=3) for name in ("left", "right")]
    chosen = settings("health-b", broker=mosquitto, cameras=several)
    with Incidents(mosquitto, "health-b") as incidents:
        start(chosen, running)
        wait_until_up(chosen, mosquitto, {"left", "right"})
        cut_at = CLOCK.now()
        for name in ("left", "right"):
            cameras.set_fault(name, Fault.DROP)
        raised = incidents.wait_for("left", "health.site-offline", Phase.RAISED, cut_at)
        for name in ("left", "right"):
            cameras.set_fault(name, Fault.NONE)
        incidents.wait_for("left", "health.site-offline", Phase.CLEARED, cut_at)
    assert raised.count == 2
    told = [(one.rule, one.phase) for one in incidents.since(cut_at)]
    assert told == [("health.site-offline", Phase.RAISED), ("health.site-offline", Phase.CLEARED)]


def test_an_outage_open_when_the_worker_stops_is_cleared_by_the_next_under_the_same_id(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole]
) -> None:
    cameras = rig("steady", "away")
    cameras.set_fault("away", Fault.DROP)
    chosen = settings("health-c", broker=mosquitto, cameras=[camera(cameras, "steady"), camera(cameras, "away")])
    with Incidents(mosquitto, "health-c") as incidents:
        first = start(chosen, running)
        raised = incidents.wait_for("away", "health.offline", Phase.RAISED)
        first.close()
        assert incidents.told() == [("away", "health.offline", "raised")]
        cameras.set_fault("away", Fault.NONE)
        start(chosen, running)
        over = incidents.wait_for("away", "health.offline", Phase.CLEARED)
    assert over.id == raised.id
    assert [one for one in incidents.heard if one.phase is Phase.RAISED] == [raised]


def test_a_camera_whose_clock_is_wrong_is_told_of(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole], tiny_clip: Path
) -> None:
    cameras = rig(
        "right",
        VirtualCamera(id="late", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=-30),
    )
    chosen = settings("health-d", broker=mosquitto, cameras=[camera(cameras, "right"), camera(cameras, "late")])
    with Incidents(mosquitto, "health-d") as incidents:
        start(chosen, running)
        raised = incidents.wait_for("late", "health.clock-drift", Phase.RAISED)
    assert raised.kind is IncidentKind.DEVICE_ALARM
    assert len(incidents.heard) == 1


def test_a_camera_without_rules_still_tells_that_its_picture_froze_with_a_masked_snapshot(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, running: list[IngestRole], tmp_path: Path
) -> None:
    still = encode_clip(tmp_path / "still.mp4", seconds=4, step=0)
    cameras = rig("moving", VirtualCamera(id="still", clip=still, username=USERNAME, password=PASSWORD))
    several = [camera(cameras, name, frozen_seconds=3) for name in ("moving", "still")]
    chosen = settings("health-e", broker=mosquitto, cameras=several)
    with Incidents(mosquitto, "health-e") as incidents:
        start(chosen, running)
        raised = incidents.wait_for("still", "health.frozen", Phase.RAISED)
    assert raised.kind is IncidentKind.CAMERA_TAMPER
    assert [one.masked for one in raised.evidence] == [True]
    assert {one.camera for one in incidents.heard} == {"still"}
