"""The commands of docs/subscribers.md, each run as it stands there against a broker that has everything."""

import json
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gridwatch.app.sink import IncidentSink
from gridwatch.bus import (
    CameraPath,
    Channel,
    DiscoveredCamera,
    KeptClip,
    LinkState,
    NodeStateTopic,
    OnvifMirror,
    OutgoingMessage,
    PositionTopic,
    Subscriber,
    discovery,
    encode_clip,
    encode_evidence,
)
from gridwatch.domain import IncidentKind, SitePath
from tests.fixtures.broker import BrokerControl
from tests.integration.bus.parts import CLOCK, Collector, publishing, subscribed, wait_until
from tests.unit.bus.samples import JPEG, WHEN, evidence, health, incident

PAGE = Path(__file__).parents[3] / "docs/subscribers.md"
COMMANDS = re.findall(r"^(mosquitto_sub .*?)(?:    #.*)?$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
CAMERA = CameraPath(site=SitePath.parse("harbour/north/gate"), camera="gate-1")
POSITION = {"camera": "gate-1", "site": "harbour/north/gate", "position": {"lon": 1, "lat": 2}, "at": WHEN.isoformat()}

pytestmark = pytest.mark.timeout(90)


def everything() -> list[OutgoingMessage]:
    """What incidents and states do not bring by themselves."""
    kept = KeptClip(
        camera=CAMERA, incident=incident().id, node="ingest", seconds=9.5,
        evidence=replace(evidence(), media_type="video/mp4", masked=False),
    )  # fmt: skip
    position = OutgoingMessage(
        topic=str(PositionTopic(camera=CAMERA)), payload=json.dumps(POSITION).encode(), content_type="application/json",
        retain=True,
    )  # fmt: skip
    return [encode_evidence(incident(evidence=(evidence(),)), JPEG), encode_clip(kept), position]


def start(command: str, broker: BrokerControl) -> "subprocess.Popen[str]":
    """As it stands on the page, but for the broker and its account; it ends with its first message."""
    address = broker.address
    values = {"-h": address.host, "-u": address.username or "", "-P": address.password or ""}
    words = shlex.split(command)
    for option, value in values.items():
        words[words.index(option) + 1] = value
    return subprocess.Popen(
        ["stdbuf", "-oL", *words, "-p", str(address.port), "-d", "-C", "1", "-W", "30"],
        stdout=subprocess.PIPE,
        text=True,
    )


def until_subscribed(client: "subprocess.Popen[str]") -> None:
    assert client.stdout is not None
    assert any(line.startswith("Subscribed") for line in client.stdout)


def test_each_command_of_the_page_hears_something(
    own_mosquitto: BrokerControl, mosquitto_sub: str, tmp_path: Path
) -> None:
    assert len(COMMANDS) >= 11
    assert mosquitto_sub
    clients = [start(command, own_mosquitto) for command in COMMANDS]
    for client in clients:
        until_subscribed(client)
    with publishing(own_mosquitto.address, "harbour", tmp_path / "outbox") as (outbox, publisher):
        publisher.put_health(health())
        sink = IncidentSink(outbox, publisher, ["gate-1"], mirror=OnvifMirror())
        sink.put("gate-1", [incident(1), incident(2, kind=IncidentKind.LINE_CROSSING)])
        outbox.append(everything())
        publisher.wake()
        for client, command in zip(clients, COMMANDS, strict=True):
            assert client.wait(60) == 0, f"heard nothing: {command}"
            assert client.stdout is not None
            with client.stdout:
                assert [line for line in client.stdout if not line.startswith("Client ")], command


def test_home_assistant_finds_a_camera_that_was_announced_before_it_came(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    found = DiscoveredCamera(
        camera=CAMERA, name="Gate", kinds=(IncidentKind.INTRUSION,),
        node=NodeStateTopic(site=SitePath(district="found"), node="n1"),
    )  # fmt: skip
    message = discovery(found, "test-found")
    late = Collector()
    with publishing(mosquitto.address, "found", tmp_path) as (_, publisher):
        publisher.put_state(message)
        wait_until(lambda: publisher.status().published >= 2, "node and discovery to be published")
        with subscribed(mosquitto.address, "found", Collector(), persistent=False, channels=[Channel.NODE]):
            hears = Subscriber(mosquitto.address, "ha", ["test-found/#"], late, persistent=False, clock=CLOCK)
            hears.start()
            wait_until(lambda: hears.status.state is LinkState.CONNECTED, "the subscriber to connect")
            late.wait_for(1, "config")
            hears.close(5)
    assert late.deliveries[0].retained
    assert late.deliveries[0].payload == message.payload
