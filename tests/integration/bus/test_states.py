"""Retained states, the last will, and what a broker refuses."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gridwatch.bus import (
    BrokerAddress,
    Channel,
    NodeState,
    OutgoingMessage,
    decode_health,
    decode_node,
    encode_incident,
)
from gridwatch.bus.publisher import WILL_DELAY
from gridwatch.domain import CameraState, SitePath
from tests.fixtures.broker import BrokerControl
from tests.fixtures.proxy import FaultProxy, Network
from tests.integration.bus.parts import CLOCK, Collector, free_port, publishing, subscribed, wait_until
from tests.unit.bus.samples import health, incident

pytestmark = pytest.mark.timeout(60)


def test_a_late_subscriber_sees_the_latest_states_as_retained(broker: BrokerControl, tmp_path: Path) -> None:
    site = SitePath(district="late")
    late = Collector()
    with publishing(broker.address, "late", tmp_path) as (_, publisher):
        publisher.put_health(health(site=site, state=CameraState.CONNECTING))
        publisher.put_health(health(site=site, state=CameraState.UP, frames=77))
        wait_until(lambda: publisher.status().published >= 2, "the states to be published")
        with subscribed(broker.address, "late", late, persistent=False, channels=[Channel.STATE, Channel.NODE]):
            late.wait_for(2, "/")

    camera, node = sorted(late.deliveries, key=lambda d: "/node/" in d.topic)
    assert camera.retained
    assert node.retained
    assert decode_health(camera.topic, camera.payload).frames == 77
    assert decode_node(node.topic, node.payload).state == "up"


def test_closing_leaves_the_node_stopped_and_no_will(broker: BrokerControl, tmp_path: Path) -> None:
    collector = Collector()
    with subscribed(broker.address, "bye", collector, persistent=False, channels=[Channel.NODE]):
        with publishing(broker.address, "bye", tmp_path) as (_, publisher):
            wait_until(lambda: publisher.status().published >= 1, "the node to be up")
        collector.wait_for(2, "/node/")
    assert [json.loads(payload)["state"] for payload in collector.payloads("/node/")] == ["up", "stopped"]


@pytest.mark.slow
def test_a_node_that_is_back_in_time_was_never_lost_and_one_that_vanishes_is(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    collector = Collector()

    def states() -> list[NodeState]:
        return [decode_node(one.topic, one.payload).state for one in collector.deliveries]

    with (
        subscribed(mosquitto.address, "will", collector, persistent=False, channels=[Channel.NODE]),
        FaultProxy(mosquitto.address.port) as link,
        publishing(replace(mosquitto.address, port=link.port), "will", tmp_path),
    ):
        wait_until(lambda: len(collector.deliveries) == 1, "the node to be up")
        link.reset()
        wait_until(lambda: len(collector.deliveries) == 2, "the node to be back")
        assert states() == [NodeState.UP, NodeState.UP]
        gone_at = CLOCK.monotonic()
        link.network = Network(refusing=True)
        link.reset()
        wait_until(lambda: len(collector.deliveries) == 3, "the node to be missed")
        assert CLOCK.monotonic() - gone_at > WILL_DELAY - 1
    assert states()[2] is NodeState.LOST


def test_states_are_published_again_after_a_broker_forgot_them(own_mosquitto: BrokerControl, tmp_path: Path) -> None:
    late = Collector()
    with publishing(own_mosquitto.address, "forgot", tmp_path) as (_, publisher):
        publisher.put_health(health(site=SitePath(district="forgot")))
        wait_until(lambda: publisher.status().published >= 2, "the states to be published")
        own_mosquitto.kill()
        for file in (tmp_path / "broker").glob("mosquitto.db*"):
            file.unlink()
        own_mosquitto.start()
        wait_until(lambda: publisher.status().published >= 4, "the states to be published again")
        with subscribed(own_mosquitto.address, "forgot", late, persistent=False):
            late.wait_for(2, "/")


HUGE = OutgoingMessage(
    topic="gridwatch/v1/large/-/-/cam/evidence/x", payload=bytes(9 * 1024 * 1024), content_type="image/jpeg"
)


def test_a_message_over_the_brokers_stated_limit_is_set_aside(mosquitto: BrokerControl, tmp_path: Path) -> None:
    collector = Collector()
    with (
        subscribed(mosquitto.address, "large", collector, channels=[Channel.INCIDENT]),
        publishing(mosquitto.address, "large", tmp_path) as (outbox, publisher),
    ):
        outbox.append([HUGE, encode_incident(incident(site=SitePath(district="large")))])
        publisher.wake()
        collector.wait_for(1)
        assert outbox.stats().set_aside == 1
        assert publisher.status().reconnects == 0


@contextmanager
def plain_mosquitto(folder: Path, *lines: str) -> Iterator[tuple[BrokerAddress, subprocess.Popen[bytes]]]:
    """A Mosquitto configured by the test."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text("\n".join((f"listener {port} 127.0.0.1", "allow_anonymous true", "user root", *lines, "")))
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program
    server = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield BrokerAddress(host="127.0.0.1", port=port), server
    finally:
        server.terminate()
        server.wait(5)


