"""What Home Assistant is told: the form its MQTT integration asks for, and templates that read our own messages."""

import json
from typing import Any

import jinja2
import pytest

from gridwatch.bus import (
    CameraPath,
    DiscoveredCamera,
    NodeState,
    NodeStateTopic,
    NodeStatus,
    OutgoingMessage,
    decode_incident,
    discovery,
    discovery_topics,
    encode_health,
    encode_incident,
    encode_node,
    parse_topic,
)
from gridwatch.domain import CameraState, IncidentKind, Phase, SitePath
from tests.unit.bus.samples import WHEN, health, incident

GATE = SitePath(district="harbour", substation="north", checkpoint="gate")
NODE = NodeStateTopic(site=SitePath(district="harbour"), node="ingest")
KINDS = (IncidentKind.INTRUSION, IncidentKind.LINE_CROSSING)
TEMPLATES = jinja2.Environment(autoescape=False)  # noqa: S701 - as Home Assistant has it; no page is made of it
TEMPLATES.filters["to_json"] = json.dumps


def found(camera: str = "gate-1", site: SitePath = GATE) -> DiscoveredCamera:
    return DiscoveredCamera(camera=CameraPath(site=site, camera=camera), name="North gate", kinds=KINDS, node=NODE)


def said(camera: str = "gate-1") -> Any:
    return json.loads(discovery(found(camera), "homeassistant").payload)


def rendered(template: str, message: OutgoingMessage) -> str:
    """As Home Assistant renders a value template of that message."""
    payload = message.payload.decode()
    return TEMPLATES.from_string(template).render(value=payload, value_json=json.loads(payload))


def test_a_camera_is_a_retained_device_message_with_what_the_integration_requires() -> None:
    message = discovery(found(), "homeassistant")
    body = json.loads(message.payload)

    assert message.topic == "homeassistant/device/gridwatch_harbour/gate-1/config"
    assert message.retain
    assert body["device"]["identifiers"] == ["gridwatch_harbour_gate-1"]
    assert body["origin"]["name"] == "gridwatch"
    assert {one["platform"] for one in body["components"].values()} == {"binary_sensor", "event"}
    assert body["components"]["intrusion"]["event_types"] == ["raised", "updated", "cleared"]
    ids = [one["unique_id"] for one in body["components"].values()]
    assert len(set(ids)) == len(ids) == 3
    assert {one["qos"] for one in body["components"].values()} == {1}


def test_every_topic_is_one_of_the_contract() -> None:
    body = said()
    topics = [one["state_topic"] for one in body["components"].values()] + [
        one["topic"] for one in body["availability"]
    ]
    for topic in topics:
        assert str(parse_topic(topic)) == topic


@pytest.mark.parametrize("state", list(CameraState), ids=str)
def test_video_is_on_only_while_pictures_arrive(state: CameraState) -> None:
    video = said()["components"]["video"]
    message = encode_health(health(state=state, reason="" if state is CameraState.UP else "gone"))

    assert message.topic == video["state_topic"]
    assert rendered(video["value_template"], message) == ("ON" if state is CameraState.UP else "OFF")


@pytest.mark.parametrize("state", list(NodeState), ids=str)
def test_a_camera_is_available_only_while_its_worker_is(state: NodeState) -> None:
    (availability,) = said()["availability"]
    message = encode_node(NodeStatus(node="ingest", site=NODE.site, state=state, started_at=WHEN))

    assert message.topic == availability["topic"]
    assert rendered(availability["value_template"], message) == ("online" if state is NodeState.UP else "offline")


@pytest.mark.parametrize("phase", list(Phase), ids=str)
def test_an_incident_is_an_event_of_its_phase_with_what_an_automation_needs(phase: Phase) -> None:
    component = said()["components"]["intrusion"]
    one = incident(phase=phase, seq=0 if phase is Phase.RAISED else 3)
    message = encode_incident(one)
    event = json.loads(rendered(component["value_template"], message))

    assert message.topic == component["state_topic"]
    assert event.pop("event_type") in component["event_types"]
    sent = decode_incident(message.topic, message.payload, message.content_type)
    assert (event["incident"], event["rule"], event["severity"]) == (str(sent.id), sent.rule, sent.severity)


def test_ids_that_home_assistant_would_not_take_are_changed_and_stay_apart() -> None:
    topics = [discovery(found(camera), "homeassistant").topic for camera in ("a.b", "a-b", "a..b")]
    assert len(set(topics)) == 3
    for topic in topics:
        assert set(topic.split("/")[3]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert discovery_topics("harbour", "homeassistant") == "homeassistant/device/gridwatch_harbour/+/config"
