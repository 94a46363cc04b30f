"""Which cameras Home Assistant is told of, and what can happen on each."""

import json

from gridwatch.app.announcing import announcements
from gridwatch.config.model import CameraConfig, Deployment, DistrictConfig
from gridwatch.config.services import BrokerConfig, HomeAssistantConfig, ServicesConfig


def camera(**changes: object) -> CameraConfig:
    fields = {"id": "gate-1", "site": "harbour", "position": [0, 0], "source": {"rtsp": "rtsp://192.0.2.1/"}}
    return CameraConfig.model_validate({**fields, **changes})


def kinds(one: CameraConfig, *, switched_on: bool = True) -> list[set[str]]:
    found = HomeAssistantConfig() if switched_on else None
    deployment = Deployment(
        version=1, district=DistrictConfig(id="harbour", name="Harbour"), cameras=(one,),
        services=ServicesConfig(broker=BrokerConfig(home_assistant=found)),
    )  # fmt: skip
    return [
        set(json.loads(message.payload)["components"]) - {"video"}
        for message in announcements(deployment, deployment.cameras, "ingest")
    ]


def test_nothing_is_told_unless_it_is_switched_on() -> None:
    assert kinds(camera(), switched_on=False) == []


def test_a_camera_has_the_kinds_of_its_rules_and_of_its_health() -> None:
    watched = camera(
        zones={"all": [[0, 0], [1, 0], [1, 1]]},
        rules=[{"id": "crowd", "kind": "crowding", "zone": "all", "count": 5}],
    )
    assert kinds(watched) == [{"camera_offline", "camera_tamper", "crowding"}]


def test_a_camera_that_tells_events_itself_has_those_too_unless_they_are_off() -> None:
    onvif = {"onvif": {"url": "http://192.0.2.1/onvif"}}
    (told,) = kinds(camera(source=onvif))
    assert {"device_alarm", "line_crossing", "loitering"} < told
    assert kinds(camera(source=onvif, events={"enabled": False})) == [{"camera_offline", "camera_tamper"}]