def test_a_message_that_breaks_every_connection_is_found_and_set_aside(tmp_path: Path) -> None:
    """Mosquitto's `message_size_limit` is not stated on connecting and is answered with what MQTT does not have."""
    collector = Collector()
    sent = [encode_incident(incident(n, site=SitePath(district="poison"))) for n in range(20)]
    with (
        plain_mosquitto(tmp_path, "message_size_limit 100000") as (address, _),
        subscribed(address, "poison", collector, channels=[Channel.INCIDENT]),
        publishing(address, "poison", tmp_path) as (outbox, publisher),
    ):
        outbox.append([*sent[:10], HUGE, *sent[10:]])
        publisher.wake()
        payloads = collector.wait_for(20)
        wait_until(lambda: publisher.status().pending == 0, "every acknowledgement")
        assert outbox.stats().set_aside == 1
        assert publisher.status().reconnects == 2
    assert payloads == [message.payload for message in sent]


def test_what_the_broker_refuses_for_now_waits_and_nothing_overtakes_it(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    allowed = ("topic read #", "topic write gridwatch/v1/acl/-/-/-/#", "topic write gridwatch/v1/acl/-/-/gate-2/#")
    rules.write_text("\n".join((*allowed, "")))
    collector = Collector()
    site = SitePath(district="acl")
    sent = [encode_incident(incident(n, site=site, camera=f"gate-{1 + n % 2}")) for n in range(20)]
    with (
        plain_mosquitto(tmp_path, f"acl_file {rules}") as (address, server),
        subscribed(address, "acl", collector, channels=[Channel.INCIDENT]),
        publishing(address, "acl", tmp_path) as (outbox, publisher),
    ):
        outbox.append(sent)
        publisher.wake()
        wait_until(lambda: publisher.status().refused >= 10, "the refusals")
        wait_until(lambda: publisher.status().refused >= 11, "another try")
        rules.write_text("topic readwrite #\n")
        server.send_signal(signal.SIGHUP)
        payloads = collector.wait_for(20)
        wait_until(lambda: publisher.status().pending == 0, "every acknowledgement")
        assert outbox.stats().set_aside == 0
        assert publisher.status().reconnects == 0

    for camera in (0, 1):
        own = [message.payload for message in sent[camera::2]]
        assert [payload for payload in payloads if payload in own] == own


def test_mosquitto_sub_sees_the_documented_contract(
    mosquitto: BrokerControl, mosquitto_sub: str, tmp_path: Path
) -> None:
    """The example of docs/contracts.md, by a client that is not ours."""
    address = mosquitto.address
    one = incident(site=SitePath(district="docs", substation="north"))
    options = tmp_path / "mosquitto_sub"
    options.write_text(f"-u {address.username}\n-P {address.password}\n")  # its option file: not in the process list
    client = subprocess.Popen(
        ["stdbuf", "-oL", mosquitto_sub, "-h", address.host, "-p", str(address.port), "-V", "5", "-q", "1", "-C", "1",
         "-W", "20", "-d", "-F", "%t|%C|%p", "-t", "gridwatch/v1/docs/north/+/+/incident/+"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip
    assert client.stdout is not None
    with client.stdout, publishing(address, "docs", tmp_path / "outbox") as (outbox, publisher):
        for line in client.stdout:
            if line.startswith("Subscribed"):
                outbox.put_incident(one)
                publisher.wake()
            elif line.startswith("gridwatch/"):
                topic, content_type, payload = line.rstrip("\n").split("|", 2)
                break
        else:
            pytest.fail("mosquitto_sub ended without a message")
    assert client.wait(10) == 0
    assert topic == "gridwatch/v1/docs/north/-/gate-1/incident/intrusion"
    assert content_type == "application/cloudevents+json; charset=utf-8"
    assert json.loads(payload)["id"] == one.message_id
